"""The timer wheel with the heartbeats of 10,000 clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from socketio_sync.runtime.timer_wheel import Timer
from socketio_sync.runtime.timer_wheel import TimerWheel

Benchmark = Callable[..., Any]

CLIENTS = 10_000
INTERVAL = 25.0


def nothing() -> None:
    """What is due."""


def filled() -> TimerWheel:
    wheel = TimerWheel()
    for client in range(CLIENTS):
        wheel.add(Timer(INTERVAL * client / CLIENTS, nothing, ()))
    return wheel


def bench_add_and_cancel(benchmark: Benchmark) -> None:
    wheel = filled()

    def work() -> None:
        timer = Timer(INTERVAL, nothing, ())
        wheel.add(timer)
        timer.cancel()

    benchmark(work)


def bench_a_slot_of_heartbeats(benchmark: Benchmark) -> None:
    """A sixteenth of a second: 25 clients are due, and each gets its next time."""
    wheel = filled()
    now = 0.0

    def work() -> None:
        nonlocal now
        now += 1 / 16
        for timer in wheel.advance(now):
            wheel.add(Timer(timer.deadline + INTERVAL, nothing, ()))

    benchmark(work)
