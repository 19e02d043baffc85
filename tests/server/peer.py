"""A client in memory: a real Connection between two polls, on the virtual clock, and nothing below it."""

from __future__ import annotations

import io
import json
from typing import Any

from socketio_sync import Server
from socketio_sync.engine.connection import Connection
from socketio_sync.engine.http import Request
from socketio_sync.engine.polling import HeldRequests
from socketio_sync.engine.polling import PayloadFormat
from socketio_sync.runtime.virtual import VirtualRuntime


class NoSocket:
    """The Peer of a request whose socket cannot be reached."""

    kind = "none"
    is_gevent = False
    server = "tests"
    threads = None
    upgraded = False

    def take(self) -> Any:
        raise RuntimeError("there is no socket")

    def release(self) -> None:
        pass

    def gone(self) -> bool:
        return False


def virtual(server: Server) -> VirtualRuntime:
    """Let the server run on a virtual clock."""
    runtime = VirtualRuntime()
    server.engine._runtime = runtime
    server.engine.held = HeldRequests(runtime.lock())
    return runtime


def request(query: str = "EIO=4&transport=polling", **more: Any) -> Request:
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/socket.io/",
        "QUERY_STRING": query,
        "REMOTE_ADDR": "192.0.2.7",
        "SERVER_NAME": "example.org",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        **more,
    }
    return Request(environ, NoSocket())


class Peer:
    """One Engine.IO connection of a server made with ``virtual``.

    Args:
        protocol: of Engine.IO.
        more: entries of the handshake's environ.
    """

    def __init__(self, server: Server, protocol: int = 4, query: str = "EIO=4&transport=polling", **more: Any) -> None:
        engine = server.engine
        asked = request(query, **more)
        self.runtime: Any = engine.runtime
        self.connection = Connection(
            engine, engine.new_sid(asked), asked, "polling", PayloadFormat(protocol, False, None)
        )
        engine.enter(self.connection)
        engine.admit(self.connection)
        self.runtime.run_until_idle()

    def send(self, *messages: str | bytes) -> None:
        """Send messages back to back, then let everything run that they cause."""
        for message in messages:
            self.connection.receive_message(message)
        self.runtime.run_until_idle()

    def received(self) -> list[str | bytes]:
        """The messages that came since the last call."""
        with self.connection.lock:
            taken = self.connection.session.take()
        return [message for packet in taken if packet.type == "4" for message in packet.messages]

    def connect(self, nsp: str = "/", auth: dict[str, Any] | None = None) -> str:
        """Join a namespace; the socket's id."""
        head = "" if nsp == "/" else nsp + ","
        self.send("0" + head + ("" if auth is None else json.dumps(auth)))
        reply = self.received()[0]
        assert isinstance(reply, str)
        assert reply.startswith("0" + head), reply
        return str(json.loads(reply[1 + len(head) :])["sid"])

    def lose(self, reason: str = "transport close") -> None:
        """End the connection as if by the network."""
        self.connection.fail(reason)
        self.runtime.run_until_idle()

    @property
    def closed(self) -> bool:
        return self.connection.session.life == "closed"


def served(**options: Any) -> Server:
    """A server on a virtual clock."""
    server = Server(**options)
    virtual(server)
    return server
