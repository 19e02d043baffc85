"""``serve --reload``: a parent that keeps the listening socket, and a child that serves until a source file changes.

The socket outlives every child, so a browser that comes meanwhile waits instead of being refused, and the port cannot
be lost to somebody else.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from types import FrameType

# A child that ends with this wants to be started again.
CHANGED = 3

# How often the files are looked at, in seconds.
TICK = 0.3


def supervise(command: list[str], listener: socket.socket) -> int:
    """Run ``command`` with ``--child FD RUN`` again and again; returns the exit code of the one that was the last."""
    stopping: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.append(number)
        if child is not None and child.poll() is None:
            child.send_signal(signal.SIGTERM if len(stopping) == 1 else signal.SIGKILL)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        run = 0
        while not stopping:
            line = [*command, "--child", str(listener.fileno()), str(run)]
            child = subprocess.Popen(line, pass_fds=[listener.fileno()])
            if stopping:  # meanwhile, when there was nobody to tell
                child.terminate()
            code = child.wait()
            if code != CHANGED:
                return 0 if stopping else code
            run += 1
        return 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Watch:
    """Whether one of the source files of the imported modules changed, or the parent is gone.

    It is to be made before the import: what is written in the course of it has perhaps been read before.
    """

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._since = time.time_ns()
        self._seen: dict[str, tuple[int, int] | None] = {}
        self._error_files: list[str] = []
        self._next_look = 0.0

    def changed(self) -> str | None:
        """The file that changed since we began; None if none did, or if it was asked a moment ago."""
        now = time.monotonic()
        if now < self._next_look:
            return None
        self._next_look = now + TICK
        for file in {*self._error_files, *_imported_files()}:
            state = _state(file)
            first = file not in self._seen
            if self._seen.setdefault(file, state) != state or (first and state is not None and state[0] > self._since):
                return file
        return None

    def orphaned(self) -> bool:
        """Whether nobody is there any more to start a successor."""
        return os.getppid() != self._parent

    def wait(self, error: BaseException) -> str | None:
        """Wait for a change, also of the files that ``error`` comes from; None if the parent has gone."""
        self._error_files = list(_files_of(error))
        while not self.orphaned():
            file = self.changed()
            if file is not None:
                return file
            time.sleep(TICK)
        return None


def _imported_files() -> Iterator[str]:
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py"):
            yield file


def _files_of(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        if isinstance(error, SyntaxError) and error.filename:
            yield error.filename
        if isinstance(error, ModuleNotFoundError) and error.name:
            name = os.path.join(os.getcwd(), *error.name.split("."))
            yield f"{name}.py"
            yield os.path.join(name, "__init__.py")
        for frame in traceback.extract_tb(error.__traceback__):
            if os.path.isfile(frame.filename):
                yield frame.filename
        error = error.__cause__ or error.__context__


def _state(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
