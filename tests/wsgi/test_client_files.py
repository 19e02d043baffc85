"""The browser's client: which files there are, how they are cached, and where they come from."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.wsgi import client_files
from socketio_sync.wsgi.adopt import find_peer
from socketio_sync.wsgi.app import WSGIApp
from tests.wsgi.test_app import Recorder
from tests.wsgi.test_app import ask

SCRIPT = b"/* socket.io */ " * 500


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in client_files.CONTENT_TYPES:
        (tmp_path / name).write_bytes(SCRIPT + name.encode())
    (tmp_path / "secret.js").write_bytes(b"secret")
    return tmp_path


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without node_modules, in itself or above."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NODE_PATH", raising=False)
    client_files._installed_client.cache_clear()
    return tmp_path


def options(client_dir: Path | None, origins: Any = None) -> SimpleNamespace:
    return SimpleNamespace(
        client_dir=client_dir,
        cors_allowed_origins=origins,
        cors_credentials=False,
        cors_allowed_headers=None,
        cors_exposed_headers=(),
        cors_max_age=None,
    )


def get(given: SimpleNamespace, name: str = "socket.io.js", **headers: str) -> Response:
    environ: dict[str, Any] = {"REQUEST_METHOD": "GET", **headers}
    return client_files.serve(given, Request(environ, find_peer(environ)), name)


@pytest.mark.parametrize("name", client_files.CONTENT_TYPES)
def test_every_file_of_the_list(folder: Path, name: str) -> None:
    response = get(options(folder), name)
    headers = dict(response.headers)
    assert response.status == "200 OK"
    assert response.body == SCRIPT + name.encode()
    kind = "application/json" if name.endswith(".map") else "application/javascript"
    assert headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert headers["Cache-Control"] == "public, max-age=0"
    assert headers["Content-Length"] == str(len(response.body))


def test_what_has_not_changed_is_not_sent_again(folder: Path) -> None:
    tag = dict(get(options(folder)).headers)["ETag"]
    assert tag.startswith('"')
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = get(options(folder), HTTP_IF_NONE_MATCH=known)
        assert (response.status, response.body) == ("304 Not Modified", b"")
        assert dict(response.headers)["ETag"] == tag
    assert get(options(folder), HTTP_IF_NONE_MATCH='"other"').status == "200 OK"


def test_a_changed_file_is_seen(folder: Path) -> None:
    before = dict(get(options(folder)).headers)["ETag"]
    (folder / "socket.io.js").write_bytes(b"new")
    response = get(options(folder))
    assert response.body == b"new"
    assert dict(response.headers)["ETag"] != before


def test_compression(folder: Path) -> None:
    packed = get(options(folder), HTTP_ACCEPT_ENCODING="gzip, br")
    assert dict(packed.headers)["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == SCRIPT + b"socket.io.js"
    deflated = get(options(folder), HTTP_ACCEPT_ENCODING="deflate")
    assert zlib.decompress(deflated.body) == SCRIPT + b"socket.io.js"
    plain = get(options(folder), HTTP_ACCEPT_ENCODING="br")
    assert "Content-Encoding" not in dict(plain.headers)
    assert {dict(each.headers)["Vary"] for each in (packed, deflated, plain)} == {"Accept-Encoding"}


def test_cors_headers_apply(folder: Path) -> None:
    response = get(options(folder, "*"), HTTP_ORIGIN="http://a.org")
    assert ("Access-Control-Allow-Origin", "*") in response.headers


def test_from_an_installed_package(nowhere: Path) -> None:
    package = nowhere / "node_modules" / "socket.io-client"
    (package / "dist").mkdir(parents=True)
    (package / "package.json").write_text('{"version": "4.8.1"}')
    (package / "dist" / "socket.io.js").write_bytes(SCRIPT)
    assert get(options(None)).body == SCRIPT


def test_from_node_path(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = nowhere / "elsewhere" / "socket.io-client"
    (package / "dist").mkdir(parents=True)
    (package / "package.json").write_text('{"version": "4.7.5"}')
    (package / "dist" / "socket.io.js").write_bytes(SCRIPT)
    monkeypatch.setenv("NODE_PATH", str(nowhere / "elsewhere"))
    assert get(options(None)).body == SCRIPT


@pytest.mark.parametrize("package_json", ['{"version": "2.5.0"}', "{", "[]", None])
def test_else_from_the_cdn(nowhere: Path, package_json: str | None) -> None:
    if package_json is not None:
        package = nowhere / "node_modules" / "socket.io-client"
        package.mkdir(parents=True)
        (package / "package.json").write_text(package_json)
    response = get(options(None), "socket.io.esm.min.js")
    assert response.status == "302 Found"
    location = dict(response.headers)["Location"]
    assert location.startswith("https://cdn.socket.io/4.8.")
    assert location.endswith("/socket.io.esm.min.js")


def test_a_file_that_the_folder_lacks(folder: Path) -> None:
    (folder / "socket.io.js").unlink()
    assert get(options(folder)).status == "404 Not Found"


@pytest.mark.parametrize("name", ["secret.js", "../socket.io.js", "socket.io.js/", "x/../socket.io.js", "%2e%2e/etc"])
def test_no_other_file_is_served(folder: Path, name: str) -> None:
    app = WSGIApp(Recorder(serve_client=True, **vars(options(folder))))
    assert ask(app, f"/socket.io/{name}")[0] == "404 Not Found"


def test_served_under_the_path(folder: Path) -> None:
    app = WSGIApp(Recorder("/ws", serve_client=True, **vars(options(folder))))
    status, _, body = ask(app, "/ws/socket.io.min.js")
    assert (status, body) == ("200 OK", SCRIPT + b"socket.io.min.js")


def test_switched_off(folder: Path) -> None:
    app = WSGIApp(Recorder(serve_client=False, **vars(options(folder))))
    assert ask(app, "/socket.io/socket.io.js")[0] == "404 Not Found"
