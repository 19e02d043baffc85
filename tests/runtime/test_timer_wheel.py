from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.runtime.timer_wheel import SLOT
from socketio_sync.runtime.timer_wheel import Timer
from socketio_sync.runtime.timer_wheel import TimerWheel


def timer(deadline: float) -> Timer:
    return Timer(deadline, print, ())


def test_an_empty_wheel_waits_for_nothing() -> None:
    wheel = TimerWheel()
    assert not wheel
    assert wheel.next_time is None
    assert wheel.advance(1e9) == []


def test_nothing_fires_early_and_all_fire_within_a_slot() -> None:
    wheel = TimerWheel()
    one = timer(10.01)
    wheel.add(one)
    assert wheel.advance(10.009) == []
    assert wheel.advance(10.01 + SLOT) == [one]
    assert not wheel


def test_add_says_whether_the_next_turn_comes_earlier() -> None:
    wheel = TimerWheel()
    assert wheel.add(timer(5))
    assert not wheel.add(timer(5))
    assert not wheel.add(timer(6))
    assert wheel.add(timer(1))
    assert wheel.next_time == 1


def test_cancelled_timers_hold_on_to_nothing() -> None:
    one = timer(1)
    one.cancel()
    one.cancel()
    assert one.fn is None
    assert one.args == ()


@given(st.lists(st.floats(0, 1000)), st.lists(st.floats(0, 1100)))
def test_each_fires_once_in_the_order_of_the_deadlines(deadlines: list[float], turns: list[float]) -> None:
    wheel = TimerWheel()
    for deadline in deadlines:
        wheel.add(timer(deadline))
    fired: list[float] = []
    for now in [*sorted(turns), 1001]:
        due = [each.deadline for each in wheel.advance(now)]
        assert all(deadline <= now for deadline in due)
        fired += due
        assert wheel.next_time is None or wheel.next_time > now
    assert fired == sorted(deadlines)
