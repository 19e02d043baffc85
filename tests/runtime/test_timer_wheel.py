from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.runtime.timer_wheel import SLOT
from socketio_sync.runtime.timer_wheel import SWEEP
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


def test_cancelled_timers_do_not_pile_up() -> None:
    wheel = TimerWheel()
    kept = [timer(50 + number) for number in range(100)]
    for each in kept:
        wheel.add(each)
    for number in range(100_000):
        gone = timer(100 + number % 45)
        wheel.add(gone)
        gone.cancel()
    assert wheel._size <= SWEEP
    assert [each for each in wheel.advance(1000) if each.fn is not None] == kept
    assert wheel._size == 0


def test_a_wheel_of_cancelled_timers_becomes_empty() -> None:
    wheel = TimerWheel()
    for _ in range(SWEEP):
        gone = timer(1)
        wheel.add(gone)
        gone.cancel()
    last = timer(2)
    assert wheel.add(last)
    assert wheel.next_time == 2
    assert wheel.advance(2) == [last]


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


def test_an_exact_timer_does_not_wait_for_its_slot() -> None:
    wheel = TimerWheel()
    exact = Timer(0.3, print, ())
    coarse = Timer(0.3, print, ())
    assert wheel.add(exact, exact=True)
    assert not wheel.add(coarse)
    assert wheel.advance(0.2999) == []
    assert wheel.advance(0.301) == [exact]
    assert wheel.next_time == 5 / 16
    assert wheel.advance(5 / 16) == [coarse]
