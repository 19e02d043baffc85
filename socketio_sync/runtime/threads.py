"""The verbs over the operating system's threads: one that waits for sockets, and workers."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from . import native
from .base import GATHER_SECONDS
from .base import IDLE_SECONDS
from .base import NOTHING
from .base import Job
from .base import Runtime
from .base import Task
from .base import guarded
from .channel import READ
from .channel import WRITE
from .channel import Channel
from .deputy import Deputy
from .events import Event
from .poller import Poller
from .poller import WakeUp
from .worker_pool import Worker
from .worker_pool import WorkerPool
from .worker_pool import run_job_in_thread

logger = logging.getLogger("socketio_sync.engine")


BUDGET = 0.010
"""After jobs of so many seconds the sockets are looked at."""

SUSPICION = 1.0
"""Seconds for which jobs run in threads of the pool, after one took long."""


class _Event(Event):
    """An event whose waiters tell, before they wait, that they are going to."""

    __slots__ = ("_about_to_wait",)

    def __init__(self, about_to_wait: Callable[[], None]) -> None:
        super().__init__()
        self._about_to_wait = about_to_wait

    def _wait(self, timeout: float | None) -> bool:
        self._about_to_wait()
        return super()._wait(timeout)


class ThreadRuntime(Runtime):
    """Threads of the operating system, also where gevent has patched the standard library.

    The I/O thread is started by the first channel, timer or call, and ends when there was nothing left for a while.

    Args:
        handler_threads: how many jobs may run at once.
        io_uring: use it where it can be had.
    """

    name = "threads"

    def __init__(self, handler_threads: int = 64, io_uring: bool = True) -> None:
        self.io_uring = io_uring
        self._handler_threads = handler_threads
        if native.patched("_thread"):
            from .greenlets import make_first_hub

            make_first_hub()
        self._start_empty()
        super().__init__()

    def _start_empty(self) -> None:
        self._pool = WorkerPool(self._handler_threads, self._after_job, self._call_later)
        self._io_lock = self.lock()  # guards the three of the next lines
        self._io_running = False
        self._poller: Poller | None = None
        self._wake_up: WakeUp | None = None
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._awake = False  # the I/O thread will look at _calls and timers before it sleeps
        self._io_ident = 0
        self._get_ident: Callable[[], int] = native.original("_thread", "get_ident")
        self._stopped = False
        # Jobs that came up in the I/O thread, which are its own to run, with a deputy that looks on.
        self._ready: deque[Job] = deque()
        self._deputy: Deputy | None = None
        self._trusting_at = 0.0  # not before this time

    # The verbs

    def sleep(self, seconds: float) -> None:
        if native.patched("time"):
            from .greenlets import sleep_anywhere

            sleep_anywhere(seconds)
        else:
            if seconds > 0:
                self._about_to_wait()
            time.sleep(seconds)

    def event(self) -> Event:
        if native.patched("socket"):  # requests run in greenlets then, and they may wait too
            from .greenlets import HubEvent

            return HubEvent()
        return _Event(self._about_to_wait)

    def spawn(self, fn: Callable[..., object], *args: Any, **kwargs: Any) -> Task:
        task = Task(self.event(), fn, args, kwargs)
        native.start_thread(task.run, "task")
        return task

    def enqueue(self, job: Job) -> None:
        if self._get_ident() == self._io_ident:
            if not self._stopped:
                self._ready.append(job)
        else:
            self._pool.submit(job)

    @property
    def active_jobs(self) -> int:
        return len(self._ready) + self._pool.active  # in the order in which jobs move, lest one be in neither

    def job_labels(self) -> list[str]:
        return self._pool.labels()

    def in_job(self) -> bool:
        return self._pool.has_current()

    def _call_later(self, delay: float, fn: Callable[[], None]) -> None:
        self.timers.call_later(delay, fn)

    def _after_job(self) -> None:
        if self._quiet_watchers:
            self._job_ended()

    def in_io_thread(self) -> bool:
        return self._get_ident() == self._io_ident

    def call_soon(self, fn: Callable[..., object], *args: Any) -> None:
        self._calls.append((fn, args))
        if not self._awake:
            self._wake()

    def _rearm(self) -> None:
        if not self._awake:
            self._wake()

    def stop(self) -> None:
        self._stopped = True
        self._pool.stop()  # which takes nothing any more: the I/O thread gets rid of what is ready
        self._abort_channels()
        if self._io_running:
            self.call_soon(int)  # for a look around

    def _after_fork(self) -> None:
        poller, wake_up = self._poller, self._wake_up
        if self._deputy is not None:  # a thread that forks in a job of its own leads nothing here, if it goes on at all
            self._deputy.turn.clear()
        self._start_empty()
        self._begin_anew()
        if poller is not None and wake_up is not None:  # closing lets go; unregistering would reach into the parent's
            poller.close()
            wake_up.close()

    # The I/O thread

    def _wake(self) -> None:
        """Have the I/O thread look around, starting it if need be."""
        with self._io_lock:
            if self._awake:
                return
            self._awake = True  # one byte is enough for all
            if self._io_running and self._wake_up is not None:
                self._wake_up.send()
                return
            self._open_poller()
            self._io_running = True
        try:
            native.start_thread(self._run_io, "io")
        except RuntimeError as error:
            logger.error("the I/O thread cannot be started: %s", error)
            with self._io_lock:
                self._close_poller()
                self._io_running = self._awake = False

    def _open_poller(self) -> None:
        self._poller = Poller(self.take_input, self.rings)
        self._wake_up = WakeUp()
        self._poller.watch(self._wake_up, READ)

    def _close_poller(self) -> None:
        assert self._poller is not None
        assert self._wake_up is not None
        self._poller.close()
        self._wake_up.close()
        self._poller = self._wake_up = None

    def _run_io(self) -> None:
        worker = Worker(NOTHING)
        worker.ident = self._get_ident()
        try:
            if not self._lead(worker):
                self._pool.join(worker)
        finally:
            native.drop_hub()

    def _lead(self, worker: Worker) -> bool:
        """Be the I/O thread, until it is not needed; False: until another one is, because a job took so long."""
        self._io_ident = worker.ident
        poller = self._poller
        assert poller is not None
        needed_at = self.now()
        while True:
            self._awake = False  # from here on a newcomer sends a byte
            ready = poller.poll(self._patience())
            self._awake = True
            poller.serve(ready)
            until = self.now() + BUDGET
            if self._ready and not self._run_ready(worker, until):
                return False
            self._make_calls()
            self.timers.turn()
            if self._ready and not self._run_ready(worker, until):
                return False
            if self._is_needed():
                needed_at = self.now()
            elif (self._stopped or self.now() - needed_at >= IDLE_SECONDS) and self._end_io():
                return True

    def _run_ready(self, worker: Worker, until: float) -> bool:
        """Run the jobs that came up, or have the pool run them. False: this is no longer the I/O thread."""
        deputy = self._trusted_deputy()
        if deputy is None or not self._pool.enter(worker):
            self._hand_out()
            return True
        ready, now = self._ready, self.now
        self._io_ident, self.gatherer = 0, worker.ident
        before = now()
        send_at = before + GATHER_SECONDS
        while ready and not self._stopped:
            worker.job = job = ready.popleft()  # before the deputy may hand out what is there
            if job.slow:
                self.send_gathered()
                before = now()
            deputy.begin_job()
            if deputy.gone and deputy.end_job():
                ready.appendleft(job)
                break
            judged = run_job_in_thread(job)
            after = now()
            if not judged:
                job.slow = after - before > GATHER_SECONDS
            if not deputy.end_job():
                return False
            if after > send_at:
                self.send_gathered()
                after = now()
                send_at = after + GATHER_SECONDS
                if after > until:
                    break
            before = after
        self._io_ident, self.gatherer = worker.ident, 0
        self.send_gathered()
        self._pool.leave(worker)
        self._after_job()
        return True

    def _trusted_deputy(self) -> Deputy | None:
        """Who looks on while jobs run here; None: they must not, for one took long a moment ago."""
        if self._deputy is not None and self._deputy.gone:
            self._deputy = None
        if self._deputy is None and self.now() >= self._trusting_at:
            deputy = Deputy(IDLE_SECONDS, self._take_the_lead)
            try:
                deputy.start()
            except RuntimeError:  # the system gives no more threads
                return None
            self._deputy = deputy
        return self._deputy

    def _take_the_lead(self) -> None:
        """In the deputy's thread: the job of the former I/O thread takes long."""
        self._deputy = None
        self._trusting_at = self.now() + SUSPICION
        self.gatherer = 0
        self.send_gathered()
        self._hand_out()
        self._run_io()

    def _about_to_wait(self) -> None:
        """The caller is going to wait; if it is a job in the I/O thread, the deputy need not find out."""
        deputy = self._deputy
        if deputy is not None and self._get_ident() == self.gatherer:
            deputy.hurry()

    def _hand_out(self) -> None:
        """Have the pool run the jobs that came up."""
        while self._ready:
            self._pool.submit(self._ready[0])  # it counts as waiting all the time
            self._ready.popleft()
        self._after_job()  # it may have counted twice, or been dropped

    def _is_needed(self) -> bool:
        return bool(self._calls or self._ready or self.channels or (self.timers and not self._stopped))

    def _patience(self) -> float:
        """How long the I/O thread may sleep."""
        if self._calls or self._ready or (self._stopped and not self.channels):
            return 0.0
        delay = self.timers.next_delay()
        if delay is not None:
            return delay
        return 60.0 if self.channels else IDLE_SECONDS

    def _make_calls(self) -> None:
        for _ in range(len(self._calls)):  # what these calls ask for comes after the next look at the sockets
            fn, args = self._calls.popleft()
            guarded(fn, *args)

    def _end_io(self) -> bool:
        """End the I/O thread, unless something came in the last moment."""
        with self._io_lock:
            self._awake = False  # first: who comes now begins it anew, behind the lock
            if self._is_needed():
                return False
            self._io_ident = 0
            self._close_poller()
            self._io_running = False
            deputy, self._deputy = self._deputy, None
        if deputy is not None:
            deputy.end()
        return True

    def set_interest(self, channel: Channel, read: bool, write: bool) -> None:
        assert self._poller is not None
        self._poller.watch(channel, read * READ + write * WRITE)

    def forget(self, channel: Channel) -> None:
        if channel.fd >= 0:
            self.set_interest(channel, False, False)
        self.channels.discard(channel)
