from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from threading import Barrier
from threading import Thread

import gevent
import psutil
import pytest

from socketio_sync.runtime.base import Runtime
from tests.support.timing import scaled


def in_thread(fn: Callable[[], object]) -> Thread:
    thread = Thread(target=fn, daemon=True)
    thread.start()
    return thread


def test_a_set_event_is_not_waited_for(runtime: Runtime) -> None:
    event = runtime.event()
    assert not event.is_set()
    event.set()
    assert event.is_set()
    assert event.wait()
    assert event.wait(0)


def test_a_wait_ends_with_its_time(runtime: Runtime) -> None:
    event = runtime.event()
    began = runtime.now()
    assert not event.wait(0.05)
    assert runtime.now() - began >= 0.045
    assert not event.wait(0)
    assert not event.wait(-1)
    assert event._waiters == []


def test_clear_lowers_the_flag(runtime: Runtime) -> None:
    event = runtime.event()
    event.set()
    event.clear()
    assert not event.wait(0.001)


def test_a_wait_of_years_is_possible(runtime: Runtime) -> None:
    event = runtime.event()
    runtime.timers.call_later(0.05, event.set)
    assert event.wait(1e12)


def test_one_set_wakes_jobs_tasks_and_native_threads(runtime: Runtime) -> None:
    event, woken = runtime.event(), []
    everyone = runtime.event()

    def wait() -> None:
        woken.append(event.wait(scaled(5)))
        if len(woken) == 9:
            everyone.set()

    for _ in range(3):
        runtime.submit(wait)
        runtime.spawn(wait)
        in_thread(wait)
    while len(event._waiters) < 9:
        runtime.sleep(0.001)
    runtime.submit(event.set)
    assert everyone.wait(scaled(5))
    assert woken == [True] * 9
    assert event._waiters == []


def test_a_native_thread_wakes_the_callers_greenlet_or_thread(runtime: Runtime) -> None:
    event = runtime.event()
    thread = in_thread(event.set)
    assert event.wait(scaled(5))
    thread.join()


def test_many_threads_that_set_and_wait_at_once_lose_no_wake_up(runtime: Runtime) -> None:
    rounds, width = 200, 4
    barrier = Barrier(2 * width)
    events = [runtime.event() for _ in range(rounds)]
    failed: list[int] = []

    def wait() -> None:
        for number, event in enumerate(events):
            barrier.wait()
            if not event.wait(scaled(5)):
                failed.append(number)

    def set_() -> None:
        for event in events:
            barrier.wait()
            event.set()

    threads = [in_thread(fn) for fn in [wait, set_] * width]
    for thread in threads:
        thread.join(scaled(20))
        assert not thread.is_alive()
    assert failed == []


def test_a_wait_that_times_out_just_as_it_is_set_agrees_with_the_flag(runtime: Runtime) -> None:
    for _ in range(100):
        event = runtime.event()
        thread = in_thread(event.set)
        woken = event.wait(0.0001)
        thread.join()
        assert event.is_set()
        assert event.wait(0) or not woken
        assert event._waiters == []


def test_threads_that_waited_leave_nothing_behind(runtime: Runtime) -> None:
    process = psutil.Process()
    event = runtime.event()
    runtime.timers.call_later(0, print)  # what the runtime itself needs is there before the count
    runtime.sleep(0.1)
    files, threads = process.num_fds(), threading.active_count()
    for _ in range(10):
        waiting = [in_thread(lambda: event.wait(scaled(10))) for _ in range(100)]
        event.set()
        for thread in waiting:
            thread.join(scaled(10))
            assert not thread.is_alive()
        event.clear()
    assert process.num_fds() <= files
    assert threading.active_count() <= threads


@pytest.mark.parametrize("runtime", ["gevent"], indirect=True)
def test_greenlets_of_another_threads_hub_can_wait(runtime: Runtime) -> None:
    event, woken = runtime.event(), []

    def run_hub() -> None:
        greenlets = [gevent.spawn(lambda: woken.append(event.wait(scaled(5)))) for _ in range(3)]
        ticks = [gevent.spawn(lambda: woken.append("the hub is not blocked"))]
        gevent.joinall(greenlets + ticks)
        gevent.get_hub().destroy(destroy_loop=True)

    thread = in_thread(run_hub)
    while len(event._waiters) < 3:
        runtime.sleep(0.001)
    event.set()
    while thread.is_alive():
        runtime.sleep(0.001)
    assert sorted(woken, key=str) == [True, True, True, "the hub is not blocked"]


@pytest.mark.parametrize("runtime", ["gevent"], indirect=True)
def test_a_greenlet_killed_while_waiting_leaves_no_waiter(runtime: Runtime) -> None:
    event = runtime.event()
    greenlet = gevent.spawn(event.wait)
    gevent.sleep(0)
    assert len(event._waiters) == 1
    greenlet.kill()
    assert event._waiters == []
    event.set()
    gevent.sleep(0)


@pytest.mark.parametrize("runtime", ["gevent"], indirect=True)
def test_a_waiter_whose_hub_has_ended_does_not_hinder_the_others(runtime: Runtime) -> None:
    event = runtime.event()

    def leave_a_waiter() -> None:
        gevent.spawn(event.wait)
        gevent.sleep(0)
        gevent.get_hub().destroy(destroy_loop=True)

    in_thread(leave_a_waiter).join()
    assert len(event._waiters) == 1
    waiting = gevent.spawn(event.wait)
    gevent.sleep(0)
    event.set()
    waiting.join(scaled(5))
    assert waiting.value is True


@pytest.mark.parametrize("runtime", ["gevent"], indirect=True)
def test_the_hub_itself_cannot_wait(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    runtime.call_soon(runtime.event().wait, 1)
    runtime.sleep(0.01)
    assert "the hub must not wait" in caplog.text


def test_ctrl_c_ends_a_wait_of_the_main_thread_whatever_thread_the_kernel_wakes() -> None:
    """The kernel may give the signal to a thread that is just ending: about one time in four here, without slices."""
    program = """
import threading, time
from socketio_sync.runtime.threads import ThreadRuntime
def churn():
    while True:
        threading.Thread(target=lambda: time.sleep(0.0005)).start()
        time.sleep(0.0002)
threading.Thread(target=churn, daemon=True).start()
print("ready", flush=True)
ThreadRuntime().event().wait()
"""
    for _ in range(8):
        command = [sys.executable, "-c", program]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(signal.SIGINT)
            try:
                _, errors = process.communicate(timeout=scaled(10))
            finally:
                process.kill()
            assert b"KeyboardInterrupt" in errors
