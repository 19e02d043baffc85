"""Which requests are ours, what may be nested in what, and that WSGI's own checker has nothing to say."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import flask
import pytest

from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.wsgi.app import WSGIApp


class Recorder:
    """An engine that says what it was asked."""

    closing = False
    clients_count = 0

    def __init__(self, path: str = "/socket.io/", add_trailing_slash: bool = True, **options: Any) -> None:
        self.options = SimpleNamespace(path=path, add_trailing_slash=add_trailing_slash, **options)

    def start(self, gevent_socket: bool | None = None) -> None:
        """Nothing runs here."""

    def handle(self, request: Request) -> Response:
        body = f"{request.method} {request.path}".encode()
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("Connection", "close")]
        return Response("200 OK", headers, body)


def inner(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"inner"]


def ask(app: Any, path: str, method: str = "GET") -> tuple[str, dict[str, str], bytes]:
    """A request by PEP 3333's rules, both sides of which are checked."""
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SCRIPT_NAME": ""}
    setup_testing_defaults(environ)
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [status, dict(headers)]
        return lambda data: None

    result = validator(app)(environ, start_response)
    try:
        body = b"".join(result)
    finally:
        result.close()
    return started[0], started[1], body


@pytest.mark.parametrize(
    ("option", "path", "ours"),
    [
        ("/socket.io/", "/socket.io/", True),
        ("/socket.io/", "/socket.io", False),
        ("/socket.io/", "/socket.io/x", False),
        ("/socket.io/", "/socket.iox/", False),
        ("/socket.io/", "/", False),
        ("/socket.io/", "//socket.io/", False),
        ("socket.io", "/socket.io/", True),
        ("/a/b", "/a/b/", True),
        ("/", "/", True),
        ("/", "/x", False),
        ("/grüße/", "/grüße/".encode().decode("latin-1"), True),
    ],
)
def test_the_path_is_compared_exactly(option: str, path: str, ours: bool) -> None:
    _, _, body = ask(WSGIApp(Recorder(option), inner), path)
    assert (body != b"inner") is ours


def test_without_the_slash_at_the_end() -> None:
    app = WSGIApp(Recorder("/socket.io", add_trailing_slash=False), inner)
    assert ask(app, "/socket.io")[2] == b"GET /socket.io"
    assert ask(app, "/socket.io/")[2] == b"inner"


def test_404_without_an_application() -> None:
    app = WSGIApp(Recorder())
    assert ask(app, "/")[::2] == ("404 Not Found", b"Not Found")
    assert ask(app, "/", "HEAD")[::2] == ("404 Not Found", b"")


def test_hop_by_hop_headers_stay_here() -> None:
    assert "Connection" not in ask(WSGIApp(Recorder()), "/socket.io/")[1]


def test_head_has_no_body() -> None:
    status, headers, body = ask(WSGIApp(Recorder()), "/socket.io/", "HEAD")
    assert (status, body) == ("200 OK", b"")
    assert headers["Content-Length"] == str(len("HEAD /socket.io/"))


def test_a_server_is_served_by_its_engine() -> None:
    engine = Recorder()
    assert ask(WSGIApp(SimpleServer(engine)), "/socket.io/")[2] == b"GET /socket.io/"


class SimpleServer:
    def __init__(self, engine: Recorder) -> None:
        self.engine = engine


def test_it_nests() -> None:
    app = WSGIApp(Recorder("/one/"), WSGIApp(Recorder("/two/"), inner))
    assert ask(app, "/one/")[2] == b"GET /one/"
    assert ask(app, "/two/")[2] == b"GET /two/"
    assert ask(app, "/")[2] == b"inner"


def test_one_server_twice() -> None:
    engine = Recorder()
    with pytest.raises(ValueError, match="already"):
        WSGIApp(engine, WSGIApp(Recorder("/two/"), WSGIApp(engine, inner)))


def test_two_servers_at_one_path() -> None:
    with pytest.raises(ValueError, match="path"):
        WSGIApp(Recorder(), WSGIApp(Recorder()))


def test_inside_flask() -> None:
    app = flask.Flask("tests")
    app.add_url_rule("/", view_func=lambda: "flask")
    engine = Recorder()
    app.wsgi_app = WSGIApp(engine, app.wsgi_app)  # type: ignore[method-assign]
    assert ask(app, "/")[2] == b"flask"
    assert ask(app, "/socket.io/")[2] == b"GET /socket.io/"
    with pytest.raises(ValueError, match="already"):
        WSGIApp(engine, app)


@pytest.mark.parametrize(("io_", "app"), [(object(), None), ("io", None), (None, None), (Recorder(), 5)])
def test_misuse(io_: Any, app: Any) -> None:
    with pytest.raises(TypeError):
        WSGIApp(io_, app)
