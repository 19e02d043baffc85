"""The examples with a page, worked by people in real browser windows while the server restarts."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support.programs import Program
from tests.support.programs import chromium
from tests.support.programs import free_port
from tests.support.programs import listening
from tests.support.programs import node
from tests.support.programs import node_modules
from tests.support.programs import python
from tests.support.programs import run_to_its_end
from tests.support.programs import running
from tests.support.timing import scaled

MANAGE = "examples/django/manage.py"
EXAMPLES = {
    "bottle": ["examples/bottle/app.py"],
    "cherrypy": ["examples/cherrypy/app.py"],
    "dashboard": ["examples/dashboard/app.py"],
    "devices": ["examples/devices/app.py"],
    "django": [MANAGE, "runserver", "--noreload", "{port}"],
    "jwt": ["examples/jwt/app.py"],
    "whiteboard": ["examples/whiteboard/app.py"],
}
# Tokens that last long enough for a busy machine, and are short enough to see them end.
TOKENS = {"SECRET": "not a secret at all, only a test's", "ACCESS_SECONDS": "8"}


class Site:
    """A running example, which can be stopped and started at the same port. ``output`` is all that it has printed."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.port = free_port()
        self._env = {"NODE_PATH": str(node_modules()), "PORT": str(self.port), **env}
        self._command = [argument.format(port=self.port) for argument in command]
        self._former = ""
        self.start()

    def start(self) -> None:
        self._program = Program(python(*self._command), **self._env)
        deadline = time.monotonic() + scaled(20)
        while not listening(self.port):
            assert self._program.process.poll() is None, f"it ended:\n{self.output}"
            assert time.monotonic() < deadline, f"it does not listen:\n{self.output}"
            time.sleep(0.02)

    def stop(self) -> None:
        if self._program.process.returncode is None:
            self._program.stop()
            self._former += self._program.output
            self._program.lines.clear()

    @property
    def output(self) -> str:
        return self._former + self._program.output


def follow(windows: Program, site: Site) -> None:
    """Stop and start the server as often as the script asks for it, until it ends."""
    deadline = time.monotonic() + scaled(90)
    orders = {"stop, please\n": site.stop, "start, please\n": site.start}
    done = 0
    while windows.process.poll() is None and time.monotonic() < deadline:
        for line in windows.lines[done:]:
            done += 1
            orders.get(line, lambda: None)()
        time.sleep(0.05)
    assert windows.process.poll() == 0, windows.output + site.output


@pytest.mark.long
@pytest.mark.timeout(150)
@pytest.mark.parametrize("example", EXAMPLES)
def test_in_browser_windows(example: str, tmp_path: Path) -> None:
    executable, screenshots = chromium(), os.environ.get("SOCKETIO_SYNC_SCREENSHOTS", "")
    env = {**TOKENS, "DATABASE": str(tmp_path / "db.sqlite3")}
    if example == "django":
        run_to_its_end(python(MANAGE, "migrate"), env)
    site = Site(EXAMPLES[example], env)
    try:
        url = f"http://127.0.0.1:{site.port}"
        script, modules = node("examples_in_browser.js", example, url, executable, screenshots)
        with running(script, **modules) as windows:
            follow(windows, site)
    finally:
        site.stop()
    assert "Traceback" not in site.output, site.output
