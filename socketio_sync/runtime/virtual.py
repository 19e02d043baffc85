"""The verbs on a virtual clock: nothing sleeps, and everything happens in one thread, in a fixed order.

Jobs run when the owner calls ``run_until_idle`` or ``advance``. Each has a greenlet of its own, so a handler may block:
it goes on when the event it waits for is set or the virtual time has come. Sockets are real ones or memory's; what lies
in them is read by ``run_until_idle``. Only the thread that made the runtime may drive it; other threads may submit, set
events and wait for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Any

from greenlet import GreenletExit
from greenlet import getcurrent
from greenlet import greenlet

from . import native
from .base import Job
from .base import Runtime
from .base import Task
from .base import guarded
from .base import label_text
from .base import run_job
from .channel import READ
from .channel import WRITE
from .channel import Channel
from .events import Event
from .memory_socket import MemorySocket
from .poller import Poller
from .timers import Timers

_SLOT = 2.0**-20
"""Timers fire to the microsecond here, so that ``advance(5)`` reaches a deadline of 5 seconds."""

_FOR_EVER = 86_400.0
"""A wait without a limit that has taken so many virtual seconds will never end."""

_ENDLESS = 1_000_000
"""So many things are never done before a test goes on, but by handlers that keep each other busy."""


class VirtualRuntime(Runtime):
    """Threads and time as a test wants them.

    Args:
        start: what ``now()`` says at first.
        wall_time: what ``wall_time()`` says at first.
    """

    name = "virtual"
    io_uring = False  # descriptors of memory's sockets mean nothing to the kernel

    def __init__(self, start: float = 1000.0, wall_time: float = 1_700_000_000.0) -> None:
        self._clock = start
        self._wall_offset = wall_time - start
        self._get_ident: Callable[[], int] = native.original("_thread", "get_ident")
        self._start_empty()
        super().__init__()
        self.timers = Timers(self.now, self.lock(), self._rearm, self._stalled, _SLOT)

    def _start_empty(self) -> None:
        self._thread = self._get_ident()
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._runnable: deque[Callable[[], object]] = deque()  # greenlets to begin or to go on with
        self._jobs: dict[_Work, None] = {}  # those that have not ended, in the order of submission
        self._workers: dict[greenlet, _Work | None] = {}  # those that have begun and not ended
        self._sleepers: dict[_Sleeper, None] = {}  # what waits for an event
        self._abandoned = False
        self._memory: dict[Channel, None] = {}  # channels of memory's sockets that are watched
        self._poller: Poller | None = None

    # What a test says

    def run_until_idle(self) -> None:
        """Run everything that can run now. What is left then waits for an event, the clock or a socket.

        Raises:
            RuntimeError: a handler calls it, or another thread; or there is no end.
        """
        self._check_may_drive()
        for _ in range(_ENDLESS):
            if not self._step():
                return
        raise RuntimeError("this has no end: handlers keep each other busy without waiting for the clock")

    def advance(self, seconds: float) -> None:
        """Turn the clock, stopping at every timer on the way."""
        self.run_until_idle()
        target = ceil((self._clock + seconds) / _SLOT) * _SLOT
        while (delay := self.timers.next_delay()) is not None and self._clock + delay <= target:
            self._clock += delay
            self.run_until_idle()
        self._clock = target
        self.run_until_idle()

    def stall(self, seconds: float) -> None:
        """Let time pass in which nothing of the process runs, as when it is stopped."""
        self._clock += seconds
        self.run_until_idle()

    def abandon(self) -> None:
        """End everything for good.

        A handler that waits gets a GreenletExit at that place. What comes behind it still runs, but cannot wait either.
        """
        self._check_may_drive()
        self._abandoned = True
        self.run_until_idle()
        while self._sleepers and self._workers:
            self._wake_all()
            self.run_until_idle()
        self._wake_all()
        self.stop()

    # The verbs

    def now(self) -> float:
        return self._clock

    def wall_time(self) -> float:
        return self._clock + self._wall_offset

    def sleep(self, seconds: float) -> None:
        if seconds <= 0 and getcurrent() in self._workers:
            self._runnable.append(partial(self._go_on, getcurrent()))
            self._switch_out()
        else:
            self.event().wait(seconds)

    def event(self) -> Event:
        return _VirtualEvent(self)

    def spawn(self, fn: Callable[..., object], *args: Any, **kwargs: Any) -> Task:
        task = Task(self.event(), fn, args, kwargs)
        self._runnable.append(partial(self._begin, task.run, None))
        return task

    def enqueue(self, job: Job) -> None:
        work = _Work(job)
        self._jobs[work] = None
        self._runnable.append(partial(self._begin, partial(self._run_job, work), work))

    def call_soon(self, fn: Callable[..., object], *args: Any) -> None:
        self._calls.append((fn, args))

    def in_io_thread(self) -> bool:
        return self.is_driver()

    def is_driver(self) -> bool:
        """Whether the caller may drive: it is in the thread that made the runtime, and in no handler."""
        return self._get_ident() == self._thread and getcurrent() not in self._workers

    @property
    def active_jobs(self) -> int:
        return len(self._jobs)

    def job_labels(self) -> list[str]:
        return [label_text(work.job) for work in self._workers.values() if work is not None]

    def in_job(self) -> bool:
        return self._workers.get(getcurrent()) is not None

    def set_interest(self, channel: Channel, read: bool, write: bool) -> None:
        if not isinstance(channel.sock, MemorySocket):
            if self._poller is None:
                self._poller = Poller(self.take_input)
            self._poller.watch(channel, read * READ + write * WRITE)
        elif read:
            self._memory[channel] = None
        else:
            self._memory.pop(channel, None)

    def forget(self, channel: Channel) -> None:
        self.set_interest(channel, False, False)
        self.channels.discard(channel)

    def stop(self) -> None:
        self._abort_channels()
        if not self.is_driver():
            return
        self.run_until_idle()
        if self._poller is not None:
            self._poller.close()
            self._poller = None

    def _rearm(self) -> None:
        pass

    def _after_fork(self) -> None:
        self._start_empty()
        self._begin_anew()

    # How it runs

    def _check_may_drive(self) -> None:
        if getcurrent() in self._workers:
            raise RuntimeError("a handler cannot drive the runtime that runs it")
        if self._get_ident() != self._thread:
            raise RuntimeError("only the thread that made this runtime can turn its clock and run its handlers")

    def _step(self) -> bool:
        """Do one thing that can be done, I/O before jobs. False: there is nothing."""
        if self._calls:
            fn, args = self._calls.popleft()
            guarded(fn, *args)
            return True
        if self._serve_memory() or self._serve_sockets():
            return True
        if self.timers.next_delay() == 0:
            self.timers.turn()
            return True
        if self._runnable:
            self._runnable.popleft()()
            return True
        return False

    def _wake_all(self) -> None:
        for sleeper in list(self._sleepers):
            sleeper.release()

    def _serve_memory(self) -> bool:
        served = False
        for channel in list(self._memory):
            if channel in self._memory and channel.sock.readable:
                guarded(channel.on_readable)
                served = True
        return served

    def _serve_sockets(self) -> bool:
        if self._poller is None:
            return False
        ready = self._poller.poll(0)
        self._poller.serve(ready)
        return bool(ready)

    def _begin(self, run: Callable[[], object], work: _Work | None) -> None:
        """Run something in a greenlet, made here because a greenlet belongs to the thread that makes it."""

        def live() -> None:
            try:
                run()
            finally:
                del self._workers[worker]

        worker = greenlet(live)
        self._workers[worker] = work
        self._go_on(worker)

    def _go_on(self, worker: greenlet) -> None:
        """Switch to a greenlet; it comes back here when it waits or ends."""
        worker.parent = getcurrent()
        worker.switch()

    def _switch_out(self) -> None:
        """In a job or task: let the others run until somebody goes on with this one."""
        parent = getcurrent().parent
        assert parent is not None
        parent.switch()

    def _run_job(self, work: _Work) -> None:
        try:
            run_job(work.job)
        finally:
            del self._jobs[work]
            self._job_ended()

    def _drive_until(self, event: Event, timeout: float | None) -> bool:
        """In the test itself: run, and turn the clock as far as needed, until the event is set."""
        deadline = self._clock + (_FOR_EVER if timeout is None else timeout)
        while True:
            self.run_until_idle()
            if event.is_set():
                return True
            delay = self.timers.next_delay()
            if delay is None or self._clock + delay > deadline:
                if timeout is None:
                    raise RuntimeError("this would wait for ever: nothing can run and no timer is set")
                self.advance(max(deadline - self._clock, 0))
                return event.is_set()
            self._clock += delay


class _Work:
    """A job each time that it is submitted."""

    __slots__ = ("job",)

    def __init__(self, job: Job) -> None:
        self.job = job


class _Sleeper:
    """A greenlet, or a foreign thread, that waits for an event. Whoever claims it first wakes it, nobody else does."""

    __slots__ = ("_claims", "_wake")

    def __init__(self, wake: Callable[[], object]) -> None:
        self._claims = native.new_lock()
        self._wake = wake

    def claim(self) -> bool:
        """Whether the caller is the first."""
        return self._claims.acquire(False)

    def release(self) -> None:
        """Wake it. Any thread."""
        if self.claim():
            self._wake()


class _VirtualEvent(Event):
    __slots__ = ("_runtime",)

    def __init__(self, runtime: VirtualRuntime) -> None:
        super().__init__()
        self._runtime = runtime

    def _wait(self, timeout: float | None) -> bool:
        runtime = self._runtime
        if runtime.is_driver():
            return runtime._drive_until(self, timeout)
        if runtime._get_ident() == runtime._thread:
            return self._wait_in_greenlet(timeout)
        return not runtime._abandoned and self._wait_in_thread(timeout)

    def _wait_in_greenlet(self, timeout: float | None) -> bool:
        """Let the others run until somebody wakes this one."""
        runtime = self._runtime
        worker = getcurrent()
        sleeper = _Sleeper(partial(runtime._runnable.append, partial(runtime._go_on, worker)))

        def switch_out() -> None:
            runtime._switch_out()
            if runtime._abandoned and not self._set:
                raise GreenletExit

        if runtime._abandoned:
            raise GreenletExit
        return self._sleep(sleeper, timeout, switch_out)

    def _wait_in_thread(self, timeout: float | None) -> bool:
        """In a foreign thread: block it. The time that it waits is virtual as well."""
        gate = native.new_lock()
        gate.acquire()
        return self._sleep(_Sleeper(gate.release), timeout, gate.acquire)

    def _sleep(self, sleeper: _Sleeper, timeout: float | None, wait: Callable[[], object]) -> bool:
        runtime = self._runtime
        self._waiters.append(sleeper)
        runtime._sleepers[sleeper] = None
        timer = None if timeout is None else runtime.timers.call_later(timeout, sleeper.release)
        try:
            if not (self._set and sleeper.claim()):  # a thread may have set it before it saw this waiter
                wait()
        finally:
            if timer is not None:
                timer.cancel()
            runtime._sleepers.pop(sleeper, None)
            woken = self._withdraw(sleeper)
        return woken
