"""The smallest engine that needs a client's socket: it takes it, answers 101 itself, and sends back what comes.

``quit`` ends it from our side. It is for the tests of the WSGI edge alone; the real engine has tests of its own.
"""

from __future__ import annotations

import select
import sys
from types import SimpleNamespace
from typing import Any

from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.runtime import Runtime
from socketio_sync.runtime import choose
from socketio_sync.wsgi.app import WSGIApp
from tests.support.debug import application

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def native(module: str, name: str) -> Any:
    """Something of the standard library as it was before gevent patched it."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey.get_original(module, name) if monkey else getattr(__import__(module), name)


class EchoEngine:
    """What ``WSGIApp`` expects of an Engine."""

    options = SimpleNamespace(path="/echo/", add_trailing_slash=True, serve_client=False)
    clients_count = 0
    left_to_server: frozenset[Any] = frozenset()
    closing = False

    def __init__(self) -> None:
        self._runtime: Runtime | None = None

    def start(self, gevent_socket: bool | None = None) -> Runtime:
        if self._runtime is None:
            self._runtime = choose("auto", gevent_socket)
        return self._runtime

    @property
    def runtime(self) -> Runtime:
        return self.start()

    def close(self, timeout: float = 5) -> None:
        self.closing = True
        if self._runtime is not None:
            self._runtime.stop()

    def handle(self, request: Request) -> Response:
        peer = request.peer
        if request.method == "POST":
            body = request.read_body(1_000_000)
            return text(b"too long" if body is None else body)
        facts = f"{peer.kind} gevent={peer.is_gevent} upgraded={peer.upgraded} threads={peer.threads} {peer.server}"
        if request.query.get("only") == "facts" or peer.kind == "none":
            return text(facts.encode())
        sock, ahead = peer.take()
        head = b"" if peer.upgraded else HEAD
        if peer.kind == "hold":
            wait = __import__("gevent.select").select.select if peer.is_gevent else select.select
            echo_tls(sock, head + ahead, wait)
            peer.release()
        else:
            native("_thread", "start_new_thread")(echo, (sock, head + ahead))
        return Response("101 Switching Protocols")


def text(body: bytes) -> Response:
    return Response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))], body)


def echo(sock: Any, initial: bytes) -> None:
    """In a thread of its own, which gevent knows nothing of."""
    assert sock.gettimeout() == 0.0
    sock.setblocking(True)
    try:
        sock.sendall(initial)
        while (data := sock.recv(65536)) and not data.endswith(b"quit"):
            sock.sendall(data)
    except OSError:
        pass
    sock.close()


def echo_tls(sock: Any, initial: bytes, wait: Any) -> None:
    """In the server's thread or greenlet, without ever blocking in the TLS object."""
    import ssl

    sock.send(initial)
    while True:
        try:
            data = sock.recv(65536)
        except ssl.SSLWantReadError:
            wait([sock.fileno()], [], [])
            continue
        except OSError:
            break
        if not data or data.endswith(b"quit"):
            break
        while data:
            try:
                data = data[sock.send(data) :]
            except ssl.SSLWantWriteError:
                wait([], [sock.fileno()], [])
    try:
        sock.unwrap()
    except OSError:
        pass
    sock.close()


app = WSGIApp(EchoEngine(), application)
