"""The events that had no handler, kept for ``receive``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from socketio_sync.exceptions import LimitError
from socketio_sync.runtime.events import Event
from socketio_sync.runtime.native import new_lock


class Inbox:
    """Keeps the newest ``limit`` events. Any number of threads may wait for one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = new_lock()
        self._events: list[tuple[Any, ...]] = []
        self._dropped = 0
        self._waiting: list[Event] = []

    def put(self, event: tuple[Any, ...]) -> None:
        """Keep an event; the oldest makes room."""
        with self._lock:
            if len(self._events) >= self._limit:
                del self._events[0]
                self._dropped += 1
            self._events.append(event)
        self.wake()

    def wake(self) -> None:
        """Let everyone who waits look again."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for event in waiting:
            event.set()

    def take(self, names: tuple[str, ...]) -> tuple[Any, ...] | None:
        """Take the oldest event, or the oldest of these names; None if there is none.

        Raises:
            LimitError: events were dropped since the last time.
        """
        with self._lock:
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                raise LimitError("inbox", f"the inbox has room for {self._limit} events; the oldest {dropped} are gone")
            for index, event in enumerate(self._events):
                if not names or event[0] in names:
                    return self._events.pop(index)
        return None

    def take_or_wait(
        self, names: tuple[str, ...], make_event: Callable[[], Event], ended: Callable[[], bool], timeout: float | None
    ) -> tuple[Any, ...] | None:
        """As ``take``, after waiting for something to happen if need be. None: nothing (more) came in time.

        Args:
            make_event: makes the event to wait with.
            ended: whether nothing can come any more; asked once arrivals would be noticed.
            timeout: seconds, None for ever.
        """
        event = make_event()
        with self._lock:
            self._waiting.append(event)
        try:
            taken = self.take(names)
            if taken is not None or ended() or not event.wait(timeout):
                return taken
            return self.take(names)
        finally:
            with self._lock:
                if event in self._waiting:
                    self._waiting.remove(event)
