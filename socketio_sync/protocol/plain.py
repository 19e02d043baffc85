"""Plain events and their answers, in one step between a text of Engine.IO and values; what most messages are.

An event is plain if it is for ``/``, has no attachments, and is JSON that C understands. All that is not plain, or in
doubt, is for ``WebSocketCodec`` and ``Decoder``; what these functions take, they take as those would.
"""

from __future__ import annotations

from typing import Any

from socketio_sync.protocol.json_codec import decode
from socketio_sync.protocol.json_codec import dumps_ordinary
from socketio_sync.protocol.socketio_packet import RESERVED_EVENTS
from socketio_sync.protocol.socketio_parser import MAX_ID_DIGITS
from socketio_sync.protocol.websocket import LONGEST_SHORT
from socketio_sync.protocol.websocket import SHORT_HEADERS
from socketio_sync.protocol.websocket import utf8_frame

PlainEvent = tuple[list[Any], bytes | None]
"""Name and arguments, and the digits of the id by which an answer is asked for."""

_FIRST_DIGIT = len("42")
_LAST_BRACKET = _FIRST_DIGIT + MAX_ID_DIGITS + 1
_EVENT = ord("2")
_ZERO = ord("0")
_LONG_HEADERS = {126: 4, 127: 10}  # bytes of a frame's header, by its first length (RFC 6455, 5.2)


def plain_event(packet: bytes) -> PlainEvent | None:
    """The event in a message of Engine.IO (UTF-8, behind its type), or None: it is no plain one.

    Not for what may be an attachment.
    """
    at = packet.find(b"[", _FIRST_DIGIT, _LAST_BRACKET)
    if at < 0 or packet[1] != _EVENT:
        return None
    digits = packet[_FIRST_DIGIT:at]
    if digits and (not digits.isdigit() or (digits[0] == _ZERO and at > _FIRST_DIGIT + 1)):
        return None
    try:
        data = decode(packet[at:])
    except ValueError:
        return None
    if not data or (event := data[0]).__class__ is not str or event in RESERVED_EVENTS:
        return None
    return data, digits or None


def plain_answer(nsp: str, digits: bytes, args: tuple[Any, ...]) -> bytes | None:
    """An ACK as the finished frame of a server's WebSocket; None: ``DefaultParser.encode`` must look at the values."""
    text = dumps_ordinary(args)
    if text is None:
        return None
    payload = b"43" + digits + text if nsp == "/" else b"43%b,%b%b" % (nsp.encode(), digits, text)
    length = len(payload)
    return SHORT_HEADERS[length] + payload if length <= LONGEST_SHORT else utf8_frame(payload)


def text_of(frame: bytes) -> str:
    """What ``plain_answer`` has framed, without the packet's type: for a client that takes no such frame now."""
    head = _LONG_HEADERS.get(frame[1], 2)
    return frame[head + 1 :].decode()
