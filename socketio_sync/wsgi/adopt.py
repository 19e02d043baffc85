"""Where each WSGI server keeps the client's socket, how to take it, and how to leave the server content.

A socket is taken by putting a dead one in its place: the server goes on, answers and closes as always, but to nobody,
while the connection is ours and the server's thread or greenlet is free. What the server writes to the dead socket
succeeds, what it reads is the end of the stream; so its logs stay clean, and its access log shows the status that the
application gave. A TLS connection lives in the server's TLS object and cannot be taken: it is held, with the server's
thread, until its end.
"""

from __future__ import annotations

import _socket
import errno
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any
from typing import Literal

from socketio_sync.wsgi.dead_socket import DeadSocket
from socketio_sync.wsgi.dead_socket import Spare
from socketio_sync.wsgi.gunicorn import gunicorn_handle
from socketio_sync.wsgi.gunicorn import gunicorn_worker

Kind = Literal["adopt", "hold", "none"]

# The one table of servers. Where in the environ the client's socket is, and where bytes are that were read ahead of
# the request's end: a key, then attributes.
_SERVERS = tuple((where.split(), where_ahead.split()) for where, where_ahead in (
    # gevent-websocket's handler, also as gunicorn's worker
    ("wsgi.websocket stream handler socket", "wsgi.websocket stream handler rfile"),
    # gunicorn: sync, gthread, gevent
    ("gunicorn.socket", "wsgi.input reader unreader"),
    # Werkzeug, flask run
    ("werkzeug.socket", "wsgi.input"),
    # our own, behind Server.listen with threads
    ("socketio_sync.socket", "socketio_sync.reader"),
    # wsgiref; pywsgi and gunicorn's gevent_pywsgi when an upgrade is asked for
    ("wsgi.input raw _sock", "wsgi.input"),
    # pywsgi and gevent_pywsgi otherwise; cheroot
    ("wsgi.input rfile raw _sock", "wsgi.input rfile"),
    # Django's runserver
    ("wsgi.input _read __self__ raw _sock", "wsgi.input _read __self__"),
))  # fmt: skip
_ESTABLISHED = 1  # tcpi_state, include/net/tcp_states.h
# uWSGI has a descriptor, and a module instead of an environ entry; see _uwsgi_descriptor. What it has read ahead stays
# in its C code: lost for a client that sends frames before our 101, which RFC 6455 (4.1) forbids.


def find_peer(environ: dict[str, Any]) -> ServerPeer:
    """How the client of this request can be reached."""
    for where, where_ahead in _SERVERS:
        sock = _follow(environ, where)
        if sock is not None:
            return ServerPeer(environ, sock, _follow(environ, where_ahead))
    return ServerPeer(environ, _uwsgi_descriptor(environ), None)


class ServerPeer:
    """One client as its web server shows it; the contract is ``engine.http.Peer``.

    Attributes:
        spare: what must be closed once the server has written its response; None as long as the socket was not taken.
    """

    __slots__ = ("_environ", "_held", "_reader", "_sock", "is_gevent", "kind", "spare", "upgraded")

    def __init__(self, environ: dict[str, Any], sock: Any, reader: Any) -> None:
        self.is_gevent = _is_gevent(sock)
        self.kind: Kind = "none" if _is_http2(environ) else _kind(sock, self.is_gevent)
        self.upgraded = bool(environ.get("wsgi.websocket"))
        self.spare: Spare | None = None
        self._held: HeldSocket | None = None
        self._environ: dict[str, Any] | None = environ
        self._sock = sock if self.kind != "none" else None
        self._reader = reader
        if self.kind != "none":
            _no_delay(sock)

    @property
    def server(self) -> str:
        """The server's name, as it calls itself."""
        software = (self._environ or {}).get("SERVER_SOFTWARE") or "this web server"
        return str(software).replace("/", " ")

    @property
    def threads(self) -> int | None:
        """The server's number of threads, None if it is not known or there is no such number."""
        if self.is_gevent or self._environ is None:
            return None
        worker = gunicorn_worker()
        if worker is not None:
            return int(worker.cfg.threads)
        if "mod_wsgi.version" in self._environ:
            threads: int | None = getattr(sys.modules.get("mod_wsgi"), "threads_per_process", None)
            return threads
        return 1 if self._environ.get("wsgi.multithread") is False else None

    @property
    def give_back(self) -> Callable[[_socket.socket], None] | None:
        """How the server serves the socket further after ``take``; None where it could not, or has read too far."""
        if self.kind != "adopt" or self._environ is None:
            return None
        handle = self._environ.get("socketio_sync.handle")
        if self._environ.get("gunicorn.socket") is self._sock and _has_read_no_further(self._reader):
            handle = gunicorn_handle(self._sock)
        return None if handle is None else partial(_serve_further, handle)

    def take(self) -> tuple[_socket.socket, bytes]:
        """The client's socket, non-blocking, and what the server had read of it behind the request."""
        if self._sock is None:
            raise RuntimeError(f"there is no socket to take from {self.server}, or it was taken")
        spare = Spare()
        if self.kind == "hold":
            taken: Any = HeldSocket(self._sock, spare)
            self._held = taken
        else:
            taken = _swap(self._sock, spare)
            if not self.is_gevent:
                taken.setblocking(False)
            if isinstance(self._sock, int):
                _no_delay(taken)
        self.spare = spare
        ahead = _read_ahead(self._reader)
        if self.upgraded and self._environ is not None:
            self._environ["wsgi.websocket"].closed = True  # so that its close() writes nothing
        # Neither the environ nor the server's objects shall live as long as the connection.
        self._sock = self._reader = self._environ = None
        return taken, ahead

    def release(self) -> None:
        """The held connection is over: what the server writes or reads from now on reaches nobody."""
        if self._held is not None:
            self._held.close()

    def gone(self) -> bool:
        """Whether the client is known to have left, while its request is being answered by the server."""
        if self._sock is not None:
            return _has_left(self._sock)
        disconnected = (self._environ or {}).get("waitress.client_disconnected")
        return disconnected is not None and bool(disconnected())

    def bury_if_gone(self) -> bool:
        """If the client has left, give the server a dead socket: TLS servers log an error when they write to nobody."""
        if not self.gone():
            return False
        self.take()
        self.release()
        return True


class HeldSocket:
    """A TLS connection that stays in the server's object: what a non-blocking TLS socket does, without gevent's
    waiting.

    ``recv`` and ``send`` raise ssl.SSLWantReadError and ssl.SSLWantWriteError. Nothing here locks: one TLS object must
    never be used by two threads at the same time.
    """

    __slots__ = ("_raw", "_sock", "_spare", "_timeout")

    def __init__(self, sock: Any, spare: Spare) -> None:
        self._sock: Any = sock
        self._raw: _socket.socket = sock._sock if _is_gevent(sock) else sock
        self._spare = spare
        self._timeout = sock.gettimeout()
        sock.settimeout(0.0)

    def fileno(self) -> int:
        """The descriptor to wait for, -1 once closed."""
        return self._sock.fileno() if self._sock is not None else -1

    def pending(self) -> int:
        """Decrypted bytes that a selector does not see."""
        tls = self._tls()
        return tls.pending() if tls is not None else 0

    def recv(self, size: int) -> bytes:
        """Up to ``size`` bytes, b"" at the end."""
        tls = self._tls()
        received: bytes = _socket.socket.recv(self._raw, size) if tls is None else tls.read(size)
        return received

    def send(self, data: bytes) -> int:
        """Write some of it, and say how much."""
        tls = self._tls()
        sent: int = _socket.socket.send(self._raw, data) if tls is None else tls.write(data)
        return sent

    def unwrap(self) -> None:
        """Say goodbye as TLS does; raises ssl.SSLWantReadError as long as the other side has not."""
        tls = self._tls()
        if tls is not None:
            tls.shutdown()

    def shutdown(self, how: int) -> None:
        """Say goodbye as TCP does."""
        if self._sock is None:
            raise OSError("the connection is closed")
        _socket.socket.shutdown(self._raw, how)

    def close(self) -> None:
        """Close the connection, and leave a dead plain socket in the server's object. Twice is harmless."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        try:
            _swap(sock, self._spare).close()
        except OSError:  # no descriptor left, or the server has closed it
            _socket.socket.close(self._raw)
        if hasattr(sock, "_sslobj"):
            sock._sslobj = None
        sock.settimeout(self._timeout)

    def _tls(self) -> Any:
        if self._sock is None:
            raise OSError("the connection is closed")
        return getattr(self._sock, "_sslobj", None)


def _follow(environ: dict[str, Any], where: list[str]) -> Any:
    value = environ.get(where[0])
    if value is None:
        return None
    for attribute in where[1:]:
        value = getattr(value, attribute, None)
    return value


def _uwsgi_descriptor(environ: dict[str, Any]) -> int | None:
    uwsgi = sys.modules.get("uwsgi")
    # With https-socket the TLS of the descriptor is in uWSGI's C code; behind its own https router it is plain.
    if uwsgi is None or "uwsgi.version" not in environ or b"https-socket" in uwsgi.opt or "https-socket" in uwsgi.opt:
        return None
    descriptor: int = uwsgi.connection_fd()
    return descriptor


def _is_http2(environ: dict[str, Any]) -> bool:
    # The socket is shared by many streams.
    protocol = str(environ.get("SERVER_PROTOCOL", ""))
    return protocol.startswith(("HTTP/2", "HTTP/3")) or "gunicorn.http2.send_trailers" in environ


def _is_gevent(sock: Any) -> bool:
    gevent_socket = sys.modules.get("gevent.socket")
    return gevent_socket is not None and isinstance(sock, gevent_socket.socket)


def _kind(sock: Any, is_gevent: bool) -> Kind:
    if not is_gevent and not isinstance(sock, (int, _socket.socket)):
        return "none"  # another library's: pyOpenSSL's, eventlet's
    if getattr(sock, "_sslobj", None) is not None:
        return "hold"
    return "adopt" if is_gevent or os.name == "posix" else "hold"


def _has_left(sock: Any) -> bool:
    """Linux knows the state of a TCP connection, whatever TLS has still to read."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None or isinstance(sock, int) or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    try:
        state: bytes = sock.getsockopt(socket.IPPROTO_TCP, option, 1)
    except OSError:
        return True
    return state[0] != _ESTABLISHED


def _has_read_no_further(reader: Any) -> bool:
    """Whether gunicorn's unreader holds nothing of the next request. Of other readers it cannot be known yet."""
    return hasattr(reader, "buf") and not reader.buf.getvalue()


def _serve_further(handle: Callable[[Any, Any], None], sock: _socket.socket) -> None:
    from gevent.socket import socket as gevent_socket

    try:
        address = sock.getpeername()
    except OSError:
        sock.close()  # the client is gone
        return
    handle(gevent_socket(sock.family, sock.type, sock.proto, fileno=sock.detach()), address)


def _no_delay(sock: Any) -> None:
    if isinstance(sock, int):
        return
    try:
        # Some servers write header and body apart: with Nagle's algorithm the body waits for the client's delayed ACK.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        pass  # no TCP socket; or the client is gone, and the next read or write will tell


def _swap(sock: Any, spare: Spare) -> _socket.socket:
    """Put a dead socket in the place of the server's; the real one is ours."""
    if _is_gevent(sock):
        raw: _socket.socket = sock._sock  # it does not block, and gevent does not know it but by the one around it
        if raw.fileno() < 0:  # the server has closed it, or it was taken through another peer
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        sock._sock = DeadSocket(raw)
        # The number of the descriptor stays with us: nothing registered in gevent's loop becomes stale.
        return raw
    dead = spare.dead_socket()
    try:
        descriptor = sock if isinstance(sock, int) else sock.fileno()
        ours = os.dup(descriptor)
        os.dup2(dead.fileno(), descriptor, inheritable=False)
        return _native(ours)
    finally:
        dead.close()


def _native(descriptor: int) -> socket.socket:
    """A socket object of the interpreter's own class, also in a process that gevent has patched."""
    monkey = sys.modules.get("gevent.monkey")
    cls = socket.socket if monkey is None else monkey.get_original("socket", "socket")
    native: socket.socket = cls(fileno=descriptor)
    return native


def _read_ahead(reader: Any) -> bytes:
    """What a server's reader holds, without reading more: its socket is dead by now, or does not block."""
    if hasattr(reader, "buf"):  # gunicorn's unreader
        buffered: bytes = reader.buf.getvalue()
        reader.buf.seek(0)
        reader.buf.truncate()
        return buffered
    if not hasattr(reader, "peek"):
        return b""
    try:
        ahead = len(reader.peek())
        data: bytes = reader.read(ahead)
        return data
    except (OSError, ValueError):  # TLS has nothing; the file is closed
        return b""
