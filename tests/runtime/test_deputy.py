"""Jobs of the I/O thread's own: it runs them itself, and loses its place to a deputy when one takes long."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator

import pytest

from socketio_sync.runtime import deputy as deputies
from socketio_sync.runtime import threads as threads_module
from socketio_sync.runtime import worker_pool
from socketio_sync.runtime.base import Job
from socketio_sync.runtime.threads import ThreadRuntime
from tests.support.channels import Pair
from tests.support.programs import ROOT
from tests.support.timing import scaled
from tests.support.wire import until


@pytest.fixture
def threads() -> Iterator[ThreadRuntime]:
    runtime = ThreadRuntime(handler_threads=4)
    yield runtime
    runtime.stop()


def submit_inside(runtime: ThreadRuntime, *jobs: Callable[[], object]) -> None:
    """As what is read does: in the I/O thread."""
    runtime.call_soon(lambda: [runtime.submit(job) for job in jobs])


def ident(runtime: ThreadRuntime) -> int:
    """The I/O thread's."""
    seen: list[int] = []
    runtime.call_soon(lambda: seen.append(threading.get_ident()))
    until(lambda: seen)
    return seen[0]


def test_short_jobs_run_in_the_io_thread_in_their_order(threads: ThreadRuntime) -> None:
    first = ident(threads)
    ran: list[tuple[int, int]] = []
    submit_inside(threads, *[lambda number=number: ran.append((number, threading.get_ident())) for number in range(50)])
    until(lambda: len(ran) == 50)
    assert ran == [(number, first) for number in range(50)]
    assert ident(threads) == first


def test_a_job_that_blocks_loses_the_lead(threads: ThreadRuntime) -> None:
    first = ident(threads)
    go = threading.Event()  # not the runtime's, which would tell
    ran: list[int] = []
    began = time.monotonic()
    submit_inside(threads, lambda: go.wait(scaled(5)), lambda: ran.append(1))
    until(lambda: ran)
    assert ident(threads) != first
    assert time.monotonic() - began < scaled(1)
    assert threads.active_jobs == 1
    go.set()
    assert threads.wait_idle(scaled(5))


def test_a_job_that_computes_loses_the_lead(threads: ThreadRuntime) -> None:
    first = ident(threads)
    over = threading.Event()

    def compute() -> None:
        while not over.is_set():
            sum(range(100))

    submit_inside(threads, compute)
    assert threads.call_soon(int) is None
    until(lambda: ident(threads) != first)
    over.set()
    assert threads.wait_idle(scaled(5))


def test_a_job_that_waits_for_the_runtime_gives_the_lead_away_at_once(
    threads: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deputies, "PATIENCE", 60.0)
    answer = threads.event()
    answered: list[bool] = []
    submit_inside(threads, lambda: answered.append(answer.wait(scaled(20))))
    until(lambda: threads._pool.active)
    threads.call_soon(answer.set)  # what the job waits for comes from the I/O thread
    until(lambda: answered)
    assert answered == [True]


def test_after_a_slow_job_the_pool_has_the_next_ones(
    threads: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads_module, "SUSPICION", scaled(60))
    go = threads.event()
    submit_inside(threads, lambda: go.wait(scaled(5)))
    until(lambda: threads._deputy is None and threads._trusting_at)
    leader = ident(threads)
    ran: list[int] = []
    submit_inside(threads, lambda: ran.append(threading.get_ident()))
    until(lambda: ran)
    assert ran != [leader]
    go.set()
    assert threads.wait_idle(scaled(5))
    threads._trusting_at = 0.0
    submit_inside(threads, lambda: ran.append(threading.get_ident()))
    until(lambda: len(ran) == 2)
    assert ran[1] == ident(threads)


def test_no_more_jobs_at_once_than_allowed(threads: ThreadRuntime) -> None:
    go = threads.event()
    running: list[int] = []
    lock = threading.Lock()
    most: list[int] = []

    def job() -> None:
        with lock:
            running.append(1)
            most.append(len(running))
        go.wait(scaled(10))
        with lock:
            running.pop()

    for _ in range(20):
        submit_inside(threads, job)
    until(lambda: len(running) == 4)
    assert threads.active_jobs == 20
    ident(threads)  # there is an I/O thread still
    go.set()
    assert threads.wait_idle(scaled(10))
    assert len(most) == 20
    assert max(most) == 4


@pytest.fixture
def single() -> Iterator[ThreadRuntime]:
    runtime = ThreadRuntime(handler_threads=1)
    yield runtime
    runtime.stop()


def test_former_io_threads_run_no_more_than_allowed(single: ThreadRuntime) -> None:
    for _ in range(3):  # each leaves an idle thread behind
        single._trusting_at = 0.0
        submit_inside(single, lambda: single.sleep(0.1))
        until(lambda: single.active_jobs)
        assert single.wait_idle(scaled(5))
    go = single.event()
    ran: list[int] = []
    single._trusting_at = 0.0
    submit_inside(single, lambda: go.wait(scaled(5)))
    until(lambda: single._pool.active)
    for number in range(5):
        single.submit(lambda number=number: ran.append(number))
    time.sleep(0.1)
    assert ran == []
    go.set()
    assert single.wait_idle(scaled(5))
    assert ran == list(range(5))


def test_what_waits_for_the_io_thread_to_run_no_job_begins_then(
    single: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deputies, "PATIENCE", 60.0)
    monkeypatch.setattr(worker_pool, "PATIENCE", 60.0)
    ran = threading.Event()
    submit_inside(single, lambda: single.submit(ran.set))
    assert ran.wait(scaled(5))


def test_sockets_are_read_while_jobs_block(threads: ThreadRuntime) -> None:
    pair = Pair(threads)
    pair.channel.start()
    go = threading.Event()
    for turn in range(1, 4):
        threads._trusting_at = 0.0
        submit_inside(threads, lambda: go.wait(scaled(5)))
        pair.peer.send(b"x")
        assert pair.recorder.wait_for(turn) == b"x" * turn
    go.set()
    assert threads.wait_idle(scaled(5))
    pair.close()


def test_a_job_that_ends_its_thread_does_not_end_the_io_thread(
    threads: ThreadRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    first = ident(threads)

    def leave() -> None:
        raise SystemExit(1)

    submit_inside(threads, leave)
    until(lambda: "SystemExit" in caplog.text)
    assert ident(threads) == first


def test_a_sleep_of_nothing_keeps_the_lead(threads: ThreadRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deputies, "PATIENCE", 60.0)
    first = ident(threads)
    ran = threading.Event()

    def job() -> None:
        threads.sleep(0)
        time.sleep(0.1)
        ran.set()

    submit_inside(threads, job)
    assert ran.wait(scaled(5))
    assert ident(threads) == first


def test_a_job_counts_all_the_way_to_the_pool(threads: ThreadRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    submit = threads._pool.submit

    def counted(job: Job) -> None:
        counts.append(threads.active_jobs)
        submit(job)
        counts.append(threads.active_jobs)

    monkeypatch.setattr(threads._pool, "submit", counted)
    threads._trusting_at = threads.now() + 3600
    go = threads.event()
    submit_inside(threads, lambda: go.wait(scaled(5)))
    until(lambda: len(counts) == 2)
    assert all(counts)
    go.set()
    assert threads.wait_idle(scaled(5))


def test_a_job_that_stops_the_runtime_is_the_last_one(threads: ThreadRuntime) -> None:
    before = threading.active_count()
    ran: list[str] = []
    submit_inside(threads, threads.stop, lambda: ran.append("stopped"))
    until(lambda: threads._stopped and not threads._io_running)
    until(lambda: threading.active_count() <= before)
    assert ran == []
    assert threads.active_jobs == 0


FORKING = """
import os, sys, threading, time
from socketio_sync.runtime.threads import ThreadRuntime

threading.excepthook = lambda failed: os._exit(9)
runtime = ThreadRuntime()
over = threading.Event()
children = []

def fork():
    children.append(os.fork())
    if not children[0]:
        runtime.submit(over.set)  # the child begins anew, and this thread, which goes on, may take it over
        threading.Thread(target=end_child).start()

def end_child():
    time.sleep(0.3)
    os._exit(0 if over.is_set() and not second else 8)

second = []
runtime.call_soon(lambda: [runtime.submit(fork), runtime.submit(lambda: second.append(1)), runtime.submit(over.set)])
assert over.wait(20)
assert second == [1]
status = os.waitpid(children[0], 0)[1]
print("status", os.waitstatus_to_exitcode(status))
"""


def test_a_fork_in_a_job_does_not_run_the_others_twice() -> None:
    command = [sys.executable, "-c", FORKING]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(60), check=False)
    assert done.stdout == "status 0\n", done.stdout + done.stderr


def test_deputies_that_sleep_off_and_leave_miss_nothing(
    threads: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deputies, "CALM", 0)
    monkeypatch.setattr(deputies, "PATIENCE", 0.0001)
    monkeypatch.setattr(threads_module, "IDLE_SECONDS", 0.0003)
    monkeypatch.setattr(threads_module, "SUSPICION", 0.0)
    for number in range(300):
        seconds = 0.001 if number % 3 == 0 else 0
        ran = threading.Event()
        submit_inside(threads, lambda seconds=seconds: time.sleep(seconds), ran.set)
        assert ran.wait(scaled(5)), number


def test_threads_end(threads: ThreadRuntime) -> None:
    before = threading.active_count()
    for _ in range(5):
        runtime = ThreadRuntime()
        submit_inside(runtime, lambda: time.sleep(0.05), int)
        until(lambda runtime=runtime: not runtime.active_jobs)
        runtime.stop()
    until(lambda: threading.active_count() <= before)


def test_a_lead_that_is_lost_before_the_job_has_begun(
    threads: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread may lose the processor anywhere: no job is lost for it, and none runs twice."""
    begin = deputies.Deputy.begin_job

    def descheduled(self: deputies.Deputy) -> None:
        begin(self)
        time.sleep(0.03)

    monkeypatch.setattr(deputies.Deputy, "begin_job", descheduled)
    ran: list[int] = []
    for number in range(0, 60, 3):
        threads._trusting_at = 0.0
        submit_inside(threads, *[lambda job=job: ran.append(job) for job in range(number, number + 3)])
        until(lambda number=number: len(ran) >= number + 3)
    assert threads.wait_idle(scaled(5))
    assert sorted(ran) == list(range(60))
