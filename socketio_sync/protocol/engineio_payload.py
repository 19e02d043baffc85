"""Engine.IO 4 on the wire of long-polling: packets joined by a record separator (its protocol document)."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from socketio_sync.exceptions import ProtocolError

SEPARATOR = "\x1e"
# More than a client sends in one body; it bounds what one request can make us do (CVE-2020-36048).
MAX_PACKETS = 65_536
_TYPES = frozenset("0123456")


def encode_payload(packets: Iterable[str]) -> str:
    """Return the body with these packets, which are in their polling form (``EncodedPacket.polling``)."""
    return SEPARATOR.join(packets)


def decode_payload(body: str) -> list[tuple[str, str | bytes]]:
    """Return the packets of a body, each as its type digit and data.

    Raises:
        ProtocolError: one of them is no packet, or there are too many.
    """
    if body.count(SEPARATOR) >= MAX_PACKETS:
        raise ProtocolError("parse error")
    return [decode_packet(text) for text in body.split(SEPARATOR)]


def decode_packet(text: str) -> tuple[str, str | bytes]:
    """Return type digit and data of one text packet; ``b<base64>`` is a binary message.

    Raises:
        ProtocolError: it is no packet.
    """
    type = text[:1]
    if type in _TYPES:
        return type, text[1:]
    if type == "b":
        return "4", decode_base64(text[1:])
    raise ProtocolError("parse error")


def decode_base64(text: str) -> bytes:
    """Return the bytes of standard, padded base64.

    Raises:
        ProtocolError: it is anything else.
    """
    if len(text) % 4:  # Python 3.10 lets some of these pass
        raise ProtocolError("parse error")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ProtocolError("parse error") from None
