"""A flag to wait for. Native threads wait here; ``greenlets.HubEvent`` adds the greenlets."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from . import native


class Waiter(Protocol):
    """One waiting thread or greenlet."""

    def release(self) -> None: ...


class Event:
    """Like ``threading.Event``, without a Condition: a waiter costs one lock, an event nobody waits for costs none.

    Each list operation is atomic, so no lock guards the list: a waiter enters it before it looks at the flag, and
    ``set`` raises the flag before it empties the list. Whoever takes a waiter out owns the right to wake it.
    """

    __slots__ = ("_set", "_waiters")

    def __init__(self) -> None:
        self._set = False
        self._waiters: list[Waiter] = []

    def is_set(self) -> bool:
        return self._set

    def clear(self) -> None:
        self._set = False

    def set(self) -> None:
        """Raise the flag and wake everyone who waits. Any thread, any greenlet; never blocks."""
        self._set = True
        while self._waiters:
            try:
                waiter = self._waiters.pop(0)
            except IndexError:  # another thread's set() took the last one
                return
            waiter.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the flag is up, at most ``timeout`` seconds. False: it did not come in time."""
        if self._set:
            return True
        if timeout is not None and timeout <= 0:
            return False
        return self._wait(timeout)

    def _wait(self, timeout: float | None) -> bool:
        lock = native.new_lock()
        lock.acquire()
        self._waiters.append(lock)
        try:
            if not self._set:
                _acquire(lock, _LONGEST_WAIT if timeout is None else min(timeout, _LONGEST_WAIT))
        finally:
            woken = self._withdraw(lock)
        return woken

    def _withdraw(self, waiter: Waiter) -> bool:
        """End a wait. True if the flag was raised while it lasted."""
        try:
            self._waiters.remove(waiter)
        except ValueError:  # set() took it out
            return True
        return self._set


def _acquire(lock: native.NativeLock, seconds: float) -> None:
    """Wait for a lock, the main thread in slices.

    Only it sees Ctrl-C, but the kernel may give the signal to any thread, and does not wake the main one then.
    """
    if native.original("_thread", "get_ident")() != threading.main_thread().ident:
        lock.acquire(True, seconds)
        return
    end = time.monotonic() + seconds
    while not lock.acquire(True, min(seconds, _SLICE)):
        seconds = end - time.monotonic()
        if seconds <= 0:
            return


_SLICE = 0.5  # seconds
_LONGEST_WAIT = 1_000_000.0  # seconds; the system's own limit is an OverflowError
