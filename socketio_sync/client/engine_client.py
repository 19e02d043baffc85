"""One Engine.IO connection as its client sees it: opening, heartbeat, upgrade, sending, the end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Protocol

from socketio_sync.client.address import Address
from socketio_sync.client.polling import PollingTransport
from socketio_sync.client.transport import TransportReceiver
from socketio_sync.client.upgrade import Upgrade
from socketio_sync.client.websocket import WebSocketTransport
from socketio_sync.exceptions import DisconnectDetails
from socketio_sync.exceptions import ProtocolError
from socketio_sync.exceptions import TransportError
from socketio_sync.protocol.engineio_client_session import ANSWER_PONG
from socketio_sync.protocol.engineio_client_session import CLOSE
from socketio_sync.protocol.engineio_client_session import CLOSED
from socketio_sync.protocol.engineio_client_session import OPEN
from socketio_sync.protocol.engineio_client_session import OPENED
from socketio_sync.protocol.engineio_client_session import OPENING
from socketio_sync.protocol.engineio_client_session import PAUSING
from socketio_sync.protocol.engineio_client_session import POLLING
from socketio_sync.protocol.engineio_client_session import PROBING
from socketio_sync.protocol.engineio_client_session import WEBSOCKET
from socketio_sync.protocol.engineio_client_session import ClientSession
from socketio_sync.protocol.engineio_packet import MESSAGE
from socketio_sync.protocol.engineio_packet import PONG
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.engineio_payload import decode_packet

if TYPE_CHECKING:
    from socketio_sync.client.options import ManagerOptions
    from socketio_sync.runtime.base import Runtime
    from socketio_sync.runtime.native import NativeLock
    from socketio_sync.runtime.timer_wheel import Timer

log = logging.getLogger("socketio_sync.client")

GOODBYE = 5.0
"""Seconds that what waits, and the goodbye behind it, may take each when a client leaves over long-polling."""

LONGEST_GOODBYE = 40.0
"""Seconds after which nobody waits for the end of a connection any more, whatever keeps it."""

Transport = PollingTransport | WebSocketTransport


class EngineHandler(Protocol):
    """Who uses a connection. Called by one thread at a time, without a lock."""

    def on_message(self, engine: EngineClient, data: str | bytes) -> None: ...

    def on_ping(self) -> None: ...

    def on_close(self, engine: EngineClient, reason: str, details: DisconnectDetails | None) -> None: ...


class EngineClient:
    """One connection. It is opened once, and closed for good.

    Args:
        lock: held by whoever calls ``send``; nobody's function is called with it.
        websocket_first: open with it, because it worked the last time.

    Attributes:
        runtime, lock: as given.
        session: what is known of the session.
    """

    def __init__(
        self,
        runtime: Runtime,
        lock: NativeLock,
        address: Address,
        options: ManagerOptions,
        handler: EngineHandler,
        websocket_first: bool = False,
    ) -> None:
        self.runtime = runtime
        self.lock = lock
        self._address = address
        self._options = options
        self._handler = handler
        self._names = ("websocket",) if websocket_first else options.transports
        self.session = ClientSession(POLLING)
        self._transport: Transport | None = None
        self._upgrade: Upgrade | None = None
        self._opened = runtime.event()
        self._loss: TransportError | None = None
        self._paused = False
        self._timer: Timer | None = None

    @property
    def transport(self) -> str:
        """"polling" or "websocket"."""
        return "websocket" if self.session.transport == WEBSOCKET else "polling"

    @property
    def waiting(self) -> int:
        """Bytes that are not with the server yet, as far as we know."""
        transport = self._transport
        return self.session.queued + (0 if transport is None else transport.waiting)

    # -- opening, in a task --------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Reach the server, by the first transport, or with ``try_all_transports`` by any; blocks.

        Raises:
            TransportError: it was not reached in ``timeout`` seconds, or refuses, or is no Socket.IO server.
        """
        names = list(self._names)
        while True:
            name = names.pop(0)
            try:
                self._open(name)
            except TransportError:
                with self.lock:
                    given_up = self.session.life == CLOSED
                if given_up or not names or not self._options.try_all_transports:
                    self.abort()
                    raise
                log.debug("%s failed, the next is %s", name, names[0])
            else:
                break
        self._watch()
        if name == "polling" and self._options.upgrade:
            self._begin_upgrade()

    def _open(self, name: str) -> None:
        timeout = self._options.timeout
        session = ClientSession(POLLING if name == "polling" else WEBSOCKET)
        transport = self._make_transport(name, session)
        with self.lock:
            if self.session.life == CLOSED:
                raise TransportError("closed while it was being opened")
            self.session = session
            self._transport = transport
        self._loss = None
        self._opened.clear()
        limit = self.runtime.timers.call_later(timeout, self._too_late, transport)
        try:
            if isinstance(transport, PollingTransport):
                transport.open()
            else:
                transport.open("", timeout)
            self._opened.wait(timeout)
        except TransportError as error:
            if self._loss is None:
                self._loss = error
        finally:
            limit.cancel()
        if session.life != OPEN or self._loss is not None:
            if session.life != CLOSED:  # else who closed it has seen to the transport, which may be saying goodbye
                transport.abort()
            raise self._loss or TransportError("closed while it was being opened")
        if isinstance(transport, PollingTransport):
            transport.start()

    def _too_late(self, transport: Transport) -> None:
        self._fail_opening(TransportError(f"timeout: no handshake in {self._options.timeout:g} s"))
        transport.abort()

    def _fail_opening(self, error: TransportError) -> None:
        if self._loss is None:
            self._loss = error
        self._opened.set()

    def _make_transport(self, name: str, session: ClientSession) -> Transport:
        options = self._options
        if name == "websocket":
            return self.make_websocket(self)
        return PollingTransport(
            self.runtime, self.lock, self._address, session, self, self._take, options.timeout, options.request_timeout
        )

    # -- the receiver of transports: one thread at a time --------------------------------------------------------------

    def on_text(self, transport: object, text: str) -> None:
        """One Engine.IO packet in its text form."""
        if transport is not self._transport:
            return
        if text[:1] == MESSAGE and self.session.life == OPEN:
            self._handler.on_message(self, text[1:])
        else:
            self._receive_control(text)

    def on_binary(self, transport: object, data: bytes) -> None:
        """One binary message."""
        if transport is self._transport and self.session.life == OPEN:
            self._handler.on_message(self, data)

    def _receive_control(self, text: str) -> None:
        try:
            type, data = decode_packet(text)
            if isinstance(data, bytes):
                self.on_binary(self._transport, data)
                return
            with self.lock:
                if self.session.life == CLOSED:
                    return
                action = self.session.receive(type, data, self.runtime.timers.now())
        except ProtocolError as error:
            self._lose("transport error", DisconnectDetails(f"this is no Socket.IO server: {error.reason}"))
            return
        if action is OPENED:
            self._opened.set()
        elif action is ANSWER_PONG:
            with self.lock:
                self.send(EncodedPacket((data,), type=PONG))
            self._handler.on_ping()
        elif action is CLOSE:
            self._lose("transport close", DisconnectDetails("transport closed by the server"))

    def on_lost(self, transport: object, reason: str, details: DisconnectDetails | None) -> None:
        """A transport has ended."""
        if transport is self._transport:
            self._lose(reason, details)

    def _lose(self, reason: str, details: DisconnectDetails | None) -> None:
        with self.lock:
            opening = self.session.life == OPENING
        if opening:
            text = details.description if details is not None and details.description else reason
            cause = None if details is None else details.error
            error = TransportError(text if "error" in text else f"{self.transport} error: {text}")
            error.__cause__ = cause
            self._fail_opening(error)
        else:
            self.close(reason, details)

    # -- heartbeat -----------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """See to it that the deadline is enforced: every ping of the server moves it."""
        left = self.session.deadline - self.runtime.timers.now()
        timer = self.runtime.timers.call_later(left, self._look)
        with self.lock:
            self._timer = timer
            over = self.session.life != OPEN
        if over:
            timer.cancel()

    def _look(self) -> None:
        with self.lock:
            life, now = self.session.life, self.runtime.timers.now()
            if self._paused:
                self.session.grant(now)
            late = self.session.deadline <= now
        if life != OPEN:
            return
        if late and isinstance(self._transport, WebSocketTransport):
            self._transport.read_now()  # the ping may have come while this process was busy
            late = self.session.deadline <= now
        if late:
            self.close("ping timeout", None)
        else:
            self._watch()

    # -- upgrade -------------------------------------------------------------------------------------------------------

    def _begin_upgrade(self) -> None:
        polling = self._transport
        wanted = "websocket" in self.session.upgrades and "websocket" in self._options.transports
        if wanted and isinstance(polling, PollingTransport):
            upgrade = Upgrade(self, polling, self._options.timeout)
            with self.lock:
                self._upgrade = upgrade
            self.runtime.spawn(upgrade.run)

    def make_websocket(self, receiver: TransportReceiver) -> WebSocketTransport:
        """A WebSocket to this server."""
        return WebSocketTransport(
            self.runtime, self.lock, self._address, receiver, self._options.per_message_deflate
        )

    def adopt(self, transport: WebSocketTransport) -> None:
        """Under the lock: use this one from now on."""
        transport.receiver = self
        self._transport = transport
        self._upgrade = None
        if self._paused:
            transport.pause()

    # -- sending -------------------------------------------------------------------------------------------------------

    def send(self, packet: EncodedPacket, *, volatile: bool = False) -> bool:
        """Under the lock: send a packet, or queue it. False: it was volatile, and something waits already."""
        session = self.session
        if session.life != OPEN or volatile and (self.waiting or session.transport == PAUSING):
            return False
        if session.transport == WEBSOCKET:
            assert isinstance(self._transport, WebSocketTransport)
            self._transport.write(packet)
        else:
            session.enqueue(packet)
            if session.transport != PAUSING:
                self.runtime.call_soon(self.flush)
        return True

    def flush(self) -> None:
        """Let the polling transport send what is queued."""
        transport = self._transport
        if isinstance(transport, PollingTransport):
            transport.wake()

    def _take(self) -> list[EncodedPacket]:
        """For the polling transport, under the lock: what to send now. While it is being left, nothing."""
        return [] if self.session.transport == PAUSING else self.session.take()

    # -- reading less --------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Read no more, and do not count the time, until ``resume``."""
        with self.lock:
            self._paused = True
            transport = self._transport
        if transport is not None:
            transport.pause()

    def resume(self) -> None:
        """Go on reading."""
        with self.lock:
            self._paused = False
            if self.session.life == OPEN:
                self.session.grant(self.runtime.timers.now())
            transport = self._transport
        if transport is not None:
            transport.resume()

    # -- the end -------------------------------------------------------------------------------------------------------

    def _end(self) -> tuple[bool, Transport | None]:
        """Mark it closed. Returns whether it was open, and the transport if it was not closed before."""
        with self.lock:
            life, self.session.life = self.session.life, CLOSED
            transport, upgrade = self._transport, self._upgrade
            timer, self._timer = self._timer, None
            if self.session.transport in (PROBING, PAUSING):
                self.session.move("probe_lost")
        if timer is not None:
            timer.cancel()
        if life == CLOSED:
            return False, None
        if life == OPENING:
            self._fail_opening(TransportError("closed while it was being opened"))
        if upgrade is not None:
            upgrade.abort()
        return life == OPEN, transport

    def close(self, reason: str, details: DisconnectDetails | None) -> None:
        """It is over, and the other side knows or cannot be told. Twice is harmless."""
        was_open, transport = self._end()
        if transport is not None:
            transport.abort()
        if was_open:
            self._handler.on_close(self, reason, details)

    def abort(self) -> None:
        """Give it up, without telling the handler."""
        _, transport = self._end()
        if transport is not None:
            transport.abort()

    def leave(self, reason: str) -> Callable[[float], object]:
        """Send what waits, say goodbye and end. Returns a function that blocks so many seconds, or until that is done.

        ``LONGEST_GOODBYE`` is enough.
        """
        was_open, transport = self._end()
        if transport is None:
            return int
        if not was_open:
            transport.abort()
            return int
        if isinstance(transport, WebSocketTransport):
            transport.finish()
        else:
            self.runtime.spawn(transport.finish, GOODBYE)
        self._handler.on_close(self, reason, None)
        return transport.closed.wait
