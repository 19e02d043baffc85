"""The default parser of Socket.IO protocol 5: a text with the packet, followed by its binary attachments.

``<type>[<attachments>-][<nsp>,][<ack id>][<JSON>]``, see the Socket.IO protocol document, "Packet encoding". What comes
in is held to that grammar without JavaScript's number coercions, in linear time (CVE-2020-36049), and no more
attachments are awaited than allowed (CVE-2026-33151).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.json_codec import dumps
from socketio_sync.protocol.json_codec import dumps_ordinary
from socketio_sync.protocol.json_codec import dumps_walked
from socketio_sync.protocol.json_codec import loads
from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import BINARY_ACK
from socketio_sync.protocol.socketio_packet import BINARY_EVENT
from socketio_sync.protocol.socketio_packet import CONNECT
from socketio_sync.protocol.socketio_packet import CONNECT_ERROR
from socketio_sync.protocol.socketio_packet import DISCONNECT
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import RESERVED_EVENTS
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.protocol.socketio_packet import check_event

_BINARY_OFFSET = BINARY_EVENT - EVENT
_TYPES = {str(type): type for type in range(CONNECT, BINARY_ACK + 1)}
_COUNT = re.compile(r"([1-9][0-9]*)-")
_MAX_COUNT_DIGITS = 12
# JavaScript counts exactly up to 2**53, a number of 16 digits.
MAX_ID_DIGITS = 15


class DefaultParser:
    """The parser that servers and clients use unless told otherwise; ``parsers.default`` is one.

    Called with ``encode``, it returns a parser that carries more kinds of values: ``parsers.default(encode=fn)``, where
    ``fn(value)`` returns something encodable or raises TypeError.
    """

    __slots__ = ("_encode",)

    def __init__(self, encode: Callable[[Any], Any] | None = None) -> None:
        if encode is not None and not callable(encode):
            raise TypeError(f"encode must be a function of one value, not {encode!r}")
        self._encode = encode

    def __call__(self, *, encode: Callable[[Any], Any] | None = None) -> DefaultParser:
        """Return a parser that gives values of unknown kinds to ``encode``."""
        return DefaultParser(encode)

    def encode(self, packet: Packet) -> tuple[str | bytes, ...]:
        """Return the packet's text and then its attachments, to be sent with nothing in between.

        Raises:
            TypeError, ValueError: the data has something that cannot be sent; the message has its path.
        """
        type = packet.type
        data = packet.data
        id = "" if packet.id is None else packet.id
        head = id if packet.nsp == "/" else f"{packet.nsp},{id}"
        if data is None:
            return (f"{type}{head}",)
        if type != EVENT and type != ACK:
            return (f"{type}{head}{dumps(data, encode=self._encode)}",)
        text = dumps_ordinary(data)
        if text is not None:
            return (f"{type}{head}{text.decode()}",)
        attachments: list[bytes] = []
        walked = dumps_walked(data, attachments, self._encode, "args", 1 if type == EVENT else 0)
        if not attachments:
            return (f"{type}{head}{walked}",)
        return (f"{type + _BINARY_OFFSET}{len(attachments)}-{head}{walked}", *attachments)

    def decoder(self, max_attachments: int = 10) -> Decoder:
        """Return a decoder for one connection, which refuses packets with more attachments than this."""
        return Decoder(max_attachments)

    def __repr__(self) -> str:
        return "<parser default>" if self._encode is None else f"<parser default encode={self._encode!r}>"


class Decoder:
    """Turns one connection's messages into packets; holds at most one half-received packet.

    Attributes:
        waiting: the packet whose attachments are being received, or None. Its data still has the placeholders.
    """

    __slots__ = ("_attachments", "_max_attachments", "_missing", "waiting")

    def __init__(self, max_attachments: int = 10) -> None:
        self._max_attachments = max_attachments
        self._attachments: list[bytes] = []
        self._missing = 0
        self.waiting: Packet | None = None

    def add(self, data: str | bytes) -> Packet | None:
        """Take one message; return the packet it completes, or None if attachments are still to come.

        Raises:
            ProtocolError: the message is not what the protocol allows here; nothing half-received is kept.
        """
        if self.waiting is not None:
            return self._add_attachment(data)
        if not isinstance(data, str):
            raise ProtocolError("got binary data when not reconstructing a packet")
        type = _TYPES.get(data[:1])
        start = 1
        if type is None:
            raise ProtocolError("unknown packet type")
        missing = 0
        if type >= BINARY_EVENT:
            missing = self._count(data)
            start = data.index("-") + 1
            type -= _BINARY_OFFSET
        nsp = "/"
        if data[start : start + 1] == "/":
            comma = data.find(",", start)
            end = len(data) if comma < 0 else comma
            nsp = data[start:end]
            start = end + 1
        if type != EVENT and type != ACK:
            return Packet(type, nsp, _other_payload(type, data[start:]))
        packet = _decode_array(type, nsp, data, start)
        if missing:
            self.waiting = packet
            self._missing = missing
            return None
        return packet

    def reset(self) -> None:
        """Forget a half-received packet."""
        self.waiting = None
        self._missing = 0
        self._attachments = []

    def _count(self, text: str) -> int:
        match = _COUNT.match(text, 1)
        if match is None:
            raise ProtocolError("illegal attachments")
        digits = match.group(1)
        # Twelve digits are beyond any limit; more are not worth an int().
        if len(digits) > _MAX_COUNT_DIGITS or int(digits) > self._max_attachments:
            raise ProtocolError("too many attachments")
        return int(digits)

    def _add_attachment(self, data: str | bytes) -> Packet | None:
        packet = self.waiting
        assert packet is not None
        if isinstance(data, str):
            self.reset()
            raise ProtocolError("got plaintext data when reconstructing a packet")
        self._attachments.append(data)
        if len(self._attachments) < self._missing:
            return None
        attachments = self._attachments
        self.reset()
        _fill(packet.data, attachments)
        return packet


def _decode_array(type: int, nsp: str, text: str, start: int) -> Packet:
    """Decode ``[<ack id>]<JSON array>``, which is what events and acknowledgements have."""
    id = None
    if text[start : start + 1] != "[":
        bracket = text.find("[", start, start + MAX_ID_DIGITS + 1)
        digits = text[start:bracket]
        # Blanks and signs, which the reference's Number() lets through, are no digits here; nor are other alphabets'.
        if bracket < 0 or not digits.isdigit() or not digits.isascii():
            raise ProtocolError("invalid payload")
        id = int(digits)
        start = bracket
    data = loads(text[start:])
    if type == EVENT and (not data or data[0].__class__ is not str or data[0] in RESERVED_EVENTS):
        check_event(data)
    return Packet(type, nsp, data, id)


def _other_payload(type: int, text: str) -> Any:
    """Decode what follows the namespace of a CONNECT, DISCONNECT or CONNECT_ERROR; an id there means nothing."""
    text = text.lstrip("0123456789")
    if not text and type != CONNECT_ERROR:
        return None
    data = loads(text) if type != DISCONNECT else None
    if isinstance(data, dict) or (type == CONNECT_ERROR and isinstance(data, str)):
        return data
    raise ProtocolError("invalid payload")


def _fill(data: list[Any], attachments: list[bytes]) -> None:
    """Put the attachments in the place of their placeholders, without recursion: the depth is the peer's choice."""
    pending: list[Any] = [data]
    while pending:
        container = pending.pop()
        items = enumerate(container) if isinstance(container, list) else container.items()
        for key, item in items:
            if isinstance(item, dict) and item.get("_placeholder") is True:
                number = item.get("num")
                # By type, not by isinstance: True is an int, and "splice" was an index once (CVE-2022-2421).
                if type(number) is not int or not 0 <= number < len(attachments):
                    raise ProtocolError("illegal attachments")
                container[key] = attachments[number]
            elif isinstance(item, (dict, list)):
                pending.append(item)
