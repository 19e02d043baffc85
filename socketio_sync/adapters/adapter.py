"""The adapter of a namespace: its rooms, and sending to many. This one serves the sockets of this process.

An adapter for several servers derives from it, does the local work through it and asks the other servers for theirs. It
reaches the namespace and its sockets only through the two protocols ``LocalSockets`` and ``LocalSocket``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple
from typing import Protocol
from typing import TypeVar
from typing import overload

from socketio_sync.adapters.room_index import RoomEvent
from socketio_sync.adapters.room_index import RoomIndex
from socketio_sync.exceptions import LimitError
from socketio_sync.runtime.lazy_lock import LazyLock
from socketio_sync.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from socketio_sync.protocol.engineio_packet import EncodedPacket
    from socketio_sync.protocol.socketio_packet import Packet
    from socketio_sync.runtime.base import Runtime

logger = logging.getLogger("socketio_sync.adapters")

Function = TypeVar("Function", bound=Callable[..., Any])

NOBODY: frozenset[str] = frozenset()
ROOM_EVENTS = ("create_room", "join_room", "leave_room", "delete_room")


class BroadcastOptions(NamedTuple):
    """To whom, and how. Made for every step of a chain, so it is the cheapest of the immutable things.

    Attributes:
        rooms: the union of these; None is everybody, empty is nobody.
        except_: nobody who is in one of these; a socket's id is a room.
        volatile: dropped for a client for which anything waits to be sent.
        compress: False asks the transports not to compress it.
        local: only the clients of this server.
        timeout: seconds that answers may take; None means the default of who asks.
    """

    rooms: frozenset[str] | None = None
    except_: frozenset[str] = NOBODY
    volatile: bool = False
    compress: bool = True
    local: bool = False
    timeout: float | None = None


@dataclass(slots=True)
class Session:
    """What is kept of a disconnected socket so that its client can come back to it (connection state recovery).

    Attributes:
        id: the socket's id.
        pid: the secret by which the client claims it.
        rooms: those it was in, with its own id.
        data: ``socket.data``.
        reason: why it was disconnected.
        position: what ``Adapter.position()`` said just before the socket became visible to broadcasts; a recovered
            socket keeps the one that its session had.
        ends: when it is over, by the clock of the runtime's timers; None before it is kept.
        missed: for the adapter: the packets that the client has not got, while the session is claimed.
    """

    id: str
    pid: str = field(repr=False)
    rooms: frozenset[str]
    data: dict[str, Any] = field(repr=False)
    reason: str = ""
    position: int = 0
    ends: float | None = None
    missed: list[EncodedPacket] = field(default_factory=list, repr=False)


class SocketDescription(NamedTuple):
    """A copy of what ``fetch_sockets`` tells of a socket, wherever it lives."""

    id: str
    handshake: Any
    rooms: frozenset[str]
    data: dict[str, Any]


class _Protocol(Protocol):
    @property
    def protocol(self) -> int: ...


class LocalSocket(Protocol):
    """What an adapter needs of a socket of this server."""

    id: str
    data: dict[str, Any]

    @property
    def handshake(self) -> Any: ...

    @property
    def conn(self) -> _Protocol: ...  # the Engine.IO connection; its ``protocol`` is 3 or 4

    @property
    def has_outgoing(self) -> bool: ...  # whether notify_outgoing would do anything

    def notify_outgoing(self, args: tuple[Any, ...]) -> None: ...  # runs user code: never called with a lock held

    # Never blocks; False: dropped.
    def send_encoded(self, encoded: EncodedPacket, volatile: bool = False) -> bool: ...

    def log_sent(self, encoded: EncodedPacket) -> None: ...  # what was sent quietly

    def expect_ack(
        self, ack_id: int, callback: Callable[[tuple[Any, ...]], None], on_gone: Callable[[], None]
    ) -> None: ...  # calls exactly one of them, once; on_gone at once if the socket is gone; may raise LimitError

    def drop_ack(self, ack_id: int) -> None: ...  # neither will be called any more

    def disconnect(self, close: bool = False) -> None: ...


class LocalSockets(Protocol):
    """What an adapter needs of its namespace."""

    name: str

    @property
    def sockets(self) -> Mapping[str, Any]: ...  # the connected ones, LocalSocket by id

    def find(self, ids: Iterable[str]) -> list[Any]: ...  # those of them that are connected; takes no lock

    @property
    def started(self) -> bool: ...  # whether there is a runtime; asking for one starts it

    @property
    def runtime(self) -> Runtime: ...

    # ``send_encoded`` to each. Whoever holds a lock asks it to be quiet, and has it logged afterwards.
    def send_to_all(
        self, sockets: list[Any], encoded: EncodedPacket, volatile: bool = False, quiet: bool = False
    ) -> None: ...

    def encode(self, packet: Packet, compress: bool) -> EncodedPacket: ...  # may run the user's encode function

    def next_ack_id(self) -> int: ...

    def session_expired(self, session: Session) -> None: ...  # from the I/O thread: must not block


class AckCollector(Protocol):
    """Who counts the answers to one broadcast. Any thread; never blocks."""

    def expect(self, clients: int) -> None: ...  # once for each server, when it has sent

    def answer(self, args: tuple[Any, ...]) -> None: ...  # once for each client that answered

    def gone(self) -> None: ...  # once for each counted client that left without an answer


class Adapter:
    """The rooms of one namespace, in memory, and sending to the sockets in them.

    Every method is for any thread. One lock guards the index; nothing is sent and no user code runs with it held.
    """

    _lock = LazyLock()

    def __init__(self, nsp: LocalSockets) -> None:
        self.nsp = nsp
        self._index = RoomIndex()
        self._observers: dict[str, tuple[Callable[..., Any], ...]] = {}
        self._mailbox: Mailbox[RoomEvent] | None = None

    # Rooms

    def add_all(self, id: str, rooms: Iterable[str]) -> None:
        """Put a socket into rooms; this is how it becomes known."""
        with self._lock:
            self._tell_locked(self._index.add(id, rooms))

    def join(self, id: str, rooms: Iterable[str]) -> bool:
        """Put a socket into rooms if it is known; False if it has left, so that nobody joins after leaving."""
        with self._lock:
            if id not in self._index:
                return False
            self._tell_locked(self._index.add(id, rooms))
            return True

    def remove(self, id: str, room: str) -> None:
        """Take a socket out of a room."""
        with self._lock:
            self._tell_locked(self._index.remove(id, room))

    def remove_all(self, id: str) -> None:
        """Take a socket out of all rooms and forget it."""
        with self._lock:
            self._tell_locked(self._index.remove_all(id))

    def rooms_of(self, id: str) -> frozenset[str]:
        """The rooms of a socket, with its own id; none if it is unknown."""
        with self._lock:
            return self._index.rooms_of(id)

    def sids(self, rooms: frozenset[str] | None = None) -> set[str]:
        """The ids of the connected sockets in any of these rooms (None: all)."""
        return {socket.id for socket in self._selected(BroadcastOptions(rooms=rooms))}

    # Sending

    def broadcast(self, packet: Packet, options: BroadcastOptions) -> None:
        """Send a packet to everyone that the options select: encoded once, and before this returns."""
        encoded = self.nsp.encode(packet, options.compress)
        sockets = self._selected(options)
        self.nsp.send_to_all(sockets, encoded, options.volatile)
        notify_outgoing(sockets, packet)

    def send_to(self, socket: LocalSocket, packet: Packet, options: BroadcastOptions) -> None:
        """Send a packet to one socket of this server; the options' rooms mean nothing."""
        socket.send_encoded(self.nsp.encode(packet, options.compress), options.volatile)
        notify_outgoing((socket,), packet)

    def broadcast_with_ack(
        self, packet: Packet, options: BroadcastOptions, collector: AckCollector
    ) -> Callable[[], None]:
        """Send a packet that asks everyone for an answer.

        The namespace's next ack id serves all recipients. A client that leaves, or that owes too many answers already,
        is not waited for.

        Returns:
            What stops the waiting: no answer is collected after it.
        """
        packet.id = ack_id = self.nsp.next_ack_id()
        encoded = self.nsp.encode(packet, options.compress)
        sockets = self._selected(options)
        waiting: list[LocalSocket] = []
        for socket in sockets:
            try:
                socket.expect_ack(ack_id, collector.answer, collector.gone)
            except LimitError as error:
                logger.debug("the answer of %s is not waited for: %s", socket.id, error)
            else:
                waiting.append(socket)
        self.nsp.send_to_all(sockets, encoded, options.volatile)
        collector.expect(len(waiting))
        notify_outgoing(sockets, packet)

        def cancel() -> None:
            for socket in waiting:
                socket.drop_ack(ack_id)

        return cancel

    # Many sockets at once

    def fetch_sockets(self, options: BroadcastOptions) -> list[SocketDescription]:
        """Copies of what is known of the selected sockets."""
        return [
            SocketDescription(socket.id, socket.handshake, self.rooms_of(socket.id), dict(socket.data))
            for socket in self._selected(options)
        ]

    def add_sockets(self, options: BroadcastOptions, rooms: Iterable[str]) -> None:
        """Make the selected sockets join rooms.

        Raises:
            ValueError: a room is the id of a socket: whoever joined it would read that one's messages.
        """
        rooms = tuple(rooms)
        for room in rooms:
            if room in self.nsp.sockets:
                raise ValueError(f"{room!r} is the id of a socket: joining it would read that one's messages")
        for socket in self._selected(options):
            self.join(socket.id, rooms)

    def remove_sockets(self, options: BroadcastOptions, rooms: Iterable[str]) -> None:
        """Make the selected sockets leave rooms."""
        rooms = tuple(rooms)
        for socket in self._selected(options):
            for room in rooms:
                self.remove(socket.id, room)

    def disconnect_sockets(self, options: BroadcastOptions, close: bool) -> None:
        """Disconnect the selected sockets; with ``close`` their connections, too."""
        for socket in self._selected(options):
            socket.disconnect(close)

    # Other servers: none here

    def server_count(self) -> int:
        """How many servers serve this namespace, this one included. May block in an adapter for several."""
        return 1

    def server_side_emit(
        self,
        args: tuple[Any, ...],
        callback: Callable[[Exception | None, list[Any]], None] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Send an event to the other servers.

        Args:
            args: the event's name and its arguments.
            callback: gets the servers' answers, with an AckTimeout if not all came in time.
            timeout: seconds to wait for them; None means the adapter's own.
        """
        if callback is not None:
            callback(None, [])

    # Connection state recovery: not in this adapter, see recovery.py

    def position(self) -> int:
        """Where the stream of recoverable packets stands; see ``Session.position``."""
        return 0

    def persist_session(self, session: Session) -> None:
        """Keep what is needed for the client to come back."""

    def restore_session(self, pid: str, offset: str | None) -> Session | None:
        """Claim a kept session, once: nobody else gets it. None: the client begins anew.

        Whoever claims it calls ``recover`` with it, or gives it back with ``persist_session``.

        Args:
            pid: the secret that the client was given.
            offset: of the last packet that it has; None if it got none.
        """
        return None

    def recover(self, session: Session, accept: Callable[[list[EncodedPacket]], None]) -> None:
        """Put the claimed session's socket back into its rooms and accept it.

        Args:
            session: what ``restore_session`` gave.
            accept: gets the packets that the client has missed; it must put the socket among ``nsp.sockets`` and send
                them before anything else. It is called with the adapter's lock of sending held, so that no packet is
                lost or sent twice: it must not block, run user code, or take a lock that is held while something emits.
        """
        self.add_all(session.id, session.rooms)
        accept([])

    # The rest

    @overload
    def on(self, event: str, fn: Function) -> Function: ...

    @overload
    def on(self, event: str, fn: None = None) -> Callable[[Function], Function]: ...

    def on(self, event: str, fn: Any = None) -> Any:
        """Watch the rooms; a decorator without ``fn``, returns it unchanged.

        ``create_room(room)``, ``join_room(room, id)``, ``leave_room(room, id)`` and ``delete_room(room)`` are called in
        the order in which it happened, one at a time, in a task of their own.

        Raises:
            ValueError: the adapter has no such event.
        """
        if event not in ROOM_EVENTS:
            raise ValueError(f"an adapter has no event {event!r}, only {', '.join(ROOM_EVENTS)}")
        if fn is None:
            return lambda fn: self.on(event, fn)
        if not callable(fn):
            raise TypeError(f"on({event!r}): must be callable, got {fn!r}")
        with self._lock:
            self._observers[event] = (*self._observers.get(event, ()), fn)
        return fn

    def begin_anew(self) -> None:
        """In a forked child, and after a test: forget all sockets, and what belongs to the runtime they lived on.

        Who watches the rooms goes on watching.
        """
        self.__dict__.pop("_lock", None)  # a thread of the parent may hold it for ever
        self._index = RoomIndex()
        self._mailbox = None

    def close(self) -> None:
        """Nothing more will come: release what is held. Twice is harmless."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.nsp.name!r}>"

    def _selected(self, options: BroadcastOptions) -> list[LocalSocket]:
        """The connected sockets of this server that the options mean, each once."""
        if options.rooms is None and not options.except_:
            return list(self.nsp.sockets.values())
        with self._lock:
            ids = self._index.select(options.rooms, options.except_)
        return self.nsp.find(ids)

    def _tell_locked(self, events: list[RoomEvent]) -> None:
        # Posted under the lock so that the order is the order of what happened; it runs in a worker, without the lock.
        if not self._observers:
            return
        for event in events:
            if event[0] in self._observers:
                if self._mailbox is None:
                    self._mailbox = Mailbox(self.nsp.runtime, self._observe, label="adapter.on")
                self._mailbox.post(event)

    def _observe(self, event: RoomEvent) -> None:
        for fn in self._observers.get(event[0], ()):
            try:
                fn(*event[1:])
            except Exception:
                logger.exception("an observer of %s failed: %r", event[0], fn)


def notify_outgoing(sockets: Iterable[LocalSocket], packet: Packet) -> None:
    """Show a packet to who looks at what is emitted to these sockets; runs user code."""
    for socket in sockets:
        if socket.has_outgoing:  # an attribute: this is asked once a delivery
            socket.notify_outgoing(tuple(packet.data))
