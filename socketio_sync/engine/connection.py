"""Connection: what users and the layer above see of one client of the engine, on whatever transport.

Its state, sending, heartbeat and end are in ``connection_core``, what its transports bring in
``connection_transports``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import TypeVar
from typing import overload

from socketio_sync.engine.connection_transports import TransportSide
from socketio_sync.engine.events import UserEvents
from socketio_sync.protocol import engineio_session as sessions
from socketio_sync.protocol.engineio_packet import EncodedPacket

Function = TypeVar("Function", bound=Callable[..., Any])


class Connection(TransportSide):
    """One client of the engine, on whatever transport (``socket.conn`` for users).

    Attributes:
        id: the Engine.IO session id. It is the client's secret: who knows it can speak for the client.
        protocol: Engine.IO protocol, 4 or 3.
        remote_address: address of the peer, "" if the server does not tell.
        environ: what is kept of the handshake's WSGI environ.
        query: the handshake's query, last of repeated names.
    """
    __slots__ = ()

    # -- for users ---------------------------------------------------------------------------------------------------

    @property
    def transport(self) -> str:
        """Which transport is in use, ``"polling"`` or ``"websocket"``."""
        return sessions.WEBSOCKET if self.session.transport == sessions.WEBSOCKET else sessions.POLLING

    def send(self, data: str | bytes, compress: bool = True) -> None:
        """Send one Engine.IO message: str arrives as text, bytes as binary. Never waits for the network.

        Raises:
            TypeError: ``data`` is neither str nor bytes-like.
            UnicodeEncodeError: a str that is not valid Unicode.
        """
        if isinstance(data, (bytearray, memoryview)):
            data = bytes(data)
        if not isinstance(data, (str, bytes)):
            raise TypeError(f"send() takes str or bytes, not {type(data).__name__}")
        if isinstance(data, str) and not data.isascii():
            data.encode("utf-8")  # a lone surrogate fails here, at its sender, not later on a transport
        self.send_packet(EncodedPacket([data], compress=compress))

    def drain(self, timeout: float | None = None) -> bool:
        """Block until nothing waits for this client any more.

        Put it into loops that push much. Returns True when all is sent, False after ``timeout`` seconds or when the
        connection has ended.
        """
        self.uncork()
        with self.lock:
            if self.session.life == sessions.CLOSED:
                return False
            if not self.buffered:
                return True
            event = self.runtime.event()
            self._drain_waiters.append(event)
        if not event.wait(timeout):
            with self.lock:
                if event in self._drain_waiters:  # who asks again and again must not leave one each time
                    self._drain_waiters.remove(event)
        return self.session.life != sessions.CLOSED and not self.buffered

    @overload
    def on(self, event: str, handler: Function) -> Function: ...

    @overload
    def on(self, event: str, handler: None = None) -> Callable[[Function], Function]: ...

    def on(self, event: str, handler: Any = None) -> Any:
        """Listen to ``"message"`` (data), ``"upgrade"`` (transport name) or ``"close"`` (reason, details).

        A decorator without ``handler``. Handlers run one at a time, in order, in a worker.
        """
        return self.user_events().on(event, handler)

    def user_events(self) -> UserEvents:
        """The user's own listeners; made when first needed."""
        with self.lock:
            if self.events is None:
                names = ("message", "upgrade", "close")
                self.events = UserEvents(self.runtime, names, repr(self), self.pause_reading, self.resume_reading)
                self.judge_plain_locked()
            return self.events

    def __repr__(self) -> str:
        return f"<Connection {self.transport} v{self.protocol} {self.session.life}>"
