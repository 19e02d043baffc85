"""Gevent's hub held up by code that does not switch."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import gevent
import pytest

from socketio_sync.runtime.greenlets import GeventRuntime
from tests.support.channels import Pair
from tests.support.timing import scaled


@pytest.fixture
def runtime() -> Iterator[GeventRuntime]:
    runtime = GeventRuntime()
    yield runtime
    runtime.stop()
    gevent.sleep(0)


def hold_the_hub(seconds: float) -> None:
    time.sleep(seconds)  # not gevent's


def test_the_hook_is_called_while_the_hub_is_held_up(runtime: GeventRuntime) -> None:
    calls: list[tuple[float, bool]] = []
    stalled: list[float] = []

    def hook(seconds: float) -> None:
        calls.append((time.monotonic(), runtime.in_io_thread()))
        stalled.append(seconds)

    runtime.watch(hook)
    gevent.sleep(0.01)
    began = time.monotonic()
    hold_the_hub(2.2)
    ended = time.monotonic()
    times = [when - began for when, _ in calls]
    assert 3 <= len(times) <= 8
    assert times[0] > 0.2
    assert not any(in_io_thread for _, in_io_thread in calls)
    assert stalled == sorted(stalled)
    assert 0.2 < stalled[0] < 1 < stalled[-1] < 2.2 + scaled(0.5)
    assert all(when <= ended + 0.3 for when, _ in calls)
    assert "hold_the_hub" in runtime.stall_suspect
    assert "test_watchdog.py" in runtime.stall_suspect


def test_a_hub_that_turns_is_left_alone(runtime: GeventRuntime) -> None:
    calls: list[int] = []
    runtime.watch(lambda seconds: calls.append(1))
    gevent.sleep(1.6)
    assert calls == []


def test_the_hook_may_write_to_a_channel(runtime: GeventRuntime) -> None:
    pair = Pair(runtime)
    pair.channel.start()
    runtime.watch(lambda seconds: pair.write(b"2"))
    gevent.sleep(0.01)
    hold_the_hub(1.3)
    assert pair.peer._sock.recv(10).startswith(b"2"), "it came during the stall"
    pair.close()


def test_a_failing_hook_is_logged_and_called_again(runtime: GeventRuntime, caplog: pytest.LogCaptureFixture) -> None:
    runtime.watch(lambda seconds: 1 / 0)
    gevent.sleep(0.01)
    hold_the_hub(1.6)
    assert caplog.text.count("the watchdog's hook failed") >= 2


def test_unwatch_ends_the_thread(runtime: GeventRuntime) -> None:
    before = threading.active_count()
    runtime.watch(print)
    assert threading.active_count() == before + 1
    runtime.unwatch()
    runtime.unwatch()
    until = time.monotonic() + scaled(5)
    while threading.active_count() > before:
        assert time.monotonic() < until
        gevent.sleep(0.01)


def test_a_stall_is_told_and_moves_the_deadlines(runtime: GeventRuntime) -> None:
    lags: list[float] = []
    suspects: list[str] = []
    fired: list[float] = []

    def on_stall(lag: float) -> None:
        lags.append(lag)
        suspects.append(runtime.stall_suspect)

    runtime.on_stall = on_stall
    runtime.watch(int)
    gevent.sleep(0.01)
    runtime.timers.call_later(0.1, lambda: fired.append(runtime.timers.now()))
    runtime.timers.call_later(0.6, lambda: fired.append(runtime.timers.now()))
    began = runtime.timers.now()
    hold_the_hub(1.5)
    gevent.sleep(0.2)
    assert len(fired) == 1, "the second has its time still before it"
    assert len(lags) == 1
    assert "hold_the_hub" in suspects[0]
    assert runtime.stall_suspect == ""
    assert 1.2 < lags[0] < 1.5 + scaled(1)
    gevent.sleep(scaled(0.8))
    assert len(fired) == 2
    assert fired[1] - began < 0.6 + scaled(0.5)
