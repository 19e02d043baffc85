"""The Engine.IO session: a heartbeat, and packets that wait for a poll."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.engineio_session import ALIVE
from socketio_sync.protocol.engineio_session import PING_DUE
from socketio_sync.protocol.engineio_session import POLLING
from socketio_sync.protocol.engineio_session import WEBSOCKET
from socketio_sync.protocol.engineio_session import Session

Benchmark = Callable[..., Any]


def bench_open(benchmark: Benchmark) -> None:
    benchmark(Session, 4, WEBSOCKET, 25.0, 20.0, 0.0)


def bench_heartbeat(benchmark: Benchmark) -> None:
    session = Session(4, WEBSOCKET, 25.0, 20.0, 0.0)

    def beat() -> None:
        now = session.deadline
        assert session.tick(now) is PING_DUE
        assert session.receive("3", now) is ALIVE

    benchmark(beat)


def bench_queue_and_take_100_packets(benchmark: Benchmark) -> None:
    session = Session(4, POLLING, 25.0, 20.0, 0.0)
    packet = EncodedPacket(['2["bcast","aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]'])

    def work() -> None:
        for _ in range(100):
            session.enqueue(packet)
        session.take(100_000)

    benchmark(work)
