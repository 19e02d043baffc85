"""A native thread that notices when gevent's hub is held up, and acts for it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import native

if TYPE_CHECKING:
    from .greenlets import GeventRuntime

logger = logging.getLogger("socketio_sync.engine")

CALM_INTERVAL = 0.25
"""Seconds between two questions to a hub that answers; an answer this late is a stall."""

STALL_INTERVAL = 0.25
"""Seconds between two calls of the hook during a stall."""


class Watchdog:
    """Asks the hub to answer, four times a second, and calls ``hook(seconds)`` while it does not.

    The hook runs in the watchdog's thread: it may send, and must not block. The seconds are those of the stall so far.
    """

    def __init__(self, runtime: GeventRuntime, hook: Callable[[float], object]) -> None:
        self._runtime = runtime
        self._hook = hook
        self._answered = True
        self._end = native.new_lock()
        self._end.acquire()
        native.start_thread(self._watch, "watchdog")

    def stop(self) -> None:
        """End the thread, soon; the hook may be on its way once more."""
        if self._end.locked():
            self._end.release()

    def _watch(self) -> None:
        interval = CALM_INTERVAL
        asked_at = 0.0
        stalled = False
        while not self._end.acquire(True, interval):
            if self._answered:
                self._answered = stalled = False
                interval = CALM_INTERVAL
                asked_at = self._runtime.now()
                self._runtime.call_soon(self._answer)
                continue
            interval = STALL_INTERVAL
            if not stalled:  # what runs later may already be what waited for the end of the stall
                stalled = True
                self._runtime.stall_suspect = self._place()
            try:
                self._hook(self._runtime.now() - asked_at)
            except Exception:
                logger.exception("the watchdog's hook failed")

    def _answer(self) -> None:
        self._answered = True

    def _place(self) -> str:
        """The line of code in which the hub's thread is."""
        frame = sys._current_frames().get(self._runtime.hub.thread_ident)
        if frame is None:
            return ""
        return f'File "{frame.f_code.co_filename}", line {frame.f_lineno}, in {frame.f_code.co_name}'
