"""The MessagePack parser, wire compatible with Node's socket.io-msgpack-parser: one binary message a packet.

A packet is a map of ``type``, ``data``, ``nsp`` and ``id``; absent ones are left out, because Node refuses nil.
JavaScript's ``undefined``, Date and ArrayBuffer come as extensions of type 0.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from typing import Any

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.payload import to_plain
from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import CONNECT
from socketio_sync.protocol.socketio_packet import CONNECT_ERROR
from socketio_sync.protocol.socketio_packet import DISCONNECT
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.protocol.socketio_packet import check_event

try:
    import msgpack
except ImportError as error:
    raise ImportError("parsers.msgpack needs the package msgpack: pip install socketio_sync[msgpack]") from error

# What JavaScript counts exactly.
_MAX_ID = 2**53
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNDEFINED = object()
_EXTENSION = 0


class MsgpackParser:
    """``parsers.msgpack``: both sides must use it. Smaller than JSON, and binary needs no messages of its own.

    Called with ``encode``, it returns a parser that carries more kinds of values, as ``parsers.default`` does.
    """

    __slots__ = ("_encode",)

    def __init__(self, encode: Callable[[Any], Any] | None = None) -> None:
        if encode is not None and not callable(encode):
            raise TypeError(f"encode must be a function of one value, not {encode!r}")
        self._encode = encode

    def __call__(self, *, encode: Callable[[Any], Any] | None = None) -> MsgpackParser:
        """Return a parser that gives values of unknown kinds to ``encode``."""
        return MsgpackParser(encode)

    def encode(self, packet: Packet) -> tuple[bytes]:
        """Return the packet's only message.

        Raises:
            TypeError, ValueError: the data has something that cannot be sent; the message has its path.
        """
        type = packet.type
        message: dict[str, Any] = {"type": type}
        if packet.data is not None:
            array = type in (EVENT, ACK)
            message["data"] = to_plain(
                packet.data,
                binary=bytes,
                encode=self._encode,
                root="args" if array else "data",
                skip=1 if type == EVENT else 0,
            )
        if packet.id is not None:
            message["id"] = packet.id
        message["nsp"] = packet.nsp
        return (msgpack.packb(message, unicode_errors="surrogatepass"),)

    def decoder(self, max_attachments: int = 10) -> MsgpackDecoder:
        """Return a decoder for one connection; there are no attachments to limit."""
        return MsgpackDecoder()

    def __repr__(self) -> str:
        return "<parser msgpack>" if self._encode is None else f"<parser msgpack encode={self._encode!r}>"


class MsgpackDecoder:
    """Turns messages into packets, each one message."""

    __slots__ = ()

    waiting: None = None

    def add(self, data: str | bytes) -> Packet:
        """Take one message; return its packet. A Date in it is an aware datetime, undefined is None or left out.

        Raises:
            ProtocolError: the message is no packet.
        """
        if isinstance(data, str):
            raise ProtocolError("invalid payload")
        message = _unpack(data)
        if not isinstance(message, dict):
            raise ProtocolError("invalid payload")
        type, nsp, id = message.get("type"), message.get("nsp"), message.get("id")
        if type.__class__ is not int or not CONNECT <= type <= CONNECT_ERROR:
            raise ProtocolError("invalid packet type")
        if not isinstance(nsp, str) or not _is_unicode(nsp):
            raise ProtocolError("invalid namespace")
        if "id" in message and (id.__class__ is not int or not 0 <= id <= _MAX_ID):
            raise ProtocolError("invalid packet id")
        if not _data_fits(type, message):
            raise ProtocolError("invalid payload")
        payload: Any = message.get("data")
        if type == EVENT:
            check_event(payload)
        return Packet(type, nsp, payload, id if type in (EVENT, ACK) else None)

    def reset(self) -> None:
        """There is never anything half-received."""


def _is_unicode(text: str) -> bool:
    """Whether it has no lone surrogate: values may, but the name of a namespace could not come by the other parser."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _data_fits(type: int, message: dict[str, Any]) -> bool:
    if "data" not in message:
        return type in (CONNECT, DISCONNECT)
    data = message["data"]
    if type in (EVENT, ACK):
        return isinstance(data, list)
    return (type != DISCONNECT and isinstance(data, dict)) or (type == CONNECT_ERROR and isinstance(data, str))


def _unpack(data: bytes) -> Any:
    has_undefined = False

    def extension(code: int, content: bytes) -> Any:
        nonlocal has_undefined
        # The header is gone here: what a fixext and an ext with the same length mean is told by which of them occurs.
        if code == _EXTENSION and content == b"\x00" and b"\xd4\x00\x00" in data:
            has_undefined = True
            return _UNDEFINED
        if code == _EXTENSION and len(content) == 8 and b"\xd7\x00" in data:
            return _EPOCH + timedelta(milliseconds=int.from_bytes(content, "big", signed=True))
        if code == _EXTENSION:
            return content
        raise ProtocolError("invalid payload")

    try:
        message = msgpack.unpackb(data, ext_hook=extension, timestamp=3, unicode_errors="surrogatepass")
    except (ValueError, OverflowError):
        raise ProtocolError("invalid payload") from None
    return _without_undefined(message) if has_undefined else message


def _without_undefined(message: Any) -> Any:
    """As JSON.stringify has it: undefined is null in an array, and a key with it is left out."""
    top = [message]
    pending: list[Any] = [top]
    while pending:
        container = pending.pop()
        items = list(enumerate(container) if isinstance(container, list) else container.items())
        for key, item in items:
            if isinstance(item, (dict, list)):
                pending.append(item)
            elif item is _UNDEFINED and isinstance(container, list):
                container[key] = None
            elif item is _UNDEFINED:
                del container[key]
    return top[0]
