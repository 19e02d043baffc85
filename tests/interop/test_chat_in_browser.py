"""Two real browser windows use the chat example, on its own server and under gunicorn."""

from __future__ import annotations

import os
import time

import pytest

from tests.support.programs import Program
from tests.support.programs import chromium
from tests.support.programs import free_port
from tests.support.programs import node
from tests.support.programs import node_modules
from tests.support.programs import python
from tests.support.programs import running
from tests.support.timing import scaled

GUNICORN = ["-m", "gunicorn", "-b", "127.0.0.1:{port}", "examples.chat.app:app"]
SERVERS = {
    "its own server": ["examples/chat/app.py"],
    "gunicorn gevent": [*GUNICORN, "-k", "gevent"],
    "gunicorn gthread": [*GUNICORN, "-k", "gthread", "--threads", "2"],
}


def start_chat(name: str, port: int) -> Program:
    command = python(*(argument.format(port=port) for argument in SERVERS[name]))
    chat = Program(command, PORT=str(port), NODE_PATH=str(node_modules()))
    assert chat.url.endswith(f":{port}"), chat.output
    return chat


def wait_for_line(program: Program, text: str) -> None:
    deadline = time.monotonic() + scaled(60)
    while not any(text in line for line in program.lines):
        assert program.process.poll() is None, program.output
        assert time.monotonic() < deadline, program.output
        time.sleep(0.05)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if "gunicorn" in name else []) for name in SERVERS]
)
def test_two_windows_chat_through_a_restart_of_the_server(name: str) -> None:
    port = free_port()
    chat = start_chat(name, port)
    try:
        screenshots = os.environ.get("SOCKETIO_SYNC_SCREENSHOTS", "")
        script, env = node("chat_in_browser.js", chat.url, chromium(), screenshots)
        with running(script, **env) as windows:
            wait_for_line(windows, "restart, please")
            chat.stop()
            first = chat.output
            chat = start_chat(name, port)
            code = windows.process.wait(scaled(60))
        assert code == 0, windows.output + first + chat.output
        assert "Traceback" not in first
    finally:
        chat.stop()
    assert "Traceback" not in chat.output
