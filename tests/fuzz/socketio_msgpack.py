"""Fuzz the MessagePack parser."""

from __future__ import annotations

import msgpack

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.socketio_msgpack import MsgpackParser
from socketio_sync.protocol.socketio_packet import RESERVED_EVENTS
from socketio_sync.protocol.socketio_packet import Packet
from tests.fuzz.harness import weight

_parser = MsgpackParser()

CORPUS = [
    *(
        _parser.encode(packet)[0]
        for packet in (
            Packet(0, "/", {"token": "x"}),
            Packet(0, "/admin"),
            Packet(1, "/"),
            Packet(2, "/", ["message", {"a": [1, 2.5, True, None, b"bin", "é" * 40, -1, 2**40]}], 12),
            Packet(3, "/n", [b"x" * 300], 3),
            Packet(4, "/", {"message": "no", "data": None}),
            Packet(4, "/", "Invalid namespace"),
        )
    ),
    msgpack.packb({"type": 2, "nsp": "/", "data": ["e", msgpack.ExtType(0, b"\x00"), msgpack.ExtType(0, bytes(8))]}),
    msgpack.packb(
        {"type": 2, "nsp": "/", "data": ["e", msgpack.Timestamp(1, 2), {1: 2, b"k": 3}, msgpack.ExtType(5, b"")]}
    ),
    b"\xdd\xff\xff\xff\xff",
    b"\x91" * 2000,
    b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e" + b"\x91" * 1000 + b"\x90",
    b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e" + b"\x81\xa1k" * 400 + b"\xd4\x00\x00",
]


def target(data: bytes) -> None:
    """Packets that the layers above can rely on, no larger than what came."""
    try:
        packet = _parser.decoder().add(data)
    except ProtocolError:
        return
    assert weight(packet.data) <= 8 * len(data) + 2
    if packet.type in (2, 3):
        assert isinstance(packet.data, list)
        assert packet.type == 3 or isinstance(packet.data[0], str) and packet.data[0] not in RESERVED_EVENTS
        assert packet.id is None or 0 <= packet.id <= 2**53
    else:
        assert packet.type in (0, 1, 4) and packet.id is None
        assert packet.data is None or isinstance(packet.data, dict) or packet.type == 4
