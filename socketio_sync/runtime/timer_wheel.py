"""When is what due: a pure timer wheel. No clock, no lock, no sleeping."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop
from heapq import heappush
from math import ceil
from typing import Any

SLOT = 1 / 16
"""Seconds of one slot; a power of two, so that slot times are exact and nothing fires early."""

FINE_SLOT = 1 / 1024
"""Seconds of a slot for timers that are asked to be exact: the short ones, where a sixteenth would be much."""

SWEEP = 1024
"""With fewer timers than this the cancelled ones are left where they are."""


class Timer:
    """A call that is due at ``deadline``. Cancelling is lazy: the wheel forgets it later."""

    __slots__ = ("args", "deadline", "fn")

    def __init__(self, deadline: float, fn: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.deadline = deadline
        self.fn: Callable[..., object] | None = fn
        self.args = args

    def cancel(self) -> None:
        """The call will not happen, unless it has begun. Any thread; twice is harmless."""
        self.fn = None
        self.args = ()


class TimerWheel:
    """Timers in slots. Adding is O(1); firing costs what is due, however many were cancelled.

    Most timers are cancelled long before their time. They are swept out whenever their number may have reached that of
    the others, so that clients who come and go leave nothing behind.
    """

    def __init__(self, slot: float = SLOT) -> None:
        self._width = min(slot, FINE_SLOT)
        self._coarse = round(slot / self._width)  # fine slots in an ordinary one
        self._slots: dict[int, list[Timer]] = {}
        self._times: list[int] = []  # heap of the slots in use
        self._size = 0  # of all slots together
        self._sweep_at = SWEEP

    def __bool__(self) -> bool:
        return bool(self._slots)

    @property
    def next_time(self) -> float | None:
        """When the first slot is due; None: there is nothing to wait for."""
        times = self._times  # another thread may be sweeping
        return times[0] * self._width if times else None

    def add(self, timer: Timer, exact: bool = False) -> bool:
        """Put a timer in, an ``exact`` one into a fine slot. True if it is the first to be due now."""
        if self._size >= self._sweep_at:
            self._sweep()
        self._size += 1
        index = ceil(timer.deadline / self._width)
        if not exact:
            index += -index % self._coarse
        slot = self._slots.get(index)
        if slot is not None:
            slot.append(timer)
            return False
        self._slots[index] = [timer]
        heappush(self._times, index)
        return self._times[0] == index

    def advance(self, now: float) -> list[Timer]:
        """Take out what is due at ``now``, in the order of the deadlines (cancelled timers among them)."""
        due: list[Timer] = []
        while self._times and self._times[0] * self._width <= now:
            slot = self._slots.pop(heappop(self._times))
            slot.sort(key=_deadline)
            due += slot
        self._size -= len(due)
        return due

    def _sweep(self) -> None:
        """Forget the cancelled ones; again when there are twice as many as are left now, so that adding stays O(1)."""
        slots = {index: [timer for timer in slot if timer.fn is not None] for index, slot in self._slots.items()}
        self._slots = {index: slot for index, slot in slots.items() if slot}
        self._times = sorted(self._slots)  # which is a heap
        self._size = sum(len(slot) for slot in self._slots.values())
        self._sweep_at = max(SWEEP, 2 * self._size)


def _deadline(timer: Timer) -> float:
    return timer.deadline
