"""Programs that a test starts, and that are gone when it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.timing import scaled

ROOT = Path(__file__).parent.parent.parent
NODE_FOLDER = ROOT / "tests" / "interop" / "node"


class Program:
    """A process whose output is kept; ``url`` is the first address in it."""

    def __init__(self, command: list[str], **env: str) -> None:
        self.lines: list[str] = []
        self._url: str | None = None
        self._changed = threading.Event()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            found = re.search(r"https?://[\w.:\[\]-]+", line)
            if found and self._url is None:
                self._url = found.group()
                self._changed.set()
        self._changed.set()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def url(self) -> str:
        """Waits until the program has printed its address."""
        self._changed.wait(scaled(20))
        assert self._url is not None, f"it printed no address:\n{self.output}"
        return self._url

    def stop(self) -> int:
        """Asks the program to end, if it runs, and waits; returns its exit code. One that stays is killed: an error."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(scaled(10))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not end when asked to:\n{self.output}") from None
        finally:
            self._close()
        return self.process.returncode

    def kill(self) -> None:
        """Ends the program without a word."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        self._reader.join(scaled(5))
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def running(command: list[str], **env: str) -> Iterator[Program]:
    """The program ``command`` with more environment variables, until the block ends."""
    program = Program(command, **env)
    try:
        yield program
    finally:
        program.stop()


@contextmanager
def serving(command: list[str], **env: str) -> Iterator[str]:
    """The address of the server that ``command`` runs at the port of its variable PORT, until the block ends.

    "{port}" in the command is that port too. The server must end when asked to, and have printed no traceback.
    """
    port = free_port()
    with running([argument.format(port=port) for argument in command], PORT=str(port), **env) as program:
        deadline = time.monotonic() + scaled(20)
        while not listening(port):
            assert program.process.poll() is None, f"it ended:\n{program.output}"
            assert time.monotonic() < deadline, f"it does not listen:\n{program.output}"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    assert "Traceback" not in program.output, program.output


def listening(port: int) -> bool:
    """Whether a server accepts connections at ``port`` of the loopback interface."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def python(*arguments: str) -> list[str]:
    """The command that runs this very Python with ``arguments``."""
    return [sys.executable, *arguments]


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def missing(what: str) -> NoReturn:
    """Skips the test for lack of ``what``; fails it where SOCKETIO_SYNC_REQUIRE_INTEROP says that all is installed."""
    if os.environ.get("SOCKETIO_SYNC_REQUIRE_INTEROP"):
        pytest.fail(f"{what} is missing, and SOCKETIO_SYNC_REQUIRE_INTEROP is set")
    pytest.skip(f"{what} is missing; CONTRIBUTING.rst says how to install it")


def node_modules() -> Path:
    """The folder with the official npm packages: SOCKETIO_SYNC_NODE_MODULES, or the one beside package.json."""
    folder = Path(os.environ.get("SOCKETIO_SYNC_NODE_MODULES") or NODE_FOLDER / "node_modules")
    if not (folder / "socket.io-client-4.0").is_dir():
        missing(f"{folder} with the packages of tests/interop/node/package.json")
    return folder


def node(script: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The command that runs a script of tests/interop/node, and the environment it needs."""
    if shutil.which("node") is None:
        missing("node")
    return ["node", str(NODE_FOLDER / script), *arguments], {"NODE_PATH": str(node_modules())}


def chromium() -> str:
    """The browser's program: SOCKETIO_SYNC_CHROMIUM, or what is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("SOCKETIO_SYNC_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    return found or missing("Chromium")


def run_to_its_end(command: list[str], env: dict[str, str] | None = None, patience: float = 60) -> str:
    """Runs a program that must end well, within ``patience`` seconds; returns its output."""
    with running(command, **(env or {})) as program:
        try:
            code = program.process.wait(scaled(patience))
        except subprocess.TimeoutExpired:
            code = None
    assert code == 0, program.output
    return program.output
