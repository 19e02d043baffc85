"""Handing work over: from thread to thread, from greenlet to greenlet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from socketio_sync.runtime import choose
from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.mailbox import Mailbox

Benchmark = Callable[..., Any]

HOPS = 1_000


@pytest.fixture(params=["threads", "gevent"])
def runtime(request: pytest.FixtureRequest) -> Any:
    chosen = choose(request.param)
    yield chosen
    chosen.stop()


def bench_1000_jobs_that_submit_the_next(benchmark: Benchmark, runtime: Runtime) -> None:
    def work() -> None:
        done, left = runtime.event(), HOPS

        def job() -> None:
            nonlocal left
            left -= 1
            if left:
                runtime.submit(job)
            else:
                done.set()

        runtime.submit(job)
        done.wait()

    benchmark(work)


def bench_1000_messages_of_100_mailboxes(benchmark: Benchmark, runtime: Runtime) -> None:
    """As when 100 clients send ten events each at the same time."""
    done, left = runtime.event(), 0

    def handle(item: int) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    mailboxes = [Mailbox(runtime, handle) for _ in range(100)]

    def work() -> None:
        nonlocal left
        done.clear()
        left = HOPS
        for item in range(HOPS):
            mailboxes[item % 100].post(item)
        done.wait()

    benchmark.pedantic(work, rounds=50, warmup_rounds=2)  # type: ignore[attr-defined]
