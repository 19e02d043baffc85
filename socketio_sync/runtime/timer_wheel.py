"""When is what due: a pure timer wheel. No clock, no lock, no sleeping."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop
from heapq import heappush
from math import ceil
from typing import Any

SLOT = 1 / 16
"""Seconds of one slot; a power of two, so that slot times are exact and nothing fires early."""


class Timer:
    """A call that is due at ``deadline``. Cancelling is lazy: the slot is emptied when its time comes."""

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
    """Timers in slots of equal width. Adding is O(1); firing costs what is due, however many were cancelled."""

    def __init__(self, slot: float = SLOT) -> None:
        self._width = slot
        self._slots: dict[int, list[Timer]] = {}
        self._times: list[int] = []  # heap of the slots in use

    def __bool__(self) -> bool:
        return bool(self._slots)

    @property
    def next_time(self) -> float | None:
        """When the first slot is due; None: there is nothing to wait for."""
        return self._times[0] * self._width if self._times else None

    def add(self, timer: Timer) -> bool:
        """Put a timer in. True if it is the first to be due now."""
        index = ceil(timer.deadline / self._width)
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
        return due


def _deadline(timer: Timer) -> float:
    return timer.deadline
