"""The verbs, alike in every runtime."""

from __future__ import annotations

import _thread
import time
from threading import Barrier
from threading import Thread

import pytest

from socketio_sync.runtime.base import LOCK_SHARED_BY
from socketio_sync.runtime.base import Runtime
from tests.support.timing import scaled


def test_clocks(runtime: Runtime) -> None:
    assert abs(runtime.now() - time.monotonic()) < scaled(1)
    assert abs(runtime.wall_time() - time.time()) < scaled(1)
    assert abs(runtime.timers.now() - runtime.now()) < scaled(1)


def test_sleep_takes_its_time_and_lets_others_run(runtime: Runtime) -> None:
    ran = runtime.event()
    began = runtime.now()
    runtime.submit(ran.set)
    runtime.sleep(0.05)
    assert ran.is_set()
    assert runtime.now() - began >= 0.045


def test_sleep_of_a_native_thread_blocks_only_it(runtime: Runtime) -> None:
    slept = runtime.event()

    def sleep() -> None:
        runtime.sleep(0.02)
        slept.set()

    thread = Thread(target=sleep)
    thread.start()
    assert slept.wait(scaled(5))
    thread.join()


def test_a_lock_is_the_systems(runtime: Runtime) -> None:
    assert type(runtime.lock()) is type(_thread.allocate_lock())


def test_neighbours_share_a_lock(runtime: Runtime) -> None:
    locks = [runtime.shared_lock() for _ in range(3 * LOCK_SHARED_BY)]
    assert type(locks[0]) is type(runtime.lock())
    for start in range(0, len(locks), LOCK_SHARED_BY):
        assert len(set(locks[start : start + LOCK_SHARED_BY])) == 1
    assert len(set(locks)) == 3


def test_threads_that_ask_for_a_shared_lock_at_once(runtime: Runtime) -> None:
    width = 8
    barrier, locks = Barrier(width), []

    def ask() -> None:
        barrier.wait()
        locks.extend([runtime.shared_lock() for _ in range(100)])

    threads = [Thread(target=ask) for _ in range(width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(locks) == 100 * width
    assert len(set(locks)) <= 100 * width // LOCK_SHARED_BY + 1


def test_a_task_can_be_joined(runtime: Runtime) -> None:
    go, seen = runtime.event(), []

    def work(*args: int, **kwargs: int) -> None:
        go.wait(scaled(5))
        seen.append((args, kwargs))

    task = runtime.spawn(work, 1, 2, three=3)
    assert not task.join(0.01)
    assert not task.done
    assert repr(task) == "<Task work running>"
    go.set()
    assert task.join(scaled(5))
    assert task.done
    assert seen == [((1, 2), {"three": 3})]
    assert repr(task) == "<Task work done>"


def test_a_failing_task_is_logged_and_done(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    task = runtime.spawn(lambda: 1 / 0)
    assert task.join(scaled(5))
    assert "ZeroDivisionError" in caplog.text


def test_a_native_thread_may_spawn(runtime: Runtime) -> None:
    ran = runtime.event()
    thread = Thread(target=runtime.spawn, args=(ran.set,))
    thread.start()
    assert ran.wait(scaled(5))
    thread.join()


def test_submit_returns_before_the_job_runs(runtime: Runtime) -> None:
    lock, ran = runtime.lock(), runtime.event()

    def job() -> None:
        with lock:
            ran.set()

    with lock:
        runtime.submit(job)
        assert not ran.is_set()
    assert ran.wait(scaled(5))


def test_jobs_that_block_do_not_hinder_others(runtime: Runtime) -> None:
    go, started = runtime.event(), []
    for number in range(20):
        runtime.submit(lambda number=number: (started.append(number), go.wait(scaled(5))))
    free = runtime.event()
    runtime.submit(free.set)
    assert free.wait(scaled(5))
    assert runtime.active_jobs >= 20
    go.set()
    assert runtime.wait_idle(scaled(5))
    assert runtime.active_jobs == 0
    assert sorted(started) == list(range(20))


def test_a_failing_job_is_logged_with_its_label(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    runtime.submit(lambda: 1 / 0, lambda: "the division")
    assert runtime.wait_idle(scaled(5))
    assert "ZeroDivisionError" in caplog.text
    assert "the division" in caplog.text


def test_the_labels_of_running_jobs_are_known(runtime: Runtime) -> None:
    go, running = runtime.event(), runtime.event()

    def job() -> None:
        running.set()
        go.wait(scaled(5))

    runtime.submit(job, "chat of /")
    assert running.wait(scaled(5))
    assert runtime.job_labels() == ["chat of /"]
    go.set()
    assert runtime.wait_idle(scaled(5))
    assert runtime.job_labels() == []


def test_wait_idle_does_not_wait_for_the_job_that_calls_it(runtime: Runtime) -> None:
    results, done, go = [], runtime.event(), runtime.event()

    def closing() -> None:
        results.append(runtime.wait_idle(0.01))
        go.set()
        results.append(runtime.wait_idle(scaled(5)))
        done.set()

    runtime.submit(lambda: go.wait(scaled(5)))
    runtime.submit(closing)
    assert done.wait(scaled(5))
    assert results == [False, True]
    assert runtime.wait_idle(scaled(5))


def test_calls_come_in_order_in_the_io_thread(runtime: Runtime) -> None:
    calls: list[tuple[int, bool]] = []
    done = runtime.event()
    for number in range(100):
        runtime.call_soon(lambda number=number: calls.append((number, runtime.in_io_thread())))
    runtime.call_soon(done.set)
    assert done.wait(scaled(5))
    assert calls == [(number, True) for number in range(100)]


def test_a_failing_call_is_logged_and_the_next_comes(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    done = runtime.event()
    runtime.call_soon(lambda: 1 / 0)
    runtime.call_soon(done.set)
    assert done.wait(scaled(5))
    assert "ZeroDivisionError" in caplog.text


def test_many_threads_submit_and_call_at_once(runtime: Runtime) -> None:
    width, each = 8, 300
    barrier = Barrier(width)
    jobs: list[int] = []
    calls: list[int] = []
    done = runtime.event()

    def note(into: list[int]) -> None:
        into.append(1)
        if len(jobs) + len(calls) == 2 * width * each:
            done.set()

    def flood() -> None:
        barrier.wait()
        for _ in range(each):
            runtime.submit(lambda: note(jobs))
            runtime.call_soon(note, calls)

    threads = [Thread(target=flood) for _ in range(width)]
    for thread in threads:
        thread.start()
    assert done.wait(scaled(20)), (len(jobs), len(calls))
    for thread in threads:
        thread.join()
    assert runtime.wait_idle(scaled(5))


def test_stop_ends_it_and_twice_is_harmless(runtime: Runtime) -> None:
    ran = runtime.event()
    runtime.submit(ran.set)
    runtime.timers.call_later(3600, print)
    assert ran.wait(scaled(5))
    runtime.stop()
    runtime.stop()
    ran.clear()
    runtime.submit(ran.set)
    assert not ran.wait(0.02)
    assert runtime.wait_idle(scaled(5))
