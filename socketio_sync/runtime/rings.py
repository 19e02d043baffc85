"""Who may use io_uring, and when."""

from __future__ import annotations

import errno
import weakref
from collections.abc import Callable
from typing import TypeVar

try:
    # Not when it is first needed: a process may fork meanwhile, and in its child the import would wait for ever.
    from .ring import ReceiveRing
    from .ring import SendRing
except Exception as error:  # some builds of Python have no ctypes, and some policies forbid it what it needs
    NO_RING: Exception | None = error.with_traceback(None)
else:
    NO_RING = None

T = TypeVar("T")

FEW = 4
"""Sockets: with fewer a call for each is cheaper."""

CROWD = 128
"""The most sockets that are read in one go; behind them the jobs that came up are run."""

MOST = 4
"""Rings to send with. Who comes when all are taken sends one by one."""

_PASSING = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EBUSY, errno.EINTR)
"""Troubles that may be gone the next time."""


class Rings:
    """The rings of one runtime. They are made when first needed; any thread.

    Args:
        allowed: False: there are none.

    Attributes:
        trouble: why there are none, where there should be, or why there was none the last time.
    """

    def __init__(self, allowed: bool) -> None:
        self._allowed = allowed and NO_RING is None
        self.trouble = NO_RING
        self._receiver: ReceiveRing | None = None
        self._senders: list[SendRing] = []  # no lock: taking and adding are atomic
        self._made: weakref.WeakSet[SendRing] = weakref.WeakSet()

    def take(self) -> SendRing | None:
        """A ring to send with, for the caller alone until it is given back; None: send one by one."""
        if not self._allowed:
            return None
        try:
            return self._senders.pop()
        except IndexError:
            ring = self._make(SendRing) if len(self._made) < MOST else None
            if ring is not None:
                self._made.add(ring)
            return ring

    def give(self, ring: SendRing) -> None:
        """Take back a ring whose results have been looked at."""
        if ring.trouble is None:
            self._senders.append(ring)
        else:
            self._note(ring.trouble)

    def receiver(self) -> ReceiveRing | None:
        """The ring to read with, the I/O thread's; None: read one by one."""
        ring = self._receiver
        if ring is not None and ring.trouble is not None:
            self._note(ring.trouble)
            ring = self._receiver = None
        if ring is None and self._allowed:
            ring = self._receiver = self._make(lambda: ReceiveRing(CROWD))
        return ring

    def _make(self, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except Exception as error:  # MemoryError, too, where a policy forbids what ctypes needs
            self._note(error)
            return None

    def _note(self, error: Exception) -> None:
        self.trouble = error.with_traceback(None)  # whose frames hold the ring
        if not isinstance(error, OSError) or error.errno not in _PASSING:
            self._allowed = False
