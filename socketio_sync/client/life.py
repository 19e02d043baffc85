"""A client's state in one namespace: what comes from the server, and what becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.client.attempt import Attempt
from socketio_sync.client.attempt import is_final
from socketio_sync.client.connector import Connector
from socketio_sync.client.connector import run
from socketio_sync.client.dispatch import handle_event
from socketio_sync.client.dispatch import handle_own
from socketio_sync.client.inbox import Inbox
from socketio_sync.client.listeners import CLIENT_EVENTS
from socketio_sync.client.listeners import Listeners
from socketio_sync.client.options import ClientOptions
from socketio_sync.client.outbox import Emission
from socketio_sync.client.outbox import Outbox
from socketio_sync.exceptions import ConnectError
from socketio_sync.exceptions import DisconnectDetails
from socketio_sync.exceptions import DisconnectedError
from socketio_sync.exceptions import TransportError
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import CONNECT
from socketio_sync.protocol.socketio_packet import CONNECT_ERROR
from socketio_sync.protocol.socketio_packet import DISCONNECT
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from socketio_sync.client.engine_client import EngineClient
    from socketio_sync.runtime.base import Runtime
    from socketio_sync.runtime.events import Event

log = logging.getLogger("socketio_sync.client")

# Inactive; wants to be connected; has asked the namespace; is in it.
CLOSED = "closed"
WAITING = "waiting"
JOINING = "joining"
CONNECTED = "connected"

MAX_PENDING_EVENTS = 1000
MAX_PENDING_BYTES = 16 * 2**20
"""What may wait behind a running handler; then the connection is not read until half is done."""

_OLD_SERVER = (
    "the server speaks Socket.IO 2 (it gave no sid); this client speaks protocol 5, of Socket.IO 3 and 4"
)


class Life:
    """A client's side of one namespace. It outlives its connections. The connector's lock guards its state.

    Attributes:
        state: CLOSED, WAITING, JOINING or CONNECTED.
        id, recovered: what the last CONNECT reply said.
        reason, details: of the last disconnect.
        ended: set while CLOSED, once there was a runtime.
    """

    def __init__(self, connector: Connector, nsp: str, options: ClientOptions, owner: object) -> None:
        self.connector = connector
        self.nsp = nsp
        self.options = options
        self.auth = options.auth
        self.owner = owner
        self.listeners = Listeners(CLIENT_EVENTS)
        self.inbox = Inbox(options.inbox) if options.inbox else None
        self.outbox = Outbox(self)
        self.state = CLOSED
        self.id: str | None = None
        self.recovered = False
        self.reason = "not connected yet"
        self.details: DisconnectDetails | None = None
        self.ended: Event | None = None
        self._attempt: Attempt | None = None
        self._pid: str | None = None
        self._offset: str | None = None
        self._early: list[tuple[Packet, int]] = []
        self._left: EngineClient | None = None  # the connection that was left before its reply came
        self._mailbox: Mailbox[Callable[[], object]] | None = None
        connector.add(self)

    @property
    def runtime(self) -> Runtime:
        """See Connector."""
        return self.connector.runtime

    @property
    def active(self) -> bool:
        """Whether it is, or will be, connected."""
        return self.state is not CLOSED

    @property
    def connected(self) -> bool:
        """Whether the server has let it in."""
        return self.state is CONNECTED

    def notify_outgoing(self, event: str, args: tuple[Any, ...]) -> None:
        """Let those see it who see everything that is emitted."""
        for handler in self.listeners.any_outgoing:
            try:
                handler.call((event, *args))
            except Exception:
                log.exception("a handler of on_any_outgoing failed (%r)", self)

    # -- wanting to be connected ---------------------------------------------------------------------------------------

    def activate(self) -> tuple[Attempt, bool]:
        """Become active. Returns what settles when it is connected, and whether it was not active before."""
        runtime = self.runtime
        with self.connector.lock:
            new = self.state == CLOSED
            begin: Callable[[], object] = int
            if new:
                self.state = WAITING
                begin = self.connector.enlist(self)
                self.ended = runtime.event()
                if self._mailbox is None:
                    self._mailbox = self._make_mailbox()
            if self._attempt is None or self._attempt.settled.is_set():
                self._attempt = Attempt(runtime.event())
            attempt = self._attempt
            if self.state == CONNECTED:
                attempt.settle(None)
        begin()
        return attempt, new

    def _make_mailbox(self) -> Mailbox[Callable[[], object]]:
        return Mailbox(
            self.runtime,
            run,
            limit=MAX_PENDING_EVENTS,
            byte_limit=MAX_PENDING_BYTES,
            on_full=self.connector.pause,
            on_room=self.connector.resume,
            label=lambda: repr(self.owner),
        )

    def failed(self, error: ConnectError) -> None:
        """An attempt to connect failed; there may be more."""
        with self.connector.lock:
            if self.state in (CLOSED, CONNECTED):
                return
            attempt = self._attempt
            final = attempt is not None and not attempt.settled.is_set() and is_final(error)
            if attempt is not None:
                attempt.last = error
        self._post(partial(handle_own, self, "connect_error", error))
        if final:
            self.close("connect failed", None, error)

    def give_up(self, error: ConnectError | None) -> None:
        """There will be no more attempts."""
        self.close(self.reason, self.details, error)

    def close(
        self, reason: str, details: DisconnectDetails | None, error: ConnectError | None = None, *, tell: float = 0.0
    ) -> None:
        """End for good.

        Args:
            error: what a waiting ``connect`` raises.
            tell: if not 0, send a DISCONNECT, and block at most so many seconds until a connection that nobody needs
                any more has ended.
        """
        with self.connector.lock:
            before, self.state = self.state, CLOSED
            if before == CLOSED:
                return
            if tell and before == CONNECTED:
                self.connector.send(self._encoded(Packet(DISCONNECT, self.nsp)))
            if before == JOINING:
                self._left = self.connector.engine
            attempt, self._attempt = self._attempt, None
            ended = self.ended
            if error is None and attempt is not None and not tell:
                error = attempt.last
            leave = self.connector.dismiss(self)
        try:
            if before == CONNECTED:
                self._end_session(reason, details)
            done = leave()
            self.outbox.abandon(DisconnectedError(reason, details))
            if attempt is not None:
                attempt.settle(error or DisconnectedError(reason, details))
            if tell:
                done(tell)
        finally:  # also when a second Ctrl-C says that the goodbye takes too long
            if ended is not None:
                ended.set()
            if self.inbox is not None:
                self.inbox.wake()

    # -- joining -------------------------------------------------------------------------------------------------------

    def join(self) -> None:
        """Ask the namespace of the open connection to let us in; in a task or the thread that connects."""
        with self.connector.lock:
            engine = self.connector.engine
            if self.state != WAITING or engine is None or engine is self._left:
                return
            self.state = JOINING
        try:
            data = self._connect_data()
            encoded = self._encoded(Packet(CONNECT, self.nsp, data or None))
        except Exception as error:
            self._auth_failed(error)
            return
        with self.connector.lock:
            if self.state == JOINING and self.connector.engine is engine:
                self.connector.send(encoded)

    def _connect_data(self) -> dict[str, Any]:
        auth = self.auth() if callable(self.auth) else self.auth
        if auth is not None and not isinstance(auth, dict):
            raise TypeError(f"auth must be a dict, got {auth!r}")
        data = {"pid": self._pid, "offset": self._offset}
        return {**{key: value for key, value in data.items() if value is not None}, **(auth or {})}

    def _auth_failed(self, error: Exception) -> None:
        log.error("auth of %r failed", self, exc_info=error)
        refusal = ConnectError(f"auth failed: {error!r}")
        refusal.__cause__ = error
        with self.connector.lock:
            if self.state != JOINING:
                return
            self.state = WAITING
        self.failed(refusal)
        options = self.connector.options
        if self.state == WAITING and options.reconnection:
            self.runtime.timers.call_later(options.reconnection_delay_max, self.runtime.spawn, self.join)
        else:
            self.give_up(refusal)

    # -- what comes from the server, in its reading thread -------------------------------------------------------------

    def on_packet(self, packet: Packet, size: int) -> None:
        """A packet for this namespace."""
        if packet.type == EVENT:
            if self.state == CONNECTED:
                self._receive_event(packet, size)
            elif self.state == JOINING:
                self._early.append((packet, size))  # what was missed comes before the reply
        elif packet.type == ACK:
            self.outbox.acknowledged(packet)
        elif packet.type == CONNECT:
            self._accepted(packet.data)
        elif packet.type == CONNECT_ERROR:
            self._refused(packet.data)
        elif packet.type == DISCONNECT and self.state == CONNECTED:
            self.close("io server disconnect", None)

    def _accepted(self, data: Any) -> None:
        sid = data.get("sid") if isinstance(data, dict) else None
        if not isinstance(sid, str):
            self._refused({"message": _OLD_SERVER})
            return
        pid = data.get("pid") if isinstance(data.get("pid"), str) else None
        refused: list[Emission] | None = None
        with self.connector.lock:
            left = self._was_left()
            if left:  # only now may the server be told
                self.connector.send(self._encoded(Packet(DISCONNECT, self.nsp)))
            elif self.state == JOINING:
                self.id = sid
                self.recovered = pid is not None and pid == self._pid
                if not self.recovered:
                    self._offset = None
                self._pid = pid
                self.state = CONNECTED
                refused = self.outbox.flush()
            attempt = self._attempt
        if left:
            self.join()
        elif refused is not None:
            self._begin_session(refused, attempt)

    def _was_left(self) -> bool:
        """Under the lock: whether the reply that came is to a join that was given up meanwhile."""
        left, self._left = self._left, None
        return left is not None and left is self.connector.engine

    def _begin_session(self, refused: list[Emission], attempt: Attempt | None) -> None:
        early, self._early = self._early, []
        for packet, size in early:
            self._receive_event(packet, size)
        self._post(partial(handle_own, self, "connect"))
        self.outbox.refuse(refused)
        self.outbox.retry()
        if attempt is not None:
            attempt.settle(None)

    def _refused(self, data: Any) -> None:
        if isinstance(data, dict):
            error = ConnectError(str(data.get("message", "")), data.get("data"))
        else:
            error = ConnectError(str(data))
        with self.connector.lock:
            left = self._was_left()
            mine = self.state == JOINING
            if mine:
                self.state = WAITING  # nothing is owed to the server any more
        if left:
            self.join()
        elif mine:
            self._post(partial(handle_own, self, "connect_error", error))
            self.close("connect failed", None, error)

    def _receive_event(self, packet: Packet, size: int) -> None:
        data = packet.data
        if self._pid is not None and packet.id is None and len(data) > 1 and isinstance(data[-1], str):
            self._offset = data[-1]
        handlers = self.listeners.get(data[0])
        if not handlers and not self.listeners.any:
            if self.inbox is None:
                log.debug("nothing handles %r (%r)", data[0], self)
            else:
                self.inbox.put(tuple(data))
        elif self.listeners.any_loose and any(handler.ordered is False for handler in handlers):
            self.runtime.submit(partial(handle_event, self, packet), repr(self))
        else:
            self._post(partial(handle_event, self, packet), size)

    def _post(self, job: Callable[[], object], size: int = 0) -> None:
        if self._mailbox is not None:
            self._mailbox.post(job, size)

    def lost(self, reason: str, details: DisconnectDetails | None) -> None:
        """The connection is gone; there may be another."""
        with self.connector.lock:
            before = self.state
            self._early.clear()
            self._left = None
            if before in (JOINING, CONNECTED):
                self.state = WAITING
        if before == CONNECTED:
            self._end_session(reason, details)
        elif before == JOINING:
            error = TransportError(f"{reason}: the connection ended before the namespace answered")
            self.failed(error)

    def _end_session(self, reason: str, details: DisconnectDetails | None) -> None:
        self.id = None
        self.reason = reason
        self.details = details
        self.outbox.lost(DisconnectedError(reason, details))
        self._post(partial(handle_own, self, "disconnect", reason, details))

    # -- answers to the server -----------------------------------------------------------------------------------------

    def encode(self, packet: Packet, compress: bool = True) -> EncodedPacket:
        """Raises TypeError or ValueError for what cannot be sent, or is more than the server takes."""
        encoded = self._encoded(packet, compress)
        too_large = self.too_large(encoded)
        if too_large:
            raise ValueError(too_large)
        return encoded

    def too_large(self, encoded: EncodedPacket) -> str:
        """What is wrong with a message that the server would answer by ending the connection; else ""."""
        engine = self.connector.engine
        size = 0 if engine is None else engine.session.oversize(encoded)
        if engine is None or not size:
            return ""
        return f"a message of {size} bytes: the server takes {engine.session.max_payload} (max_http_buffer_size)"

    def _encoded(self, packet: Packet, compress: bool = True) -> EncodedPacket:
        return EncodedPacket(self.connector.parser.encode(packet), compress=compress)

    def send_answer(self, encoded: EncodedPacket) -> bool:
        """Send the answer to an event. False: there is no connection."""
        with self.connector.lock:
            return self.state == CONNECTED and self.connector.send(encoded)

    def gone_error(self) -> DisconnectedError:
        """Why nothing can be waited for."""
        return DisconnectedError(self.reason, self.details)

    def __repr__(self) -> str:
        return repr(self.owner)
