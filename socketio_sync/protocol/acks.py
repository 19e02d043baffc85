"""The acknowledgements that one socket still waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

from socketio_sync.exceptions import LimitError


class PendingAck(NamedTuple):
    """Who is told of one ack: exactly one of the two is called, once."""

    on_answer: Callable[[tuple[Any, ...]], None]
    on_gone: Callable[[], None]


class PendingAcks:
    """Pending acks by id.

    No lock: each step is one operation on a dict, so whoever takes an entry out is the one that may call it. ``add``
    looks for ``close`` after it has put its entry in, ``close`` takes out what it finds after it has set the flag: one
    of them sees the other.

    Args:
        limit: how many may be pending at once (the option ``max_pending_acks``).
    """

    __slots__ = ("_closed", "_early", "_limit", "_pending")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending: dict[int, PendingAck] = {}
        self._early: dict[int, list[Any]] = {}  # answers to what was not asked yet
        self._closed = False

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, ack_id: int, entry: PendingAck) -> bool:
        """Wait for the ack ``ack_id``; False if the socket is gone: then ``entry`` was and will not be called.

        Raises:
            LimitError: too many are pending.
        """
        if len(self._pending) >= self._limit:
            raise LimitError("max_pending_acks", f"{self._limit} acknowledgements of this socket are pending already")
        self._pending[ack_id] = entry
        if self._early and (args := self._early.pop(ack_id, None)) is not None:
            self.answer(ack_id, args)
            return True
        return not self._closed or self._pending.pop(ack_id, None) is None

    def answer(self, ack_id: int, args: list[Any]) -> bool:
        """The client has answered; False if nobody waits for it."""
        entry = self._pending.pop(ack_id, None)
        if entry is None:
            return False
        entry.on_answer(tuple(args))
        return True

    def keep(self, ack_id: int, args: list[Any]) -> bool:
        """Keep an answer until it is asked for or forgotten; True if it was asked for meanwhile, and given."""
        self._early[ack_id] = args
        given = self.answer(ack_id, args)
        if given:
            self.forget(ack_id)
        return given

    def forget(self, ack_id: int) -> bool:
        """Keep an answer no longer; False if it was asked for."""
        return self._early.pop(ack_id, None) is not None

    def take(self, ack_id: int) -> PendingAck | None:
        """Take an entry out: its answer came, or its time is up. None if it is not there (any more)."""
        return self._pending.pop(ack_id, None)

    def close(self) -> list[PendingAck]:
        """The socket is gone: take out everything that waits, and refuse what comes."""
        self._closed = True
        pending = self._pending
        return [entry for ack_id in list(pending) if (entry := pending.pop(ack_id, None)) is not None]
