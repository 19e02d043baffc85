"""Fuzz the decoders of Engine.IO 3: long-polling bodies, text and binary, and WebSocket messages."""

from __future__ import annotations

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.engineio_v3 import decode_packet_v3
from socketio_sync.protocol.engineio_v3 import decode_payload_v3
from socketio_sync.protocol.engineio_v3 import encode_payload_v3

# The first byte chooses: a text body, a binary body, a text message, a binary message.
CORPUS = [
    b"t6:4hello2:4\xe2\x82\xac",
    b"t10:b4AQIDBAUG1:62:40",
    b"t3:4\xf0\x9f\x98\x801:1",
    b"t99999991:4222",
    b"b\x00\x06\xff4hello\x01\x04\xff\x04\x01\x02\x03",
    b"b\x00\x01\x00\xff4hello789",
    b"m2probe",
    b"mb4AQID",
    b"d\x04\x01\x02\x03",
]


def target(data: bytes) -> None:
    """Packets of known types, together no longer than the body; encoded again they are the same."""
    kind, content = data[:1], data[1:]
    text = content.decode("utf-8", "replace")
    try:
        if kind == b"t":
            packets = decode_payload_v3(text)
        elif kind == b"b":
            packets = decode_payload_v3(content)
        else:
            packets = [decode_packet_v3(text if kind == b"m" else content)]
    except ProtocolError as error:
        assert error.reason == "parse error"
        return
    assert sum(len(body) for _, body in packets) <= len(content)
    for type, body in packets:
        assert type in tuple("0123456")
        assert isinstance(body, str) or type == "4"
    if packets:
        assert decode_payload_v3(encode_payload_v3(packets)) == packets
        assert decode_payload_v3(encode_payload_v3(packets, base64=True)) == packets
