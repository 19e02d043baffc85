"""The command line as a user runs it, and modules for it to serve."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def forget_modules(names: set[str]) -> None:
    """Modules that a test wrote and imported are gone."""
    for name in names:
        sys.modules.pop(name, None)
