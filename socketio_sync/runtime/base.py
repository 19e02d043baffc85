"""The contract of the concurrency seam: what the rest of the package may do at the same time, and how."""

from __future__ import annotations

import itertools
import logging
import os
import time
import weakref
from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

from . import native
from .channel import Channel
from .channel import ChannelReceiver
from .channel import Input
from .channel import take_each
from .events import Event
from .many_channels import send_gathered
from .native import NativeLock
from .rings import Rings
from .timers import Timers
from .tls_channel import TLSChannel

logger = logging.getLogger("socketio_sync.server")

Label = str | Callable[[], str]

IDLE_SECONDS = 5.0
"""How long a worker that nobody needs is kept."""
GATHER_SECONDS = 0.001
"""An answer waits no longer for others, when the handlers behind it are as quick as those before."""
LOCK_SHARED_BY = 8
"""Connections. Fewer, and a broadcast spends its time on locks; more, and others wait longer while it has one."""


class Job(ABC):
    """User code that a worker runs; it may be submitted again when it has begun.

    Attributes:
        label: what it is in log lines; a function is asked only when a line is written.
        slow: whether it took long the last time, so that nothing should wait for it.
    """

    __slots__ = ("slow",)

    label: Label
    slow: bool

    @abstractmethod
    def run(self) -> bool:
        """Do it. Returns whether it has said itself that it was slow, or not; else the worker measures that."""


class _Call(Job):
    """A job that is one call."""

    __slots__ = ("_fn", "label")

    def __init__(self, fn: Callable[[], object], label: Label) -> None:
        self._fn = fn
        self.label = label
        self.slow = False

    def run(self) -> bool:
        self._fn()
        return False

    def __repr__(self) -> str:
        return repr(self._fn)


NOTHING: Job = _Call(int, "")
"""The job of an idle worker."""


class Task:
    """A function running in a greenlet or thread of its own. An exception of it is logged, not raised."""

    __slots__ = ("_args", "_finished", "_fn", "_kwargs")

    def __init__(
        self, finished: Event, fn: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._finished = finished
        self._fn = fn
        self._args = args
        self._kwargs = kwargs

    @property
    def done(self) -> bool:
        """Whether the function has returned or raised."""
        return self._finished.is_set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most ``timeout`` seconds. Returns ``done``."""
        return self._finished.wait(timeout)

    def run(self) -> None:
        """For the runtime: call the function, once."""
        try:
            self._fn(*self._args, **self._kwargs)
        except Exception:
            logger.exception("a background task failed: %r", self._fn)
        finally:
            self._args, self._kwargs = (), {}
            self._finished.set()

    def __repr__(self) -> str:
        return f"<Task {getattr(self._fn, '__name__', self._fn)} {'done' if self.done else 'running'}>"


class Runtime(ABC):
    """Threads or gevent behind one set of verbs.

    There is one *I/O thread* (the gevent hub, or a thread that waits for sockets): it reads and turns the timers, and
    nothing called in it may block. User code, which may, comes by ``submit`` and runs in *workers*: pooled greenlets or
    threads. (A thread may be both, one after the other; see ``deputy.py``.) All methods may be called from any thread
    and any greenlet unless they say otherwise.

    Attributes:
        name: "gevent" or "threads".
        failures: what user code may raise as a failure of its own; anything else means to end the worker.
        io_uring: whether Linux's io_uring may be used where there is one.
        rings: of io_uring, as far as there are any.
        gatherer: the thread whose jobs' small writes are gathered (``Channel.offer``), 0 for none. It is the I/O
            thread, and only while it runs jobs with somebody who sends when one blocks, or computes for long.
        take_input: given in the I/O thread what was read for many channels, to do what ``Channel.on_read`` does.
        gathered: for channels: those that have gathered something; see ``send_gathered``.
        timers: calls at a later time; ``timers.now()`` is the clock for deadlines.
        on_stall: called in the I/O thread as ``on_stall(lag_seconds)`` when that thread was stuck; ``stall_suspect``
            says, where it is known, what held it.
        stall_suspect: during ``on_stall``: a place in the code, or the labels of the jobs that run, or "".
    """

    name: str
    io_uring = True
    failures: tuple[type[BaseException], ...] = (Exception,)

    def __init__(self) -> None:
        self.on_stall: Callable[[float], None] | None = None
        self.stall_suspect = ""
        self._quiet_watchers: list[tuple[int, Event]] = []
        self.channels: set[Channel] = set()
        self.take_input: Callable[[Iterator[Input]], object] = take_each
        self.rings = Rings(self.io_uring)
        self.gatherer = 0
        self.gathered: list[Channel] = []  # no lock: adding and taking are atomic
        self._sharers = itertools.count()
        self._shared_lock = self.lock()  # for who asks while the first caller makes one
        self.mailbox_lock = self.lock()  # guards what says that a mailbox is full, in all of them, for a few lines
        self.timers = Timers(self.now, self.lock(), self._rearm, self._stalled)
        _runtimes.add(self)

    # Clocks and waiting

    now: Callable[[], float] = staticmethod(time.monotonic)
    """Monotonic seconds; deadlines use ``timers.now()``."""

    wall_time: Callable[[], float] = staticmethod(time.time)
    """Seconds since the epoch."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Block the calling greenlet or thread."""

    def lock(self) -> NativeLock:
        """A lock of the operating system, in every runtime: its bodies are short and never block or switch."""
        return native.new_lock()

    @abstractmethod
    def event(self) -> Event:
        """A flag that any greenlet and any thread can set and wait for."""

    # Running things

    @abstractmethod
    def spawn(self, fn: Callable[..., object], *args: Any, **kwargs: Any) -> Task:
        """Run a function in a greenlet or thread of its own."""

    def submit(self, fn: Callable[[], object], label: Label = "") -> None:
        """Run user code in a worker, never before this returns. Jobs begin in the order of submission.

        After ``stop`` nothing runs any more.

        Args:
            fn: called without arguments; its exceptions are logged.
            label: what it is in log lines; a function is asked only when a line is written.
        """
        self.enqueue(_Call(fn, label))

    @abstractmethod
    def enqueue(self, job: Job) -> None:
        """As ``submit``."""

    @abstractmethod
    def call_soon(self, fn: Callable[..., object], *args: Any) -> None:
        """Call ``fn(*args)`` in the I/O thread, in order. It must not block; its exceptions are logged."""

    @abstractmethod
    def in_io_thread(self) -> bool:
        """Whether the caller may do what only the I/O thread may (under gevent every greenlet of the hub's thread)."""

    @property
    @abstractmethod
    def active_jobs(self) -> int:
        """Jobs that wait or run."""

    @abstractmethod
    def job_labels(self) -> list[str]:
        """The labels of the jobs that run now."""

    @abstractmethod
    def in_job(self) -> bool:
        """Whether the caller is itself a job."""

    def send_gathered(self) -> None:
        """Send what jobs have gathered. Any thread; nothing happens where there is nothing."""
        gathered = self.gathered
        if not gathered:
            return
        channels: list[Channel] = []
        try:
            channels.extend(iter(gathered.pop, None))  # one by one: others may add and take at the same time
        except IndexError:
            pass  # no more
        try:
            send_gathered(self.rings, channels)
        except Exception:
            logger.exception("what was gathered could not be sent")
        except BaseException:  # Ctrl-C: who was sent to already has nothing more to send
            gathered.extend(channels)
            raise

    def wait_idle(self, timeout: float | None = None) -> bool:
        """Wait until no job waits or runs, but for the one that may be calling. False: not in ``timeout`` seconds."""
        allowed = 1 if self.in_job() else 0
        quiet = self.event()
        self._quiet_watchers.append((allowed, quiet))
        if self.active_jobs <= allowed:
            quiet.set()
        try:
            return quiet.wait(timeout)
        finally:
            self._quiet_watchers.remove((allowed, quiet))

    def _job_ended(self) -> None:
        """To be called after a job when somebody waits for quiet (``if self._quiet_watchers``)."""
        active = self.active_jobs
        for allowed, quiet in self._quiet_watchers[:]:
            if active <= allowed:
                quiet.set()

    # Sockets

    def shared_lock(self) -> NativeLock:
        """A lock that ``LOCK_SHARED_BY`` callers have together, who came one after the other.

        Who needs all of theirs in turn, as a broadcast does, takes few locks. Nobody may wait for one of them
        while he has another.
        """
        if next(self._sharers) % LOCK_SHARED_BY == 0:
            self._shared_lock = self.lock()
        return self._shared_lock

    def open_channel(self, sock: Any, lock: NativeLock, receiver: ChannelReceiver) -> Channel:
        """Make a socket ours.

        Args:
            sock: a raw non-blocking socket, or a non-blocking TLS object (recognised by ``pending``).
            lock: guards writing; the caller of ``Channel.write`` holds it.
            receiver: told what is read.
        """
        kind = TLSChannel if hasattr(sock, "pending") else Channel
        channel = kind(self, sock, lock, receiver)
        self.channels.add(channel)
        return channel

    @abstractmethod
    def set_interest(self, channel: Channel, read: bool, write: bool) -> None:
        """For channels, in the I/O thread: report readiness by ``channel.on_readable`` and ``on_writable``."""

    @abstractmethod
    def forget(self, channel: Channel) -> None:
        """For channels, in the I/O thread: stop watching before the descriptor is closed."""

    # Looking after itself

    def watch(self, hook: Callable[[float], object]) -> None:  # noqa: B027  (nothing to do is right for most)
        """Have ``hook(seconds)`` called, from a thread of its own, while the I/O thread is stuck for more than 0.25 s.

        It is called every quarter of a second or so with the time that it is stuck already, until ``unwatch``. Only
        gevent's hub can be held up by user code; elsewhere this does nothing.
        """

    def unwatch(self) -> None:  # noqa: B027
        """End ``watch``."""

    @abstractmethod
    def stop(self) -> None:
        """End workers, watchers and threads.

        Jobs that run may end, those that wait are dropped; channels are aborted, but for those that are finishing;
        timers fire no more. Twice is harmless.
        """

    def _abort_channels(self) -> None:
        for channel in list(self.channels):
            if not channel.closed:
                channel.abort()

    @abstractmethod
    def _rearm(self) -> None:
        """The first timer is due earlier than before."""

    @abstractmethod
    def _after_fork(self) -> None:
        """In a forked child: begin anew, without what the parent's threads left behind."""

    def _stalled(self, lag: float) -> None:
        if self.on_stall is not None:
            self.stall_suspect = self.stall_suspect or ", ".join(filter(None, self.job_labels()[:3]))
            guarded(self.on_stall, lag)
        self.stall_suspect = ""

    def _begin_anew(self) -> None:
        """The part of ``_after_fork`` that all runtimes share: no hooks, timers or sockets of the parent."""
        for channel in self.channels:
            channel.discard()
        Runtime.__init__(self)


def guarded(fn: Callable[..., object], *args: Any) -> None:
    """Call a function of the package in the I/O thread, which no fault of it may end."""
    try:
        fn(*args)
    except Exception:
        logger.exception("an I/O call failed: %r", fn)


def run_job(job: Job) -> bool:
    """Call user code; this is where its last exceptions end. Returns what ``Job.run`` does."""
    try:
        return job.run()
    except Exception:
        job_failed(job)
        return False


def job_failed(job: Job) -> None:
    """Log the exception being handled, which a job has raised."""
    logger.exception("a job failed: %s", label_text(job) or job)


def label_text(job: Job) -> str:
    """What the job is in log lines."""
    label = job.label
    return label() if callable(label) else label


_runtimes: weakref.WeakSet[Runtime] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for runtime in list(_runtimes):
        runtime._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
