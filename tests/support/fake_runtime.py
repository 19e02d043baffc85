"""The runtime's verbs on a virtual clock: nothing sleeps, and everything happens in one thread, in a fixed order.

Jobs run when the test calls ``run_until_idle`` or ``advance``. Each has a greenlet of its own, so a handler may block:
it goes on when the event it waits for is set or the virtual time has come. Sockets are real; what lies in them is read
by ``run_until_idle``. For one thread only.
"""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Callable
from math import ceil
from typing import Any

from greenlet import getcurrent
from greenlet import greenlet

from socketio_sync.runtime.base import Job
from socketio_sync.runtime.base import Label
from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.base import Task
from socketio_sync.runtime.base import guarded
from socketio_sync.runtime.base import label_text
from socketio_sync.runtime.base import run_job
from socketio_sync.runtime.channel import Channel
from socketio_sync.runtime.events import Event
from socketio_sync.runtime.timers import Timers

_SLOT = 2.0**-20
"""Timers fire to the microsecond here, so that ``advance(5)`` reaches a deadline of 5 seconds."""


class FakeRuntime(Runtime):
    """Threads and time as the test wants them.

    Args:
        start: what ``now()`` says at first.
        wall_time: what ``wall_time()`` says at first.
    """

    name = "fake"

    def __init__(self, start: float = 1000.0, wall_time: float = 1_700_000_000.0) -> None:
        self._clock = start
        self._wall_offset = wall_time - start
        self._start_empty()
        super().__init__()
        self.timers = Timers(self.now, self.lock(), self._rearm, self._stalled, _SLOT)

    def _start_empty(self) -> None:
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._runnable: deque[greenlet] = deque()
        self._waiting_jobs = 0
        self._jobs: dict[greenlet, Label] = {}  # those that have begun and not ended
        self._tasks: set[greenlet] = set()
        self._selector: selectors.BaseSelector | None = None

    # What a test says

    def run_until_idle(self) -> None:
        """Run everything that can run now. What is left then waits for an event, the clock or a socket."""
        if self._in_greenlet():
            raise RuntimeError("a handler cannot drive the runtime that runs it")
        while self._step():
            pass

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

    # The verbs

    def now(self) -> float:
        return self._clock

    def wall_time(self) -> float:
        return self._clock + self._wall_offset

    def sleep(self, seconds: float) -> None:
        self.event().wait(seconds)

    def event(self) -> Event:
        return _FakeEvent(self)

    def spawn(self, fn: Callable[..., object], *args: Any, **kwargs: Any) -> Task:
        task = Task(self.event(), fn, args, kwargs)

        def run() -> None:
            try:
                task.run()
            finally:
                self._tasks.discard(worker)

        worker = greenlet(run)
        self._tasks.add(worker)
        self._runnable.append(worker)
        return task

    def submit(self, job: Job, label: Label = "") -> None:
        def run() -> None:
            self._waiting_jobs -= 1
            self._jobs[worker] = label
            try:
                run_job(job, label)
            finally:
                del self._jobs[worker]
                self._job_ended()

        worker = greenlet(run)
        self._waiting_jobs += 1
        self._runnable.append(worker)

    def call_soon(self, fn: Callable[..., object], *args: Any) -> None:
        self._calls.append((fn, args))

    def in_io_thread(self) -> bool:
        return not self._in_greenlet()

    @property
    def active_jobs(self) -> int:
        return self._waiting_jobs + len(self._jobs)

    def job_labels(self) -> list[str]:
        return [label_text(label) for label in self._jobs.values()]

    def in_job(self) -> bool:
        return getcurrent() in self._jobs

    def set_interest(self, channel: Channel, read: bool, write: bool) -> None:
        if self._selector is None:
            self._selector = selectors.DefaultSelector()
        if channel.reader or channel.writer:
            self._selector.unregister(channel.fd)
        channel.reader, channel.writer = read, write
        if read or write:
            mask = read * selectors.EVENT_READ + write * selectors.EVENT_WRITE
            self._selector.register(channel.fd, mask, channel)

    def forget(self, channel: Channel) -> None:
        self.set_interest(channel, False, False)
        self.channels.discard(channel)

    def stop(self) -> None:
        self._abort_channels()
        self.run_until_idle()
        if self._selector is not None:
            self._selector.close()
            self._selector = None

    def _rearm(self) -> None:
        pass

    def _after_fork(self) -> None:
        self._start_empty()
        self._begin_anew()

    # How it runs

    def _step(self) -> bool:
        """Do one thing that can be done, I/O before jobs. False: there is nothing."""
        if self._calls:
            fn, args = self._calls.popleft()
            guarded(fn, *args)
            return True
        if self._serve_sockets():
            return True
        if self.timers.next_delay() == 0:
            self.timers.turn()
            return True
        if self._runnable:
            worker = self._runnable.popleft()
            worker.parent = getcurrent()
            worker.switch()
            return True
        return False

    def _serve_sockets(self) -> bool:
        ready = [] if self._selector is None else self._selector.select(0)
        for key, events in ready:
            channel: Channel = key.data
            if events & selectors.EVENT_WRITE and channel.writer:
                guarded(channel.on_writable)
            if events & selectors.EVENT_READ and channel.reader:
                guarded(channel.on_readable)
        return bool(ready)

    def _in_greenlet(self) -> bool:
        current = getcurrent()
        return current in self._jobs or current in self._tasks

    def _resume(self, worker: greenlet) -> None:
        self._runnable.append(worker)

    def _switch_out(self) -> None:
        """In a job or task: let the others run until somebody resumes this one."""
        parent = getcurrent().parent
        assert parent is not None
        parent.switch()

    def _drive_until(self, event: Event, timeout: float | None) -> bool:
        """In the test itself: run, and turn the clock as far as needed, until the event is set."""
        deadline = None if timeout is None else self._clock + timeout
        while True:
            self.run_until_idle()
            if event.is_set():
                return True
            delay = self.timers.next_delay()
            if deadline is not None and (delay is None or self._clock + delay > deadline):
                self.advance(max(deadline - self._clock, 0))
                return event.is_set()
            if delay is None:
                raise RuntimeError("this would wait for ever: nothing can run and no timer is set")
            self._clock += delay


class _Sleeper:
    """A greenlet that waits for an event."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self._runtime = runtime
        self._worker = getcurrent()
        self._resumed = False

    def release(self) -> None:
        if not self._resumed:
            self._resumed = True
            self._runtime._resume(self._worker)


class _FakeEvent(Event):
    __slots__ = ("_runtime",)

    def __init__(self, runtime: FakeRuntime) -> None:
        super().__init__()
        self._runtime = runtime

    def _wait(self, timeout: float | None) -> bool:
        runtime = self._runtime
        if not runtime._in_greenlet():
            return runtime._drive_until(self, timeout)
        sleeper = _Sleeper(runtime)
        self._waiters.append(sleeper)
        timer = None if timeout is None else runtime.timers.call_later(timeout, sleeper.release)
        try:
            runtime._switch_out()
        finally:
            if timer is not None:
                timer.cancel()
            woken = self._withdraw(sleeper)
        return woken
