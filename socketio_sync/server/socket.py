"""Socket: one client in one namespace, the object that users work with."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import NoReturn

from socketio_sync.adapters.adapter import Session
from socketio_sync.exceptions import DisconnectedError
from socketio_sync.exceptions import LimitError
from socketio_sync.protocol.acks import PendingAck
from socketio_sync.protocol.acks import PendingAcks
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.runtime.mailbox import Mailbox
from socketio_sync.server.broadcast_operator import EVERYBODY
from socketio_sync.server.broadcast_operator import SocketMethods
from socketio_sync.server.broadcast_operator import room_names
from socketio_sync.server.dispatch import call_handler
from socketio_sync.server.dispatch import handle_event
from socketio_sync.server.dispatch import run_life_cycle
from socketio_sync.server.handshake import Handshake
from socketio_sync.server.joining import join_namespace
from socketio_sync.server.listeners import Handler
from socketio_sync.server.listeners import Listeners
from socketio_sync.server.listeners import SocketHandlers
from socketio_sync.server.listeners import validate_middleware

if TYPE_CHECKING:
    from socketio_sync.adapters.adapter import BroadcastOptions
    from socketio_sync.engine.connection import Connection
    from socketio_sync.exceptions import DisconnectDetails
    from socketio_sync.protocol.engineio_packet import EncodedPacket
    from socketio_sync.server.client_connection import ClientConnection
    from socketio_sync.server.namespace import Namespace
    from socketio_sync.server.server import Server

log = logging.getLogger("socketio_sync.server")

CONNECTING = "connecting"
CONNECTED = "connected"
GONE = "gone"

# Why a socket was disconnected, in the reference's words.
DisconnectReason = Literal[
    "transport close",
    "transport error",
    "ping timeout",
    "parse error",
    "forced close",
    "forced server close",
    "server shutting down",
    "client namespace disconnect",
    "server namespace disconnect",
]

# After these the client may come back to its session (socket.io, socket.ts: RECOVERABLE_DISCONNECT_REASONS).
RECOVERABLE_REASONS = frozenset(
    (
        "transport error",
        "transport close",
        "forced close",
        "ping timeout",
        "server shutting down",
        "forced server close",
    )
)


class Socket(SocketMethods, SocketHandlers):
    """One client in one namespace. Every method works from any thread or greenlet.

    It begins when CONNECT comes. All that happens to it goes through its mailbox, one item at a time: joining, then the
    events, then the disconnect handlers. What is emitted to it before it is accepted is held back, behind the reply.

    Attributes:
        id: names it to other clients and servers; the room that it alone is in.
        nsp: its namespace.
        server: the Server.
        conn: the Engine.IO connection, which it shares with the client's sockets in other namespaces.
        data: yours to fill; survives recovery.
        recovered: whether it continues an earlier session, with its id, rooms and data.
    """

    # Set in the first job of the mailbox, before the user sees the socket.
    nsp: Namespace

    def __init__(self, client: ClientConnection, name: str, auth: dict[str, Any]) -> None:
        """For ClientConnection. Called with the connection's lock held."""
        options = client.server.options
        conn = client.connection
        self.server: Server = client.server
        self.conn: Connection = conn
        self.data: dict[str, Any] = {}
        self.recovered = False
        self.id = ""
        self.client = client
        self.name = name
        self.auth = auth
        self.pid: str | None = None
        # Where the namespace's stream of packets stood when this session began (connection state recovery).
        self.position = 0
        self.middlewares: tuple[Handler, ...] = ()
        self._issued = conn.runtime.wall_time()
        self._state = CONNECTING
        # Whether the connection handlers have returned.
        self._ready = False
        # What is to be sent behind the CONNECT reply, and the rooms to be joined; None once they are. Guarded by the
        # connection's lock.
        self._held: list[EncodedPacket] | None = []
        self._early_rooms: set[str] = set()
        self._last_rooms: frozenset[str] = frozenset()
        self._own_listeners: Listeners | None = None
        self._acks: PendingAcks | None = None
        self._handshake: Handshake | None = None
        self._loose = 0
        self.reason = ""
        self.details: DisconnectDetails | None = None
        self._mailbox: Mailbox[Any] = Mailbox(
            conn.runtime,
            self._handle,
            limit=options.max_pending_events,
            byte_limit=4 * options.max_http_buffer_size,
            on_full=conn.pause_reading,
            on_room=conn.resume_reading,
            label=self.__repr__,
        )

    # -- what it is --------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether it is accepted and not disconnected."""
        return self._state is CONNECTED

    @property
    def gone(self) -> bool:
        """For the package: whether it was refused or disconnected."""
        return self._state is GONE

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
        """What is kept of the handshake's WSGI environ: its strings, and what ``keep_environ`` names."""
        return self.conn.environ

    # -- for users ---------------------------------------------------------------------------------------------------

    def use(self, middleware: Callable[[str, list[Any]], None]) -> Callable[[str, list[Any]], None]:
        """Run ``middleware(event, args)`` before the handlers of each event; it may change the list.

        Raising anything refuses the event: nothing handles it, ``on_error`` is told.
        """
        handler = validate_middleware(middleware, "socket.use", given=2)
        with self.conn.lock:
            self.middlewares = (*self.middlewares, handler)
        return middleware

    def join(self, rooms: str | Any) -> None:
        """Join a room or several; nothing happens if the socket is gone. In a middleware it takes effect on acceptance.

        Raises:
            TypeError: rooms is neither a str nor an iterable of str.
            ValueError: the room is the id of another socket, whose mail it would get.
            LimitError: it would be in more than ``max_rooms``.
        """
        wanted = room_names(rooms)
        sockets = self.nsp.sockets
        for room in wanted:
            if room != self.id and room in sockets:
                raise ValueError(f"{room!r} is the id of another socket: joining it would read that one's messages")
        self._check_room_limit(wanted)
        with self.conn.lock:
            if self._state is CONNECTING:
                self._early_rooms |= wanted
                return
        self.nsp.adapter.join(self.id, wanted)

    def leave(self, rooms: str | Any) -> None:
        """Leave a room or several; nothing happens if it is not in them.

        Raises:
            TypeError: rooms is neither a str nor an iterable of str.
        """
        unwanted = room_names(rooms)
        with self.conn.lock:
            if self._state is CONNECTING:
                self._early_rooms -= unwanted
                return
        for room in unwanted:
            self.nsp.adapter.remove(self.id, room)

    def disconnect(self, close: bool = False) -> None:
        """Disconnect the client from this namespace; with ``close`` from all of them, and close the connection."""
        if close:
            self.client.disconnect()
        elif self._state is CONNECTED:
            self.client.send_disconnect(self)
            self.close("server namespace disconnect", by_client=False)

    def __repr__(self) -> str:
        transport = self.conn.transport if self._state is CONNECTED else self._state
        return f"<Socket {self.id[:4] + '…'!r} nsp={self.name!r} {transport}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Socket cannot be pickled: its connection lives in this process; keep its id")

    # -- what comes (I/O thread) ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to join: the first job of the mailbox."""
        self._mailbox.post(self._join)

    def receive_event(self, packet: Packet, size: int) -> None:
        """An event of the client: into the queue, or beside it."""
        if self._ready and self._is_loose(packet):
            self._start_loose(packet)
        else:
            self._mailbox.post(packet if self._ready else partial(self._handle_early, packet), size)

    def receive_ack(self, packet: Packet) -> None:
        """An answer of the client: at once, never behind a handler."""
        acks = self._acks
        entry = acks.take(packet.id) if acks is not None and packet.id is not None else None
        if entry is None:
            log.debug("no answer %s is waited for (%r)", packet.id, self)
        else:
            entry.on_answer(tuple(packet.data))

    def close(self, reason: str, details: DisconnectDetails | None = None, *, by_client: bool = True) -> bool:
        """The only way out: leave everything at once, and let the disconnect handlers follow in the queue.

        Returns:
            False if it was gone already.
        """
        with self.conn.lock:
            if self._state is GONE:
                return False
            accepted = self._state is CONNECTED
            self._state = GONE
            if not accepted:
                self._held = None
            self.reason = reason
            self.details = details
            self.client.left_locked(self, by_client)
        if accepted:
            self._last_rooms = self.nsp.remove(self)
            if self.pid is not None and reason in RECOVERABLE_REASONS:
                self.nsp.adapter.persist_session(
                    Session(self.id, self.pid, self._last_rooms, self.data, reason, self.position)
                )
        if self._acks is not None:
            for entry in self._acks.close():
                entry.on_gone()
        if accepted:
            self._mailbox.post(self._run_disconnect)
        return True

    # -- its jobs (a worker, one at a time) ----------------------------------------------------------------------------

    def _handle(self, item: Any) -> None:
        if item.__class__ is Packet:
            if self._ready:
                handle_event(self, item)
        else:
            item()

    def _handle_early(self, packet: Packet) -> None:
        """An event that came before the connection handlers had returned."""
        if self._ready and self._is_loose(packet):
            self._start_loose(packet)
        else:
            self._handle(packet)

    def _join(self) -> None:
        accepted = well = False
        try:
            accepted = join_namespace(self)
        finally:
            if not accepted:
                self._finish()
        if not accepted:
            return
        try:
            well = run_life_cycle(self, "connect")
            well = run_life_cycle(self, "connection") and well
        finally:
            # If not, the events that wait are dropped: these handlers may be the user's check.
            self._ready = well
            if not well:
                self.disconnect()

    def _run_disconnect(self) -> None:
        try:
            run_life_cycle(self, "disconnecting", self.reason, self.details)
            self._last_rooms = frozenset()
            run_life_cycle(self, "disconnect", self.reason, self.details)
        finally:
            self._finish()

    def _finish(self) -> None:
        nsp = getattr(self, "nsp", None)
        if nsp is not None:
            nsp.exited()
        self.client.finished()

    def _is_loose(self, packet: Packet) -> bool:
        """Whether all handlers of the event are to run beside the queue."""
        event = packet.data[0]
        default = self.server.options.ordered_events
        found = False
        for listeners in self.listeners():
            for handler in listeners.get(event):
                if default if handler.ordered is None else handler.ordered:
                    return False
                found = True
        return found

    def _start_loose(self, packet: Packet) -> None:
        with self.conn.lock:
            self._loose += 1
            full = self._loose == self.server.options.max_pending_events
        if full:
            self.conn.pause_reading()
        self.conn.runtime.submit(partial(self._run_loose, packet, full), self.__repr__)

    def _run_loose(self, packet: Packet, paused: bool) -> None:
        try:
            handle_event(self, packet)
        finally:
            with self.conn.lock:
                self._loose -= 1
            if paused:
                self.conn.resume_reading()

    # -- joining (see joining.py) --------------------------------------------------------------------------------------

    def open(self, nsp: Namespace, id: str, pid: str | None) -> None:
        """Give it what is known only now, in the first job; the user has not seen it yet."""
        self.nsp = nsp
        self.id = id
        self.pid = pid

    def accept(self) -> bool:
        """From now on it is connected; False if it is gone already. What is sent is still held back."""
        with self.conn.lock:
            if self._state is GONE:
                return False
            self._state = CONNECTED
            self.client.accepted_locked(self.name)
            rooms = self._early_rooms
        if rooms:
            self.nsp.adapter.join(self.id, rooms)
        return True

    def release(self, batch: list[EncodedPacket]) -> None:
        """Send these, then what was held back; what others send meanwhile comes behind it."""
        while batch:
            if log.isEnabledFor(logging.DEBUG):
                log.debug("sent to %r: %r", self, [encoded.messages[0] for encoded in batch])
            self.conn.send_packets(batch)
            with self.conn.lock:
                batch = self._held or []
                self._held = [] if batch else None

    # -- what goes ---------------------------------------------------------------------------------------------------

    def send_encoded(self, encoded: EncodedPacket, volatile: bool = False) -> bool:
        """Send a packet now, or behind the CONNECT reply. False if it was dropped."""
        if self._held is not None:
            with self.conn.lock:
                if self._held is not None:
                    self._held.append(encoded)
                    return True
        if self._state is GONE:
            return False
        if log.isEnabledFor(logging.DEBUG):
            log.debug("sent to %r: %r", self, encoded.messages[0])
        return self.conn.send_packet(encoded, volatile)

    def expect_ack(self, ack_id: int, callback: Callable[[tuple[Any, ...]], None], on_gone: Callable[[], None]) -> None:
        """Wait for the client's answer to ``ack_id``; ``on_gone`` is called instead if the socket is or goes away.

        Raises:
            LimitError: ``max_pending_acks`` are waited for already.
        """
        acks = self._acks
        if acks is None:
            with self.conn.lock:
                if self._acks is None:
                    self._acks = PendingAcks(self.server.options.max_pending_acks)
                    if self._state is GONE:
                        self._acks.close()
                acks = self._acks
        if not acks.add(ack_id, PendingAck(callback, on_gone)):
            on_gone()

    def drop_ack(self, ack_id: int) -> None:
        """Wait no longer."""
        if self._acks is not None:
            self._acks.take(ack_id)

    def check_can_wait(self) -> None:
        """RuntimeError before it is accepted: an answer could not come."""
        if self._state is CONNECTING:
            raise RuntimeError("emit_with_ack() before the socket is accepted would wait for itself; use callback=")

    def disconnected_error(self) -> DisconnectedError:
        """What those get who wait for its client."""
        return DisconnectedError(self.reason, self.details)

    def listeners(self) -> tuple[Listeners, ...]:
        """Where the handlers of its events are: its namespace's, then its own."""
        own = self._own_listeners
        return self.nsp.chain if own is None else (*self.nsp.chain, own)

    @property
    def _listeners(self) -> Listeners:  # type: ignore[override]
        if self._own_listeners is None:
            with self.conn.lock:
                if self._own_listeners is None:
                    self._own_listeners = Listeners(takes_socket=False)
        return self._own_listeners

    def _target(self) -> tuple[Socket, BroadcastOptions]:
        return self, EVERYBODY

    def _check_room_limit(self, wanted: frozenset[str]) -> None:
        limit = self.server.options.max_rooms
        if len((self.rooms | self._early_rooms | wanted) - {self.id}) > limit:
            raise LimitError("max_rooms", f"{self!r} would be in more than {limit} rooms")

    @property
    def has_outgoing(self) -> bool:
        """Whether anybody looks at what is emitted to this socket."""
        return self._own_listeners is not None and bool(self._own_listeners.any_outgoing)

    def notify_outgoing(self, args: tuple[Any, ...]) -> None:
        """Show them an event; runs user code."""
        event = args[0]
        for handler in self._listeners.any_outgoing:
            call_handler(self, event, handler, args, args[1:])
