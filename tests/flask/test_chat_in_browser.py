"""Two real browser windows use the Flask chat: by ``socketio.run`` and under gunicorn."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import requests
import socketio

from tests.support.programs import Program
from tests.support.programs import chromium
from tests.support.programs import free_port
from tests.support.programs import listening
from tests.support.programs import node
from tests.support.programs import node_modules
from tests.support.programs import python
from tests.support.programs import running
from tests.support.programs import serving
from tests.support.timing import scaled
from tests.support.visitor import visiting

SCRIPT = Path(__file__).with_name("chat_in_browser.js")
GUNICORN = ["-m", "gunicorn", "-b", "127.0.0.1:{port}", "examples.flask_chat.app:app"]
SERVERS = {
    "socketio.run": ["examples/flask_chat/app.py"],
    "gunicorn gthread": [*GUNICORN, "-k", "gthread", "--threads", "4"],
}


def start_chat(name: str, port: int) -> Program:
    command = python(*(argument.format(port=port) for argument in SERVERS[name]))
    chat = Program(command, PORT=str(port), NODE_PATH=str(node_modules()))
    wait_for(chat, lambda: listening(port))
    return chat


def wait_for(program: Program, condition) -> None:
    deadline = time.monotonic() + scaled(60)
    while not condition():
        assert program.process.poll() is None, program.output
        assert time.monotonic() < deadline, program.output
        time.sleep(0.05)


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", SERVERS)
def test_two_windows_chat_through_a_restart_of_the_server(name: str) -> None:
    port = free_port()
    chat = start_chat(name, port)
    try:
        screenshots = os.environ.get("SOCKETIO_SYNC_SCREENSHOTS", "")
        script, env = node(str(SCRIPT), f"http://127.0.0.1:{port}", chromium(), screenshots)
        with running(script, **env) as windows:
            wait_for(windows, lambda: any("restart, please" in line for line in windows.lines))
            chat.stop()
            first = chat.output
            chat = start_chat(name, port)
            code = windows.process.wait(scaled(60))
        assert code == 0, windows.output + first + chat.output
        assert "Traceback" not in first
    finally:
        chat.stop()
    assert "Traceback" not in chat.output


def test_only_who_has_signed_in_may_connect() -> None:
    with serving(python("examples/flask_chat/app.py")) as url:
        with pytest.raises(socketio.exceptions.ConnectionError), visiting(url):
            pass
        with requests.Session() as session:
            session.post(f"{url}/sign-in", data={"name": "Ada"}, timeout=10)
            assert "Sign out" in session.get(url, timeout=10).text
            cookie = f"session={session.cookies['session']}"
        with visiting(url, headers={"Cookie": cookie}) as ada:
            assert ada.next("people") == (["Ada"],)
            assert ada.call("say", "hello") is None
            (message,) = ada.next("said")
            assert (message["name"], message["text"]) == ("Ada", "hello")
            assert "error" in ada.call("say", {"not": "a text"})
