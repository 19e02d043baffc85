"""The verbs over the operating system's threads: one that waits for sockets, and workers."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from . import native
from .base import IDLE_SECONDS
from .base import Job
from .base import Label
from .base import Runtime
from .base import Task
from .base import guarded
from .channel import Channel
from .events import Event
from .poller import READ
from .poller import WRITE
from .poller import Poller
from .poller import WakeUp
from .worker_pool import WorkerPool

logger = logging.getLogger("socketio_sync.engine")


class ThreadRuntime(Runtime):
    """Threads of the operating system, also where gevent has patched the standard library.

    The I/O thread is started by the first channel, timer or call, and ends when there was nothing left for a while.

    Args:
        handler_threads: how many jobs may run at once.
    """

    name = "threads"

    def __init__(self, handler_threads: int = 64) -> None:
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

    # The verbs

    def sleep(self, seconds: float) -> None:
        if native.patched("time"):
            from .greenlets import sleep_anywhere

            sleep_anywhere(seconds)
        else:
            time.sleep(seconds)

    def event(self) -> Event:
        if native.patched("socket"):  # requests run in greenlets then, and they may wait too
            from .greenlets import HubEvent

            return HubEvent()
        return Event()

    def spawn(self, fn: Callable[..., object], *args: Any, **kwargs: Any) -> Task:
        task = Task(self.event(), fn, args, kwargs)
        native.start_thread(task.run, "task")
        return task

    def submit(self, job: Job, label: Label = "") -> None:
        self._pool.submit(job, label)

    @property
    def active_jobs(self) -> int:
        return self._pool.active

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
        self._pool.stop()
        self._abort_channels()
        if self._io_running:
            self.call_soon(int)  # for a look around

    def _after_fork(self) -> None:
        poller, wake_up = self._poller, self._wake_up
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
        self._poller = Poller()
        self._wake_up = WakeUp()
        self._poller.watch(self._wake_up, READ)

    def _close_poller(self) -> None:
        assert self._poller is not None
        assert self._wake_up is not None
        self._poller.close()
        self._wake_up.close()
        self._poller = self._wake_up = None

    def _run_io(self) -> None:
        self._io_ident = self._get_ident()
        poller = self._poller
        assert poller is not None
        needed_at = self.now()
        try:
            while True:
                self._awake = False  # from here on a newcomer sends a byte
                ready = poller.poll(self._patience())
                self._awake = True
                poller.serve(ready)
                self._make_calls()
                self.timers.turn()
                if self._is_needed():
                    needed_at = self.now()
                elif (self._stopped or self.now() - needed_at >= IDLE_SECONDS) and self._end_io():
                    return
        finally:
            native.drop_hub()

    def _is_needed(self) -> bool:
        return bool(self._calls or self.channels or (self.timers and not self._stopped))

    def _patience(self) -> float:
        """How long the I/O thread may sleep."""
        if self._calls or (self._stopped and not self.channels):
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
        self._awake = False
        with self._io_lock:
            if self._is_needed():
                return False
            self._io_ident = 0
            self._close_poller()
            self._io_running = False
        return True

    def set_interest(self, channel: Channel, read: bool, write: bool) -> None:
        assert self._poller is not None
        self._poller.watch(channel, read * READ + write * WRITE)

    def forget(self, channel: Channel) -> None:
        if channel.fd >= 0:
            self.set_interest(channel, False, False)
        self.channels.discard(channel)
