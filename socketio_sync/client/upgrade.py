"""Going over from long-polling to a WebSocket: a probe beside the polling, then the switch, or no harm done."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from socketio_sync.client.polling import PollingTransport
from socketio_sync.client.websocket import WebSocketTransport
from socketio_sync.exceptions import DisconnectDetails
from socketio_sync.exceptions import TransportError
from socketio_sync.protocol.engineio_client_session import OPEN
from socketio_sync.protocol.engineio_client_session import PAUSING
from socketio_sync.protocol.engineio_client_session import PROBING
from socketio_sync.protocol.engineio_packet import PING
from socketio_sync.protocol.engineio_packet import PONG
from socketio_sync.protocol.engineio_packet import UPGRADE
from socketio_sync.protocol.engineio_packet import EncodedPacket

if TYPE_CHECKING:
    from socketio_sync.client.engine_client import EngineClient

log = logging.getLogger("socketio_sync.client")

_PROBE = "probe"


class Upgrade:
    """One attempt; the receiver of the WebSocket until that is the connection's transport.

    Args:
        engine: whose session it is.
        polling: its transport.
        timeout: seconds for each step, and for all of them.
    """

    def __init__(self, engine: EngineClient, polling: PollingTransport, timeout: float) -> None:
        self._engine = engine
        self._polling = polling
        self._timeout = timeout
        self._answered = engine.runtime.event()
        self._lost = False
        self._probe = engine.make_websocket(self)

    def run(self) -> None:
        """In a task: try it."""
        engine = self._engine
        with engine.lock:
            if engine.session.life != OPEN:
                return
            engine.session.move("probe")
        limit = engine.runtime.timers.call_later(self._timeout, self.abort)
        try:
            switched = self._probe_and_switch()
        except TransportError as error:
            log.debug("the upgrade failed: %s", error)
            switched = False
        limit.cancel()
        if switched:
            log.debug("upgraded to websocket")
            self._polling.abort()
        else:
            self._go_back()

    def abort(self) -> None:
        """Give it up."""
        self._lost = True
        self._answered.set()
        self._probe.abort()

    def _probe_and_switch(self) -> bool:
        engine, probe, polling = self._engine, self._probe, self._polling
        probe.open(engine.session.sid, self._timeout)
        with engine.lock:
            probe.write(EncodedPacket((_PROBE,), type=PING))
        self._answered.wait(self._timeout)
        with engine.lock:
            if not self._may_go_on(PROBING):
                return False
            engine.session.move("pause")
        polling.pause()
        rests = polling.wait_for_rest(self._timeout)
        with engine.lock:
            switched = rests and self._may_go_on(PAUSING)
            if switched:
                self._switch()
        if not switched:
            polling.resume()
        return switched

    def _may_go_on(self, transport: str) -> bool:
        session = self._engine.session
        return self._answered.is_set() and not self._lost and session.life == OPEN and session.transport == transport

    def _switch(self) -> None:
        """Under the lock: from here on the WebSocket carries everything."""
        engine, probe = self._engine, self._probe
        engine.session.move("upgrade")
        engine.adopt(probe)  # first: the server's next packet may be there before the lock is free
        probe.write(EncodedPacket(("",), type=UPGRADE))
        for packet in engine.session.take():
            probe.write(packet)

    def _go_back(self) -> None:
        engine = self._engine
        self.abort()
        with engine.lock:
            if engine.session.transport in (PROBING, PAUSING):
                engine.session.move("probe_lost")
        engine.flush()

    # -- the receiver of the probe -------------------------------------------------------------------------------------

    def on_text(self, transport: WebSocketTransport, text: str) -> None:
        """The answer to the probe; nothing else comes before the switch."""
        if text == PONG + _PROBE:
            self._answered.set()

    def on_binary(self, transport: WebSocketTransport, data: bytes) -> None:
        """Nothing that the protocol knows."""

    def on_lost(self, transport: WebSocketTransport, reason: str, details: DisconnectDetails | None) -> None:
        """It has failed."""
        self._lost = True
        self._answered.set()
