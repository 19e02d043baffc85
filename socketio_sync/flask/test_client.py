"""A client for tests, with the methods of Flask-SocketIO's, on this package's TestClient: nothing is patched."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4
from weakref import WeakSet

from flask.testing import EnvironBuilder

from socketio_sync.exceptions import ConnectError
from socketio_sync.testing import TestClient

if TYPE_CHECKING:
    from flask import Flask

    from socketio_sync.flask.extension import SocketIO
    from socketio_sync.server.server import Server

# How long a handler may take, in seconds of the server's clock, and in what steps that is turned.
_PATIENCE = 60.0
_STEP = 0.05


class Watch:
    """What the handlers of a SocketIO do under test.

    Attributes:
        running: how many run now.
        errors: what they raised and nothing took.
    """

    def __init__(self) -> None:
        self.running = 0
        self.errors: list[Exception] = []
        self._servers: WeakSet[Server] = WeakSet()

    def begin(self, server: Server) -> None:
        """Hear of the errors of a server, too."""
        if server not in self._servers:
            self._servers.add(server)
            server.on_error(self._record)

    def _record(self, error: Exception) -> None:
        self.errors.append(error)

    def __enter__(self) -> None:
        self.running += 1

    def __exit__(self, *exc_info: object) -> None:
        self.running -= 1

    def raise_error(self) -> None:
        """Raise the first one, in the test."""
        if self.errors:
            error = self.errors[0]
            self.errors.clear()
            raise error


class SocketIOTestClient:
    """A client in the test's own process: no sockets, no ports, and no waiting.

    The server runs on a virtual clock in the test's thread as long as one of its test clients is connected. Each call
    returns when the handlers that it caused have returned; a handler's sleep takes no time. What a handler raises, and
    no ``on_error`` takes, is raised by the call.

    Args:
        app: the Flask application.
        socketio: its SocketIO.
        namespace, query_string, headers, auth: see ``connect``.
        flask_test_client: the client's cookies are those of this one, its Flask session and login among them.

    Attributes:
        eio_sid: tells one client from another.
    """

    __test__ = False  # for pytest: it is no test

    def __init__(
        self,
        app: Flask,
        socketio: SocketIO,
        namespace: str | None = None,
        query_string: str | None = None,
        headers: Any = None,
        auth: dict[str, Any] | None = None,
        flask_test_client: Any = None,
    ) -> None:
        self.app = app
        self.socketio = socketio
        self.flask_test_client = flask_test_client
        self.eio_sid = uuid4().hex
        self._clients: dict[str, TestClient] = {}
        self._watch = socketio.watched()
        self.connect(namespace=namespace, query_string=query_string, headers=headers, auth=auth)

    def is_connected(self, namespace: str | None = None) -> bool:
        """Whether it is connected to a namespace."""
        client = self._clients.get(namespace or "/")
        return client is not None and client.connected

    def connect(
        self,
        namespace: str | None = None,
        query_string: str | None = None,
        headers: Any = None,
        auth: dict[str, Any] | None = None,
    ) -> None:
        """Connect to a namespace; ``is_connected`` tells whether the server let it in.

        Args:
            namespace: "/" unless another one is named.
            query_string: of the handshake, with or without its question mark.
            headers: of the handshake.
            auth: what the connect handler gets.
        """
        environ = EnvironBuilder(self.app, self.socketio.server.options.path, headers=headers).get_environ()
        query = parse_qs((query_string or "").removeprefix("?"), keep_blank_values=True)
        if self.flask_test_client is not None:
            environ = {**self.flask_test_client.environ_base, **environ}
            self.flask_test_client._add_cookies_to_wsgi(environ)
        client = TestClient(
            self.socketio.server, namespace or "/", auth=auth, headers=_headers(environ), query=query
        )
        self._clients[namespace or "/"] = client
        try:
            client.connect()
        except ConnectError:
            pass
        self._settle(client)

    def disconnect(self, namespace: str | None = None) -> None:
        """Leave a namespace.

        Raises:
            RuntimeError: it is not connected.
        """
        client = self._connected(namespace)
        client.disconnect()
        self._watch.raise_error()

    def emit(self, event: str, *args: Any, **kwargs: Any) -> Any:
        """Send an event.

        Args:
            event: its name.
            *args: its arguments.
            callback: True returns the answer.
            namespace: "/" unless another one is named.

        Returns:
            None, or with ``callback`` the answer: the value if it is one, else a list.

        Raises:
            RuntimeError: it is not connected.
            Exception: what the handler raised.
        """
        client = self._connected(kwargs.pop("namespace", None))
        answers: list[tuple[Any, ...]] = []
        callback = (lambda *answer: answers.append(answer)) if kwargs.pop("callback", False) else None
        client.emit(event, *args, callback=callback)
        self._settle(client)
        if not answers:
            return None
        return answers[0][0] if len(answers[0]) == 1 else list(answers[0])

    def send(self, data: Any, json: bool = False, callback: bool = False, namespace: str | None = None) -> Any:
        """Send the event "message", or "json" with ``json=True``; otherwise as ``emit``."""
        return self.emit("json" if json else "message", data, callback=callback, namespace=namespace)

    def get_received(self, namespace: str | None = None) -> list[dict[str, Any]]:
        """Take what came: dicts with name, args and namespace; the args of "message" and "json" are the one value.

        Raises:
            RuntimeError: it is not connected.
        """
        client = self._connected(namespace)
        received = client.received()
        self._watch.raise_error()
        return [_as_dict(event, namespace or "/") for event in received]

    def __enter__(self) -> SocketIOTestClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            client.disconnect()
        if error is None:
            self._watch.raise_error()
        self._watch.errors.clear()

    def _connected(self, namespace: str | None) -> TestClient:
        client = self._clients.get(namespace or "/")
        if client is None or not client.connected:
            raise RuntimeError("not connected")
        return client

    def _settle(self, client: TestClient) -> None:
        """Let the handlers end, turning the clock for those that sleep; then raise what they raised."""
        waited = 0.0
        while self._watch.running and waited < _PATIENCE and client.connected:
            client.advance(_STEP)
            waited += _STEP
        self._watch.raise_error()


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    """The headers that a WSGI environ has, but for those that TestClient sets itself."""
    return {
        key[5:].replace("_", "-"): value
        for key, value in environ.items()
        if key.startswith("HTTP_") and isinstance(value, str)
    }


def _as_dict(event: tuple[Any, ...], namespace: str) -> dict[str, Any]:
    name, *args = event
    return {
        "name": name,
        "args": args[0] if name in ("message", "json") and args else args,
        "namespace": namespace,
    }
