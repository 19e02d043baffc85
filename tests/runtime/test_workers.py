"""The pools: how many workers there are, and that they come and go."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from typing import Any

import gevent
import gevent.event
import gevent.local
import gevent.lock
import pytest

from socketio_sync.runtime import base
from socketio_sync.runtime import greenlets
from socketio_sync.runtime import native
from socketio_sync.runtime import worker_pool
from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.greenlets import PUMP_SECONDS
from socketio_sync.runtime.greenlets import GeventRuntime
from socketio_sync.runtime.rings import CROWD
from socketio_sync.runtime.threads import ThreadRuntime
from tests.support.channels import Pair
from tests.support.channels import packets
from tests.support.programs import ROOT
from tests.support.steps import failing_steps
from tests.support.steps import interrupted
from tests.support.timing import scaled
from tests.support.wire import until


@pytest.fixture
def short_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (base, greenlets, worker_pool):
        monkeypatch.setattr(module, "IDLE_SECONDS", 0.1)


@pytest.fixture
def threads() -> Iterator[ThreadRuntime]:
    runtime = ThreadRuntime(handler_threads=4)
    yield runtime
    runtime.stop()


@pytest.fixture
def greens() -> Iterator[GeventRuntime]:
    runtime = GeventRuntime()
    yield runtime
    runtime.stop()
    gevent.sleep(0)


def one_after_another(runtime: Runtime, count: int) -> set[int]:
    """The workers that ran so many jobs, each submitted when the one before had ended."""
    seen: set[int] = set()
    for _ in range(count):
        runtime.submit(lambda: seen.add(id(gevent.getcurrent())))
        assert runtime.wait_idle(scaled(5))
        runtime.sleep(0)
    return seen


class Interrupted(list[Any]):
    """A list of which the first question whether it has anything is met by Ctrl-C."""

    asked = False

    def __bool__(self) -> bool:
        if not self.asked:
            self.asked = True
            raise KeyboardInterrupt
        return len(self) > 0


class TestThreads:
    def test_no_thread_without_work(self) -> None:
        before = threading.active_count()
        runtime = ThreadRuntime()
        runtime.event()
        runtime.lock()
        assert threading.active_count() == before

    def test_idle_threads_are_used_again(self, threads: ThreadRuntime) -> None:
        one_after_another(threads, 50)
        assert threads._pool.threads <= 2

    def test_the_limit_holds_and_jobs_wait_in_order(self, threads: ThreadRuntime) -> None:
        go, started = threads.event(), []
        full = threads.event()

        def job(number: int) -> None:
            started.append(number)
            if len(started) == 4:
                full.set()
            go.wait(scaled(5))

        for number in range(20):
            threads.submit(lambda number=number: job(number))
        assert full.wait(scaled(5))
        assert threads._pool.threads == 4
        assert threads.active_jobs == 20
        assert sorted(started) == [0, 1, 2, 3]
        go.set()
        assert threads.wait_idle(scaled(5))
        assert len(started) == 20
        assert max(abs(number - place) for place, number in enumerate(started)) <= 4

    def test_one_warning_names_those_that_hold_the_threads(
        self, threads: ThreadRuntime, caplog: pytest.LogCaptureFixture
    ) -> None:
        go = threads.event()
        for label in ["save of /", "save of /", lambda: "load of /"]:
            threads.submit(lambda: go.wait(scaled(5)), label)
        for _ in range(10):
            threads.submit(lambda: go.wait(scaled(5)))
        until(lambda: caplog.records)
        threads.sleep(2 * worker_pool.PATIENCE)
        go.set()
        assert threads.wait_idle(scaled(5))
        warnings = [record.getMessage() for record in caplog.records]
        assert len(warnings) == 1
        assert "all 4 handler threads are taken" in warnings[0]
        assert "save of / (2)" in warnings[0]
        assert "load of / (1)" in warnings[0]

    def test_a_crowd_of_short_jobs_is_no_warning(
        self, threads: ThreadRuntime, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(5000):
            threads.submit(int)
        assert threads.wait_idle(scaled(5))
        threads.sleep(1.5 * worker_pool.PATIENCE)
        assert caplog.records == []

    def test_jobs_that_block_get_threads_soon(self) -> None:
        runtime = ThreadRuntime(64)
        go = runtime.event()
        running: list[int] = []

        def job() -> None:
            running.append(1)
            go.wait(scaled(5))

        began = runtime.now()
        for _ in range(64):
            runtime.submit(job)
        until(lambda: len(running) == 64)
        assert runtime.now() - began < scaled(0.5)
        go.set()
        assert runtime.wait_idle(scaled(5))
        runtime.stop()

    def test_threads_are_daemons_with_our_name(self, threads: ThreadRuntime) -> None:
        seen: list[threading.Thread] = []
        threads.submit(lambda: seen.append(threading.current_thread()))
        threads.call_soon(lambda: seen.append(threading.current_thread()))
        assert threads.wait_idle(scaled(5))
        while len(seen) < 2:
            threads.sleep(0.001)
        assert {thread.name for thread in seen} == {"socketio_sync-worker", "socketio_sync-io"}
        assert all(thread.daemon for thread in seen)

    def test_threads_nobody_needs_end(self, threads: ThreadRuntime, short_idle: None) -> None:
        go = threads.event()
        for _ in range(4):
            threads.submit(lambda: go.wait(scaled(5)))
        go.set()
        assert threads.wait_idle(scaled(5))
        while threads._pool.threads:
            threads.sleep(0.01)
        ran = threads.event()
        threads.submit(ran.set)
        assert ran.wait(scaled(5))

    def test_jobs_that_come_as_threads_end_are_not_lost(
        self, threads: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(worker_pool, "IDLE_SECONDS", 0.0005)
        for _ in range(1000):
            ran = threads.event()
            threads.submit(ran.set)
            assert ran.wait(scaled(5))
            threads.sleep(0.0005)

    def test_a_job_that_ends_its_thread_ends_only_the_job(
        self, threads: ThreadRuntime, caplog: pytest.LogCaptureFixture
    ) -> None:
        def leave() -> None:
            raise SystemExit(1)

        for _ in range(10):
            threads.submit(leave)
        assert threads.wait_idle(scaled(5))
        ran = threads.event()
        threads.submit(ran.set)
        assert ran.wait(scaled(5))
        assert "SystemExit" in caplog.text

    def test_the_io_thread_ends_when_nothing_is_left_and_comes_back(
        self, threads: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("socketio_sync.runtime.threads.IDLE_SECONDS", 0.05)
        for _ in range(3):
            pair = Pair(threads)
            pair.channel.start()
            pair.peer.send(b"x")
            assert pair.recorder.wait_for(1) == b"x"
            pair.close()
            while threads._io_running:
                threads.sleep(0.01)
            assert threads._poller is None

    def test_calls_that_come_as_the_io_thread_ends_are_not_lost(
        self, threads: ThreadRuntime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("socketio_sync.runtime.threads.IDLE_SECONDS", 0.0005)
        for _ in range(500):
            called = threads.event()
            threads.call_soon(called.set)
            assert called.wait(scaled(5))
            threads.sleep(0.0005)

    def test_jobs_wait_for_a_system_that_gives_no_thread(
        self, threads: ThreadRuntime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(worker_pool, "PATIENCE", 0.05)
        start_thread = native.start_thread
        refused: list[str] = []

        def start(fn: Callable[[], None], name: str) -> None:
            if name == "worker" and len(refused) < 3:
                refused.append(name)
                raise RuntimeError("can't start new thread")
            start_thread(fn, name)

        monkeypatch.setattr(native, "start_thread", start)
        ran: list[int] = []
        threads.submit(lambda: ran.append(1))
        assert threads.wait_idle(scaled(5))
        assert ran == [1]
        assert len(refused) == 3
        assert "no worker thread can be started" in caplog.text
        assert "are taken" not in caplog.text

    def test_only_the_io_thread_gathers(self, threads: ThreadRuntime) -> None:
        """Nobody looks on while others run jobs."""
        pair = packets(threads)
        threads.submit(lambda: (pair.offer(b"a"), pair.offer(b"b")))
        assert [pair.peer.recv(10) for _ in range(2)] == [b"a", b"b"]
        pair.close()

    def test_the_deputy_sends_what_was_gathered(self, threads: ThreadRuntime) -> None:
        pair = packets(threads)
        go = native.new_lock()
        go.acquire()

        def job() -> None:
            pair.offer(b"a")
            pair.offer(b"b")
            go.acquire()
            pair.offer(b"c")
            pair.offer(b"d")

        threads.call_soon(threads.submit, job)
        assert pair.peer.recv(10) == b"ab"
        go.release()
        assert [pair.peer.recv(10) for _ in range(2)] == [b"c", b"d"]
        pair.close()

    def test_stop_ends_the_threads(self) -> None:
        before = threading.active_count()
        runtime = ThreadRuntime()
        runtime.timers.call_later(3600, print)
        one_after_another(runtime, 3)
        pair = Pair(runtime)
        pair.channel.start()
        runtime.stop()
        assert pair.peer.recv(1) == b""
        pair.peer.close()
        while threading.active_count() > before:
            runtime.sleep(0.01)


class TestGreenlets:
    def test_idle_greenlets_are_used_again(self, greens: GeventRuntime) -> None:
        assert len(one_after_another(greens, 50)) == 1

    def test_greenlets_nobody_needs_end(self, greens: GeventRuntime, short_idle: None) -> None:
        go = greens.event()
        for _ in range(50):
            greens.submit(lambda: go.wait(scaled(5)))
        gevent.sleep(0)
        assert len(greens._workers) == 50
        go.set()
        assert greens.wait_idle(scaled(5))
        while greens._workers:
            gevent.sleep(0.01)
        while greens.timers:
            gevent.sleep(0.01)
        assert len(one_after_another(greens, 3)) == 1

    def test_gevents_own_tools_work_in_jobs(self, greens: GeventRuntime) -> None:
        semaphore, local = gevent.lock.BoundedSemaphore(1), gevent.local.local()
        inside: list[int] = []

        def job(number: int) -> None:
            local.number = number
            with semaphore:
                gevent.sleep(0.001)
                inside.append(local.number)
                with gevent.Timeout(0.001, False):
                    gevent.sleep(scaled(5))

        for number in range(10):
            greens.submit(lambda number=number: job(number))
        assert greens.wait_idle(scaled(5))
        assert sorted(inside) == list(range(10))

    def test_a_killed_job_ends_its_worker_and_nothing_else(self, greens: GeventRuntime) -> None:
        running = greens.event()
        victims: list[gevent.Greenlet] = []

        def job() -> None:
            victims.append(gevent.getcurrent())
            running.set()
            gevent.sleep(scaled(60))

        greens.submit(job)
        assert running.wait(scaled(5))
        victims[0].kill()
        assert greens.wait_idle(scaled(5))
        assert greens._workers == set()
        ran = greens.event()
        greens.submit(ran.set)
        assert ran.wait(scaled(5))

    def test_a_timeout_that_a_job_left_running_does_not_meet_another_job(
        self, greens: GeventRuntime, capfd: pytest.CaptureFixture[str]
    ) -> None:
        greens.submit(lambda: gevent.Timeout(0.01).start())
        assert greens.wait_idle(scaled(5))
        gevent.sleep(0.05)
        assert greens._workers == set()
        assert greens._idle == []
        ran = greens.event()
        greens.submit(ran.set)
        assert ran.wait(scaled(5))
        assert "Timeout" in capfd.readouterr().err, "gevent reports it as for any greenlet"

    def test_a_stray_switch_does_not_wake_an_idle_worker(self, greens: GeventRuntime) -> None:
        one_after_another(greens, 1)
        (worker,) = greens._workers
        greens.hub.loop.run_callback(worker.greenlet.switch)
        gevent.sleep(0)
        gevent.sleep(0)
        assert greens._idle == [worker]
        assert len(one_after_another(greens, 3)) == 1

    def test_a_job_that_submits_itself_lets_sockets_be_read(self, greens: GeventRuntime) -> None:
        pair = Pair(greens)
        pair.channel.start()
        rounds = 0

        def again() -> None:
            nonlocal rounds
            rounds += 1
            if rounds == 5:
                pair.peer._sock.send(b"x")
            if not pair.recorder.data and rounds < 1000:
                greens.submit(again)

        greens.submit(again)
        assert greens.wait_idle(scaled(5))
        assert rounds <= 8, "it came before the sockets were looked at"
        pair.close()

    def test_a_crowd_of_jobs_lets_sockets_be_read(self, greens: GeventRuntime) -> None:
        pair = Pair(greens)
        pair.channel.start()
        read_after: list[int] = []

        def job() -> None:
            if not pair.recorder.data:
                read_after.append(1)
            time.sleep(0.005)  # not gevent's: it computes

        gevent.sleep(0.01)
        pair.peer._sock.send(b"x")
        for _ in range(100):
            greens.submit(job)
        assert greens.wait_idle(scaled(5))
        assert len(read_after) < 10
        pair.close()

    def test_jobs_of_many_sockets_let_others_have_their_turn(self, greens: GeventRuntime) -> None:
        """However many sockets are ready at once, the loop goes round after each job that takes long."""
        pairs = [Pair(greens) for _ in range(4 * CROWD)]
        turns: list[str] = []

        def job() -> None:
            turns.append("job")
            time.sleep(1.2 * PUMP_SECONDS)  # not gevent's: it computes

        def look() -> None:
            turns.append("look")
            if turns.count("job") < len(pairs):
                greens.call_soon(look)

        for pair in pairs:
            pair.recorder.on_data = lambda data: greens.submit(job)  # type: ignore[method-assign]
            pair.channel.start()
        gevent.sleep(0.01)
        for pair in pairs:
            pair.peer._sock.send(b"x")
        greens.call_soon(look)
        gevent.sleep(0.01)
        assert greens.wait_idle(scaled(30))
        assert "job job job" not in " ".join(turns)
        for pair in pairs:
            pair.close()

    def test_nothing_stays_gathered_after_a_keyboard_interrupt(
        self, greens: GeventRuntime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pair = packets(greens)
        done = greens.event()

        def job() -> None:
            pair.offer(b"a")
            gevent.get_hub().loop.run_callback(monkeypatch.undo)
            monkeypatch.setattr(greens, "gathered", Interrupted(greens.gathered))
            done.wait(scaled(5))

        greens.submit(job)
        with pytest.raises(KeyboardInterrupt):
            greens.sleep(scaled(5))
        assert pair.peer.recv(10) == b"a"
        done.set()
        assert greens.wait_idle(scaled(5))
        pair.close()

    def test_a_native_thread_cannot_start_it(self) -> None:
        errors: list[Exception] = []

        def start() -> None:
            try:
                GeventRuntime()
            except RuntimeError as error:
                errors.append(error)

        thread = threading.Thread(target=start)
        thread.start()
        thread.join()
        assert "hub" in str(errors[0])

    def test_stop_ends_the_greenlets(self) -> None:
        runtime = GeventRuntime()
        go = runtime.event()
        runtime.submit(lambda: go.wait(scaled(5)))
        ran = runtime.event()
        runtime.submit(ran.set)
        assert ran.wait(scaled(5))
        workers = [worker.greenlet for worker in runtime._workers]
        runtime.stop()
        go.set()
        gevent.joinall(workers, scaled(5))
        assert all(worker.dead for worker in workers)
        assert runtime._workers == set()


def test_jobs_run_after_a_keyboard_interrupt_in_the_hub(greens: GeventRuntime) -> None:
    pair = Pair(greens)

    def interrupt(data: bytes) -> None:
        raise KeyboardInterrupt

    pair.recorder.on_data = interrupt  # type: ignore[method-assign]
    pair.channel.start()
    pair.peer.send(b"x")
    with pytest.raises(KeyboardInterrupt):
        greens.sleep(scaled(5))
    ran = greens.event()
    greens.submit(ran.set)
    assert ran.wait(scaled(5))
    pair.close()


def test_sockets_are_read_after_a_keyboard_interrupt_in_the_hub(greens: GeventRuntime) -> None:
    pair, other = Pair(greens), Pair(greens)

    def interrupt(data: bytes) -> None:
        raise KeyboardInterrupt

    pair.recorder.on_data = interrupt  # type: ignore[method-assign]
    for each in (pair, other):
        each.channel.start()
    pair.peer.send(b"x")
    with pytest.raises(KeyboardInterrupt):
        greens.sleep(scaled(5))
    other.peer.send(b"y")
    assert other.recorder.wait_for(1) == b"y"
    for each in (pair, other):
        each.close()


def test_jobs_run_after_a_keyboard_interrupt_between_jobs(
    greens: GeventRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def interrupt() -> None:
            raise KeyboardInterrupt

        patch.setattr(greens, "_new_worker", interrupt)
        first, second = greens.event(), greens.event()
        greens.submit(first.set)
        with pytest.raises(KeyboardInterrupt):
            greens.sleep(scaled(5))
    greens.submit(second.set)
    assert first.wait(scaled(5))
    assert second.wait(scaled(5))


def test_jobs_that_wait_are_counted_at_each_step_of_a_pump(greens: GeventRuntime) -> None:
    def fails(step: int, reached: list[int]) -> bool:
        greens._pump_coming = True  # it is called here, not by the loop
        ran: list[int] = []
        for number in range(3):
            greens.submit(partial(ran.append, number))
        missing: list[int] = []

        def count() -> None:
            reached.append(step)
            missing.append(3 - len(ran) - greens.active_jobs)

        in_hub(greens, lambda: interrupted(step, GeventRuntime._pump.__code__, count, greens._pump))
        assert ran == [0, 1, 2]
        return any(number > 0 for number in missing)

    assert failing_steps(fails) == []


def test_ctrl_c_at_any_step_of_a_pump_loses_no_job(greens: GeventRuntime) -> None:
    def fails(step: int, reached: list[int]) -> bool:
        greens._pump_coming = True
        ran: list[int] = []
        for number in range(3):
            greens.submit(partial(ran.append, number))

        def interrupt() -> None:
            reached.append(step)
            raise KeyboardInterrupt

        error = in_hub(greens, lambda: interrupted(step, GeventRuntime._pump.__code__, interrupt, greens._pump))
        assert isinstance(error, KeyboardInterrupt) == bool(reached)
        assert in_hub(greens, greens._pump) is None  # as behind the next look at the sockets
        return ran != [0, 1, 2]

    assert failing_steps(fails) == []


def in_hub(runtime: GeventRuntime, fn: Callable[[], object]) -> BaseException | None:
    """Call a function as the loop does; returns what it raises."""
    ended: gevent.event.AsyncResult[BaseException | None] = gevent.event.AsyncResult()

    def call() -> None:
        try:
            fn()
        except BaseException as error:
            ended.set(error)
        else:
            ended.set(None)

    runtime.hub.loop.run_callback(call)
    return ended.get(timeout=scaled(5))


FORKING = """
import os
import gevent.os
from socketio_sync.runtime import greenlets

greenlets.GATHER_SECONDS = 100  # however long it takes to fork, the job counts as quick
runtime = greenlets.GeventRuntime()
begun, child = [], []

def fork():
    begun.append("fork")
    child.append(gevent.os.fork_gevent())  # and gevent itself does not wait for its end
    if not child[0]:  # the worker goes on in the child as well, but not with its parent's jobs
        runtime.submit(lambda: gevent.spawn(end_child))

def end_child():
    os._exit(0 if begun == ["fork"] else 8)

gevent.spawn(lambda: [runtime.submit(fork), runtime.submit(lambda: begun.append("next"))])
while "next" not in begun:
    gevent.sleep(0.001)
assert begun == ["fork", "next"]
print("status", os.waitstatus_to_exitcode(os.waitpid(child[0], 0)[1]))
"""


def test_a_fork_in_a_job_does_not_run_the_next_ones_twice() -> None:
    command = [sys.executable, "-c", FORKING]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(60), check=False)
    assert done.stdout == "status 0\n", done.stdout + done.stderr
