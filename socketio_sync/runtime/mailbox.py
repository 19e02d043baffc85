"""Handling things one at a time and in order, away from the thread that reads them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic
from typing import TypeVar

from .base import Label
from .base import Runtime
from .native import new_lock

T = TypeVar("T")

BUDGET_ITEMS = 64
BUDGET_SECONDS = 0.010
"""After this much in one go the others get their turn."""


class Mailbox(Generic[T]):
    """A queue whose items are given to ``handle``, one at a time, in the order they were posted, in a worker.

    An exception of ``handle`` is logged like any job's, and the next item follows. Nobody's call under the mailbox's
    lock reaches out of it.

    Args:
        handle: called with each item; it may block.
        limit, byte_limit: with so many items waiting, or so many bytes of them, the mailbox is full.
        on_full: called by the thread whose post filled it.
        on_room: called once after each ``on_full``, when half of the limits is free again. A new ``on_full`` may
            overtake it, so count them.
        label: names the work in log lines.
    """

    __slots__ = (
        "_busy", "_byte_limit", "_bytes_in", "_bytes_out", "_filling", "_full", "_handle", "_items", "_label",
        "_limit", "_lock", "_on_full", "_on_room", "_runtime",
    )  # fmt: skip

    def __init__(
        self,
        runtime: Runtime,
        handle: Callable[[T], object],
        *,
        limit: int = 1000,
        byte_limit: int = 4_000_000,
        on_full: Callable[[], None] | None = None,
        on_room: Callable[[], None] | None = None,
        label: Label = "",
    ) -> None:
        self._runtime = runtime
        self._handle = handle
        self._limit = limit
        self._byte_limit = byte_limit
        self._on_full = on_full
        self._on_room = on_room
        self._label = label
        self._lock = new_lock()
        self._items: deque[tuple[T, int]] = deque()
        self._bytes_in = 0  # changed under the lock
        self._bytes_out = 0  # changed by the worker only, so it needs none
        self._busy = False  # a worker has it, or will
        self._filling = False  # on_full is being called
        self._full = False  # on_full has been called, on_room has not

    @property
    def pending(self) -> int:
        """Items that wait, without the one being handled."""
        return len(self._items)

    def post(self, item: T, size: int = 0) -> None:
        """Add an item of ``size`` bytes. Any thread; it is taken even when the mailbox is full."""
        with self._lock:
            self._items.append((item, size))
            self._bytes_in += size
            idle = not self._busy
            self._busy = True
            fills = len(self._items) >= self._limit or self._bytes_in - self._bytes_out >= self._byte_limit
            if fills:
                fills = self._on_full is not None and not (self._full or self._filling)
                self._filling = self._filling or fills
        if fills:
            self._report_full()
        if idle:
            self._runtime.submit(self._run, self._label)

    def close(self) -> None:
        """Handle nothing more, and forget whose it is, lest a mailbox and its owner keep each other alive."""
        self._handle = _ignore
        self._label = ""

    def _run(self) -> None:
        try:
            self._handle_some()
        finally:  # also after an exception: the next items do not suffer for it
            with self._lock:
                self._busy = again = bool(self._items)
            if again:
                self._runtime.submit(self._run, self._label)

    def _handle_some(self) -> None:
        items, handle, now = self._items, self._handle, self._runtime.now
        until = now() + BUDGET_SECONDS
        for _ in range(BUDGET_ITEMS):
            item, size = items.popleft()  # there is one: only this worker takes
            self._bytes_out += size
            if self._full:
                self._look_for_room()
            handle(item)
            if not items or now() > until:
                return

    def _is_over(self, part: int) -> bool:
        """Under the lock: whether the limits, divided by ``part``, are reached."""
        waiting_bytes = self._bytes_in - self._bytes_out
        return len(self._items) * part >= self._limit or waiting_bytes * part >= self._byte_limit

    def _report_full(self) -> None:
        """Call ``on_full``, and only then let ``on_room`` be called."""
        assert self._on_full is not None
        try:
            self._on_full()
        finally:
            self._full, self._filling = True, False  # never neither: another post would say it again
            self._look_for_room()  # the worker may have emptied it meanwhile

    def _look_for_room(self) -> None:
        with self._lock:
            room = self._full and not self._is_over(2)
            if room:
                self._full = False
        if room and self._on_room is not None:
            self._on_room()


def _ignore(item: object) -> None:
    """What becomes of items for a closed mailbox."""
