"""What users say where to send and how, checked: rooms, durations, names of events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from socketio_sync.adapters.adapter import BroadcastOptions
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import RESERVED_EVENTS
from socketio_sync.protocol.socketio_packet import Packet

# What no server sends to another (socket.io, namespace.ts: RESERVED_EVENTS).
SERVER_SIDE_RESERVED = frozenset(("connect", "connection", "new_namespace"))


def room_names(rooms: str | Iterable[str]) -> frozenset[str]:
    """The rooms that a user named.

    Raises:
        TypeError: not a str or an iterable of str.
    """
    if isinstance(rooms, str):
        return frozenset((rooms,))
    try:
        if isinstance(rooms, (bytes, bytearray)):
            raise TypeError("it would be taken byte by byte")
        names = frozenset(rooms)
    except TypeError:
        hint = "; its room is its id" if hasattr(rooms, "id") else ""
        raise TypeError(f"rooms must be a str or an iterable of str, got {rooms!r}{hint}") from None
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"the name of a room must be a str, got {name!r}")
    return names


def described(options: BroadcastOptions) -> str:
    """The options that are not the default, for a repr."""
    parts = []
    if options.rooms is not None:
        parts.append(f"to={_sorted(options.rooms)}")
    if options.except_:
        parts.append(f"except_={_sorted(options.except_)}")
    parts += [name for name in ("volatile", "local") if getattr(options, name)]
    if not options.compress:
        parts.append("compress=False")
    if options.timeout is not None:
        parts.append(f"timeout={options.timeout}")
    return "".join(f" {part}" for part in parts)


def _sorted(rooms: frozenset[str]) -> str:
    return "{" + ", ".join(map(repr, sorted(rooms))) + "}"


def event_packet(nsp: str, event: str, args: tuple[Any, ...]) -> Packet:
    """The packet of an emit.

    Raises:
        TypeError: the event's name is no str.
        ValueError: the name is reserved.
    """
    if not isinstance(event, str):
        raise TypeError(f"an event's name must be a str, got {event!r}")
    if event in RESERVED_EVENTS:
        raise ValueError(f"{event!r} is a reserved event name")
    return Packet(EVENT, nsp, [event, *args])


def server_side_args(options: BroadcastOptions, event: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a server-side emit sends. Raises as ``event_packet``, and when rooms were chosen."""
    if not isinstance(event, str):
        raise TypeError(f"an event's name must be a str, got {event!r}")
    if event in SERVER_SIDE_RESERVED:
        raise ValueError(f"{event!r} is a reserved event name")
    if options.rooms is not None or options.except_:
        raise ValueError("a server-side event reaches servers: rooms mean nothing to it")
    return (event, *args)


def short_id(id: str) -> str:
    """A socket's id in a repr: enough to recognise it."""
    return f"{id[:4]}…"
