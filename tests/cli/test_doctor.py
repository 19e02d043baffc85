"""``doctor``: what it says about this environment, about applications, and about real servers behind real proxies."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import trustme

from socketio_sync import Server
from socketio_sync import WSGIApp
from socketio_sync.cli import environment
from socketio_sync.cli.deployment import check_url
from socketio_sync.cli.findings import Finding
from socketio_sync.cli.inspection import check_app
from socketio_sync.cli.inspection import configured_workers
from socketio_sync.cli.probe import Deployment
from socketio_sync.wsgi.serve import bind
from socketio_sync.wsgi.serve import serving as serving_app
from tests.cli.commands import CHAT
from tests.cli.commands import run
from tests.support import pages
from tests.support.programs import free_port
from tests.support.programs import listening
from tests.support.programs import missing
from tests.support.programs import node
from tests.support.programs import python
from tests.support.programs import running
from tests.support.programs import serving
from tests.support.served import served
from tests.support.servers import HOSTS
from tests.support.timing import scaled
from tests.support.wire import until

DEMO = "socketio_sync.demo.chat:app"


def faults(findings: list[Finding]) -> list[str]:
    return [f"{finding.level}: {finding.text}" for finding in findings if finding.level not in ("ok", "note")]


# -- the environment ---------------------------------------------------------------------------------------------------


def test_this_environment(tmp_path: Path) -> None:
    done = run(tmp_path, "doctor")
    assert (done.returncode, done.stderr) == (0, "")
    for title in ("Python", "Packages", "Runtime", "Web servers"):
        assert f"\n{title}\n" in done.stdout
    assert f"ok gunicorn {version('gunicorn')} " in done.stdout
    assert "io_uring" in done.stdout
    assert "the runtime is threads" in done.stdout
    assert "\x1b" not in done.stdout  # colours are for terminals


def test_its_table_of_web_servers_is_that_of_the_tests() -> None:
    adopts = {host.name.split("-")[0]: host.adopts for host in HOSTS}
    proven = {"pywsgi": "gevent", "werkzeug": "Werkzeug", "django": "Django", "uwsgi": "uWSGI"}
    for name, websocket in adopts.items():
        row = environment.WEB_SERVERS.get(proven.get(name, name))
        assert row is None or row[1] == websocket, name
    assert {"gunicorn", "cheroot", "waitress"} <= set(adopts) & set(environment.WEB_SERVERS)


@pytest.mark.parametrize(
    ("requirement", "parsed"),
    [
        ("gevent>=24.2", ("gevent", "24.2", "")),
        ("gevent-websocket>=0.10.1", ("gevent-websocket", "0.10.1", "")),
        ('msgpack>=1.0; extra == "msgpack"', ("msgpack", "1.0", "msgpack")),
        ("gunicorn[gevent]>=22; extra == 'test'", ("gunicorn", "22", "test")),
        ('requests; extra == "test"', ("requests", "", "test")),
        ("orjson<4,>=3.9", ("orjson", "3.9", "")),
    ],
)
def test_a_requirement_is_read(requirement: str, parsed: tuple[str, str, str]) -> None:
    assert environment.parse_requirement(requirement) == parsed


@pytest.mark.parametrize(
    ("name", "least", "extra", "level", "cure"),
    [
        ("gevent", "1.0", "", "ok", ""),
        ("gevent", "999.1", "", "fault", "pip install 'gevent>=999.1'"),
        ("no-such-thing", "1", "", "fault", "pip install 'no-such-thing>=1'"),
        ("no-such-thing", "1", "msgpack", "note", "pip install 'socketio_sync[msgpack]'"),
    ],
)
def test_packages_are_judged(name: str, least: str, extra: str, level: str, cure: str) -> None:
    finding = environment.check_requirement(name, least, extra)
    assert (finding.level, finding.cure) == (level, cure)


# -- an application ----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "chat.py").write_text(CHAT)
    return tmp_path


def test_a_sound_application(folder: Path) -> None:
    done = run(folder, "doctor", "chat:app", WEB_CONCURRENCY="1")
    assert done.returncode == 0
    assert "Socket.IO is outermost" in done.stdout
    assert done.stdout.endswith("\nNothing wrong was found.\n")


def test_an_application_with_mistakes(folder: Path) -> None:
    (folder / "mistakes.py").write_text(
        "import gevent.monkey\n"
        "gevent.monkey.patch_socket()\n"
        "from socketio_sync import Server, WSGIApp\n"
        "class Session:\n"
        "    def __init__(self, app): self.app = app\n"
        "    def __call__(self, *args): return self.app(*args)\n"
        "io = Server(cors_allowed_origins='*', ping_interval=90, max_http_buffer_size=2**30)\n"
        "app = Session(WSGIApp(io))\n"
    )
    (folder / "gunicorn.conf.py").write_text("import multiprocessing\nworkers = multiprocessing.cpu_count() * 2 + 1\n")
    done = run(folder, "doctor", "mistakes:app", WEB_CONCURRENCY="", GUNICORN_CMD_ARGS="")
    assert (done.returncode, done.stderr) == (1, "")
    for found in (
        "!! Socket.IO is not outermost: Session is around it",
        "app = WSGIApp(io, Session(...))",
        "XX gevent patched socket, but not threading, time, select, ssl",
        '-- pages of every origin may connect: cors_allowed_origins="*"',
        "!! ping_interval=90: many proxies cut",
        "!! max_http_buffer_size is 1024 MiB",
        "XX gunicorn.conf.py asks for several workers",
        "long-polling clients get 'Session ID unknown'",
        "\n2 faults, 4 warnings\n",
    ):
        assert found in done.stdout, done.stdout


def test_a_server_that_refuses_its_options_is_explained(folder: Path) -> None:
    text = "from socketio_sync import Server\nio = Server(cors_allowed_origins='*', cors_credentials=True)"
    (folder / "refused.py").write_text(text)
    done = run(folder, "doctor", "refused:io")
    assert done.returncode == 1
    assert "XX importing refused failed" in done.stdout
    assert "ValueError: cors_credentials" in done.stdout


@pytest.mark.parametrize(
    ("file", "env", "expected"),
    [
        ("", {}, (1, "")),
        ("workers = 3", {}, (3, "gunicorn.conf.py")),
        ("workers = 3", {"GUNICORN_CMD_ARGS": "--bind :80 -w 5"}, (5, "GUNICORN_CMD_ARGS")),
        ("", {"GUNICORN_CMD_ARGS": "--workers=6"}, (6, "GUNICORN_CMD_ARGS")),
        ("", {"WEB_CONCURRENCY": "2"}, (2, "WEB_CONCURRENCY")),
        ("workers =", {"WEB_CONCURRENCY": "many"}, (1, "")),
    ],
)
def test_gunicorns_workers_are_counted(
    file: str, env: dict[str, str], expected: tuple[int, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gunicorn.conf.py").write_text(file)
    for name in ("GUNICORN_CMD_ARGS", "WEB_CONCURRENCY"):
        monkeypatch.setenv(name, env.get(name, ""))
    assert configured_workers() == expected


def test_the_demo_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "1")
    assert faults(list(check_app(DEMO))) == []


# -- a deployment ------------------------------------------------------------------------------------------------------


def look(url: str, path: str = "/socket.io/", origin: str | None = None, idle: bool = False) -> list[Finding]:
    return list(check_url(Deployment(url, path, {}, origin, scaled(10)), idle))


@pytest.mark.parametrize("runtime", ["threads", "gevent"])
@pytest.mark.parametrize("origin", [None, "https://other.example"])
def test_a_sound_deployment(runtime: str, origin: str | None) -> None:
    with served(runtime, ping_interval=0.5, cors_allowed_origins=origin) as server:
        findings = look(server.url, origin=origin, idle=True)
        assert faults(findings) == []
        texts = [finding.text for finding in findings]
        assert (f"pages of {origin} may connect" in texts) == (origin is not None)
        assert texts[-3].endswith("ms: nothing buffers")
        assert texts[-2] == "a WebSocket opens, and carries messages in both directions"
        assert texts[-1] == "a WebSocket that was silent for 0.5 s still lives"
        until(lambda: server.io.engine.clients_count == 0)  # the doctor leaves nothing behind


def test_what_a_server_may_have_against_it() -> None:
    with served("threads", transports=("websocket",)) as server:
        assert faults(look(server.url)) == ["fault: the server has no long-polling"]
    with served("threads", allow_upgrades=False) as server:
        assert faults(look(server.url)) == ["warning: the server offers no WebSocket"]
        assert faults(look(server.url, "/elsewhere/")) == [f"fault: nothing is at {server.url}/elsewhere/: status 404"]
        origin = "https://other.example"
        assert faults(look(server.url, origin=origin))[0] == f"fault: pages of {origin} are refused"
    with served("threads", allow_request=lambda environ: False) as server:
        assert faults(look(server.url)) == ["fault: the server refuses us: Forbidden"]


@pytest.mark.long
def test_an_address_where_nobody_is(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    done = run(tmp_path, "doctor", "--url", address)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"XX {address} cannot be reached: nobody listens there" in done.stdout
    done = run(tmp_path, "doctor", "--url", "ftp://example.org")
    assert done.returncode == 2
    assert "'ftp://example.org' is no address of a server" in done.stderr


@contextmanager
def nginx(folder: Path, location: str) -> Iterator[str]:
    """The address of a real nginx with one location."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or missing("nginx")
    port = free_port()
    temporary = "".join(f"{name}_temp_path {folder}/{name};" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }} }}"
    )
    with running([program, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]) as process:
        until(lambda: listening(port) or process.process.poll() is not None)
        assert process.process.poll() is None, process.output
        yield f"http://127.0.0.1:{port}"


HOST = "proxy_set_header Host $http_host;"
UPGRADE = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
HEADER = 'add_header Access-Control-Allow-Origin "https://other.example";'


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (f"proxy_pass SERVER; {HOST} {UPGRADE}", []),
        (f"proxy_pass SERVER; {UPGRADE}", ["pages of PROXY itself are refused"]),
        (f"proxy_pass SERVER; {HOST}", ["the upgrade to a WebSocket is swallowed on the way: the server saw a plain"]),
        (f"proxy_pass SERVER; {HOST} {UPGRADE} proxy_read_timeout 1s;", ["something cuts a WebSocket that is silent"]),
        (f"proxy_pass SERVER/elsewhere/; {HOST}", ["nothing is at PROXY/socket.io/: status 404"]),
        ("proxy_pass http://127.0.0.1:1;", ["PROXY/socket.io/ fails: status 502"]),
        ("return 301 https://example.org;", ["PROXY/socket.io/ redirects to https://example.org"]),
        ("return 200 '<html>';", ["PROXY/socket.io/ is answered by something else: status 200, '<html>'"]),
        ("return 401;", ["PROXY/socket.io/ wants a password (status 401)"]),
        ("if ($request_method = POST) { return 405; } proxy_pass SERVER; " + HOST + UPGRADE, ["a POST is refused"]),
    ],
)
def test_what_a_proxy_does(tmp_path: Path, location: str, expected: list[str]) -> None:
    idle = "read_timeout" in location
    with served("threads", ping_interval=3 if idle else 25) as server:
        with nginx(tmp_path, location.replace("SERVER", server.url)) as url:
            found = faults(look(url, idle=idle))
        assert len(found) == len(expected), found
        for line, text in zip(found, expected, strict=True):
            assert line.startswith(f"fault: {text.replace('PROXY', url)}"), found


def test_the_findings_of_the_documentation(tmp_path: Path) -> None:
    (sample,) = [s for s in pages.samples("howto/command_line.rst", "text") if "https://example.org\n" in s.code]
    with served("threads") as server, nginx(tmp_path, f"proxy_pass {server.url}; {HOST}") as url:
        done = run(tmp_path, "doctor", "--url", url)
    shown = re.sub(r"\d+ ms", "X ms", done.stdout.replace(url, "https://example.org")).splitlines()
    for line in re.sub(r"\d+ ms", "X ms", sample.code).splitlines():
        assert line in shown or "TLSv1.3" in line, done.stdout


def test_a_header_that_came_twice_is_seen(tmp_path: Path) -> None:
    origin = "https://other.example"
    with served("threads", cors_allowed_origins=origin) as server:
        with nginx(tmp_path, f"proxy_pass {server.url}; {HOST} {UPGRADE} {HEADER}") as url:
            found = faults(look(url, origin=origin))
    assert found == ["fault: Access-Control-Allow-Origin came 2 times: browsers refuse that"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("timeout", "expected"),
    [(20, "warning: a waiting poll was answered "), (1, "fault: a waiting poll is not answered, though ")],
)
def test_what_holds_polls_back_is_seen(timeout: float, expected: str) -> None:
    io = Server(runtime="threads")
    inner = WSGIApp(io)

    def slow(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "GET" and "sid=" in environ["QUERY_STRING"]:
            io.sleep(2.5)
        return inner(environ, start_response)

    with serving_app(io, slow, bind("127.0.0.1", 0), "127.0.0.1") as listening:
        found = faults(list(check_url(Deployment(listening.url, "/socket.io/", {}, None, timeout), False)))
    io.close()
    assert len(found) == 1
    assert found[0].startswith(expected)


@pytest.mark.long
def test_the_official_server_is_looked_at_too() -> None:
    script, env = node("reference_server.js")
    with running(script, **env) as reference:
        assert faults(look(reference.url, origin="https://other.example")) == []


@pytest.mark.long
def test_several_workers_are_seen() -> None:
    gunicorn = ["-m", "gunicorn", "-b", "127.0.0.1:{port}", "-k", "gthread", "--threads", "2", "-w", "3", DEMO]
    with serving(python(*gunicorn)) as url:
        assert faults(look(url)) == ["fault: several workers, and requests reach any of them: Session ID unknown"]


@pytest.mark.long
def test_waitress_has_no_websocket() -> None:
    with serving(python("-m", "waitress", "--listen", "127.0.0.1:{port}", DEMO)) as url:
        assert faults(look(url)) == ["warning: the server offers no WebSocket"]


@contextmanager
def serving_tls(folder: Path, **certificate: Any) -> Iterator[tuple[str, str]]:
    """The demo over TLS: its URL, and the file of the authority that signed its certificate."""
    authority, chain, key = (str(folder / name) for name in ("authority.pem", "chain.pem", "key.pem"))
    trusted = trustme.CA()
    trusted.cert_pem.write_to_path(authority)
    issued = trusted.issue_cert("127.0.0.1", **certificate)
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(chain)
    with running(python("-m", "socketio_sync", "demo", "-p", "0", "--cert", chain, "--key", key)) as program:
        yield program.url, authority


def test_tls(tmp_path: Path) -> None:
    with serving_tls(tmp_path) as (url, authority):
        assert faults(look(url)) == ["fault: the certificate is not valid: unable to get local issuer certificate"]
        assert faults(look(url.replace("https", "http")))[0].startswith("fault: the handshake failed")
        done = run(tmp_path, "doctor", "--url", url, SSL_CERT_FILE=authority)
        assert done.returncode == 0
        assert "the certificate is valid for" in done.stdout
    with served("threads") as server:
        assert faults(look(server.url.replace("http", "https")))[0].startswith("fault: no TLS is spoken at port ")


@pytest.mark.long
def test_a_certificate_that_runs_out_is_told(tmp_path: Path) -> None:
    soon = datetime.now(timezone.utc) + timedelta(days=3, hours=1)
    with serving_tls(tmp_path, not_after=soon) as (url, authority):
        done = run(tmp_path, "doctor", "--url", url, SSL_CERT_FILE=authority)
    assert done.returncode == 0
    assert "the certificate is valid for 3 more days\n     Renew it.\n" in done.stdout
