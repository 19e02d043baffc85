"""``listen`` and ``listening``: a web server of our own, gevent's on gevent, a small one on threads."""

from __future__ import annotations

import logging
import signal
import socket
import ssl
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.wsgi.app import WSGIApp
from socketio_sync.wsgi.threaded_server import ThreadedServer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("socketio_sync.server")

# How often a blocking ``listen`` looks whether the server was closed, in seconds.
_TICK = 0.2
_BACKLOG = 1024


class Listening:
    """A server that is being served.

    Attributes:
        port: where, also if 0 was asked for.
        url: for a client on this machine.
    """

    def __init__(self, host: str, port: int, secure: bool) -> None:
        self.port = port
        name = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if secure else 'http'}://{name}:{port}"

    def __repr__(self) -> str:
        return f"<Listening {self.url}>"


def listen(
    io: Any,
    port: int,
    host: str = "127.0.0.1",
    *,
    wsgi_app: WSGIApplication | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> None:
    """Serve until Ctrl-C, SIGTERM (in the main thread) or ``io.close()``; then close ``io`` and return.

    Args:
        io: a Server or an Engine.
        port: 0 for any free one.
        host: the address of the interface; "0.0.0.0" for all.
        wsgi_app: gets every request that is not for ``io``.
        ssl_context: serve https.

    Raises:
        OSError: the port is taken, or the address is none of this machine.
        TypeError, ValueError: that is no port.
    """
    with listening(io, port, host, wsgi_app=wsgi_app, ssl_context=ssl_context) as server:
        wait_and_close(io, f"Socket.IO listens on {server.url}")


def wait_and_close(io: Any, announcement: str = "", stopped: Callable[[], bool] = lambda: False) -> None:
    """Wait for Ctrl-C, SIGTERM (in the main thread), ``io.close()`` or ``stopped()``; then close ``io``.

    The announcement is printed first: who reads it may send a signal at once.
    """
    engine = getattr(io, "engine", io)
    with _sigterm() as terminated:
        try:
            if announcement:
                print(announcement, flush=True)
            while not (terminated or engine.closing or stopped()):
                engine.runtime.sleep(_TICK)
        except KeyboardInterrupt:
            pass
        io.close()


@contextmanager
def listening(
    io: Any,
    port: int = 0,
    host: str = "127.0.0.1",
    *,
    wsgi_app: WSGIApplication | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> Iterator[Listening]:
    """Serve in the background meanwhile; ``io`` itself stays open afterwards. Arguments and errors as ``listen``'s."""
    app = WSGIApp(io, wsgi_app)
    _start(io)
    with serving(io, app, bind(host, port), host, ssl_context) as server:
        yield server


@contextmanager
def serving(
    io: Any, app: WSGIApplication, listener: socket.socket, host: str, ssl_context: ssl.SSLContext | None = None
) -> Iterator[Listening]:
    """Serve an application that has ``io`` in it in the background meanwhile, on a socket that listens already.

    Args:
        io: the Server or Engine whose runtime serves; it stays open afterwards.
        app: gets every request.
        listener: from ``bind``; closed afterwards.
        host: how the URL calls it.
        ssl_context: serve https.

    Raises:
        RuntimeError: ``io`` was closed, or is under a TestClient's clock.
    """
    runtime = _start(io)
    server = Listening(host, listener.getsockname()[1], ssl_context is not None)
    if runtime.name == "gevent":
        with _gevent_server(_on_gevent(listener), app, ssl_context):
            yield server
    else:
        with _threaded_server(runtime, listener, app, ssl_context):
            yield server


def _start(io: Any) -> Any:
    """The runtime of ``io``, chosen now if it was not."""
    engine = getattr(io, "engine", io)
    if engine.closing:
        raise RuntimeError("this server was closed, and cannot listen again: build a new one")
    runtime = engine.start()
    if runtime.name == "virtual":
        raise RuntimeError("a TestClient uses this server on its virtual clock: nothing can listen meanwhile")
    return runtime


def _on_gevent(listener: socket.socket) -> Any:
    """The same socket as one of gevent's."""
    from gevent.socket import socket as gevent_socket

    return gevent_socket(fileno=listener.detach())


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens; arguments and errors as ``listen``'s."""
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"port={port!r}: allowed is an int, 0 for any free one")
    if not 0 <= port <= 65535:
        raise ValueError(f"port={port}: allowed is an int from 0 to 65535")  # the system would take port % 65536
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by every connection: pywsgi writes header and body apart, which costs 40 ms each with Nagle's
        # algorithm.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def _gevent_server(listener: Any, app: WSGIApplication, ssl_context: ssl.SSLContext | None) -> Iterator[None]:
    options = {} if ssl_context is None else {"ssl_context": ssl_context}
    server_class, handler_class = _quiet_pywsgi()
    server = server_class(listener, app, log=None, error_log=log, handler_class=handler_class, **options)
    server.start()
    try:
        yield
    finally:
        server.stop(timeout=0.5)


def _quiet_pywsgi() -> tuple[Any, Any]:
    """gevent's server and handler, but what clients do wrong is a debug line, as in ours on threads."""
    from gevent.pywsgi import WSGIHandler
    from gevent.pywsgi import WSGIServer

    class Handler(WSGIHandler):  # type: ignore[misc]
        def get_environ(self) -> Any:
            environ = super().get_environ()
            environ["socketio_sync.handle"] = self.server.handle_and_close
            return environ

        def read_request(self, raw_requestline: str) -> Any:
            try:
                return super().read_request(raw_requestline)
            except HTTPException as error:  # too many headers: gevent's knows only ValueError as the client's fault
                raise ValueError(str(error)) from error

        def log_error(self, msg: str, *args: Any) -> None:
            log.debug("%s", msg % args if args else msg)

        def handle_error(self, t: Any, v: Any, tb: Any) -> None:
            if self.headers_sent and isinstance(v, ssl.SSLError):  # gevent's lets only the errors without TLS pass
                self.close_connection = True
                log.debug("the response to %s failed", self.client_address, exc_info=v)
            else:
                super().handle_error(t, v, tb)

    class Server(WSGIServer):  # type: ignore[misc]
        def handle_and_close(self, sock: Any, address: Any) -> None:
            try:
                self.handle(sock, address)
            finally:
                self.do_close(sock, address)

        def handle(self, sock: Any, address: Any) -> None:
            try:
                super().handle(sock, address)
            except OSError:
                log.debug("the connection of %s failed", address, exc_info=True)

        def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
            try:
                super().wrap_socket_and_handle(client_socket, address)
            except OSError:
                log.debug("the TLS connection of %s failed", address, exc_info=True)

    return Server, Handler


@contextmanager
def _threaded_server(
    runtime: Any, listener: socket.socket, app: WSGIApplication, ssl_context: ssl.SSLContext | None
) -> Iterator[None]:
    with ThreadedServer(listener, app, ssl_context) as server:
        task = runtime.spawn(server.serve_forever, _TICK)
        try:
            yield
        finally:
            server.shutdown()
            task.join()


@contextmanager
def _sigterm() -> Iterator[list[int]]:
    """A list that is no longer empty once SIGTERM came; in other threads than the main one it stays empty."""
    came: list[int] = []
    try:
        before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    except ValueError:
        yield came
        return
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)
