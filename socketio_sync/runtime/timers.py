"""Calls at a later time, by a clock that does not count the time in which the process was stuck."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from .native import NativeLock
from .timer_wheel import SLOT
from .timer_wheel import Timer
from .timer_wheel import TimerWheel

logger = logging.getLogger("socketio_sync.engine")

SHORT = 2.0
"""Seconds; a delay below this is kept to the millisecond, a longer one to a slot of the wheel."""

STALL = 1.0
"""Seconds that a turn may come late before it counts as a stall."""


class Timers:
    """A timer wheel with a clock and a lock; the runtime turns it in its I/O thread.

    When a turn comes more than ``STALL`` late, nothing of the process ran: a client's answer may lie unread in its
    socket. The lag is taken off the clock, so that every deadline moves by it.

    Args:
        clock: monotonic seconds.
        lock: guards the wheel.
        rearm: called, without the lock, when an earlier turn than before is needed.
        on_stall: gets the lag in seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        lock: NativeLock,
        rearm: Callable[[], None],
        on_stall: Callable[[float], None],
        slot: float = SLOT,
    ) -> None:
        self._clock = clock
        self._lock = lock
        self._rearm = rearm
        self._on_stall = on_stall
        self._wheel = TimerWheel(slot)
        self._lag = 0.0

    def __bool__(self) -> bool:
        return bool(self._wheel)

    def now(self) -> float:
        """Monotonic seconds without those of stalls. Deadlines are judged by this clock only."""
        return self._clock() - self._lag

    def call_later(self, delay: float, fn: Callable[..., object], *args: Any) -> Timer:
        """Call ``fn(*args)`` in the I/O thread after ``delay`` seconds, or up to a slot later. It must not block.

        Any thread may ask. An exception of ``fn`` is logged.
        """
        timer = Timer(self._clock() - self._lag + max(delay, 0.0), fn, args)
        with self._lock:
            first = self._wheel.add(timer, delay < SHORT)
        if first:
            self._rearm()
        return timer

    def next_delay(self) -> float | None:
        """Seconds until the next turn is due; None: never. For the runtime, in its I/O thread."""
        time = self._wheel.next_time
        return None if time is None else max(time - self.now(), 0.0)

    def turn(self) -> None:
        """Fire what is due. For the runtime, in its I/O thread."""
        with self._lock:
            now = self.now()
            expected = self._wheel.next_time
            if expected is None:
                return
            lag = now - expected
            if lag > STALL:
                self._lag += lag
                now = expected
            due = self._wheel.advance(now)
        if lag > STALL:
            self._on_stall(lag)
        for timer in due:
            self._fire(timer)

    def _fire(self, timer: Timer) -> None:
        args, fn = timer.args, timer.fn  # in this order: another thread's cancel() takes the function first
        if fn is None:
            return
        timer.cancel()  # it holds on to nothing afterwards
        try:
            fn(*args)
        except Exception:
            logger.exception("a timer call failed: %r", fn)
