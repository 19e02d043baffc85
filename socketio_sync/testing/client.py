"""TestClient: a client in the test's own process and thread."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.adapters.adapter import BroadcastOptions
from socketio_sync.config.checks import boolean
from socketio_sync.config.checks import check_duration
from socketio_sync.exceptions import TransportError
from socketio_sync.server.listeners import SocketHandlers
from socketio_sync.server.server import Server
from socketio_sync.testing.answers import Callback
from socketio_sync.testing.life import Life
from socketio_sync.testing.stage import Stage
from socketio_sync.testing.wires import PollingWire
from socketio_sync.testing.wires import WebSocketWire

if TYPE_CHECKING:
    from types import TracebackType

CONNECT_TIMEOUT = 20.0
"""Seconds that ``connect`` waits for the server's middlewares: the client's default."""

_PLAIN = BroadcastOptions()


class _Sending:
    """What a TestClient and its chains share. The class that inherits says by ``_target`` where its chain stands."""

    def _target(self) -> tuple[TestClient, BroadcastOptions]:
        raise NotImplementedError

    def timeout(self, seconds: float) -> ClientOperator:
        """How long an answer may take.

        Raises:
            ValueError: not between 0 and 1000 seconds.
        """
        client, options = self._target()
        return ClientOperator(client, options._replace(timeout=check_duration("timeout", seconds)))

    @property
    def volatile(self) -> ClientOperator:
        """Drop it while there is no connection."""
        client, options = self._target()
        return ClientOperator(client, options._replace(volatile=True))

    def compress(self, compress: bool) -> ClientOperator:
        """Whether the transport may compress it."""
        client, options = self._target()
        return ClientOperator(client, options._replace(compress=boolean("compress", compress)))

    def emit(
        self, event: str, *args: Any, callback: Callback | None = None, error_callback: Callback | None = None
    ) -> None:
        """Send an event; the server has handled it when this returns. Without a connection it is kept for the next.

        Args:
            event: its name.
            *args: the payloads.
            callback: asks for an answer; called as ``callback(*answer)``.
            error_callback: called instead, as ``error_callback(error)``: no answer came in ``timeout()``, or before
                the disconnect.

        Raises:
            TypeError, ValueError: a reserved name, something that cannot be sent, or more than the server takes.
        """
        client, options = self._target()
        client._life.emit(event, args, options, callback, error_callback)
        client._life.settle()

    def send(self, *args: Any, callback: Callback | None = None, error_callback: Callback | None = None) -> None:
        """Emit the event "message"."""
        self.emit("message", *args, callback=callback, error_callback=error_callback)

    def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Send an event and return the answer: no argument is None, one is itself, several are a tuple.

        If the handler takes its time, by ``io.sleep`` or by asking others, the clock is turned until it answers.

        Raises:
            AckTimeout: nothing came in 20 seconds, or in those of ``timeout()``.
            DisconnectedError: the client is not connected, or does not stay so.
        """
        client, options = self._target()
        return client._life.emit_with_ack(event, args, options)


class ClientOperator(_Sending):
    """A TestClient with flags for sending; immutable."""

    __slots__ = ("_client", "_options")

    def __init__(self, client: TestClient, options: BroadcastOptions) -> None:
        self._client = client
        self._options = options

    def _target(self) -> tuple[TestClient, BroadcastOptions]:
        return self._client, self._options

    def __repr__(self) -> str:
        return f"<ClientOperator {self._client!r}>"


class TestClient(_Sending, SocketHandlers):
    """A client of ``io`` in the test's process: no sockets, no sleeping, the same every time.

    While a TestClient is in use (inside its ``with``, or from ``connect`` to ``disconnect``), the server runs on a
    virtual clock in the test's own thread. Everything above the socket is the real thing. Each call returns when the
    server is idle: every handler has returned, or waits for an answer or for the clock. What a handler of the client
    raises is raised by that call. What the test itself does with the server (``io.emit``) arrives with the next call.

    Any number of clients may use one server, and they share the clock. When the last one is done, handlers that still
    wait are ended by a GreenletExit, and the server is as it was before.

    Args:
        io: a Server that does not run yet.
        namespace: "chat" is "/chat".
        auth: a dict, or a function that returns one and is called at each ``connect``.
        headers, query: of the handshake, text by name; a list for a name that comes several times in the query.

    Attributes:
        auth: as given; may be changed before the next ``connect``.
        nsp: the name of the namespace.

    Raises:
        TypeError: ``io`` is no Server.
    """

    __test__ = False  # for pytest: it is no test

    def __init__(
        self,
        io: Any,
        namespace: str = "/",
        *,
        auth: dict[str, Any] | Callable[[], dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str | list[str]] | None = None,
    ) -> None:
        server = getattr(io, "server", io)
        if not isinstance(server, Server):
            raise TypeError(f"a TestClient needs a Server, not {io!r}")
        if not isinstance(namespace, str):
            raise TypeError(f"the namespace must be a str, got {namespace!r}")
        self.auth = auth
        self.nsp = "/" + namespace.removeprefix("/")
        self._server = server
        self._headers = dict(headers or {})
        self._query = dict(query or {})
        self._life = Life(server, self.nsp)
        self._listeners = self._life.listeners
        self._stage: Stage | None = None
        self._entered = 0

    @property
    def id(self) -> str | None:
        """The id of its socket on the server, ``io.sockets[client.id]``; None without a connection."""
        self._life.settle()
        return self._life.id

    @property
    def connected(self) -> bool:
        """Whether the server has accepted it and neither side has left."""
        self._life.settle()
        return self._life.connected

    @property
    def recovered(self) -> bool:
        """Whether the last ``connect`` continued the session before it."""
        return self._life.recovered

    # -- the connection ------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect, or come back after a disconnect; the server's connection handlers have run when this returns.

        Nothing happens if it is connected.

        Raises:
            ConnectError: a middleware refuses, or the namespace.
            TransportError: the handshake is refused (``allow_request``, an origin, a limit, a server that was closed).
            RuntimeError: the server runs in real time already.
            TypeError, ValueError: ``auth`` cannot be sent.
        """
        if self.connected:
            return
        self._stage = stage = Stage.enter(self._server, self)
        self._life.enter(stage)
        try:
            self._join()
            stage.settle()
        except BaseException:
            if not self._life.connected:
                self._release()
            raise

    def _join(self) -> None:
        kind = WebSocketWire if "websocket" in self._server.options.transports else PollingWire
        auth = self.auth() if callable(self.auth) else self.auth
        life = self._life
        wire = kind(self._server.engine, life, self._headers, self._query)
        life.begin(wire, dict(auth or {}))
        try:
            wire.open()
        except TransportError as error:
            life.give_up(error)
        if not life.outcome.wait(CONNECT_TIMEOUT):
            wire.cut(False)
            life.give_up(TransportError(f"the server did not answer in {CONNECT_TIMEOUT:g} s"))
        if life.refusal is not None:
            life.settle()
            raise life.refusal

    def disconnect(self) -> None:
        """Leave with a goodbye: "client namespace disconnect" on the server. Nothing happens without a connection."""
        try:
            self._life.settle()
        finally:
            self._life.leave()
            self._settle_and_release()

    def cut(self, *, silent: bool = False) -> None:
        """Lose the connection without a goodbye: "transport close" on the server. ``connect`` comes back.

        Args:
            silent: as when a cable is pulled: the server notices only when its heartbeat gets no answer, so
                ``advance``: "ping timeout".
        """
        self._life.settle()
        self._life.cut(silent)
        self._life.settle()

    def _settle_and_release(self) -> None:
        try:
            self._life.settle()
        finally:
            self._release()

    def __enter__(self) -> TestClient:
        self._entered += 1
        try:
            self.connect()
        except BaseException:
            self._entered -= 1
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered -= 1
        self.disconnect()

    def _release(self) -> None:
        """Let go of the stage, unless a ``with`` still holds it."""
        stage = self._stage
        if stage is not None and not self._entered and stage.runtime.is_driver():
            self._stage = self._life.stage = None
            stage.leave(self)
            stage.raise_error()

    # -- what came -----------------------------------------------------------------------------------------------------

    def receive(self, *events: str) -> tuple[Any, ...]:
        """Take the oldest event that came and had no handler; of ``events``, if some are named. Never waits.

        Returns:
            The event's name and its arguments.

        Raises:
            AssertionError: there is none; the text has what came.
        """
        self._life.settle()
        inbox = self._life.inbox
        for index, event in enumerate(inbox):
            if not events or event[0] in events:
                return inbox.pop(index)
        missing = f"{' or '.join(map(repr, events))} did not come" if events else "nothing came"
        came = "; what came: " + ", ".join(map(repr, inbox)) if inbox else ""
        gone = "" if self._life.connected else f"; the client is not connected ({self._life.reason})"
        raise AssertionError(missing + came + gone)

    def received(self) -> list[tuple[Any, ...]]:
        """Take all events that came and had no handler, each with its name and arguments."""
        self._life.settle()
        events = self._life.inbox[:]
        self._life.inbox.clear()
        return events

    # -- the clock -----------------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Turn the server's clock: heartbeats, timeouts and ``io.sleep`` happen on the way, each at its time.

        Raises:
            TypeError, ValueError: not a number of seconds from 0 up.
            RuntimeError: no server runs on this client's clock, or a handler calls it.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise TypeError(f"advance() takes a number of seconds, not {seconds!r}")
        if not (seconds >= 0 and isfinite(seconds)):
            raise ValueError(f"advance() takes seconds from 0 up, not {seconds!r}")
        if self._stage is None:
            raise RuntimeError("the clock stands: connect first")
        self._stage.advance(seconds)

    def _target(self) -> tuple[TestClient, BroadcastOptions]:
        return self, _PLAIN

    def __repr__(self) -> str:
        state = repr(self._life.id) if self._life.connected else "not connected"
        return f"<TestClient {state} nsp={self.nsp!r}>"
