"""The default parser: events, acks and attachments, in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.plain import plain_answer
from socketio_sync.protocol.plain import plain_event
from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.protocol.socketio_parser import DefaultParser

Benchmark = Callable[..., Any]

DOCUMENT = {"user": "ann", "text": "hello!!", "at": 1_700_000_000, "tags": ["a", "b"], "nested": {"x": 1.5, "y": None}}
TEXTS = {
    "event": '2["echo","aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]',
    "event with ack": '212["echo","aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]',
    "event of a namespace": '2/chat,["echo","aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]',
    "ack": '312["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]',
    "16 kB": '212["echo","' + "a" * 16_000 + '"]',
}
PACKETS = {
    "event": Packet(EVENT, "/", ("bcast", "a" * 32)),
    "ack": Packet(ACK, "/", ("a" * 32,), 12),
    "document": Packet(EVENT, "/", ("save", DOCUMENT)),
    "attachment": Packet(EVENT, "/", ("file", {"name": "a.bin", "data": bytes(1_000)})),
    "16 kB": Packet(EVENT, "/", ("bcast", "a" * 16_000)),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def bench_decode(benchmark: Benchmark, text: str) -> None:
    benchmark(DefaultParser().decoder().add, text)


def bench_decode_attachment(benchmark: Benchmark) -> None:
    decoder = DefaultParser().decoder()
    attachment = bytes(1_000)

    def decode() -> None:
        decoder.add('51-12["file",{"_placeholder":true,"num":0}]')
        decoder.add(attachment)

    benchmark(decode)


@pytest.mark.parametrize("packet", PACKETS.values(), ids=PACKETS)
def bench_encode(benchmark: Benchmark, packet: Packet) -> None:
    benchmark(DefaultParser().encode, packet)


@pytest.mark.parametrize("packet", PACKETS.values(), ids=PACKETS)
def bench_encode_and_frame(benchmark: Benchmark, packet: Packet) -> None:
    parser = DefaultParser()
    benchmark(lambda: EncodedPacket(parser.encode(packet)).websocket_frames())


def bench_plain_event(benchmark: Benchmark) -> None:
    benchmark(plain_event, b"4" + TEXTS["event with ack"].encode())


def bench_plain_answer(benchmark: Benchmark) -> None:
    benchmark(plain_answer, "/", b"12", PACKETS["ack"].data)
