"""Socket: one client in one namespace, the object that users work with."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any
from typing import NoReturn
from typing import TypeVar

from socketio_sync.exceptions import LimitError
from socketio_sync.server.broadcast_operator import EVERYBODY
from socketio_sync.server.broadcast_operator import SocketMethods
from socketio_sync.server.handshake import Handshake
from socketio_sync.server.listeners import SocketHandlers
from socketio_sync.server.listeners import validate_middleware
from socketio_sync.server.socket_life import CONNECTED
from socketio_sync.server.socket_life import CONNECTING
from socketio_sync.server.socket_life import GONE
from socketio_sync.server.socket_life import SocketLife
from socketio_sync.server.targets import room_names
from socketio_sync.server.targets import short_id

if TYPE_CHECKING:
    from socketio_sync.adapters.adapter import BroadcastOptions
    from socketio_sync.server.client_connection import ClientConnection

EventMiddleware = TypeVar("EventMiddleware", bound=Callable[[str, list[Any]], None])


class Socket(SocketLife, SocketMethods, SocketHandlers):  # type: ignore[override]  # its _listeners are made when needed
    """One client in one namespace. Every method works from any thread or greenlet.

    Attributes:
        id: names it to other clients and servers; the room that it alone is in.
        nsp: its namespace.
        server: the Server.
        conn: the Engine.IO connection, which it shares with the client's sockets in other namespaces.
        data: yours to fill; survives recovery.
        recovered: whether it continues an earlier session, with its id, rooms and data.
    """

    __slots__ = ("_handshake",)

    def __init__(self, client: ClientConnection, name: str, auth: dict[str, Any]) -> None:
        super().__init__(client, name, auth)
        self._handshake: Handshake | None = None

    @property
    def rooms(self) -> frozenset[str]:
        """A copy of its rooms, with its own id; empty after the disconnect; in ``disconnecting`` those it had."""
        return self.nsp.adapter.rooms_of(self.id) if self._state is CONNECTED else self._last_rooms

    @property
    def handshake(self) -> Handshake:
        """What the client said when it came."""
        if self._handshake is None:
            self._handshake = Handshake.of_connection(self.conn, self.auth, self._issued)
        return self._handshake

    @property
    def environ(self) -> dict[str, Any]:
        """What is kept of the handshake's WSGI environ, its strings and what ``keep_environ`` names."""
        return self.conn.environ

    def use(self, middleware: EventMiddleware) -> EventMiddleware:
        """Run ``middleware(event, args)`` before the handlers of each event; it may change the list.

        Raising anything refuses the event: nothing handles it, ``on_error`` is told.

        Raises:
            TypeError: it needs more arguments; there is no ``next``.
        """
        handler = validate_middleware(middleware, "socket.use", given=2)
        with self.conn.lock:
            self.middlewares = (*self.middlewares, handler)
        return middleware

    def join(self, rooms: str | Iterable[str]) -> None:
        """Join a room or several; nothing happens if the socket is gone. In a middleware it takes effect on acceptance.

        Raises:
            TypeError: rooms is neither a str nor an iterable of str.
            ValueError: the room is the id of another socket, whose messages it would get.
            LimitError: it would be in more than ``max_rooms``.
        """
        wanted = room_names(rooms)
        if self._state is GONE:
            return
        sockets = self.nsp.sockets
        for room in wanted:
            if room != self.id and room in sockets:
                raise ValueError(f"{room!r} is the id of another socket: joining it would read that one's messages")
        limit = self.server.options.max_rooms
        if len((self.rooms | self._early_rooms | wanted) - {self.id}) > limit:
            raise LimitError("max_rooms", f"{self!r} would be in more than {limit} rooms")
        with self.conn.lock:
            if self._state is CONNECTING:
                self._early_rooms |= wanted
                return
        self.nsp.adapter.join(self.id, wanted)

    def leave(self, rooms: str | Iterable[str]) -> None:
        """Leave a room or several; nothing happens if it is not in them.

        Raises:
            TypeError: rooms is neither a str nor an iterable of str.
        """
        unwanted = room_names(rooms)
        with self.conn.lock:
            self._early_rooms -= unwanted
        if self._state is CONNECTED:
            for room in unwanted:
                self.nsp.adapter.remove(self.id, room)

    def disconnect(self, close: bool = False) -> None:
        """Disconnect the client from this namespace; with ``close`` from all of them, and close the connection."""
        if close:
            self.client.disconnect()
        elif self.close("server namespace disconnect", by_client=False):
            # Closed before the client knows: it leaves at once, and that must not become the reason.
            self.client.send_disconnect(self)

    def _target(self) -> tuple[Socket, BroadcastOptions]:
        return self, EVERYBODY

    def __repr__(self) -> str:
        transport = self.conn.transport if self._state is CONNECTED else self._state
        return f"<Socket {short_id(self.id)!r} nsp={self.name!r} {transport}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Socket cannot be pickled: its connection lives in this process; keep its id")
