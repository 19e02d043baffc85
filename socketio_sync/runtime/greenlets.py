"""The verbs over gevent: the hub waits for sockets, greenlets of a pool run user code."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from operator import length_hint
from typing import Any

import gevent
from gevent._hub_local import get_hub_if_exists
from gevent.hub import MAIN_THREAD_IDENT
from gevent.hub import Waiter
from greenlet import greenlet

from . import native
from .base import GATHER_SECONDS
from .base import IDLE_SECONDS
from .base import NOTHING
from .base import Job
from .base import Runtime
from .base import Task
from .base import guarded
from .base import job_failed
from .base import label_text
from .channel import READ
from .channel import WRITE
from .channel import Channel
from .events import Event
from .poller import Poller
from .watchdog import Watchdog

logger = logging.getLogger("socketio_sync.engine")

PUMP_SECONDS = 0.010
"""After jobs of so long the sockets are looked at."""

_switch = greenlet.switch  # the hub's own looks for a hook of the greenlet that leaves, which ours do not have
_FOREVER = 1_000_000.0  # seconds; a wait without a timer would let gevent believe that nothing can happen any more


def call_in_hub(hub: Any, fn: Callable[..., object], *args: Any) -> None:
    """Call ``fn(*args)`` in a hub, from any thread. Nothing happens when the hub's thread has ended."""
    loop = hub.loop
    if loop is None:
        return
    if get_hub_if_exists() is hub:
        loop.run_callback(fn, *args)
    else:
        loop.run_callback_threadsafe(fn, *args)


def sleep_anywhere(seconds: float) -> None:
    """Sleep in a greenlet, or in a native thread without making a hub for it."""
    if get_hub_if_exists() is None:
        native.original("time", "sleep")(seconds)
    else:
        gevent.sleep(seconds)


def in_greenlet() -> bool:
    """Whether the caller is a greenlet, and no thread's own stack."""
    return gevent.getcurrent().parent is not None


def make_first_hub() -> None:
    """Make the caller's hub before threads of ours may make theirs, by what they call and gevent has patched.

    The first hub of a process imports modules, under locks that gevent has patched as well: two threads that make the
    first one together wait for each other for ever.
    """
    gevent.get_hub()


class _HubWaiter:
    """A greenlet of any hub that waits for an event."""

    __slots__ = ("_hub", "_waiter")

    def __init__(self, hub: Any) -> None:
        self._hub = hub
        self._waiter = Waiter(hub)

    def wait(self, timeout: float) -> None:
        timer = self._hub.loop.timer(timeout)
        timer.start(self._waiter.switch, None, update=True)  # or it counts from when the hub last looked at the clock
        try:
            self._waiter.get()
        finally:
            timer.stop()
            timer.close()

    def release(self) -> None:
        call_in_hub(self._hub, self._waiter.switch, None)


class HubEvent(Event):
    """An event for greenlets of any hub and native threads alike.

    A native thread without a hub waits on a lock: gevent's own Event would make it a hub, which stays behind with its
    descriptors.
    """

    __slots__ = ()

    def _wait(self, timeout: float | None) -> bool:
        hub = get_hub_if_exists()
        if hub is None:
            return super()._wait(timeout)
        if gevent.getcurrent() is hub:
            raise RuntimeError("the hub must not wait; user code runs in jobs")
        waiter = _HubWaiter(hub)
        self._waiters.append(waiter)
        try:
            if not self._set:
                waiter.wait(_FOREVER if timeout is None else timeout)
        finally:
            woken = self._withdraw(waiter)
        return woken


class _Worker:
    """A pooled greenlet. The hub switches to it, and it runs the jobs that are ready until one blocks."""

    __slots__ = ("_runtime", "called", "greenlet", "job", "pooled", "rested", "switch")

    def __init__(self, runtime: GeventRuntime) -> None:
        self._runtime = runtime
        self.greenlet: Any = gevent.Greenlet(self._run)
        self.switch: Callable[[], object] = self.greenlet.switch
        self.job = NOTHING
        self.called = True  # the hub has switched to it for the jobs
        self.pooled = True  # False: it is to end
        self.rested = False  # it had nothing to do since the last trim

    def _run(self) -> None:
        runtime = self._runtime
        hub, idle = runtime.hub, runtime._idle
        try:
            while self.pooled:
                self.called = self.rested = False
                self._run_jobs()
                idle.append(self)
                if runtime._quiet_watchers:
                    runtime._job_ended()
                if runtime._stopped:
                    return
                while not self.called and self.pooled:  # a stray switch, left over from a job, does no harm
                    _switch(hub)
        finally:  # also when a kill, or a Timeout that a job left running, has met it
            self.job = NOTHING
            runtime._worker_gone(self)

    def _run_jobs(self) -> None:
        """One greenlet for many jobs: of what they cost otherwise, the switches are the largest part."""
        runtime = self._runtime
        ready, now = runtime._ready, runtime.now
        before = now()
        send_at = before + GATHER_SECONDS
        for _ in runtime._turns:
            self.job = job = ready.popleft()
            if job.slow:
                runtime.send_gathered()
                before = now()
            try:  # as run_job does, without its frame
                judged = job.run()
            except Exception:
                job_failed(job)
                judged = False
            after = now()
            if not judged:
                job.slow = after - before > GATHER_SECONDS
            if after > send_at:
                runtime.send_gathered()
                after = now()
                send_at = after + GATHER_SECONDS
                if after > runtime._until:
                    break
            before = after
        self.job = NOTHING  # an idle greenlet holds on to nothing


class GeventRuntime(Runtime):
    """Greenlets of one hub: that of the thread in which the runtime is made.

    The hub reads and decodes in its callbacks; at the end of each it switches to a worker for every job that came up.

    Args:
        io_uring: use it where it can be had.

    Raises:
        RuntimeError: made in a thread, not the main one, that has no hub running.
    """

    name = "gevent"
    failures = (Exception, gevent.Timeout)  # a BaseException, though it is what a slow query ends in

    def __init__(self, io_uring: bool = True) -> None:
        self.io_uring = io_uring
        hub = get_hub_if_exists()
        if hub is None and native.original("_thread", "get_ident")() != MAIN_THREAD_IDENT:
            raise RuntimeError("the gevent runtime must be started in a thread that runs gevent's hub, not in this one")
        self.hub: Any = hub or gevent.get_hub()
        self._start_empty()
        super().__init__()

    def _start_empty(self) -> None:
        self._loop: Any = self.hub.loop
        self._ready: deque[Job] = deque()
        self._workers: set[_Worker] = set()
        self._idle: list[_Worker] = []
        self._pump_coming = False  # a pump will look at _ready
        # So many jobs may begin before the next look at the sockets. One iterator for all workers, which each asks.
        self._turns: Iterator[int] = iter(())
        self._until = 0.0  # and none after this time
        self._ident: int = native.original("_thread", "get_ident")()
        self._after_poll: Any = self._loop.timer(0)
        self._poller: Poller | None = None  # while a socket is watched
        self._poller_watcher: Any = None
        self._wake_up: Any = None  # the watcher of the first timer
        self._watchdog: Watchdog | None = None
        self._stopped = False

    # The verbs

    def sleep(self, seconds: float) -> None:
        sleep_anywhere(seconds)

    def event(self) -> Event:
        return HubEvent()

    def spawn(self, fn: Callable[..., object], *args: Any, **kwargs: Any) -> Task:
        task = Task(self.event(), fn, args, kwargs)
        if self.in_io_thread():
            gevent.spawn(task.run)
        else:  # a spawn in another thread would never run, or in another hub
            self.call_soon(gevent.spawn, task.run)
        return task

    def call_soon(self, fn: Callable[..., object], *args: Any) -> None:
        call_in_hub(self.hub, guarded, fn, *args)

    def in_io_thread(self) -> bool:
        return get_hub_if_exists() is self.hub

    # Jobs

    def enqueue(self, job: Job) -> None:
        if self._stopped:
            return
        self._ready.append(job)
        if not self._pump_coming:
            self._pump_coming = True
            call_in_hub(self.hub, self._pump)

    def _pump(self) -> None:
        """In the hub: let a worker run the jobs that are ready; when one blocks, the next worker goes on.

        What they submit meanwhile, themselves again for instance, comes after the next look at the sockets: a callback
        of the loop would come before, and one busy client would starve the others. A crowd of them would, too, so after
        a while the rest comes then as well.
        """
        ready, idle, now = self._ready, self._idle, self.now
        self._until = now() + PUMP_SECONDS
        self._turns = turns = iter(range(len(ready)))
        try:
            while length_hint(turns):
                worker = idle.pop() if idle else self._new_worker()
                worker.called = True
                self.gatherer = self._ident
                worker.switch()
                self.gatherer = 0
                if self.gathered:  # whether it has blocked or ended
                    self.send_gathered()
                if now() > self._until:
                    break
        finally:  # also when Ctrl-C came just now
            self.gatherer = 0
            deque(turns, 0)  # ends them, for workers, too, that go on later
            self._pump_coming = False  # before the look: who submits meanwhile, in a native thread, sees it, or is seen
            if ready:
                self._pump_coming = True
                if not self._after_poll.active:
                    self._after_poll.start(self._pump)
            self.send_gathered()

    def _new_worker(self) -> _Worker:
        worker = _Worker(self)
        if not self._workers:
            self.timers.call_later(IDLE_SECONDS, self._trim)
        self._workers.add(worker)
        return worker

    def _worker_gone(self, worker: _Worker) -> None:
        self._workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        if self._quiet_watchers:
            self._job_ended()

    def _dismiss(self, worker: _Worker) -> None:
        """In the hub: end an idle worker."""
        worker.pooled = False
        worker.switch()

    def _trim(self) -> None:
        """End the workers that had nothing to do since the last time."""
        for worker in self._idle[:]:
            if worker.rested:
                self._dismiss(worker)
            worker.rested = True
        if self._workers:
            self.timers.call_later(IDLE_SECONDS, self._trim)

    @property
    def active_jobs(self) -> int:
        return len(self._workers) - len(self._idle) + len(self._ready)

    def job_labels(self) -> list[str]:
        return [label_text(worker.job) for worker in list(self._workers) if worker.job is not NOTHING]

    def in_job(self) -> bool:
        current = gevent.getcurrent()
        return any(worker.greenlet is current for worker in list(self._workers))

    # Sockets and timers, in the hub's thread

    def set_interest(self, channel: Channel, read: bool, write: bool) -> None:
        interest = read * READ + write * WRITE
        if self._poller is None:
            if not interest:
                return
            # A poller of our own, which the loop watches as one descriptor: all that is ready is read in one callback.
            self._poller = Poller(self.take_input, self.rings)
            self._poller_watcher = self._loop.io(self._poller.fileno(), 1)
            self._watch_poller()
        self._poller.watch(channel, interest)
        if not self._poller:
            self._close_poller()

    def _serve(self) -> None:
        """In the hub: sockets are ready."""
        poller = self._poller
        if poller is None:
            return
        self._pump_coming = True
        try:
            poller.serve(poller.poll(0))
        except BaseException:  # gevent stops a watcher behind this; and who catches Ctrl-C may go on
            self._loop.run_callback(self._watch_poller)
            raise
        finally:  # also when Ctrl-C came just now: without a pump no job would run any more
            self._pump()

    def _watch_poller(self) -> None:
        if self._poller_watcher is not None and not self._poller_watcher.active:
            self._poller_watcher.start(self._serve)

    def _close_poller(self) -> None:
        if self._poller is not None:
            self._poller_watcher.stop()
            self._poller_watcher.close()
            self._poller.close()
            self._poller = self._poller_watcher = None

    def forget(self, channel: Channel) -> None:
        self.set_interest(channel, False, False)
        self.channels.discard(channel)

    def _rearm(self) -> None:
        if self.in_io_thread():
            self._set_wake_up()
        else:
            self.call_soon(self._set_wake_up)

    def _set_wake_up(self) -> None:
        if self._wake_up is not None:
            self._wake_up.stop()
            self._wake_up.close()
            self._wake_up = None
        over = self._stopped and not self.channels  # those that finish need their timers
        delay = None if over else self.timers.next_delay()
        if delay is not None:
            self._wake_up = self._loop.timer(delay)
            self._wake_up.start(self._turn, update=True)  # the loop's clock may lag behind ours

    def _turn(self) -> None:
        guarded(self.timers.turn)
        self._set_wake_up()

    # Looking after itself

    def watch(self, hook: Callable[[float], object]) -> None:
        self.unwatch()

        def held_up(seconds: float) -> None:
            self.send_gathered()
            hook(seconds)

        self._watchdog = Watchdog(self, held_up)

    def unwatch(self) -> None:
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            watchdog.stop()

    def stop(self) -> None:
        self._stopped = True
        self.unwatch()
        self._abort_channels()
        self.call_soon(self._stop)

    def _stop(self) -> None:
        self._ready.clear()
        for worker in self._idle[:]:
            self._dismiss(worker)
        self._set_wake_up()

    def _after_fork(self) -> None:
        if self.hub.loop is None:  # its thread has ended, and the loop with it
            return
        self._close_poller()
        if self._wake_up is not None:
            self._wake_up.stop()
        self._after_poll.stop()
        deque(self._turns, 0)  # if a job has forked, its worker goes on here, but the next jobs are the parent's
        self._start_empty()
        self._begin_anew()
        self._loop.reinit()  # whose epoll descriptor would otherwise be the parent's as well

