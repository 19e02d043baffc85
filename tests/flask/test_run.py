"""``socketio.run`` and ``flask run``: on threads and gevent, with reloader and debugger, over TLS, and stopped."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from flask import Flask

from socketio_sync.flask import SocketIO
from tests.support.javascript import JavaScript
from tests.support.programs import Program
from tests.support.programs import free_port
from tests.support.programs import listening
from tests.support.programs import python
from tests.support.programs import running
from tests.support.programs import serving
from tests.support.timing import scaled
from tests.support.visitor import visiting

APP = Path(__file__).parent / "apps" / "running.py"


def wait_until(condition: Callable[[], Any], patience: float = 20) -> None:
    deadline = time.monotonic() + scaled(patience)
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@contextmanager
def run(*arguments: str, **env: str) -> Iterator[tuple[str, Program]]:
    """The address of running.py and its process, or of another command with "{port}" in it."""
    port = free_port()
    command = [argument.format(port=port) for argument in arguments] or [str(APP)]
    with running(python(*command), PORT=str(port), **env) as program:
        wait_until(lambda: listening(port) or program.process.poll() is not None)
        yield f"http://127.0.0.1:{port}", program


@pytest.mark.parametrize("mode", ["threading", "gevent"])
def test_run_serves_pages_and_both_transports_until_it_is_stopped(mode: str) -> None:
    with run(MODE=mode) as (url, program):
        assert requests.get(url, timeout=10).text == "one"
        assert requests.get(f"{url}/mode", timeout=10).text == mode
        assert requests.get(f"{url}/socket.io/?EIO=4&transport=polling", timeout=10).text.startswith("0{")
        assert requests.get(f"{url}/fail", timeout=10).status_code == 500
        with visiting(url) as visitor:
            assert visitor.call("version") == ("one", "http")
            assert requests.get(f"{url}/stop", timeout=10).text == "stopping"
            assert program.process.wait(scaled(20)) == 0
            wait_until(lambda: not visitor.connected)
    assert f"Socket.IO listens on {url}" in program.output
    assert '"GET' not in program.output


CROWD = """
    const sockets = await Promise.all(Array.from({ length: 10 }, () => connect(url, { transport: "websocket" })));
    const answers = await Promise.all(
      sockets.map((socket) => Promise.all(Array.from({ length: 50 }, (_, n) => socket.emitWithAck("who", n))))
    );
    return sockets.map((socket, i) => ({ id: socket.id, answers: answers[i], received: socket.received }));
"""


@pytest.mark.long
@pytest.mark.parametrize("mode", ["threading", "gevent"])
def test_events_at_the_same_time_do_not_see_each_others_context(mode: str, js: JavaScript) -> None:
    with run(MODE=mode) as (url, _):
        for client in js(CROWD, url=url, patience=30):
            sid = client["id"]
            assert client["answers"] == [[sid, sid, number, number] for number in range(50)]
            assert sorted(client["received"]) == [["mine", sid, number] for number in range(50)]


def test_a_handler_may_stop_it_and_requests_are_logged() -> None:
    with run(RUN=json.dumps({"log_output": True, "allow_unsafe_werkzeug": True})) as (url, program):
        assert requests.get(url, timeout=10).text == "one"
        with visiting(url) as visitor:
            assert visitor.call("stop") == "stopping"
            assert program.process.wait(scaled(20)) == 0
    assert '127.0.0.1 "GET /" 200' in program.output
    assert "Traceback" not in program.output


@pytest.mark.parametrize("names", [("certfile", "keyfile"), ("ssl_context",)])
def test_run_over_tls(names: tuple[str, ...], tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    files = [str(tmp_path / name) for name in ("chain.pem", "key.pem", "authority.pem")]
    issued.cert_chain_pems[0].write_to_path(files[0])
    issued.private_key_pem.write_to_path(files[1])
    authority.cert_pem.write_to_path(files[2])
    options = dict(zip(names, files, strict=False)) if len(names) == 2 else {"ssl_context": files[:2]}
    with run(RUN=json.dumps(options)) as (url, _):
        assert requests.get(url.replace("http", "https"), verify=files[2], timeout=10).text == "one"


def edit(path: Path) -> None:
    """Make it the second version."""
    path.write_text(path.read_text().replace('VERSION = "one"', 'VERSION = "two"'))


RELOADING = {
    "run": ["{app}"],
    "flask run": ["-m", "flask", "--app", "{app}", "run", "--debug", "--port", "{{port}}"],
}


@pytest.mark.long
@pytest.mark.parametrize("name", RELOADING)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the client's own sockets, which are cut
def test_the_reloader_and_the_debugger(name: str, tmp_path: Path) -> None:
    app = tmp_path / "reloaded.py"
    shutil.copy(APP, app)
    command = [argument.format(app=app) for argument in RELOADING[name]]
    options = {"debug": True, "reloader_options": {"reloader_type": "stat", "interval": 0.2}}
    with run(*command, RUN=json.dumps(options)) as (url, program):
        answer = requests.get(f"{url}/fail", timeout=10)
        assert answer.status_code == 500
        assert "RuntimeError: on purpose" in answer.text
        assert "werkzeug" in answer.text.lower()
        with visiting(url, transports=["websocket"]) as visitor:
            assert visitor.call("version") == ("one", "http")
            edit(app)
            wait_until(lambda: not visitor.connected)
        wait_until(lambda: answers(url, "two"))
        with visiting(url) as visitor:
            assert visitor.call("version") == ("two", "http")
        if name == "run":
            assert requests.get(f"{url}/stop", timeout=10).text == "stopping"
            assert program.process.wait(scaled(20)) == 0
    assert "Address already in use" not in program.output


def answers(url: str, text: str) -> bool:
    try:
        return requests.get(url, timeout=10).text == text
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize("mode", ["gevent", "threading"])
def test_flask_run_serves_it_whatever_its_async_mode_is(mode: str) -> None:
    command = python("-m", "flask", "--app", str(APP), "run", "--port", "{port}")
    with serving(command, MODE=mode) as url, visiting(url) as visitor:
        assert requests.get(f"{url}/mode", timeout=10).text == "threading"
        assert requests.get(url, timeout=10).text == "one"
        assert visitor.call("version") == ("one", "http")
        assert visitor.transport() == "websocket"


def test_run_is_ignored_under_flask_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    app = Flask("site")
    SocketIO(app).run(app)
    assert "Ignoring a call to socketio.run()" in capsys.readouterr().err


def test_what_cannot_run() -> None:
    app = Flask("site")
    io = SocketIO(app)
    with pytest.raises(TypeError, match="'workers'.*ssl_context"):
        io.run(app, workers=3)
    with pytest.raises(RuntimeError, match="socketio.run"):
        io.stop()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError):
        io.run(app, port=taken.getsockname()[1])
    with pytest.raises(RuntimeError, match="'other' has no SocketIO"):
        io.run(Flask("other"))
    app.config["SERVER_NAME"] = "localhost:99999"
    with pytest.raises(ValueError, match="99999"):
        io.run(app)
