"""``DEBUG=socketio_sync*``: the reference's habit for seeing what happens, on our own loggers only.

The variable has scopes separated by commas or spaces; ``*`` stands for anything, a leading ``-`` leaves a scope out,
and ``:`` may be written for the dot: ``DEBUG=socketio_sync*,-socketio_sync.engine``. Lines go to standard error, with
the time since the last line of the same scope, in colour on a terminal.
"""

from __future__ import annotations

import fnmatch
import logging
import os
import re
import sys
from typing import TYPE_CHECKING
from typing import TextIO

ROOT = "socketio_sync"
COLOURS = (36, 32, 33, 35, 34, 31)


class ScopeFilter:
    """Which loggers the variable names."""

    def __init__(self, scopes: str) -> None:
        names = [name.replace(":", ".") for name in re.split(r"[\s,]+", scopes) if name]
        self._wanted = [name for name in names if not name.startswith("-")]
        self._unwanted = [name[1:] for name in names if name.startswith("-")]

    def names(self, logger: str) -> bool:
        """Whether lines of this logger are wanted."""
        if any(fnmatch.fnmatchcase(logger, pattern) for pattern in self._unwanted):
            return False
        return any(fnmatch.fnmatchcase(logger, pattern) for pattern in self._wanted)

    def concerns_us(self) -> bool:
        """Whether a scope may name one of our loggers at all."""
        return any(fnmatch.fnmatchcase(ROOT, p) or p.startswith(ROOT) for p in self._wanted)

    def filter(self, record: logging.LogRecord) -> bool:
        """The interface of ``logging``."""
        return self.names(record.name)


class DebugFormatter(logging.Formatter):
    """``scope text +12ms``."""

    def __init__(self, colour: bool) -> None:
        super().__init__()
        self._colour = colour
        self._last: dict[str, float] = {}

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        last = self._last.get(record.name, record.created)
        self._last[record.name] = record.created
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        since = elapsed(record.created - last)
        if not self._colour:
            return f"{record.name} {text} {since}"
        colour = COLOURS[sum(record.name.encode()) % len(COLOURS)]
        return f"  \x1b[{colour};1m{record.name}\x1b[0m {text} \x1b[{colour}m{since}\x1b[0m"


if TYPE_CHECKING:
    TextHandler = logging.StreamHandler[TextIO]
else:
    TextHandler = logging.StreamHandler  # which cannot be subscripted before Python 3.11


class DebugHandler(TextHandler):
    """Writes each line at once, without the handler's lock.

    Under gevent that lock is a patched one: waiting for it is an error in the hub, where we read, and switches
    greenlets with our own locks held. A line is one call of a stream that has a lock of its own.
    """

    def handle(self, record: logging.LogRecord) -> bool:
        """The interface of ``logging``."""
        wanted = bool(self.filter(record))
        if wanted:
            self.emit(record)
        return wanted

    def flush(self) -> None:
        """The interface of ``logging``."""
        self.stream.flush()


def elapsed(seconds: float) -> str:
    """``+3ms``, ``+2s``, ``+5m``, ``+1h``: as the ``debug`` package of npm writes it."""
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size:
            return f"+{seconds / size:.0f}{unit}"
    return f"+{seconds * 1000:.0f}ms"


def enable_from_environment() -> None:
    """Put one handler on our own logger, if the variable names us; called by the first Server, twice is harmless."""
    scopes = ScopeFilter(os.environ.get("DEBUG", ""))
    logger = logging.getLogger(ROOT)
    if not scopes.concerns_us() or any(isinstance(h.formatter, DebugFormatter) for h in logger.handlers):
        return
    handler = DebugHandler(sys.stderr)
    handler.setFormatter(DebugFormatter(colour=sys.stderr.isatty() or bool(os.environ.get("DEBUG_COLORS"))))
    handler.addFilter(scopes)
    logger.addHandler(handler)
    # Loggers that are not asked for keep their level, so that their guarded debug lines stay free.
    for name in (ROOT, f"{ROOT}.engine", f"{ROOT}.server", f"{ROOT}.adapters", f"{ROOT}.client"):
        if scopes.names(name):
            logging.getLogger(name).setLevel(logging.DEBUG)
