"""The WebSocket codec; beside it the ones of wsproto and websockets, where they are installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from socketio_sync.protocol.websocket import WebSocketCodec
from socketio_sync.protocol.websocket import binary_frame
from socketio_sync.protocol.websocket import deflated_text_frame
from socketio_sync.protocol.websocket import masked
from socketio_sync.protocol.websocket import text_frame
from socketio_sync.protocol.websocket_deflate import negotiate

Benchmark = Callable[..., Any]

TEXT = '42["message",{"user":"ann","text":"hello!!"}]'
LIMIT = 10_000_000
SIZES = [1_000, 16_000, 1_000_000]


def bench_receive_text(benchmark: Benchmark) -> None:
    benchmark(WebSocketCodec(max_message_size=LIMIT).receive, masked(text_frame(TEXT)))


def bench_short_text(benchmark: Benchmark) -> None:
    benchmark(WebSocketCodec(max_message_size=LIMIT).short_text, masked(text_frame(TEXT)), 0)


def bench_receive_300_texts_at_once(benchmark: Benchmark) -> None:
    benchmark(WebSocketCodec(max_message_size=LIMIT).receive, masked(text_frame(TEXT)) * 300)


@pytest.mark.parametrize("size", SIZES)
def bench_receive_large_text(benchmark: Benchmark, size: int) -> None:
    benchmark(WebSocketCodec(max_message_size=LIMIT).receive, masked(text_frame("x" * size)))


@pytest.mark.parametrize("size", SIZES)
def bench_receive_binary(benchmark: Benchmark, size: int) -> None:
    benchmark(WebSocketCodec(max_message_size=LIMIT).receive, masked(binary_frame(bytes(size))))


def bench_receive_a_megabyte_in_reads_of_64_kib(benchmark: Benchmark) -> None:
    receive = WebSocketCodec(max_message_size=LIMIT).receive
    data = masked(binary_frame(bytes(1_000_000)))
    pieces = [data[at : at + 65536] for at in range(0, len(data), 65536)]
    benchmark(lambda: [receive(piece) for piece in pieces])


def bench_receive_deflated_text(benchmark: Benchmark) -> None:
    agreed = negotiate("permessage-deflate; client_no_context_takeover")
    assert agreed is not None
    benchmark(WebSocketCodec(max_message_size=LIMIT, inflate=agreed[1]).receive, masked(deflated_text_frame(TEXT * 50)))


def bench_frame_text(benchmark: Benchmark) -> None:
    benchmark(text_frame, TEXT)


def bench_frame_a_megabyte(benchmark: Benchmark) -> None:
    benchmark(text_frame, "x" * 1_000_000)


def bench_frame_deflated_text(benchmark: Benchmark) -> None:
    benchmark(deflated_text_frame, TEXT * 50)


def bench_wsproto_text_in_and_out(benchmark: Benchmark) -> None:
    connection = pytest.importorskip("wsproto.connection")
    events = pytest.importorskip("wsproto.events")
    protocol = connection.Connection(connection.ConnectionType.SERVER)
    message = masked(text_frame(TEXT))

    def echo() -> None:
        protocol.receive_data(message)
        for _ in protocol.events():
            protocol.send(events.TextMessage(data=TEXT))

    benchmark(echo)


def bench_websockets_text_in_and_out(benchmark: Benchmark) -> None:
    module = pytest.importorskip("websockets.protocol")
    protocol = module.Protocol(module.Side.SERVER, state=module.OPEN)
    message = masked(text_frame(TEXT))

    def echo() -> None:
        protocol.receive_data(message)
        for event in protocol.events_received():
            protocol.send_text(bytes(event.data).decode().encode())
        protocol.data_to_send()

    benchmark(echo)
