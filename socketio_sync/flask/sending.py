"""Sending by keywords, ``to=``, ``skip_sid=``, on top of the server's chains; rooms and sockets by their names."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any
from uuid import UUID

from socketio_sync.flask.context import current
from socketio_sync.flask.routing import namespace_name
from socketio_sync.server.asking import left_error

if TYPE_CHECKING:
    from socketio_sync.server.broadcast_operator import BroadcastOperator
    from socketio_sync.server.namespace import Namespace
    from socketio_sync.server.server import Server
    from socketio_sync.server.socket import Socket

EMIT_OPTIONS = ("namespace", "to", "room", "include_self", "skip_sid", "callback", "ignore_queue")
CALL_OPTIONS = ("namespace", "to", "room", "timeout", "ignore_queue")


def check_options(name: str, given: Iterable[str], known: tuple[str, ...]) -> None:
    """TypeError for a keyword that ``name`` does not have."""
    for option in given:
        if option not in known:
            known_ones = "it broadcasts already" if option == "broadcast" else f"it has {', '.join(known)}"
            raise TypeError(f"{name}() has no option {option!r}; {known_ones}")


def payload(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of an event: a single tuple is several, a single None is none."""
    if len(args) != 1:
        return args
    if isinstance(args[0], tuple):
        return args[0]
    return () if args[0] is None else args


def room_names(rooms: Any) -> Any:
    """Rooms as the server knows them: numbers and UUIDs, which Flask-SocketIO lets through, by their text."""
    if isinstance(rooms, (int, UUID)):
        return str(rooms)
    if isinstance(rooms, (list, tuple, set, frozenset)):
        return [str(room) if isinstance(room, (int, UUID)) else room for room in rooms]
    return rooms


def space(server: Server, namespace: str | None) -> Namespace | None:
    """The namespace of this name, if there is one: asking must not open it to clients."""
    return server.namespaces.get(namespace_name(namespace))


def find_socket(server: Server, sid: str, namespace: str | None) -> Socket | None:
    """A client of this process; the one whose event is handled also while it is joining or leaving."""
    asking = current()
    if asking is not None:
        socket = asking.socket
        if socket.id == sid and socket.server is server and socket.nsp.name == namespace_name(namespace):
            return socket
    nsp = space(server, namespace)
    return None if nsp is None else nsp.sockets.get(sid)


def joined_rooms(socket: Socket) -> frozenset[str]:
    """A client's rooms, while its connect handler runs too."""
    if is_joining(socket):
        return socket._early_rooms | {socket.id}
    return socket.rooms


def is_joining(socket: Socket) -> bool:
    """Whether it is neither accepted nor refused yet."""
    return not socket.connected and not socket.gone


def deliver(
    server: Server,
    event: str,
    args: tuple[Any, ...],
    *,
    namespace: str | None,
    to: Any,
    skip: Any,
    local: bool,
    callback: Callable[..., Any] | None,
) -> None:
    """Send an event to rooms, to a client or, with ``to=None``, to all. A callback is called for each that answers."""
    nsp = space(server, namespace)
    if nsp is None:
        return
    rooms = None if to is None else room_names(to)
    skipped = [] if skip is None else room_names(skip)
    newcomer = _newcomer(nsp, rooms, skipped)
    if newcomer is not None:  # the server does not reach it before it is accepted
        newcomer.emit(event, *args, callback=callback)
    socket = nsp.sockets.get(rooms) if isinstance(rooms, str) else None
    if socket is not None and not skipped:
        socket.emit(event, *args, callback=callback)
        return
    chain = (nsp.broadcast if rooms is None else nsp.to(rooms)).except_(skipped)
    if local:
        chain = chain.local
    if callback is None:
        chain.emit(event, *args)
    else:
        _ask_each(nsp, chain, event, args, callback)


def _newcomer(nsp: Namespace, rooms: Any, skipped: Any) -> Socket | None:
    """The client whose connect handler is sending, if it is meant as well."""
    asking = current()
    if asking is None or asking.socket.nsp is not nsp or not is_joining(asking.socket):
        return None
    socket = asking.socket
    if socket.id in ([skipped] if isinstance(skipped, str) else skipped):
        return None
    wanted = {rooms} if isinstance(rooms, str) else rooms
    return socket if wanted is None or joined_rooms(socket).intersection(wanted) else None


def _ask_each(
    nsp: Namespace, chain: BroadcastOperator, event: str, args: tuple[Any, ...], callback: Callable[..., Any]
) -> None:
    for remote in chain.fetch_sockets():
        socket = nsp.sockets.get(remote.id)
        (remote if socket is None else socket).emit(event, *args, callback=callback)


def ask(
    server: Server, event: str, args: tuple[Any, ...], *, namespace: str | None, to: Any, timeout: float | None
) -> Any:
    """Send an event to one client and wait for its answer.

    Raises:
        AckTimeout: it did not come in ``timeout`` seconds.
        DisconnectedError: the client is not there, or left before it answered.
    """
    seconds = 60 if timeout is None else timeout
    sid = room_names(to)
    socket = find_socket(server, sid, namespace) if isinstance(sid, str) else None
    if socket is not None:
        return socket.timeout(seconds).emit_with_ack(event, *args)
    nsp = space(server, namespace)
    for remote in [] if nsp is None else nsp.to(sid).fetch_sockets():
        return remote.timeout(seconds).emit_with_ack(event, *args)
    raise left_error()


def join(server: Server, sid: str, rooms: Any, namespace: str | None) -> None:
    """Let a client join rooms; nothing happens if it is gone."""
    socket = find_socket(server, sid, namespace)
    nsp = space(server, namespace)
    if socket is not None:
        socket.join(room_names(rooms))
    elif nsp is not None:
        nsp.to(sid).sockets_join(room_names(rooms))


def leave(server: Server, sid: str, rooms: Any, namespace: str | None) -> None:
    """Let a client leave rooms."""
    socket = find_socket(server, sid, namespace)
    nsp = space(server, namespace)
    if socket is not None:
        socket.leave(room_names(rooms))
    elif nsp is not None:
        nsp.to(sid).sockets_leave(room_names(rooms))


def rooms_of(server: Server, sid: str, namespace: str | None) -> list[str]:
    """A client's rooms, its own one too; [] if it is gone."""
    socket = find_socket(server, sid, namespace)
    if socket is not None:
        return sorted(joined_rooms(socket))
    nsp = space(server, namespace)
    found = [] if nsp is None else nsp.to(sid).fetch_sockets()
    return sorted(found[0].rooms) if found else []


def disconnect(server: Server, sid: str, namespace: str | None) -> None:
    """Disconnect a client from a namespace."""
    socket = find_socket(server, sid, namespace)
    nsp = space(server, namespace)
    if socket is not None:
        socket.disconnect()
    elif nsp is not None:
        nsp.to(sid).disconnect_sockets()
