"""One attempt to carry a polling session over to a WebSocket (Engine.IO protocol, "Upgrade")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from socketio_sync.protocol import engineio_packet as packets
from socketio_sync.protocol import engineio_session as sessions
from socketio_sync.protocol.engineio_packet import EncodedPacket

if TYPE_CHECKING:
    from socketio_sync.engine.connection_transports import TransportSide
    from socketio_sync.engine.websocket import WebSocketTransport

PROBE_ANSWER = EncodedPacket(["probe"], type=packets.PONG, compress=False)
NOOP_PACKET = EncodedPacket([""], type=packets.NOOP, compress=False)

# How often a GET is released while the client probes (the reference's tick), in seconds.
TICK = 0.1
# How long a request waits at most for the I/O thread, in seconds.
CATCH_UP = 1.0


class Upgrade:
    """From the WebSocket's opening to ``5``, to its failure, or to ``upgrade_timeout``.

    The client sends ``2probe``, we answer ``3probe`` and let go of its GET; it sends ``5``, and all that is queued
    follows on the WebSocket. Anything else ends only the WebSocket: polling goes on. Made with the connection's lock
    held.
    """

    __slots__ = ("_connection", "_probed", "_timer", "_transport")

    def __init__(self, connection: TransportSide, transport: WebSocketTransport) -> None:
        self._connection = connection
        self._transport = transport
        self._probed = False
        timeout = connection.engine.options.upgrade_timeout
        self._timer = connection.runtime.timers.call_later(timeout, self.lost)
        transport.listen(self._on_text, self._on_binary)

    def lost(self) -> None:
        """It failed or took too long: the new transport goes. Twice is harmless."""
        connection = self._connection
        with connection.lock:
            if not connection.is_upgrade_locked(self):
                return
            self._end_locked()
            if self._probed:
                connection.session.move("probe_lost")
        self._transport.end(None)

    def catch_up(self) -> None:
        """Take what the WebSocket's socket holds, before a request of the same client is judged.

        The client has sent it before the request: one that comes behind ``5`` must not be taken for an earlier one.
        """
        runtime = self._connection.runtime
        if runtime.in_io_thread():
            self._transport.channel.read_now()
            return
        done = runtime.event()
        runtime.call_soon(self._transport.channel.read_now)
        runtime.call_soon(done.set)
        done.wait(CATCH_UP)

    def is_of(self, transport: WebSocketTransport) -> bool:
        """Whether this is the attempt of that WebSocket."""
        return transport is self._transport

    def _end_locked(self) -> None:
        self._connection.end_upgrade_locked()
        self._timer.cancel()

    def _on_text(self, text: str) -> None:
        if text == "2probe":
            self._answer_probe()
        elif text[:1] == packets.UPGRADE:
            self._complete()
        else:
            self.lost()

    def _on_binary(self, data: bytes) -> None:
        self.lost()

    def _answer_probe(self) -> None:
        connection = self._connection
        with connection.lock:
            if not connection.is_upgrade_locked(self):
                return
            if not self._transport.channel.waiting:  # who asks without end and does not read must not fill our memory
                self._transport.channel.write(PROBE_ANSWER.websocket)
            if self._probed:
                return
            self._probed = True
            connection.session.move("probe")
        self._release_get()

    def _release_get(self) -> None:
        """A noop for the parked GET, so that the client can pause polling; again for each one that still comes."""
        connection = self._connection
        with connection.lock:
            if not connection.is_upgrade_locked(self) or connection.session.life == sessions.CLOSED:
                return
            connection.answer_get_locked(NOOP_PACKET)
            connection.runtime.timers.call_later(TICK, self._release_get)
        connection.act()

    def _complete(self) -> None:
        connection = self._connection
        with connection.lock:
            if not connection.is_upgrade_locked(self):
                return
            # A client waits for the answer to its POST before; else two threads would feed one session.
            refused = connection.posting
            if not refused:
                self._end_locked()
                refused = not self._switch_locked()
        if refused:
            self.lost()
            self._transport.end(None)
        connection.act()

    def _switch_locked(self) -> bool:
        """Let the WebSocket carry the session; False if that has ended. One that is closing ends behind what waits."""
        connection = self._connection
        session = connection.session
        if session.life == sessions.CLOSED:
            return False
        if not self._probed:
            session.move("probe")
        session.move("upgrade")
        connection.upgraded_locked(self._transport)
        if session.life == sessions.CLOSING:
            connection.end_locked("forced close", None)
        return True
