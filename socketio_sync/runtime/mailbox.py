"""Handling things one at a time and in order, away from the thread that reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Generic
from typing import TypeVar

from .base import GATHER_SECONDS
from .base import Job
from .base import Label
from .base import Runtime
from .base import label_text

T = TypeVar("T")

BUDGET_ITEMS = 64
BUDGET_SECONDS = 0.010
"""After this much in one go the others get their turn."""


class _Large(Generic[T]):
    """An item with so many bytes that they count."""

    __slots__ = ("item", "size")

    def __init__(self, item: T, size: int) -> None:
        self.item = item
        self.size = size


class Mailbox(Job, Generic[T]):
    """A queue whose items are given to ``handle``, one at a time, in the order they were posted, in a worker.

    An exception of ``handle`` is logged like any job's, and the next item follows. Nobody's call under the mailbox's
    lock reaches out of it.

    Args:
        handle: called with each item; it may block.
        limit, byte_limit: with so many items waiting, or so many bytes of large ones, the mailbox is full. Large is
            what has ``byte_limit / limit`` bytes; of smaller ones ``limit`` items have no more than ``byte_limit``.
        on_full: called by the thread whose post filled it.
        on_room: called once after each ``on_full``, when half of the limits is free again. A new ``on_full`` may
            overtake it, so count them.
        label: names the work in log lines.
    """

    __slots__ = (
        "_byte_limit", "_bytes_in", "_bytes_out", "_filling", "_full", "_handle", "_items", "_large", "_limit",
        "_on_full", "_on_room", "_runtime", "_turn", "label",
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
        self._large = max(1, byte_limit // limit)
        self._on_full = on_full
        self._on_room = on_room
        self.label = label
        self.slow = False
        # A list: an empty deque has half a kilobyte, and taking the first of few costs no more.
        self._items: list[T | _Large[T]] = []
        self._turn = [True]  # empty while a worker has the mailbox, or will
        self._bytes_in = 0  # changed by who posts, as the next one by the worker
        self._bytes_out = 0
        self._filling = False  # on_full is being called
        self._full = False  # on_full has been called, on_room has not

    @property
    def pending(self) -> int:
        """Items that wait, without the one being handled."""
        return len(self._items)

    def post(self, item: T, size: int = 0) -> None:
        """Add an item of ``size`` bytes; it is taken even when the mailbox is full.

        Any thread; but items with a size only one thread at a time.
        """
        items = self._items
        if size >= self._large:
            self._bytes_in += size
            items.append(_Large(item, size))
            if self._is_over(1):
                self._fill()
        else:
            items.append(item)
            if len(items) >= self._limit:
                self._fill()
        if self._turn:
            try:  # as _begin does, without its frame
                self._turn.pop()
            except IndexError:
                return
            self._runtime.enqueue(self)

    def close(self) -> None:
        """Handle nothing more, and forget whose it is, lest a mailbox and its owner keep each other alive."""
        self._handle = _ignore
        self.label = label_text(self)

    def _begin(self) -> None:
        """Have a worker handle what waits, if none does.

        No lock: taking from a list is atomic. Who posts adds the item before he looks for the turn, and the worker
        gives the turn back before it looks for items, so one of the two sees what the other has done.
        """
        try:
            self._turn.pop()
        except IndexError:  # another thread was faster
            return
        self._runtime.enqueue(self)

    def run(self) -> bool:
        """For the worker."""
        items = self._items
        try:
            if len(items) > 1:
                self._run_many()
                return True
            if not items:  # the last run took it, between the post and the post's look for the turn
                return False
            item: Any = items.pop(0)  # as in _run_many: a function for both would be a call for each event
            if item.__class__ is _Large:
                item = self._unwrapped(item)
            if self._full:
                self._look_for_room()
            self._handle(item)
        finally:  # also after an exception: the next items do not suffer for it
            self._turn.append(True)
            if items:
                self._begin()
        return False

    def _unwrapped(self, item: Any) -> Any:
        self._bytes_out += item.size
        return item.item

    def _run_many(self) -> None:
        """Handle items until the budget is used up.

        What they answer is gathered by the runtime. An answer may wait for handlers behind it only while those have
        been quick: not in the run after one that was not, never for long (the runtime, too, sends it when a handler
        blocks), and only behind items that are there.
        """
        items, now = self._items, self._runtime.now
        quick, self.slow = not self.slow, False
        before = now()
        until, send_at = before + BUDGET_SECONDS, before + GATHER_SECONDS
        for _ in range(BUDGET_ITEMS):
            item: Any = items.pop(0)
            if item.__class__ is _Large:
                item = self._unwrapped(item)
            if self._full:
                self._look_for_room()
            self._handle(item)
            after = now()
            if after - before > GATHER_SECONDS:
                quick, self.slow = False, True
            if not quick or after > send_at:
                self._runtime.send_gathered()
                send_at = after + GATHER_SECONDS
            if not items or after > until:
                return
            before = after

    def _is_over(self, part: int) -> bool:
        """Under the lock: whether the limits, divided by ``part``, are reached."""
        waiting_bytes = self._bytes_in - self._bytes_out
        return len(self._items) * part >= self._limit or waiting_bytes * part >= self._byte_limit

    def _fill(self) -> None:
        """A limit is reached: call ``on_full``, unless it was, and only then let ``on_room`` be called."""
        with self._runtime.mailbox_lock:
            if self._on_full is None or self._full or self._filling or not self._is_over(1):
                return
            self._filling = True
        try:
            self._on_full()
        finally:
            self._full, self._filling = True, False  # never neither: another post would say it again
            self._look_for_room()  # the worker may have emptied it meanwhile

    def _look_for_room(self) -> None:
        with self._runtime.mailbox_lock:
            room = self._full and not self._is_over(2)
            if room:
                self._full = False
        if room and self._on_room is not None:
            self._on_room()


def _ignore(item: object) -> None:
    """What becomes of items for a closed mailbox."""
