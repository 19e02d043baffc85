"""Socket.IO packets: the types of protocol 5, the value that parsers take and give, the reserved event names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from socketio_sync.exceptions import ProtocolError

CONNECT = 0
DISCONNECT = 1
EVENT = 2
ACK = 3
CONNECT_ERROR = 4
# These two exist on the wire of the default parser only: a Packet that carries binary is an EVENT or an ACK as well.
BINARY_EVENT = 5
BINARY_ACK = 6

# Names that no packet may carry as an event, in either direction (socket.io-parser: RESERVED_EVENTS).
RESERVED_EVENTS = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"),
)


def check_event(data: list[Any]) -> None:
    """Check the name of a received event, and make it text.

    The protocol allows numbers as names; JavaScript looks their listeners up as text.

    Raises:
        ProtocolError: there is no name, or one that no packet may carry.
    """
    name = data[0] if data else None
    if type(name) is not str:
        if type(name) is not int and type(name) is not float:
            raise ProtocolError("invalid payload")
        data[0] = name = str(name).removesuffix(".0")
    if name in RESERVED_EVENTS:
        raise ProtocolError("invalid payload")


class Packet:
    """One Socket.IO packet, before encoding or after decoding.

    Attributes:
        type: CONNECT, DISCONNECT, EVENT, ACK or CONNECT_ERROR.
        nsp: the namespace, with its leading slash.
        data: what the type says: EVENT a list or tuple ``[name, *args]``, ACK one of the arguments, CONNECT a dict,
            CONNECT_ERROR a dict or (protocol 4) a str; None is an absent payload.
        id: the acknowledgement asked for (EVENT) or given (ACK), or None.
    """

    __slots__ = ("data", "id", "nsp", "type")

    def __init__(self, type: int, nsp: str = "/", data: Any = None, id: int | None = None) -> None:
        self.type = type
        self.nsp = nsp
        self.data = data
        self.id = id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Packet):
            return NotImplemented
        return (self.type, self.nsp, self.id, self.data) == (other.type, other.nsp, other.id, other.data)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        # What CONNECT carries, the user's auth and recovery's pid, is secret, and this is what log lines show.
        data = "..." if self.type == CONNECT and self.data else repr(self.data)
        return f"Packet(type={self.type}, nsp={self.nsp!r}, data={data}, id={self.id})"


def shown(messages: Sequence[str | bytes]) -> str:
    """An encoded packet as log lines show it: its text, but nothing of what CONNECT carries, and of binary the size."""
    head = messages[0]
    if isinstance(head, bytes):
        return f"{len(head)} bytes"
    return head.partition("{")[0] + "..." if head.startswith(str(CONNECT)) else head
