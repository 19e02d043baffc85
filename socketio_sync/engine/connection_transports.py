"""What its transports bring to a connection: packets, polls, bodies, and a WebSocket that takes over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from socketio_sync.engine.connection_core import CLOSE_PACKET
from socketio_sync.engine.connection_core import NOOP_PACKET
from socketio_sync.engine.connection_core import ConnectionCore
from socketio_sync.engine.connection_core import plain_frames
from socketio_sync.engine.upgrade import Upgrade
from socketio_sync.exceptions import DisconnectDetails
from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol import engineio_packet as packets
from socketio_sync.protocol import engineio_session as sessions
from socketio_sync.protocol.engineio_handshake import BAD_REQUEST
from socketio_sync.protocol.engineio_handshake import EngineError
from socketio_sync.protocol.engineio_packet import EncodedPacket

if TYPE_CHECKING:
    from socketio_sync.engine.polling import Reply
    from socketio_sync.engine.websocket import WebSocketTransport

PONG_PACKET = EncodedPacket([""], type=packets.PONG, compress=False)


class TransportSide(ConnectionCore):
    """The half of a connection that polling and WebSocket use."""

    __slots__ = ()

    # -- receiving (I/O thread, or the request of a POST) --------------------------------------------------------------

    def receive_text(self, text: str) -> None:
        """One text packet of the WebSocket transport."""
        if text[:1] == "4":
            self.receive_message(text[1:])
        elif text[:1] == "b":
            self.receive_base64(text)
        else:
            self.receive_control(text[:1])

    def receive_binary(self, data: bytes) -> None:
        """One binary packet of the WebSocket transport; in protocol 3 its first byte is the type."""
        if self.protocol == 3:
            if data[:1] != b"\x04":
                return self.fail("parse error", "binary packet of an unknown type")
            data = data[1:]
        self.receive_message(data)

    def receive_message(self, data: str | bytes) -> None:
        """One message, on any transport."""
        session = self.session
        if session.life != sessions.OPEN:
            return
        if session.awaiting_pong:
            with self.lock:
                session.heard(self.runtime.timers.now())
        self.receiver.on_message(data)
        if self.events is not None:
            self.events.post("message", data)

    def receive_base64(self, text: str) -> None:
        """A binary message as base64 text, which protocol 4 allows on the WebSocket too."""
        try:
            type, data = self.format.decode_packet(text)
        except ProtocolError as error:
            return self.fail("parse error", error.reason)
        self.receive(type, data)

    def receive(self, type: str, data: str | bytes) -> None:
        """One decoded packet."""
        if type == packets.MESSAGE:
            self.receive_message(data)
        else:
            self.receive_control(type)

    def receive_control(self, type: str) -> None:
        """One packet that is no message."""
        with self.lock:
            session = self.session
            if session.life == sessions.CLOSED:
                return
            now = self.runtime.timers.now()
            try:
                action = session.receive(type, now)
            except ProtocolError as error:
                self.end_locked("parse error", DisconnectDetails(error.reason))
            else:
                if action is sessions.ANSWER_PONG:
                    self._send_locked(PONG_PACKET, False)
                elif action is sessions.CLOSE:
                    self.end_locked("transport close", None, last=NOOP_PACKET)
                elif action is sessions.WRONG_HEARTBEAT:
                    self.end_locked("transport error", DisconnectDetails(sessions.WRONG_HEARTBEAT))
                else:
                    self.judge_plain_locked()
                    if session.deadline < self._timer_at:
                        self._rearm_locked(now)
        self.act()

    # -- polling -----------------------------------------------------------------------------------------------------

    def poll(self, reply: Reply) -> list[EncodedPacket] | None:
        """A GET came: returns the packets to answer it with at once, or None if ``reply`` was parked.

        Raises:
            ProtocolError: another GET is parked; the session is closed.
            EngineError: the session was upgraded a moment ago.
        """
        answer: list[EncodedPacket] | None = None
        with self.lock:
            self._check_polling_locked()
            session = self.session
            if self._arrival is not None:
                self._acts.append(self._arrival.set)
            overlap = self._get is not None
            if overlap:
                self.end_locked("transport error", DisconnectDetails("overlap from client"))
            elif session.life == sessions.CLOSED:
                overlap = True
            elif session.queue:
                # Also while it is closing: the JavaScript client acts on a close packet before it has looked at the
                # messages in front of it, and would take a DISCONNECT among them for a lost transport.
                answer = session.take(self.engine.options.max_http_buffer_size)
                self._wake_drained_locked()
            elif session.life == sessions.CLOSING:
                answer = [NOOP_PACKET, CLOSE_PACKET]
                self.end_locked("forced close", None)
            else:
                self._get = reply
        self.act()
        if overlap:
            raise ProtocolError("overlap from client")
        return answer

    def await_get(self, seconds: float) -> None:
        """Let a GET come first that is on its way: it has a TCP connection of its own, and perhaps another thread."""
        with self.lock:
            if self._get is not None or self.session.life != sessions.OPEN or self.websocket is not None:
                return
            arrival = self._arrival = self.runtime.event()
        arrival.wait(seconds)
        with self.lock:
            self._arrival = None

    def _check_polling_locked(self) -> None:
        if self.session.transport == sessions.WEBSOCKET:
            raise EngineError(BAD_REQUEST, {"name": "TRANSPORT_HANDSHAKE_ERROR"})

    def release(self, reply: Reply) -> None:
        """``reply`` may wait no longer: a GET gets a noop, a POST its ok."""
        with self.lock:
            if reply is self._get:
                self.answer_get_locked(NOOP_PACKET)
            elif reply is self._post:
                self._post = None
                reply.answer_ok()
                self._acts.append(reply.finish)
        self.act()

    def reply_lost(self, reply: Reply) -> None:
        """The client has left a parked request."""
        with self.lock:
            if reply is self._get:
                self._get = None
                self.end_locked("transport error", DisconnectDetails("poll connection closed prematurely"))
            elif reply is self._post:
                self._post = None
        self.act()

    def begin_post(self) -> bool:
        """A POST came; False if another one is not answered yet.

        Raises:
            EngineError: the session was upgraded a moment ago.
        """
        with self.lock:
            self._check_polling_locked()
            free = not self.posting and self._post is None
            self.posting = self.posting or free
        return free

    def end_post(self, reply: Reply | None) -> bool:
        """A POST is handled, and the next one may come. True if ``reply`` waits until this client is read again."""
        with self.lock:
            self.posting = False
            if reply is None or not self._pauses or self.session.life != sessions.OPEN:
                return False
            self._post = reply
            return True

    # -- WebSocket -----------------------------------------------------------------------------------------------------

    def attach(self, transport: WebSocketTransport) -> None:
        """The session was opened by a WebSocket: it carries it from now on."""
        with self.lock:
            if self.session.life == sessions.CLOSED:  # meanwhile, by a server that ends
                self._acts.append(partial(transport.end, None))
            else:
                self._carry_locked(transport)
        self.act()

    def _carry_locked(self, transport: WebSocketTransport) -> None:
        self.websocket = transport
        self._frames = transport.frames or self._frames
        self._channel = transport.channel
        if self._frames is plain_frames:
            self.plain_channel = transport.channel
        transport.listen(self.receive_text, self.receive_binary)
        self.judge_plain_locked()
        if self._pauses:
            transport.channel.pause()  # here and now: later it could come behind a resume

    def transport_lost(self, transport: WebSocketTransport, reason: str, details: DisconnectDetails | None) -> None:
        """A WebSocket of this connection ended: the session's own, or only an upgrade's."""
        with self.lock:
            upgrade = self._upgrade
            if transport is self.websocket:
                self.end_locked(reason, details)
        if transport is not self.websocket and upgrade is not None and upgrade.is_of(transport):
            upgrade.lost()
        self.act()

    def begin_upgrade(self, transport: WebSocketTransport) -> bool:
        """A WebSocket for this session was opened; False if it is upgraded, being upgraded or closed."""
        with self.lock:
            free = self._upgrade is None and self.session.life != sessions.CLOSED
            if not free or self.session.transport != sessions.POLLING:
                return False
            self._upgrade = Upgrade(self, transport)
            return True

    def upgraded_locked(self, transport: WebSocketTransport) -> None:
        """The WebSocket carries the session from now on, what is queued first."""
        if self._get is not None:
            get, self._get = self._get, None
            get.answer(self.format.encode([NOOP_PACKET]))
            self._acts.append(get.finish)
        self._carry_locked(transport)
        frames = b"".join([self._frames(packet) for packet in self.session.take()])
        if frames:
            transport.channel.write(frames)
        self._wake_drained_locked()
        if self.events is not None:
            self._acts.append(partial(self.events.post, "upgrade", sessions.WEBSOCKET))

    def is_upgrade_locked(self, upgrade: Upgrade) -> bool:
        """Whether this attempt is still the one going on."""
        return upgrade is self._upgrade

    def end_upgrade_locked(self) -> None:
        """No attempt goes on any more."""
        self._upgrade = None
