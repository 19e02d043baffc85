"""The life of a socket: joining, events, answers, the end. What the package needs of a Socket; users see socket.py.

It begins when CONNECT comes. All that happens to it goes through its mailbox, one item at a time: joining, then the
events, then the disconnect handlers. What is emitted before it is accepted is held back, behind the CONNECT reply.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

from socketio_sync.adapters.adapter import Session
from socketio_sync.exceptions import DisconnectedError
from socketio_sync.protocol.acks import PendingAck
from socketio_sync.protocol.acks import PendingAcks
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.plain import plain_answer
from socketio_sync.protocol.plain import text_of
from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.protocol.socketio_packet import shown
from socketio_sync.runtime.channel import NO_CHANNEL
from socketio_sync.runtime.mailbox import Mailbox
from socketio_sync.runtime.many_channels import write_to_all
from socketio_sync.server.dispatch import call_handler
from socketio_sync.server.dispatch import handle_event
from socketio_sync.server.dispatch import handle_item
from socketio_sync.server.dispatch import run_life_cycle
from socketio_sync.server.joining import join_namespace
from socketio_sync.server.listeners import Handler
from socketio_sync.server.listeners import Listeners

if TYPE_CHECKING:
    from socketio_sync.engine.connection import Connection
    from socketio_sync.exceptions import DisconnectDetails
    from socketio_sync.runtime.base import Runtime
    from socketio_sync.server.client_connection import ClientConnection
    from socketio_sync.server.namespace import Namespace
    from socketio_sync.server.server import Server

log = logging.getLogger("socketio_sync.server")

_lock_of = attrgetter("conn.lock")
_NO_ROOMS: frozenset[str] = frozenset()  # one for all: an empty one has 216 bytes

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


class _HotSocket:
    """What a broadcast needs of each socket, in one cache line: the slots of a base come first in memory."""

    __slots__ = ("_held", "_state", "conn", "has_outgoing")

    has_outgoing: bool


class SocketLife(_HotSocket):
    """The half of a Socket that the package uses.

    Attributes:
        name: of the namespace, known before the namespace itself.
        auth: what CONNECT carried.
        pid: the secret by which the client can come back to this session; None without recovery.
        position: where the namespace's stream of packets stood when this session began; for recovery.
        middlewares: what ``socket.use`` registered.
        running: the event whose handler was called last, for the warning that names who holds the threads.
        has_outgoing: whether anybody ever looked at what is emitted to this socket.
    """

    __slots__ = (
        "__dict__",  # of the user's attributes
        "__weakref__",
        "_acks",
        "_closes_behind",
        "_details",
        "_early_rooms",
        "_issued",
        "_last_rooms",
        "_loose",
        "_mailbox",
        "_own_listeners",
        "_ready",
        "_reason",
        "auth",
        "chain",
        "client",
        "data",
        "id",
        "middlewares",
        "name",
        "nsp",
        "pid",
        "position",
        "recovered",
        "running",
        "server",
    )

    # Set in the first job of the mailbox, before the user sees the socket. The chain has the handlers of its events:
    # its namespace's, then its own if there are any.
    nsp: Namespace
    chain: tuple[Listeners, ...]

    def __init__(self, client: ClientConnection, name: str, auth: dict[str, Any]) -> None:
        """Reserve its place; ``start`` follows. The connection's lock is held."""
        options = client.server.options
        conn = client.connection
        self.client = client
        self.server: Server = client.server
        self.conn: Connection = conn
        self.has_outgoing = False
        self.running = "connect"
        self.id = ""
        self.name = name
        self.auth = auth
        self.data: dict[str, Any] = {}
        self.recovered = False
        self.pid: str | None = None
        self.position = 0
        self.middlewares: tuple[Handler, ...] = ()
        self._issued = conn.runtime.wall_time()
        self._state = CONNECTING
        # Whether the connection handlers have returned, and well: else no event is handled.
        self._ready = False
        # What is to be sent behind the CONNECT reply; None once it was. And the rooms to be joined on acceptance. Both
        # are guarded by the connection's lock.
        self._held: list[EncodedPacket] | None = []
        self._early_rooms = _NO_ROOMS
        self._last_rooms = _NO_ROOMS
        self._reason = ""
        self._details: DisconnectDetails | None = None
        self._own_listeners: Listeners | None = None
        self._acks: PendingAcks | None = None
        self._closes_behind = False
        self._loose = 0  # events that run beside the queue
        self._mailbox: Mailbox[Any] = Mailbox(
            conn.runtime,
            self._handle,
            limit=options.max_pending_events,
            byte_limit=4 * options.max_http_buffer_size,
            on_full=conn.pause_reading,
            on_room=conn.resume_reading,
            label=self._what_runs,
        )

    @property
    def connected(self) -> bool:
        """Whether it is accepted and not disconnected."""
        return self._state is CONNECTED

    @property
    def gone(self) -> bool:
        """Whether it was refused or disconnected."""
        return self._state is GONE

    @property
    def _any_loose(self) -> bool:
        """Whether an event of it may have to run beside the queue."""
        return any([listeners.any_loose for listeners in self.chain])

    # -- what comes (I/O thread) ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to join: the first job of the mailbox."""
        self._mailbox.post(self._join)

    def receive_event(self, packet: Packet, size: int) -> None:
        """An event of the client: into the queue, or beside it."""
        if not self._ready:
            self._mailbox.post(partial(self._handle_early, packet), size)
            return
        if self._any_loose and self._is_loose(packet):
            self._start_loose(packet)
        else:
            self._mailbox.post(packet, size)

    def receive_ack(self, packet: Packet, size: int) -> None:
        """An answer of the client: given at once, or kept while an event that came before it may be about to ask."""
        ack_id, acks = packet.id, self._acks
        if ack_id is None or (acks is not None and acks.answer(ack_id, packet.data)):
            return
        acks = self._pending_acks()
        if not acks.keep(ack_id, packet.data):
            self._mailbox.post(partial(self._forget_answer, acks, ack_id), size)

    def _forget_answer(self, acks: PendingAcks, ack_id: int) -> None:
        if acks.forget(ack_id):
            log.debug("no answer %s is waited for (%r)", ack_id, self)

    def close(self, reason: str, details: DisconnectDetails | None = None, *, by_client: bool = True) -> bool:
        """The only way out (any thread): leave everything at once, and let the disconnect handlers follow in the queue.

        Returns:
            False if it was gone already.
        """
        with self.conn.lock:
            if self._state is GONE:
                return False
            accepted = self._state is CONNECTED
            self._state = GONE
            self._reason = reason
            self._details = details
            if not accepted:
                self._held = None
            self.client.left_locked(self, by_client)
        rooms: frozenset[str] = frozenset()
        if accepted:
            rooms = self.nsp.remove(self)
            if self.pid is not None and reason in RECOVERABLE_REASONS:
                # Last, since from now on the client can be back.
                self.nsp.adapter.persist_session(Session(self.id, self.pid, rooms, self.data, reason, self.position))
        if self._acks is not None:
            for entry in self._acks.close():
                entry.on_gone()
        if accepted:
            self._mailbox.post(partial(self._run_disconnect, rooms))
        return True

    def disconnect(self, close: bool = False) -> None:
        """See Socket."""
        raise NotImplementedError

    # -- its jobs (a worker, one at a time) ----------------------------------------------------------------------------

    _handle = handle_item

    def _handle_early(self, packet: Packet) -> None:
        """An event that came before the connection handlers had returned."""
        if self._ready and self._is_loose(packet):
            self._start_loose(packet)
        else:
            self._handle(packet)

    def _what_runs(self) -> str:
        return f"{self.running!r} in {self.name!r}"

    def _join(self) -> None:
        accepted = well = ending = False
        try:
            accepted = join_namespace(self)
            if accepted:
                # Not the socket's own: a client may send an event of that name.
                well = run_life_cycle(self, self.nsp.chain, "connect")
                well = run_life_cycle(self, self.nsp.chain, "connection") and well
        except KeyboardInterrupt:
            ending = True  # the program, and its clients shall come back: they get no DISCONNECT
            raise
        finally:
            with self.conn.lock:
                self._ready = well
                if well and self._state is CONNECTED:
                    self.client.ready_locked(self)
            if not accepted:
                self._finish()
            elif not well and not ending:
                # The handler may be the user's check: events that wait are dropped, too.
                self.disconnect()

    def _run_disconnect(self, rooms: frozenset[str]) -> None:
        try:
            self._last_rooms = rooms
            try:
                run_life_cycle(self, self.chain, "disconnecting", self._reason, self._details)
            finally:  # also when one of them was killed
                self._last_rooms = frozenset()
                run_life_cycle(self, self.chain, "disconnect", self._reason, self._details)
        finally:
            self._finish()

    def _finish(self) -> None:
        """The last handler has returned."""
        nsp = getattr(self, "nsp", None)
        if nsp is not None:
            self.server.leave(nsp)
        self.client.finished()
        self._mailbox.close()

    def _is_loose(self, packet: Packet) -> bool:
        """Whether all handlers of the event are to run beside the queue."""
        event = packet.data[0]
        default = self.server.options.ordered_events
        found = False
        for listeners in self.chain:
            for handler in listeners.get(event):
                if default if handler.ordered is None else handler.ordered:
                    return False
                found = True
        return found

    def _start_loose(self, packet: Packet) -> None:
        with self.conn.lock:
            self._loose += 1
            # Each one beyond the limit stops the reading until it is done itself: reading goes on below the limit.
            full = self._loose >= self.server.options.max_pending_events
        if full:
            self.conn.pause_reading()
        self.conn.runtime.submit(partial(self._run_loose, packet, full), self._what_runs)

    def _run_loose(self, packet: Packet, paused: bool) -> None:
        try:
            handle_event(self, packet)
        finally:
            with self.conn.lock:
                self._loose -= 1
            if paused:
                self.conn.resume_reading()

    # -- joining (see joining.py) --------------------------------------------------------------------------------------

    def enter(self, nsp: Namespace) -> None:
        """Give it its namespace, which is known only in the first job."""
        self.nsp = nsp
        self.chain = nsp.chain

    def open(self, id: str, pid: str | None) -> None:
        """Give it what is known only in the first job."""
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
                log.debug("sent to %r: %s", self, [shown(encoded.messages) for encoded in batch])
            self.conn.send_packets(batch)
            with self.conn.lock:
                batch = self._held or []
                self._held = [] if batch else None
        if self._closes_behind:
            self.conn.close("forced close")

    def closes_behind_release(self) -> bool:
        """Have ``release`` close the connection when all is out; False: it has nothing to send."""
        with self.conn.lock:
            if self._held is None:
                return False
            self._closes_behind = True
            return True

    # -- what goes (any thread) ----------------------------------------------------------------------------------------

    def send_encoded(self, encoded: EncodedPacket, volatile: bool = False, quiet: bool = False) -> bool:
        """Send a packet now, or behind the CONNECT reply. False if it was dropped. With ``quiet`` nothing is logged."""
        if self._held is not None:
            with self.conn.lock:
                if self._held is not None:
                    if self._state is not GONE:  # or it would come behind the DISCONNECT that is held back
                        self._held.append(encoded)
                    return self._state is not GONE
        if self._state is GONE:
            return False
        if not quiet and log.isEnabledFor(logging.DEBUG):
            log.debug("sent to %r: %s", self, shown(encoded.messages))
        return self.conn.send_packet(encoded, volatile)

    def send_answer(self, id: int, args: tuple[Any, ...], turns: list[bool] | None = None) -> bool:
        """Answer an event of the client, unless another answer has taken the only one of ``turns``. False: dropped.

        Raises:
            TypeError, ValueError: an argument cannot be sent; the turn is not taken.
        """
        nsp = self.nsp
        frame = plain_answer(nsp.name, b"%d" % id, args) if nsp.has_default_parser and id.__class__ is int else None
        encoded = nsp.encode(Packet(ACK, nsp.name, args, id)) if frame is None else None
        if turns is not None:
            try:
                turns.pop()
            except IndexError:
                return False
        if encoded is not None:
            return self.send_encoded(encoded)
        assert frame is not None
        if log.isEnabledFor(logging.DEBUG):
            return self.send_encoded(EncodedPacket((text_of(frame),)))
        return self.send_frame(frame)

    def send_frame(self, frame: bytes) -> bool:
        """Send what ``plain_answer`` has made. False if it was dropped."""
        if self._held is None and self._state is CONNECTED and self.conn.plain_channel.offer(frame):
            return True
        return self.send_encoded(EncodedPacket((text_of(frame),)), quiet=True)

    def hold_last(self, encoded: EncodedPacket) -> bool:
        """Keep the last packet back behind the CONNECT reply; False if that is out, or will never be."""
        with self.conn.lock:
            if self._held is None:
                return False
            self._held.append(encoded)
            return True

    def log_sent(self, encoded: EncodedPacket) -> None:
        """Log a packet that was sent quietly, because a lock was held; what is held back is logged by ``release``."""
        if log.isEnabledFor(logging.DEBUG) and self._held is None:
            log.debug("sent to %r: %s", self, shown(encoded.messages))

    def expect_ack(self, ack_id: int, callback: Callable[[tuple[Any, ...]], None], on_gone: Callable[[], None]) -> None:
        """Wait for the client's answer to ``ack_id``; ``on_gone`` is called instead if the socket is or goes away.

        Raises:
            LimitError: ``max_pending_acks`` are waited for already.
        """
        if not self._pending_acks().add(ack_id, PendingAck(callback, on_gone)):
            on_gone()

    def _pending_acks(self) -> PendingAcks:
        if self._acks is None:
            with self.conn.lock:
                if self._acks is None:
                    self._acks = acks = PendingAcks(self.server.options.max_pending_acks)
                    if self._state is GONE:
                        acks.close()
        return self._acks

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
        return DisconnectedError(self._reason, self._details)

    # -- its handlers --------------------------------------------------------------------------------------------------

    @property
    def _listeners(self) -> Listeners:
        """Its own, made when first needed."""
        if self._own_listeners is None:
            with self.conn.lock:
                if self._own_listeners is None:
                    self._own_listeners = Listeners(takes_socket=False)
                    self.chain = (*self.nsp.chain, self._own_listeners)
        return self._own_listeners

    def notify_outgoing(self, args: tuple[Any, ...]) -> None:
        """Show them an event; runs user code."""
        for handler in self._listeners.any_outgoing:
            call_handler(self, args[0], handler, args, args[1:])


def send_to_all(
    runtime: Runtime, sockets: Sequence[SocketLife], encoded: EncodedPacket, volatile: bool, quiet: bool
) -> None:
    """Send a packet to each, as ``SocketLife.send_encoded`` does.

    Measured: after each call to the kernel the processor's caches have forgotten the code that leads to the next. So
    each layer has a short part in one loop, and who cannot take it at once comes afterwards.
    """
    if not quiet and log.isEnabledFor(logging.DEBUG):
        for socket in sockets:
            socket.send_encoded(encoded, volatile)
        return
    channels = (
        socket.conn.plain_channel if socket._held is None and socket._state is CONNECTED else NO_CHANNEL
        for socket in sockets
    )
    locks = list(map(_lock_of, sockets))
    for index in write_to_all(runtime.rings, locks, channels, encoded.websocket_frames()):
        sockets[index].send_encoded(encoded, volatile, True)
