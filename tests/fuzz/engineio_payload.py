"""Fuzz the decoder of Engine.IO 4's long-polling bodies."""

from __future__ import annotations

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.engineio_payload import decode_payload

CORPUS = [
    b"4hello",
    b"2\x1e4hello\x1ebAQIDBA==\x1e6",
    b'452-["b",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]\x1ebAQID\x1ebBAUG',
    '40/é,{}\x1e42["€"]'.encode(),
    b"1",
]


def target(data: bytes) -> None:
    """Packets of known types, together no longer than the body."""
    body = data.decode("utf-8", "replace")
    try:
        packets = decode_payload(body)
    except ProtocolError as error:
        assert error.reason == "parse error"
        return
    assert sum(1 + len(content) for _, content in packets) <= len(body)
    for type, content in packets:
        assert type in tuple("0123456")
        assert isinstance(content, str) or type == "4"
