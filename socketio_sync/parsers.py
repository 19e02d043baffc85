"""The parsers: how packets become messages. ``Server(parser=...)``; both sides must use the same.

``default`` is Socket.IO's own: JSON text and binary attachments. ``msgpack`` (with the package of that name) is wire
compatible with Node's socket.io-msgpack-parser. Both take ``encode``: ``default(encode=fn)`` gives values of unknown
kinds to ``fn(value)``, which returns something encodable or raises TypeError.

A parser of your own is any object with two methods, used from many threads at once:

``encode(packet) -> tuple[str | bytes, ...]``
    The messages of one packet, a tuple or list, sent in this order with nothing in between. ``packet`` has ``type`` (0
    CONNECT, 1 DISCONNECT, 2 EVENT, 3 ACK, 4 CONNECT_ERROR), ``nsp`` (str), ``data`` (None if absent; EVENT
    ``[name, *args]``, ACK ``[*args]``, both a list or a tuple; CONNECT a dict; CONNECT_ERROR a dict or a str) and
    ``id`` (int or None). Raises TypeError or ValueError for data that cannot be sent.
``decoder(max_attachments) -> decoder``
    One for each connection, which calls it from one thread at a time. It has

    ``add(message) -> packet | None``
        Takes one str or bytes; returns the ``Packet`` it completes, or None. Raises ``ProtocolError("reason")`` for
        anything wrong, in which case the connection is closed.
    ``waiting``
        The packet of which a part has been received, with its ``nsp``, or None.
    ``reset()``
        Forgets that part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.exceptions import ProtocolError as ProtocolError
from socketio_sync.protocol.socketio_packet import Packet as Packet
from socketio_sync.protocol.socketio_parser import DefaultParser

if TYPE_CHECKING:
    from socketio_sync.protocol.socketio_msgpack import MsgpackParser

    msgpack: MsgpackParser

default = DefaultParser()


def __getattr__(name: str) -> Any:
    # Imported when asked for: the package msgpack is optional.
    if name != "msgpack":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from socketio_sync.protocol.socketio_msgpack import MsgpackParser

    parser = globals()["msgpack"] = MsgpackParser()
    return parser
