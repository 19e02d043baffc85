"""Sending: the chains that begin at a server, a namespace or a socket, and copies of sockets that may live anywhere.

A chain is a target and some options, both immutable: keep it, share it, go on from it twice. The methods are written
once, in ``BroadcastMethods`` (Server, Namespace and BroadcastOperator have them) and in ``SocketMethods`` (Socket and
SocketOperator); each of these classes only says by ``_target`` where its chain stands.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.adapters.adapter import BroadcastOptions
from socketio_sync.config.checks import boolean
from socketio_sync.config.checks import check_duration
from socketio_sync.server.asking import Reply
from socketio_sync.server.asking import ask_many
from socketio_sync.server.asking import ask_one
from socketio_sync.server.asking import wait_for_many
from socketio_sync.server.asking import wait_for_one
from socketio_sync.server.remote_socket import RemoteSocket as RemoteSocket
from socketio_sync.server.targets import described
from socketio_sync.server.targets import event_packet
from socketio_sync.server.targets import room_names as room_names
from socketio_sync.server.targets import server_side_args
from socketio_sync.server.targets import short_id

if TYPE_CHECKING:
    from socketio_sync.server.namespace import Namespace
    from socketio_sync.server.socket import Socket

Callback = Callable[..., Any]

EVERYBODY = BroadcastOptions()


class BroadcastMethods:
    """Sending to many. The class that inherits says by ``_target`` from which namespace and with which options."""

    __slots__ = ()

    def _target(self) -> tuple[Namespace, BroadcastOptions]:
        raise NotImplementedError

    # Chains

    def to(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Only who is in one of these rooms; several ``to`` add up. ``to([])`` alone is nobody.

        Raises:
            TypeError: not a str or an iterable of str.
        """
        nsp, options = self._target()
        return BroadcastOperator(nsp, options._replace(rooms=(options.rooms or frozenset()) | room_names(rooms)))

    def in_(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """The same as ``to``."""
        return self.to(rooms)

    def except_(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Nobody who is in one of these rooms; several add up."""
        nsp, options = self._target()
        return BroadcastOperator(nsp, options._replace(except_=options.except_ | room_names(rooms)))

    @property
    def broadcast(self) -> BroadcastOperator:
        """The chain itself, which goes to many already."""
        return BroadcastOperator(*self._target())

    @property
    def local(self) -> BroadcastOperator:
        """Only clients of this server."""
        nsp, options = self._target()
        return BroadcastOperator(nsp, options._replace(local=True))

    @property
    def volatile(self) -> BroadcastOperator:
        """Drop it for each client for which anything waits to be sent; for what is soon out of date."""
        nsp, options = self._target()
        return BroadcastOperator(nsp, options._replace(volatile=True))

    def compress(self, compress: bool) -> BroadcastOperator:
        """Whether the transports may compress it; they do only if the server's options say so.

        Raises:
            TypeError: not a bool.
        """
        nsp, options = self._target()
        return BroadcastOperator(nsp, options._replace(compress=boolean("compress", compress)))

    def timeout(self, seconds: float) -> BroadcastOperator:
        """How many seconds answers may take, instead of the server's ``ack_timeout``.

        Raises:
            TypeError: not a number.
            ValueError: not above 0, or 1000 and more, which would be milliseconds.
        """
        nsp, options = self._target()
        return BroadcastOperator(nsp, options._replace(timeout=check_duration("timeout", seconds)))

    # Emitting

    def emit(
        self, event: str, *args: Any, callback: Callback | None = None, error_callback: Callback | None = None
    ) -> None:
        """Send an event. It is encoded before this returns, and never waits for the network.

        Args:
            event: its name.
            *args: the payloads.
            callback: asks every client for an answer; called as ``callback(answers)`` in a task of its own.
            error_callback: called instead, as ``error_callback(error)``, when not all answers came in time.

        Raises:
            TypeError: something that cannot be sent; the text has its path.
            ValueError: likewise, or a reserved name.
        """
        nsp, options = self._target()
        packet = event_packet(nsp.name, event, args)
        if callback is None and error_callback is None:
            nsp.adapter.broadcast(packet, options)
        else:
            ask_many(nsp, packet, options, Reply(nsp, None, event, callback, error_callback))

    def send(self, *args: Any, callback: Callback | None = None, error_callback: Callback | None = None) -> None:
        """Emit the event "message": as ``emit``, without a name."""
        self.emit("message", *args, callback=callback, error_callback=error_callback)

    def emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """Send an event and wait for every client's answer.

        Returns:
            Each client's first argument, in the order in which they came. A client that leaves is not waited for.

        Raises:
            AckTimeout: not all came in ``timeout()`` or ``ack_timeout``; ``responses`` has those that did.
        """
        nsp, options = self._target()
        return wait_for_many(nsp, event_packet(nsp.name, event, args), options)

    def server_side_emit(self, event: str, *args: Any) -> None:
        """Send an event to the other servers, to what they registered with ``on_server_side``.

        Raises:
            ValueError: the name of a life-cycle event, or rooms were chosen: it reaches servers, not clients.
        """
        nsp, options = self._target()
        nsp.adapter.server_side_emit(server_side_args(options, event, args))

    def server_side_emit_with_ack(self, event: str, *args: Any) -> list[Any]:
        """The same, waiting for each other server's answer.

        Raises:
            AckTimeout: not all came in time; ``responses`` has those that did.
        """
        nsp, options = self._target()
        finished = nsp.runtime.event()
        outcome: list[tuple[Exception | None, list[Any]]] = []

        def finish(error: Exception | None, answers: list[Any]) -> None:
            outcome.append((error, answers))
            finished.set()

        nsp.adapter.server_side_emit(server_side_args(options, event, args), finish, options.timeout)
        finished.wait()
        error, answers = outcome[0]
        if error is not None:
            raise error
        return answers

    # The sockets themselves

    def fetch_sockets(self) -> list[RemoteSocket]:
        """Copies of the sockets that this chain reaches, those of other servers too.

        Raises:
            AckTimeout: not all other servers answered in time.
        """
        nsp, options = self._target()
        found = nsp.adapter.fetch_sockets(options)
        return [RemoteSocket(nsp, socket.id, socket.handshake, socket.rooms, socket.data) for socket in found]

    def sockets_join(self, rooms: str | Iterable[str]) -> None:
        """Make them join rooms.

        Raises:
            ValueError: a room is the id of a socket: its mail is its own.
        """
        nsp, options = self._target()
        nsp.adapter.add_sockets(options, room_names(rooms))

    def sockets_leave(self, rooms: str | Iterable[str]) -> None:
        """Make them leave rooms; those that are not in them are left alone."""
        nsp, options = self._target()
        nsp.adapter.remove_sockets(options, room_names(rooms))

    def disconnect_sockets(self, close: bool = False) -> None:
        """Disconnect them from the namespace; with ``close`` from everything."""
        nsp, options = self._target()
        nsp.adapter.disconnect_sockets(options, boolean("close", close))


class BroadcastOperator(BroadcastMethods):
    """A chain that goes to many: an immutable value."""

    __slots__ = ("_nsp", "_options")

    def __init__(self, nsp: Namespace, options: BroadcastOptions) -> None:
        self._nsp = nsp
        self._options = options

    def _target(self) -> tuple[Namespace, BroadcastOptions]:
        return self._nsp, self._options

    def __repr__(self) -> str:
        return f"<BroadcastOperator {self._nsp.name!r}{described(self._options)}>"


class SocketMethods:
    """Sending from a socket: to its client, or by a broadcast that leaves it out. Socket and SocketOperator inherit it.

    Of a Socket it needs ``id``, ``nsp``, what ``LocalSocket`` has, ``check_can_wait()``, which raises RuntimeError
    before the socket is accepted, and ``disconnected_error()``, a DisconnectedError with its reason and details.
    """

    __slots__ = ()

    def _target(self) -> tuple[Socket, BroadcastOptions]:
        raise NotImplementedError

    # Broadcasts that leave the socket out

    @property
    def broadcast(self) -> BroadcastOperator:
        """Everybody but this socket."""
        socket, options = self._target()
        return BroadcastOperator(socket.nsp, options._replace(except_=options.except_ | {socket.id}))

    def to(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Only who is in one of these rooms, but never this socket."""
        socket, options = self._target()
        return BroadcastOperator(
            socket.nsp, options._replace(rooms=room_names(rooms), except_=options.except_ | {socket.id})
        )

    def in_(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """The same as ``to``."""
        return self.to(rooms)

    def except_(self, rooms: str | Iterable[str]) -> BroadcastOperator:
        """Everybody but this socket and who is in one of these rooms."""
        return self.broadcast.except_(rooms)

    @property
    def local(self) -> BroadcastOperator:
        """Everybody on this server but this socket."""
        return self.broadcast.local

    # To the socket itself

    @property
    def volatile(self) -> SocketOperator:
        """Drop it if anything waits to be sent to this client; for what is soon out of date."""
        socket, options = self._target()
        return SocketOperator(socket, options._replace(volatile=True))

    def compress(self, compress: bool) -> SocketOperator:
        """Whether the transports may compress it; they do only if the server's options say so.

        Raises:
            TypeError: not a bool.
        """
        socket, options = self._target()
        return SocketOperator(socket, options._replace(compress=boolean("compress", compress)))

    def timeout(self, seconds: float) -> SocketOperator:
        """How many seconds the answer may take.

        Raises:
            TypeError: not a number.
            ValueError: not above 0, or 1000 and more, which would be milliseconds.
        """
        socket, options = self._target()
        return SocketOperator(socket, options._replace(timeout=check_duration("timeout", seconds)))

    def emit(
        self, event: str, *args: Any, callback: Callback | None = None, error_callback: Callback | None = None
    ) -> None:
        """Send an event to this client. It is encoded before this returns, and never waits for the network.

        To a socket that is gone it does nothing, or keeps it for recovery: who must know asks for an answer.

        Args:
            event: its name.
            *args: the payloads.
            callback: asks the client for an answer; called as ``callback(*answer)`` in a task of its own.
            error_callback: called instead, as ``error_callback(error)``, when the socket is gone, or when ``timeout()``
                was given and is over.

        Raises:
            TypeError: something that cannot be sent; the text has its path.
            ValueError: likewise, or a reserved name.
            LimitError: with a callback: ``max_pending_acks`` answers are awaited already.
        """
        socket, options = self._target()
        packet = event_packet(socket.nsp.name, event, args)
        if callback is None and error_callback is None:
            socket.nsp.adapter.send_to(socket, packet, options)
        else:
            ask_one(socket, packet, options, Reply(socket.nsp, socket, event, callback, error_callback))

    def send(self, *args: Any, callback: Callback | None = None, error_callback: Callback | None = None) -> None:
        """Emit the event "message": as ``emit``, without a name."""
        self.emit("message", *args, callback=callback, error_callback=error_callback)

    def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Send an event and wait for the client's answer.

        Returns:
            None if it has no argument, the value if one, a tuple if several.

        Raises:
            AckTimeout: it did not come in ``timeout()`` or ``ack_timeout``.
            DisconnectedError: the socket is gone, or went before it answered.
            LimitError: ``max_pending_acks`` answers are awaited already.
            RuntimeError: the socket is not accepted yet; nothing could arrive.
        """
        socket, options = self._target()
        socket.check_can_wait()
        return wait_for_one(socket, event_packet(socket.nsp.name, event, args), options)


class SocketOperator(SocketMethods):
    """A chain that starts at a socket and goes to its client, with options: an immutable value."""

    __slots__ = ("_options", "_socket")

    def __init__(self, socket: Socket, options: BroadcastOptions) -> None:
        self._socket = socket
        self._options = options

    def _target(self) -> tuple[Socket, BroadcastOptions]:
        return self._socket, self._options

    def __repr__(self) -> str:
        socket = self._socket
        return f"<SocketOperator {short_id(socket.id)!r} nsp={socket.nsp.name!r}{described(self._options)}>"
