"""The packets and payloads of Engine.IO 3, for clients of Socket.IO 2 and older (``allow_eio3``).

A payload is either text, ``<length>:<packet>`` again and again with the length in UTF-16 code units, or binary: a byte
0 (text) or 1 (binary), the length in bytes as one byte a decimal digit, 255, and the packet. Decoding takes linear time
and believes no length that the body does not have (CVE-2020-36048).
"""

from __future__ import annotations

import base64 as base64_codec
import re
from collections.abc import Iterable

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.engineio_payload import MAX_PACKETS
from socketio_sync.protocol.engineio_payload import decode_base64

_TYPES = frozenset("0123456")
_MESSAGE = "4"
_MESSAGE_BYTE = 4
_TEXT = 0
_BINARY = 1
_END_OF_LENGTH = 255
# Enough for a gigabyte.
_MAX_DIGITS = 10
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def decode_packet_v3(data: str | bytes) -> tuple[str, str | bytes]:
    """Return type digit and data of one packet: a text, or the bytes of a binary WebSocket frame.

    Raises:
        ProtocolError: it is no packet.
    """
    if isinstance(data, bytes):
        if data[:1] != b"\x04":
            raise ProtocolError("parse error")
        return _MESSAGE, data[1:]
    type = data[:1]
    if type in _TYPES:
        return type, data[1:]
    # Binary is always a message; other than in revision 4, the digit is sent all the same.
    if data.startswith("b4"):
        return _MESSAGE, decode_base64(data[2:])
    raise ProtocolError("parse error")


def decode_payload_v3(body: str | bytes) -> list[tuple[str, str | bytes]]:
    """Return the packets of a body, text or binary (``application/octet-stream``), each as its type digit and data.

    Raises:
        ProtocolError: the lengths do not fit, one of them is no packet, or there are too many.
    """
    packets = _split_binary(body) if isinstance(body, bytes) else _split_text(body)
    # The reference sends an empty packet where it has nothing to say.
    return [decode_packet_v3(packet) for packet in packets if packet]


def encode_payload_v3(packets: Iterable[tuple[str, str | bytes]], *, base64: bool = False) -> str | bytes:
    """Return the body with these packets, each given as its type digit and data.

    Args:
        base64: the client takes no binary bodies. Otherwise a body is binary as soon as one of the packets is.
    """
    packets = list(packets)
    if base64 or all(isinstance(data, str) for _, data in packets):
        return "".join(map(_encode_text, packets)) or "0:"
    return b"".join(map(_encode_binary, packets))


def _encode_text(packet: tuple[str, str | bytes]) -> str:
    type, data = packet
    if isinstance(data, str):
        text = type + data
    else:
        text = "b" + type + base64_codec.b64encode(data).decode("ascii")
    length = len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
    return f"{length}:{text}"


def _encode_binary(packet: tuple[str, str | bytes]) -> bytes:
    type, data = packet
    if isinstance(data, str):
        kind = _TEXT
        content = (type + data).encode("utf-8")
    else:
        kind = _BINARY
        content = bytes((int(type),)) + data
    return bytes((kind, *map(int, str(len(content))), _END_OF_LENGTH)) + content


def _split_text(body: str) -> list[str | bytes]:
    if not body:
        raise ProtocolError("parse error")
    if not body.isascii():
        # One item a UTF-16 code unit, as the lengths count.
        body = _ASTRAL.sub(_surrogates, body)
    packets: list[str | bytes] = []
    start = 0
    while start < len(body):
        colon = body.find(":", start, start + _MAX_DIGITS + 1)
        digits = body[start:colon]
        if colon < 0 or not digits.isdigit() or not digits.isascii():
            raise ProtocolError("parse error")
        start = colon + 1 + int(digits)
        if start > len(body) or len(packets) >= MAX_PACKETS:
            raise ProtocolError("parse error")
        packets.append(_joined(body[colon + 1 : start]))
    return packets


def _surrogates(match: re.Match[str]) -> str:
    offset = ord(match[0]) - 0x10000
    return chr(0xD800 + (offset >> 10)) + chr(0xDC00 + (offset & 0x3FF))


def _joined(units: str) -> str:
    if units.isascii():
        return units
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _split_binary(body: bytes) -> list[str | bytes]:
    packets: list[str | bytes] = []
    start = 0
    while start < len(body):
        kind = body[start]
        end = body.find(_END_OF_LENGTH, start + 1, start + _MAX_DIGITS + 2)
        digits = body[start + 1 : end]
        if kind > _BINARY or end < 0 or not digits or max(digits) > 9:
            raise ProtocolError("parse error")
        start = end + 1 + int("".join(map(str, digits)))
        if start > len(body) or len(packets) >= MAX_PACKETS:
            raise ProtocolError("parse error")
        content = body[end + 1 : start]
        try:
            packets.append(content if kind == _BINARY else content.decode("utf-8"))
        except UnicodeDecodeError:
            raise ProtocolError("parse error") from None
    return packets
