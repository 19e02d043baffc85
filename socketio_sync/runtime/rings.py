"""Who may use io_uring, and when."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import TypeVar

if TYPE_CHECKING:
    from .ring import ReceiveRing
    from .ring import SendRing

logger = logging.getLogger("socketio_sync.engine")

T = TypeVar("T")

FEW = 4
"""Sockets: with fewer a call for each is cheaper."""

CROWD = 64
"""After reading so many, the jobs that came up are run: what was decoded is in the cache still, and little is alive."""

_SPARE = 2


class Rings:
    """The rings of one runtime. They are made when first needed; any thread.

    Args:
        allowed: False: there are none.

    Attributes:
        trouble: why there are none, where there should be.
    """

    def __init__(self, allowed: bool) -> None:
        self._allowed = allowed
        self.trouble: Exception | None = None
        self._receiver: ReceiveRing | None = None
        self._senders: list[SendRing] = []  # no lock: taking and adding are atomic

    def take(self) -> SendRing | None:
        """A ring to send with, for the caller alone until it is given back; None: this system has none."""
        try:
            return self._senders.pop()
        except IndexError:
            return self._make(_sender)

    def give(self, ring: SendRing) -> None:
        """Take back a ring whose last call has returned. (One whose call was interrupted must not come back.)"""
        if len(self._senders) < _SPARE:
            self._senders.append(ring)

    def receiver(self) -> ReceiveRing | None:
        """The ring to read with, the I/O thread's; None: this system has none."""
        if self._receiver is None and self._allowed:
            self._receiver = self._make(_receiver)
        return self._receiver

    def _make(self, make: Callable[[], T]) -> T | None:
        if not self._allowed:
            return None
        try:
            return make()
        except (ImportError, OSError, AttributeError) as error:
            self._allowed = False
            self.trouble = error
            logger.debug("io_uring is not used: %s", error)
            return None


def _sender() -> SendRing:
    from .ring import SendRing  # not before: some builds of Python have no ctypes

    return SendRing()


def _receiver() -> ReceiveRing:
    from .ring import ReceiveRing

    return ReceiveRing(CROWD)
