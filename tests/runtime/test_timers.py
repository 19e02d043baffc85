from __future__ import annotations

import logging
import sys
from threading import Thread
from types import FrameType
from typing import Any

import pytest

from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.native import new_lock
from socketio_sync.runtime.timers import Timers
from tests.support.timing import scaled


class Clock:
    """Timers with a clock that the test turns."""

    def __init__(self) -> None:
        self.time = 100.0
        self.rearmed = 0
        self.lags: list[float] = []
        self.timers = Timers(lambda: self.time, new_lock(), self.rearm, self.lags.append)

    def rearm(self) -> None:
        self.rearmed += 1

    def turn(self, seconds: float) -> None:
        self.time += seconds
        self.timers.turn()


def test_a_call_comes_once_when_its_time_has_come() -> None:
    clock, calls = Clock(), []
    clock.timers.call_later(1, calls.append, "a")
    clock.turn(0.9)
    assert calls == []
    clock.turn(0.2)
    clock.turn(10)
    assert calls == ["a"]
    assert not clock.timers
    assert clock.timers.next_delay() is None


def test_the_turn_is_asked_for_only_when_it_comes_earlier() -> None:
    clock = Clock()
    clock.timers.call_later(10, print)
    clock.timers.call_later(20, print)
    assert clock.rearmed == 1
    clock.timers.call_later(5, print)
    assert clock.rearmed == 2
    assert clock.timers.next_delay() == 5


def test_a_cancelled_call_does_not_come() -> None:
    clock, calls = Clock(), []
    first = clock.timers.call_later(1, calls.append, 1)
    second = clock.timers.call_later(1, calls.append, 2)
    clock.timers.call_later(0.5, second.cancel)
    first.cancel()
    clock.turn(1)
    assert calls == []


def cancelled_at(step: int) -> list[int]:
    """What a due call has done that is cancelled before this step of the interpreter, as another thread may do it."""
    clock = Clock()
    calls: list[int] = []
    timer = clock.timers.call_later(1, calls.append, 1)

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal step
        if frame.f_code.co_name == "_fire":
            frame.f_trace_opcodes = True
            step -= event == "opcode"
            if step == 0:
                timer.cancel()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    clock.turn(1)
    sys.settrace(before)
    return calls


def test_a_call_may_be_cancelled_by_another_thread_at_any_time(caplog: pytest.LogCaptureFixture) -> None:
    assert [cancelled_at(step) for step in (1, 100)] == [[], [1]]
    assert all(cancelled_at(step) in ([], [1]) for step in range(1, 100))
    assert not caplog.records


def test_a_call_may_cancel_another_that_is_due_in_the_same_turn() -> None:
    clock, calls = Clock(), []
    clock.timers.call_later(1, lambda: second.cancel())
    second = clock.timers.call_later(1, calls.append, 2)
    clock.turn(1)
    assert calls == []


def test_a_failing_call_is_logged_and_the_others_come(caplog: pytest.LogCaptureFixture) -> None:
    clock, calls = Clock(), []
    clock.timers.call_later(1, lambda: 1 / 0)
    clock.timers.call_later(1, calls.append, 1)
    clock.turn(1)
    assert calls == [1]
    assert "ZeroDivisionError" in caplog.text


def test_after_a_stall_every_deadline_moves_by_the_lag() -> None:
    clock, calls = Clock(), []
    clock.timers.call_later(5, calls.append, "due in the stall")
    clock.timers.call_later(8, calls.append, "after it")
    clock.turn(30)
    assert calls == ["due in the stall"]
    assert clock.lags == [25]
    assert clock.timers.now() == 105
    assert clock.timers.next_delay() == 3
    clock.turn(2.9)
    assert calls == ["due in the stall"]
    clock.turn(0.1)
    assert calls == ["due in the stall", "after it"]
    assert clock.lags == [25]


def test_a_turn_that_is_a_little_late_is_no_stall() -> None:
    clock = Clock()
    clock.timers.call_later(5, print)
    clock.turn(5.9)
    assert clock.lags == []
    assert clock.timers.now() == 105.9


def test_a_timer_fires_in_the_io_thread_and_not_early(runtime: Runtime) -> None:
    fired = runtime.event()
    where: list[bool] = []

    def fire() -> None:
        where.append(runtime.in_io_thread())
        fired.set()

    began = runtime.now()
    runtime.timers.call_later(0.2, fire)
    assert fired.wait(scaled(5))
    assert runtime.now() - began >= 0.2
    assert where == [True]


def test_an_earlier_timer_moves_the_turn_forward(runtime: Runtime) -> None:
    fired = runtime.event()
    runtime.timers.call_later(3600, print)
    runtime.sleep(0.01)
    runtime.timers.call_later(0.05, fired.set)
    assert fired.wait(scaled(5))


def test_a_timer_added_by_another_thread_fires(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    fired = runtime.event()
    thread = Thread(target=runtime.timers.call_later, args=(0.05, fired.set))
    thread.start()
    assert fired.wait(scaled(5))
    thread.join()
    assert caplog.text == ""
