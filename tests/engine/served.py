"""An Engine in this process, on either runtime, behind a real web server; what its connections tell is written down."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from socketio_sync.engine.connection import Connection
from socketio_sync.engine.engine import Engine
from socketio_sync.exceptions import DisconnectDetails
from socketio_sync.wsgi.app import WSGIApp
from socketio_sync.wsgi.serve import listening
from socketio_sync.wsgi.threaded_server import ThreadedServer
from tests.support.timing import scaled
from tests.support.wire import TIMEOUT
from tests.support.wire import Closed
from tests.support.wire import Polling
from tests.support.wire import Reply
from tests.support.wire import Wire
from tests.support.wire import fetch
from tests.support.wire import until

PATH = "/engine.io/"
RUNTIMES = ["gevent", "threads"]


class Served:
    """A served engine that echoes messages (unless ``echo`` is False).

    Attributes:
        engine: for a look inside.
        ended: ``(reason, details)`` of each connection that is over.
        heard: messages that came.
    """

    def __init__(self, engine: Engine, echo: bool, listens: bool) -> None:
        self.engine = engine
        self.port = 0
        self._echo = echo
        self._wires: list[Wire] = []
        self._newcomers: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self.ended: queue.SimpleQueue[tuple[str, DisconnectDetails | None]] = queue.SimpleQueue()
        self.heard: queue.SimpleQueue[str | bytes] = queue.SimpleQueue()
        self.upgrades: queue.SimpleQueue[str] = queue.SimpleQueue()
        if listens:
            engine.on("connection", self._connected)

    def _connected(self, connection: Connection) -> None:
        @connection.on("message")
        def message(data: str | bytes) -> None:
            self.heard.put(data)
            if self._echo:
                connection.send(data)

        connection.on("upgrade", self.upgrades.put)
        connection.on("close", lambda reason, details: self.ended.put((reason, details)))
        self._newcomers.put(connection)

    def close(self) -> None:
        """Close what its clients left open."""
        for wire in self._wires:
            wire.close()

    # -- what the engine saw -----------------------------------------------------------------------------------------

    def connection(self) -> Connection:
        """The next newcomer."""
        return self._newcomers.get(timeout=TIMEOUT)

    def end(self) -> tuple[str, str | None]:
        """The reason of the next end, and the description."""
        reason, details = self.ended.get(timeout=TIMEOUT)
        return reason, details.description if details is not None else None

    def message(self) -> str | bytes:
        """The next message heard."""
        return self.heard.get(timeout=TIMEOUT)

    # -- clients -----------------------------------------------------------------------------------------------------

    def fetch(
        self, target: str, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Reply:
        """One request; a target that begins with "?" is a query of the engine's path."""
        return fetch(self.port, PATH + target if target.startswith("?") else target, method, body, headers)

    def polling(self) -> Polling:
        """A session on long-polling."""
        return Polling(self.port, PATH).open()

    def wire(self) -> Wire:
        """A bare connection; like all of these it is closed with the server."""
        self._wires.append(Wire(self.port))
        return self._wires[-1]

    def park(self, client: Polling) -> Wire:
        """A poll under way, known to the server; its ``answer`` is to be read."""
        wire = self.wire()
        wire.ask("GET", client.target, headers={"Connection": "close"})
        until(lambda: self.engine.connections[client.sid].writable)
        return wire

    def websocket(self, query: str = "EIO=4") -> Wire:
        """A session on a WebSocket; its open packet is read."""
        wire = self.wire()
        assert wire.upgrade(f"{PATH}?transport=websocket&{query}") is None
        packet = wire.receive()
        assert isinstance(packet, str)
        assert packet[0] == "0"
        return wire

    def probe(self, client: Polling, query: str = "EIO=4") -> Wire:
        """A WebSocket for a polling session, opened, nothing sent."""
        wire = self.wire()
        assert wire.upgrade(f"{PATH}?transport=websocket&{query}&sid={client.sid}") is None
        return wire

    def upgraded(self, client: Polling) -> Wire:
        """The WebSocket that the session was carried over to."""
        wire = self.probe(client)
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        wire.send_text("5")
        return wire


@contextmanager
def served(runtime: str, *, echo: bool = True, **options: Any) -> Iterator[Served]:
    """Serve an engine in a thread of its own: gevent's hub, or our small server on threads."""
    engine = Engine(runtime=runtime, **options)
    serving = Served(engine, echo, listens="handler" not in options)
    ready = threading.Event()
    leave: queue.SimpleQueue[Any] = queue.SimpleQueue()  # the event that the serving thread waits for

    def serve() -> None:
        if runtime == "gevent":
            import gevent

            hub = gevent.get_hub()
        with _web_server(engine) as serving.port:
            done = engine.runtime.event()
            leave.put(done)
            ready.set()
            done.wait()
            engine.close(timeout=scaled(5))
        if runtime == "gevent":
            hub.destroy(destroy_loop=True)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(TIMEOUT)
    try:
        yield serving
    finally:
        serving.close()
        leave.get(timeout=TIMEOUT).set()
        thread.join(TIMEOUT)
        assert not thread.is_alive()


@contextmanager
def _web_server(engine: Engine) -> Iterator[int]:
    """The port of our own servers behind ``listen``; the one on threads looks more often whether it shall end."""
    if engine.options.runtime == "gevent":
        with listening(engine) as server:
            yield server.port
        return
    listener = socket.create_server(("127.0.0.1", 0))
    with ThreadedServer(listener, WSGIApp(engine), None) as threaded:
        thread = threading.Thread(target=threaded.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            threaded.shutdown()
            thread.join()


def closed(wire: Wire) -> Closed | None:
    """How the server ends a WebSocket: its close frame, None if there is none. Messages before it are skipped."""
    try:
        while not isinstance(message := wire.receive(), Closed):
            pass
    except (EOFError, ConnectionResetError):
        return None
    assert wire.read_to_the_end() == b""
    return message


__all__ = ["PATH", "RUNTIMES", "Closed", "Served", "closed", "served", "until"]
