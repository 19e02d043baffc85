"""Who takes the place of the I/O thread when a job keeps it.

Handing each job to another thread costs more than most jobs: two switches, and the interpreter's lock goes to and fro
with every call to the kernel. So the I/O thread runs jobs itself, and a deputy looks on. A job that takes longer than
PATIENCE loses its thread the lead, not the other way round: the deputy is the I/O thread from then on.
"""

from __future__ import annotations

from collections.abc import Callable

from . import native

PATIENCE = 0.005
"""Seconds that a job may keep the I/O thread, at least; at most twice as long."""

CALM = 40
"""After so many looks at nothing the deputy sleeps until it is called."""


class Deputy:
    """One thread that looks on.

    Args:
        idle_seconds: asleep so long, it ends.
        lead: called in its thread when it has taken the lead.
    """

    def __init__(self, idle_seconds: float, lead: Callable[[], None]) -> None:
        self.awake = True
        self.gone = False
        self.jobs = 0  # how many have begun, counted by the I/O thread
        # Has one element while a job runs. Who takes it, an atomic step, has the lead when the job is done.
        self.turn: list[bool] = []
        self._hurried = -1  # the job that is about to wait
        self._over = False
        self._idle_seconds = idle_seconds
        self._lead = lead
        self._gate = native.new_lock()
        self._gate.acquire()

    def start(self) -> None:
        """Begin to look on. RuntimeError: the system gives no thread."""
        native.start_thread(self._look_on, "deputy")

    def begin_job(self) -> None:
        """For the I/O thread: from now on the lead may be taken, unless the deputy turns out to be ``gone``."""
        self.jobs += 1
        self.turn.append(True)
        if not self.awake:  # asked behind the turn: a deputy that falls asleep or leaves looks at the turn behind that
            self.awake = True
            self._open_gate()

    def end_job(self) -> bool:
        """For the I/O thread: whether it still has the lead."""
        try:
            self.turn.pop()
        except IndexError:
            return False
        return True

    def hurry(self) -> None:
        """The job that runs is about to wait: its thread's place may be taken at once."""
        self._hurried = self.jobs
        self._open_gate()

    def end(self) -> None:
        """Look on no more."""
        self._over = True
        self._open_gate()

    def _open_gate(self) -> None:
        try:
            self._gate.release()
        except RuntimeError:
            pass  # it is open

    def _look_on(self) -> None:
        seen = -1
        calm = 0
        while True:
            called = self._gate.acquire(True, PATIENCE if self.awake else self._idle_seconds)
            if self._over:
                return
            if self.awake and self.turn:
                calm = 0
                if (seen == self.jobs or self._hurried == self.jobs) and self.end_job():
                    self._lead()
                    return
            elif self.awake:
                calm += 1
                if calm > CALM:
                    self.awake = False
                    if self.turn:
                        self.awake = True
            elif not called:
                self.gone = True
                if not self.turn:
                    return
                self.gone = False
            seen = self.jobs
