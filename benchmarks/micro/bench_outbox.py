"""The way out: from an emit to the socket, which takes everything here."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from typing import Any

import pytest
from gevent.pywsgi import WSGIServer

from benchmarks.hot_path import EndlessSocket
from benchmarks.hot_path import connect
from benchmarks.hot_path import make_server
from socketio_sync import Server
from socketio_sync import WSGIApp
from socketio_sync.protocol.engineio_packet import EncodedPacket

Benchmark = Callable[..., Any]

CLIENTS = 100
PAYLOAD = "x" * 32


@contextmanager
def endless(channel: Any) -> Iterator[None]:
    """The connection stays, but nothing reaches the kernel."""
    real, channel.sock = channel.sock, EndlessSocket(b"")
    try:
        yield
    finally:
        channel.sock = real


@pytest.fixture(scope="module")
def io() -> Iterator[Server]:
    """A server with 100 real clients, whose sockets were exchanged afterwards."""
    io = make_server()
    web = WSGIServer(("127.0.0.1", 0), WSGIApp(io), log=None)
    web.start()
    clients = [connect(web.server_port, "") for _ in range(CLIENTS)]
    with ExitStack() as stack:
        for connection in io.engine.connections.values():
            stack.enter_context(endless(connection._channel))
        yield io
    for client in clients:
        client.close()
    io.close()
    web.stop()


def bench_send_packet(benchmark: Benchmark, io: Server) -> None:
    """A packet that is encoded already, to one connection: what each delivery of a broadcast costs."""
    connection = next(iter(io.engine.connections.values()))
    packet = EncodedPacket([f'2["news","{PAYLOAD}"]'])
    benchmark(connection.send_packet, packet)


def bench_emit_to_one(benchmark: Benchmark, io: Server) -> None:
    socket = next(iter(io.sockets.values()))
    benchmark(socket.emit, "news", PAYLOAD)


def bench_emit_to_100(benchmark: Benchmark, io: Server) -> None:
    benchmark(io.emit, "news", PAYLOAD)


def bench_emit_to_100_but_one(benchmark: Benchmark, io: Server) -> None:
    socket = next(iter(io.sockets.values()))
    benchmark(socket.broadcast.emit, "news", PAYLOAD)
