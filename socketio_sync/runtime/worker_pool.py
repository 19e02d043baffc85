"""Worker threads on demand: the newest idle one is woken, those nobody needs end."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections import deque
from collections.abc import Callable

from . import native
from .base import IDLE_SECONDS
from .base import NOTHING
from .base import Job
from .base import label_text
from .base import run_job

logger = logging.getLogger("socketio_sync.server")

WARNING_INTERVAL = 60.0
"""Seconds between two warnings that all threads are taken."""

PATIENCE = 0.5
"""Seconds that a job may wait for a thread before that is worth a warning: a crowd of short jobs is none."""


class Worker:
    """One thread. Idle it sleeps on a gate of its own, so that waking it wakes nobody else."""

    __slots__ = ("gate", "ident", "job")

    def __init__(self, job: Job) -> None:
        self.gate = native.new_lock()
        self.gate.acquire()
        self.ident = 0
        self.job = job


class WorkerPool:
    """Runs jobs in at most ``limit`` threads. Beyond that they wait, first come first served.

    Args:
        limit: the most threads.
        job_ended: called by a worker after each job, when it counts as ended.
        call_later: ``call_later(seconds, fn)``, for a look at those that wait.
    """

    def __init__(
        self, limit: int, job_ended: Callable[[], None], call_later: Callable[[float, Callable[[], None]], object]
    ) -> None:
        self._limit = limit
        self._job_ended = job_ended
        self._call_later = call_later
        self._lock = native.new_lock()
        self._ident = native.original("_thread", "get_ident")
        self._waiting: deque[tuple[Job, float]] = deque()  # and since when
        self._watched = False  # somebody will look how long they wait
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._warned_at = -WARNING_INTERVAL
        self._stopped = False

    @property
    def active(self) -> int:
        """Jobs that wait or run."""
        return len(self._busy) + len(self._waiting)

    @property
    def threads(self) -> int:
        """Threads alive."""
        return len(self._busy) + len(self._idle)

    def labels(self) -> list[str]:
        """The labels of the jobs that run now."""
        with self._lock:
            jobs = [worker.job for worker in self._busy]
        return [label_text(job) for job in jobs]

    def has_current(self) -> bool:
        """Whether the calling thread is running a job."""
        ident = self._ident()
        with self._lock:
            return any(worker.ident == ident for worker in self._busy)

    def submit(self, job: Job) -> None:
        """Run a job; never blocks."""
        with self._lock:
            if self._stopped:
                return
            worker = self._choose_locked(job)
            if worker is None:
                self._waiting.append((job, time.monotonic()))
        if worker is None:
            self._watch_waiting()
        elif not worker.ident:
            self._start(worker)

    def _choose_locked(self, job: Job) -> Worker | None:
        """Give the job to an idle worker, or to a new one, which is to be started; None: too many are busy.

        There may be idle ones beyond the limit: those that joined.
        """
        if len(self._busy) >= self._limit:
            return None
        if self._idle:
            worker = self._idle.pop()
            worker.job = job
            worker.gate.release()
        else:
            worker = Worker(job)
        self._busy.add(worker)
        return worker

    def _begin_waiting(self) -> bool:
        """Let the job that waits longest begin, if it may. Whether others wait still."""
        worker: Worker | None = None
        with self._lock:
            if self._waiting:
                worker = self._choose_locked(self._waiting[0][0])
                if worker is not None:
                    self._waiting.popleft()
            left = bool(self._waiting)
        if worker is not None and not worker.ident:
            self._start(worker)
        return left

    def enter(self, worker: Worker) -> bool:
        """A thread that is not the pool's is about to run jobs. False: as many as may are running."""
        with self._lock:
            if self._stopped or len(self._busy) >= self._limit:
                return False
            self._busy.add(worker)
            return True

    def leave(self, worker: Worker) -> None:
        """It runs no more."""
        worker.job = NOTHING
        with self._lock:
            self._busy.discard(worker)
        if self._waiting:
            self._begin_waiting()

    def join(self, worker: Worker) -> None:
        """It stays, its job done, until it is not needed any more. Called in its thread."""
        worker.ident = self._ident()
        while self._go_on(worker):
            run_job_in_thread(worker.job)

    def stop(self) -> None:
        """Let every thread end after its job; what waits is dropped."""
        with self._lock:
            self._stopped = True
            self._waiting.clear()
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.gate.release()

    def _start(self, worker: Worker) -> None:
        try:
            native.start_thread(lambda: self._work(worker), "worker")
        except RuntimeError as error:  # the system's limit: the threads that run take it over, or it is tried again
            logger.error("no worker thread can be started (%s); %d are running", error, self.threads - 1)
            with self._lock:
                self._waiting.append((worker.job, time.monotonic()))
                self._busy.discard(worker)
            self._watch_waiting()

    def _work(self, worker: Worker) -> None:
        worker.ident = self._ident()
        try:
            run_job_in_thread(worker.job)
            self.join(worker)
        finally:
            native.drop_hub()

    def _go_on(self, worker: Worker) -> bool:
        more = self._next_job(worker)
        self._job_ended()
        return more or self._wait(worker)

    def _next_job(self, worker: Worker) -> bool:
        """Give the worker what waits longest, or make it idle."""
        worker.job = NOTHING  # an idle thread holds on to nothing
        with self._lock:
            if self._waiting:
                worker.job, _ = self._waiting.popleft()
                return True
            self._busy.discard(worker)
            if self._stopped:
                worker.gate.release()  # it will not wait
            else:
                self._idle.append(worker)
            return False

    def _wait(self, worker: Worker) -> bool:
        """Sleep until there is a job for this worker. False: it is not needed any more."""
        if not worker.gate.acquire(True, IDLE_SECONDS):
            with self._lock:
                if worker in self._idle:
                    self._idle.remove(worker)
                    return False
            worker.gate.acquire()  # it was chosen in the last moment
        return worker.job is not NOTHING

    def _watch_waiting(self) -> None:
        if not self._watched:
            self._watched = True
            self._call_later(PATIENCE, self._look_at_waiting)

    def _look_at_waiting(self) -> None:
        now = time.monotonic()
        self._watched = False
        if self._begin_waiting():  # one began if a thread could not be started before; a full pool lets none
            self._watch_waiting()
        with self._lock:
            since = self._waiting[0][1] if self._waiting else now
            full = len(self._busy) >= self._limit
        if full and now - since >= PATIENCE and now - self._warned_at >= WARNING_INTERVAL:
            self._warned_at = now
            self._warn()

    def _warn(self) -> None:
        holders = Counter(label or "unnamed" for label in self.labels())
        logger.warning(
            "all %d handler threads are taken and events wait (handler_threads); they are held by: %s",
            self._limit,
            ", ".join(f"{label} ({count})" for label, count in holders.most_common(10)),
        )


def run_job_in_thread(job: Job) -> bool:
    """As ``run_job``, in a thread of ours, which user code may not end."""
    try:
        return run_job(job)
    except BaseException:  # sys.exit() in a handler would end just this thread
        logger.exception("a job tried to end its thread: %s", label_text(job) or job)
        return False
