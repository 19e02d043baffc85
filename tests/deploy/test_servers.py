"""Each server's configuration, with the official client: every transport, the client's address, a clean end."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.deployed import FOLDER
from tests.deploy.deployed import Deployed
from tests.deploy.deployed import deployed
from tests.deploy.deployed import everything_works
from tests.deploy.deployed import goodbye
from tests.deploy.deployed import gunicorn
from tests.deploy.deployed import uwsgi
from tests.deploy.deployed import written
from tests.support.javascript import JavaScript
from tests.support.programs import free_port
from tests.support.programs import python
from tests.support.servers import certificate

pytestmark = pytest.mark.long


COMMANDS: dict[str, Callable[[Path, int], list[str]]] = {
    "gunicorn_gevent.py": lambda _, port: gunicorn("gunicorn_gevent.py", port),
    "gunicorn_gthread.py": lambda _, port: gunicorn("gunicorn_gthread.py", port),
    "gunicorn_sync.py": lambda _, port: gunicorn("gunicorn_sync.py", port),
    "pywsgi_server.py": lambda _, port: python(str(FOLDER / "pywsgi_server.py")),
    "werkzeug_server.py": lambda _, port: python(str(FOLDER / "werkzeug_server.py")),
    "waitress_server.py": lambda _, port: python(str(FOLDER / "waitress_server.py")),
    "uwsgi.ini": lambda folder, port: uwsgi(folder, **{"127.0.0.1:8000": f"127.0.0.1:{port}"}),
    "app.py": lambda _, port: python(str(FOLDER / "app.py")),
}


@contextmanager
def server(name: str, folder: Path, **env: str) -> Iterator[Deployed]:
    port = free_port()
    with deployed(COMMANDS[name](folder, port), port, PORT=str(port), **env) as running:
        yield running


@pytest.mark.parametrize("name", COMMANDS)
def test_everything(js: JavaScript, tmp_path: Path, name: str) -> None:
    websocket = name != "waitress_server.py"
    with server(name, tmp_path) as running:
        everything_works(js, running.url, websocket=websocket, deceived=name == "uwsgi.ini")
        if websocket:
            assert goodbye(js, running, "websocket", running.stop) == "transport close"
        else:  # "transport error" if no poll was under way just then
            assert goodbye(js, running, "polling", running.stop) in ("transport close", "transport error")
    assert running.code == 0, running.program.output


def test_tls_ended_by_the_server(js: JavaScript, tmp_path: Path) -> None:
    chain, key = certificate()
    port = free_port()
    config = {"/etc/ssl/certs/site.pem": chain, "/etc/ssl/private/site.key": key, "0.0.0.0:443": f"127.0.0.1:{port}"}
    command = python("-m", "gunicorn", "-c", str(written("gunicorn_tls.py", tmp_path, **config)), "app:app")
    with deployed(command, port, scheme="https") as running:
        everything_works(js, running.url)
        assert goodbye(js, running, "websocket", running.stop) == "transport close"
    assert running.code == 0


def test_two_workers_of_one_gunicorn_serve_websockets(js: JavaScript) -> None:
    """One connection is one worker; long-polling would need several requests to find the same one."""
    port = free_port()
    with deployed(gunicorn("gunicorn_gthread.py", port, "--workers", "2"), port) as running:
        workers = js(
            """
            const workers = [];
            for (let i = 0; i < 16; i++) {
              const socket = await connect(url, { transport: "websocket" });
              workers.push((await socket.emitWithAck("hello")).worker);
            }
            return workers;
            """,
            url=running.url,
        )
        assert set(workers) < set(running.pids())
