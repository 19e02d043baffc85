"""The verbs over gevent: the hub waits for sockets, greenlets of a pool run user code."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent._hub_local import get_hub_if_exists
from gevent.hub import Waiter

from . import native
from .base import IDLE_SECONDS
from .base import Job
from .base import Label
from .base import Runtime
from .base import Task
from .base import guarded
from .base import label_text
from .base import run_job
from .channel import Channel
from .events import Event
from .watchdog import Watchdog

logger = logging.getLogger("socketio_sync.engine")

_READ, _WRITE = 1, 2
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


class _HubWaiter:
    """A greenlet of any hub that waits for an event."""

    __slots__ = ("_hub", "_waiter")

    def __init__(self, hub: Any) -> None:
        self._hub = hub
        self._waiter = Waiter(hub)

    def wait(self, timeout: float) -> None:
        timer = self._hub.loop.timer(timeout)
        timer.start(self._waiter.switch, None)
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
        waiter = _HubWaiter(hub)
        self._waiters.append(waiter)
        try:
            if not self._set:
                waiter.wait(_FOREVER if timeout is None else timeout)
        finally:
            woken = self._withdraw(waiter)
        return woken


class _Worker(gevent.Greenlet):  # type: ignore[misc]
    """A pooled greenlet: the hub puts a job into ``job`` and switches to it, without a spawn or a queue between."""

    def __init__(self, runtime: GeventRuntime) -> None:
        super().__init__()
        self.runtime = runtime
        self.job: Job | None = None
        self.label: Label = ""
        self.pooled = True

    def _run(self) -> None:
        while self.job is not None:
            try:
                run_job(self.job, self.label)
            except BaseException:  # killed, or the process is to end
                self.pooled = False
                raise
            finally:
                self.job = None
                self.runtime._job_done(self)
            self._rest()

    def _rest(self) -> None:
        """Leave the hub its turn until there is a job. A stray switch, left over from a job, does no harm."""
        try:
            while self.job is None and self.pooled:
                self.runtime.hub.switch()
        except BaseException:  # a Timeout that a job left running, or a kill: the next job must not meet it
            self.runtime._dismiss(self)
            raise


class GeventRuntime(Runtime):
    """Greenlets of one hub: that of the thread in which the runtime is made.

    The hub reads and decodes in its callbacks; at the end of each it switches to a worker for every job that came up.

    Raises:
        RuntimeError: made in a thread, not the main one, that has no hub running.
    """

    name = "gevent"

    def __init__(self) -> None:
        hub = get_hub_if_exists()
        if hub is None and native.original("_thread", "get_ident")() != threading.main_thread().ident:
            raise RuntimeError("the gevent runtime must be started in a thread that runs gevent's hub, not in this one")
        self.hub: Any = hub or gevent.get_hub()
        self._start_empty()
        super().__init__()

    def _start_empty(self) -> None:
        self._loop: Any = self.hub.loop
        self._ready: deque[tuple[Job, Label]] = deque()
        self._idle: list[_Worker] = []
        self._fewest_idle = 0  # since the last trim: so many workers nobody needed
        self._trimming = False
        self._busy: set[_Worker] = set()
        self._pump_coming = False  # a pump will look at _ready
        self._after_poll: Any = self._loop.timer(0)
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

    def submit(self, job: Job, label: Label = "") -> None:
        self._ready.append((job, label))
        if not self._pump_coming:
            self._pump_coming = True
            call_in_hub(self.hub, self._pump)

    def _pump(self) -> None:
        """In the hub: give the jobs that are ready to workers, each until it blocks or ends.

        What they submit meanwhile, themselves again for instance, comes after the next look at the sockets: a callback
        of the loop would come before, and one busy client would starve the others.
        """
        ready = self._ready
        for _ in range(len(ready)):
            worker = self._free_worker()
            worker.job, worker.label = ready.popleft()
            self._busy.add(worker)
            worker.switch()
        self._pump_coming = False
        if ready:
            self._pump_coming = True
            self._after_poll.start(self._pump)

    def _free_worker(self) -> _Worker:
        if not self._idle:
            return _Worker(self)
        worker = self._idle.pop()
        self._fewest_idle = min(self._fewest_idle, len(self._idle))
        return worker

    def _job_done(self, worker: _Worker) -> None:
        self._busy.discard(worker)
        if self._stopped:
            worker.pooled = False
        elif worker.pooled:
            self._idle.append(worker)
            if not self._trimming:
                self._trimming = True
                self._fewest_idle = 0
                self.timers.call_later(IDLE_SECONDS, self._trim)
        if self._quiet_watchers:
            self._job_ended()

    def _trim(self) -> None:
        """End the workers that were idle all the time since the last trim."""
        for worker in self._idle[: self._fewest_idle]:
            self._dismiss(worker)
            worker.switch()
        self._fewest_idle = len(self._idle)
        self._trimming = bool(self._idle)
        if self._trimming:
            self.timers.call_later(IDLE_SECONDS, self._trim)

    def _dismiss(self, worker: _Worker) -> None:
        worker.pooled = False
        if worker in self._idle:
            self._idle.remove(worker)

    @property
    def active_jobs(self) -> int:
        return len(self._busy) + len(self._ready)

    def job_labels(self) -> list[str]:
        return [label_text(worker.label) for worker in list(self._busy)]

    def in_job(self) -> bool:
        return gevent.getcurrent() in self._busy

    # Sockets and timers, in the hub's thread

    def set_interest(self, channel: Channel, read: bool, write: bool) -> None:
        channel.reader = self._switch_watcher(channel.reader, read, channel, _READ, self._readable)
        channel.writer = self._switch_watcher(channel.writer, write, channel, _WRITE, self._writable)

    def _switch_watcher(
        self, watcher: Any, wanted: bool, channel: Channel, event: int, callback: Callable[[Channel], None]
    ) -> Any:
        if wanted:
            if watcher is None:
                watcher = self._loop.io(channel.fd, event)
            if not watcher.active:
                watcher.start(callback, channel)
        elif watcher is not None and watcher.active:
            watcher.stop()
        return watcher

    def _readable(self, channel: Channel) -> None:
        self._pump_coming = True
        guarded(channel.on_readable)
        self._pump()

    def _writable(self, channel: Channel) -> None:
        guarded(channel.on_writable)

    def forget(self, channel: Channel) -> None:
        for watcher in (channel.reader, channel.writer):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        channel.reader = channel.writer = None
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
        delay = None if self._stopped else self.timers.next_delay()
        if delay is not None:
            self._loop.update_now()  # the loop's clock may lag behind ours
            self._wake_up = self._loop.timer(delay)
            self._wake_up.start(self._turn)

    def _turn(self) -> None:
        guarded(self.timers.turn)
        self._set_wake_up()

    # Looking after itself

    def watch(self, hook: Callable[[], None]) -> None:
        self.unwatch()
        self._watchdog = Watchdog(self, hook)

    def unwatch(self) -> None:
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            watchdog.stop()

    def stop(self) -> None:
        self._stopped = True
        self.unwatch()
        self._ready.clear()
        self._abort_channels()
        self.call_soon(self._stop)

    def _stop(self) -> None:
        for worker in self._idle[:]:
            self._dismiss(worker)
            worker.switch()
        if self._wake_up is not None and not self.channels:  # those that finish still need it
            self._set_wake_up()

    def _after_fork(self) -> None:
        for channel in list(self.channels):
            self.forget(channel)
        self._start_empty()
        self._begin_anew()
        self._loop.reinit()
