"""The command line as a user runs it, and modules for it to serve."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.programs import ROOT
from tests.support.programs import Program
from tests.support.programs import python
from tests.support.timing import scaled

CHAT = """
from socketio_sync import Server, WSGIApp

io = Server()

@io.on("whoami")
def whoami(socket):
    return "chat"

app = WSGIApp(io)
"""


def command(*arguments: str) -> list[str]:
    """``socketio-sync`` with arguments, by this very Python."""
    return python("-m", "socketio_sync", *arguments)


def run(folder: Path, *arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command in ``folder`` to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=scaled(40),
    )


@contextmanager
def started(folder: Path, *arguments: str, **env: str) -> Iterator[Program]:
    """The command, which finds the modules of ``folder``, until the block ends."""
    program = Program(command(*arguments), PYTHONPATH=os.pathsep.join([str(ROOT), str(folder)]), **env)
    try:
        yield program
    finally:
        program.stop()


@contextmanager
def talking(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command with pipes to it, which is killed if it still runs at the end of the block."""
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command(*arguments), cwd=ROOT, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def forget_modules(names: set[str]) -> None:
    """Modules that a test wrote and imported are gone."""
    for name in names:
        sys.modules.pop(name, None)


class OnTerminal:
    """The command on a terminal of its own: what is typed, and what is seen."""

    def __init__(self, *arguments: str) -> None:
        self._master, terminal = pty.openpty()
        self.process = subprocess.Popen(
            command(*arguments),
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "INPUTRC": "/dev/null"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(terminal)
        self.seen = ""
        self._waited = 0

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait_for(self, text: str) -> None:
        """Until ``text`` is to be seen after what was waited for before."""
        deadline = time.monotonic() + scaled(20)
        while text not in self.seen[self._waited :]:
            left = deadline - time.monotonic()
            assert left > 0 and self._more(left), f"{text!r} is not in:\n{self.seen}"
        self._waited = self.seen.index(text, self._waited) + len(text)

    def wait_to_see(self, text: str) -> None:
        """Until ``text`` is anywhere, in whatever colours."""
        deadline = time.monotonic() + scaled(20)
        while text not in re.sub(r"\x1b\[[0-9;]*[mK]", "", self.seen):
            left = deadline - time.monotonic()
            assert left > 0 and self._more(left), f"{text!r} is not in:\n{self.seen}"

    def end(self) -> int:
        """The exit code, once it has ended."""
        while self._more(scaled(20)):
            pass
        return self.process.wait(scaled(20))

    def _more(self, timeout: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], timeout)
        try:
            data = os.read(self._master, 65536) if ready else b""
        except OSError:  # nobody has the other end any more
            data = b""
        self.seen += data.decode()
        return bool(data)

    def __enter__(self) -> OnTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)
