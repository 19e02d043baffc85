"""Fuzz the default Socket.IO parser: a connection's messages, texts and attachments, in any order."""

from __future__ import annotations

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.socketio_packet import RESERVED_EVENTS
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.protocol.socketio_parser import DefaultParser
from tests.fuzz.harness import weight

# Messages end with a newline; those that begin with # are binary.
CORPUS = [
    b'0{"token":"x"}\n2["message","hello",{"a":[1,2.5,true,null]}]\n1',
    b'0/admin,\n2/admin,12["save",{"x":1}]\n3/admin,12[]\n1/admin,',
    b'52-["b",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]]\n#abc\n#',
    b'61-/n,3[{"_placeholder":true,"num":0}]\n#abc',
    b'4{"message":"no","data":null}\n4/a,"Invalid namespace"',
    '2["é","\\ud83d\\ude00","\\ud800",1e308,-0.0,12345678901234567890]'.encode(),
    b'51-["hello",{"_placeholder":true,"num":"splice"}]\n#x',
    b'2["deep",' + b"[" * 500 + b"]" * 500 + b']\n2["deep",' + b'{"a":' * 1100 + b"1" + b"}" * 1100 + b"]",
    b'2["deep","\\ud800",' + b"[" * 1900 + b"]" * 1900 + b"]",
    b'50-["a"]\n5999999-[]\n2[{"toString":"foo"}]\n2[true]\n2["connect"]',
]

MAX_ATTACHMENTS = 3
_parser = DefaultParser()


def target(data: bytes) -> None:
    """Packets that the layers above can rely on, no larger than what came, and never more attachments than allowed."""
    decoder = _parser.decoder(MAX_ATTACHMENTS)
    waited = 0
    for line in data.split(b"\n"):
        message = line[1:] if line[:1] == b"#" else line.decode("utf-8", "replace")
        try:
            packet = decoder.add(message)
        except ProtocolError:
            assert decoder.waiting is None
            waited = 0
            continue
        if packet is None:
            waited += 1
            assert decoder.waiting is not None and waited <= MAX_ATTACHMENTS
            continue
        assert decoder.waiting is None
        waited = 0
        assert weight(packet.data) <= 2 * len(data) + 2
        _check(packet)
    decoder.reset()


def _check(packet: Packet) -> None:
    assert packet.nsp[0] == "/" and "," not in packet.nsp
    if packet.type in (2, 3):
        assert isinstance(packet.data, list)
        assert packet.type == 3 or isinstance(packet.data[0], str) and packet.data[0] not in RESERVED_EVENTS
        assert packet.id is None or 0 <= packet.id <= 2**53
    else:
        assert packet.type in (0, 1, 4) and packet.id is None
        assert packet.data is None or isinstance(packet.data, dict) or packet.type == 4
    try:
        messages = _parser.encode(packet)
    except ValueError as error:
        assert "_placeholder" in str(error) or "nested deeper" in str(error)
        return
    again = _parser.decoder(1 << 20)
    assert [again.add(message) for message in messages][-1] == packet
