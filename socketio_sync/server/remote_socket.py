"""RemoteSocket: what ``fetch_sockets`` returns, a copy of a socket that may live on another server."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.adapters.adapter import BroadcastOptions
from socketio_sync.config.checks import boolean
from socketio_sync.config.checks import check_duration
from socketio_sync.server.asking import Reply
from socketio_sync.server.asking import ask_many
from socketio_sync.server.asking import left_error
from socketio_sync.server.asking import wait_for_many
from socketio_sync.server.targets import event_packet
from socketio_sync.server.targets import room_names
from socketio_sync.server.targets import short_id

if TYPE_CHECKING:
    from socketio_sync.server.namespace import Namespace


class RemoteSocket:
    """A copy of a socket as it was when it was fetched, of this or another server. What is asked of it is sent there.

    Attributes:
        id: as the socket's.
        handshake: likewise.
        rooms: those it was in.
        data: a read-only copy.
    """

    __slots__ = ("_nsp", "_options", "data", "handshake", "id", "rooms")

    def __init__(
        self,
        nsp: Namespace,
        id: str,
        handshake: Any,
        rooms: frozenset[str],
        data: Mapping[str, Any],
        timeout: float | None = None,
    ) -> None:
        self.id = id
        self.handshake = handshake
        self.rooms = rooms
        self.data: Mapping[str, Any] = MappingProxyType(dict(data))
        self._nsp = nsp
        self._options = BroadcastOptions(rooms=frozenset((id,)), timeout=timeout)

    def timeout(self, seconds: float) -> RemoteSocket:
        """How long an answer may take, instead of ``ack_timeout``."""
        seconds = check_duration("timeout", seconds)
        return RemoteSocket(self._nsp, self.id, self.handshake, self.rooms, self.data, seconds)

    def emit(
        self,
        event: str,
        *args: Any,
        callback: Callable[..., Any] | None = None,
        error_callback: Callable[..., Any] | None = None,
    ) -> None:
        """Send an event to its client.

        As ``Socket.emit``, but ``callback(answer)`` gets the first argument only, and without ``timeout()`` it is
        waited for ``ack_timeout`` seconds.
        """
        packet = event_packet(self._nsp.name, event, args)
        if callback is None and error_callback is None:
            self._nsp.adapter.broadcast(packet, self._options)
        else:
            reply = Reply(self._nsp, None, event, callback, error_callback)
            ask_many(self._nsp, packet, self._options, reply, single=True)

    def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Send an event and wait for the first argument of the client's answer.

        Raises:
            AckTimeout: it did not come in ``timeout()`` or ``ack_timeout``.
            DisconnectedError: the socket is gone, or went before it answered.
        """
        answers = wait_for_many(self._nsp, event_packet(self._nsp.name, event, args), self._options)
        if not answers:
            raise left_error()
        return answers[0]

    def join(self, rooms: str | Iterable[str]) -> None:
        """Make it join rooms."""
        self._nsp.adapter.add_sockets(self._options, room_names(rooms))

    def leave(self, rooms: str | Iterable[str]) -> None:
        """Make it leave rooms."""
        self._nsp.adapter.remove_sockets(self._options, room_names(rooms))

    def disconnect(self, close: bool = False) -> None:
        """Disconnect it from the namespace; with ``close`` from everything."""
        self._nsp.adapter.disconnect_sockets(self._options, boolean("close", close))

    def __repr__(self) -> str:
        return f"<RemoteSocket {short_id(self.id)!r} nsp={self._nsp.name!r}>"
