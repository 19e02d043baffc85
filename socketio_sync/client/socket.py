"""Client: one namespace of a server, the object that users work with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.client.address import ServerURL
from socketio_sync.client.attempt import Attempt
from socketio_sync.client.connector import Connector
from socketio_sync.client.engine_client import LONGEST_GOODBYE
from socketio_sync.client.life import Life
from socketio_sync.client.listeners import ClientHandlers
from socketio_sync.client.listeners import OnAndOff
from socketio_sync.client.options import ClientOptions
from socketio_sync.client.options import client_options
from socketio_sync.client.options import manager_options
from socketio_sync.client.options import split_options
from socketio_sync.client.outbox import Flags
from socketio_sync.client.sending import Sending
from socketio_sync.config import check_duration
from socketio_sync.debug import enable_from_environment
from socketio_sync.exceptions import DisconnectedError
from socketio_sync.exceptions import TransportError

if TYPE_CHECKING:
    from types import TracebackType

_PLAIN = Flags()

LAST_MOMENT = 1.0
"""Seconds that a goodbye may take behind Ctrl-C in ``connect``."""


class Client(Sending, ClientHandlers):
    """A client of a Socket.IO server, in one namespace. Every method works from any thread or greenlet.

    It connects when ``connect`` is called, comes back by itself after a loss, and ends when either side disconnects.
    Handlers run one at a time, in the order of the events, in a thread (or greenlet) of their own, and may block.

    Args:
        url: "https://example.org/admin": its path is the namespace, its query goes with every request.
        **options: see the client's options in the reference.

    Attributes:
        nsp: the name of the namespace.
        manager: the connection, which other clients may share.

    Raises:
        TypeError: an unknown option or a wrong type.
        ValueError: a wrong value.
    """

    def __init__(self, url: str, **options: Any) -> None:
        for_manager, own = split_options(options)
        server = ServerURL(url)
        self.manager = Manager.__new__(Manager)
        self.manager._prepare(Connector(server, for_manager))
        self._begin(server.nsp, own)

    def _begin(self, nsp: str, options: ClientOptions) -> None:
        enable_from_environment()
        self.nsp = nsp
        self._life = Life(self.manager._connector, nsp, options, self)
        self._listeners = self._life.listeners

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str | None:
        """The id of its socket on the server; None without a connection."""
        return self._life.id

    @property
    def connected(self) -> bool:
        """Whether the server has accepted it and the connection stands."""
        return self._life.connected

    @property
    def active(self) -> bool:
        """Whether it is connected, or on the way to be."""
        return self._life.active

    @property
    def recovered(self) -> bool:
        """Whether the connection continues the session of the one before it, so that nothing was missed."""
        return self._life.recovered

    @property
    def auth(self) -> dict[str, Any] | Callable[[], dict[str, Any] | None] | None:
        """What the server's middlewares get, a dict, or a function called at each connect. May be replaced."""
        return self._life.auth

    @auth.setter
    def auth(self, auth: dict[str, Any] | Callable[[], dict[str, Any] | None] | None) -> None:
        self._life.auth = client_options({"auth": auth}).auth

    # -- the connection ------------------------------------------------------------------------------------------------

    def connect(self, timeout: float | None = None) -> None:
        """Connect, and block until the server has accepted. Nothing happens if it is connected.

        A server that is not reached is tried again, by the options of ``reconnection``, until ``timeout``. Not tried
        again: one that says no (an HTTP status from 200 to 499, an untrusted certificate, a middleware). Ctrl-C ends
        it, and lets a goodbye take a second where one is due.

        Args:
            timeout: seconds; None is the option ``timeout``.

        Raises:
            ConnectError: the namespace, or a middleware, refuses; or ``auth`` has raised.
            TransportError: the server was not reached, or is no Socket.IO server.
            DisconnectedError: another thread called ``disconnect`` meanwhile.
        """
        seconds = self._life.connector.options.timeout if timeout is None else check_duration("timeout", timeout)
        attempt, new = self._life.activate()
        try:
            in_time = attempt.settled.wait(seconds)
        except BaseException as reason:  # nobody would know that it goes on
            if new:  # behind Ctrl-C the process may end before the goodbye of a connection that is just there
                patience = LAST_MOMENT if isinstance(reason, KeyboardInterrupt) else 0.0
                self._life.close("connect failed", None, tell=patience)
            raise
        if not in_time:
            error = self._late(attempt, seconds)
            if new:
                self._life.close("connect failed", None, error)
            if not attempt.settled.is_set():
                raise error
        if attempt.error is not None:
            raise attempt.error

    def _late(self, attempt: Attempt, seconds: float) -> TransportError:
        last = attempt.last
        text = f"not connected to {self._life.connector.url.origin} in {seconds:g} s"
        error = TransportError(text if last is None else f"{text}: {last}", status=getattr(last, "status", None))
        error.__cause__ = last
        return error

    def disconnect(self) -> None:
        """Say goodbye and end: "io client disconnect". What was emitted is sent before this returns, if it can be."""
        self._life.close("io client disconnect", None, tell=LONGEST_GOODBYE)

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the client is closed for good. False: it is not, after ``timeout`` seconds."""
        ended = self._life.ended
        return ended is None or ended.wait(timeout)

    def __enter__(self) -> Client:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.disconnect()

    # -- what came -----------------------------------------------------------------------------------------------------

    def receive(self, *events: str, timeout: float | None = None) -> tuple[Any, ...]:
        """Take the oldest event that had no handler, or the oldest of these names; wait for it while active.

        Returns:
            The event's name and its arguments.

        Raises:
            TimeoutError: none came in ``timeout`` seconds; 0 takes only what is there.
            DisconnectedError: none is left, and the client is closed.
            LimitError: the inbox was full, and the oldest events are gone; the next call goes on.
            RuntimeError: the client has no inbox (the option ``inbox``).
        """
        life = self._life
        if life.inbox is None:
            raise RuntimeError("this client keeps no events: give it inbox=1000, or use socketio_sync.connect")
        now = life.runtime.now
        until = None if timeout is None else now() + (timeout and check_duration("timeout", timeout))
        while True:
            left = None if until is None else max(until - now(), 0)
            taken = life.inbox.take_or_wait(events, life.runtime.event, lambda: not life.active, left)
            if taken is not None:
                return taken
            if not life.active:
                raise DisconnectedError(life.reason, life.details)
            if left == 0:
                names = " or ".join(map(repr, events)) or "event"
                raise TimeoutError(f"no {names} came in {timeout:g} s")

    def _target(self) -> tuple[Life, Flags]:
        return self._life, _PLAIN

    def __repr__(self) -> str:
        life = self._life
        engine = life.connector.engine
        state = engine.transport if life.connected and engine is not None else life.state
        id = "" if life.id is None else f"{life.id[:4]}… "
        return f"<Client {id}{life.connector.url.origin} nsp={life.nsp!r} {state}>"


class Manager(OnAndOff):
    """A connection that several clients, each of another namespace, share.

    Its events are ``open``, ``close(reason, details)``, ``error(error)``, ``ping``, ``reconnect_attempt(n)``,
    ``reconnect(n)``, ``reconnect_error(error)`` and ``reconnect_failed``.

    Args:
        url: where the server is; its path means nothing here.
        **options: those of a Client but for ``auth``, ``ack_timeout``, ``retries``, ``max_send_buffer``, ``inbox``.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._prepare(Connector(ServerURL(url), manager_options(options)))

    def _prepare(self, connector: Connector) -> None:
        self._connector = connector
        self._listeners = connector.listeners

    def client(self, nsp: str = "/", **options: Any) -> Client:
        """Return a new client of a namespace; "chat" is "/chat".

        Args:
            nsp: its name.
            **options: ``auth``, ``ack_timeout``, ``retries``, ``max_send_buffer``, ``inbox``.

        Raises:
            ValueError: this manager has a client of that namespace.
        """
        if not isinstance(nsp, str):
            raise TypeError(f"the namespace must be a str, got {nsp!r}")
        own = client_options(options)
        client = Client.__new__(Client)
        client.manager = self
        client._begin("/" + nsp.removeprefix("/"), own)
        return client

    def __repr__(self) -> str:
        connector = self._connector
        return f"<Manager {connector.url.origin} {'open' if connector.open else 'closed'}>"
