"""A small WSGI server on threads, for ``listen``.

It speaks HTTP/1.1 with a thread for each connection that asks something; a connection that was taken needs none. It
is for development and small installations: there is no access log, and no limit but a timeout on slow clients.
"""

from __future__ import annotations

import io
import logging
import socket
import socketserver
import ssl
import sys
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger("socketio_sync.server")

# How long a kept connection, or a client in the middle of a request, may be silent, in seconds.
_IDLE = 30.0
# So much of a body that the application did not read is skipped to keep the connection.
_SKIP = 65536


class ThreadedServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Serves connections of a listening socket.

    Args:
        listener: bound and listening; closed with the server.
        app: the WSGI application.
        ssl_context: to speak TLS.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, app: WSGIApplication, ssl_context: ssl.SSLContext | None) -> None:
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_address = listener.getsockname()
        self.app = app
        self.ssl_context = ssl_context
        self.clients: set[socket.socket] = set()

    def server_close(self) -> None:
        """Close the listener, and end the connections whose threads wait for a request."""
        super().server_close()
        for client in list(self.clients):
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A fault outside the application: clients that leave, and TLS that fails."""
        level = logging.DEBUG if isinstance(sys.exc_info()[1], OSError) else logging.ERROR
        log.log(level, "the connection of %s failed", client_address, exc_info=True)


class _ClientLeft(Exception):
    """Nothing more can be written."""


class _Handler(BaseHTTPRequestHandler):
    """The requests of one connection, by PEP 3333."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # for answers to what is no request: with a status line, also on Python 3.10
    server_version = "socketio_sync"
    timeout = _IDLE
    server: ThreadedServer

    def setup(self) -> None:
        """socketserver's."""
        context = self.server.ssl_context
        self.request.settimeout(_IDLE)
        if context is not None:
            # In this thread, not where connections are accepted: a client may take its time.
            self.request = context.wrap_socket(self.request, server_side=True)
        super().setup()
        self.server.clients.add(self.request)

    def finish(self) -> None:
        """socketserver's."""
        self.server.clients.discard(self.request)
        super().finish()
        if self.server.ssl_context is not None:
            self.request.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._run
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        if log.isEnabledFor(logging.DEBUG):
            log.debug(format, *args)

    def _run(self) -> None:
        if self.request_version != "HTTP/1.1":
            self.close_connection = True
        try:
            body = self._body()
        except ValueError as error:
            self.send_error(400, str(error))
            self.close_connection = True
            return
        exchange = _Exchange(self)
        try:
            exchange.run(self.server.app, self._environ(body))
        except _ClientLeft:
            self.close_connection = True
        except Exception:
            if not body.failed:  # else the client left, and the application could not go on
                log.exception("the application failed on %s %s", self.command, self.path)
            exchange.fail()
        if not body.skip(_SKIP):
            self.close_connection = True

    def _body(self) -> _Body:
        lengths = set(self.headers.get_all("Content-Length", []))
        coding = self.headers.get("Transfer-Encoding")
        if coding is not None:
            # RFC 9112, 6.1: a length as well is an attack on what stands in front of us.
            if coding.strip().lower() != "chunked" or lengths:
                raise ValueError("unsupported transfer coding")
            return _Chunked(self.rfile)
        length = lengths.pop() if lengths else "0"
        if lengths or not (length.isascii() and length.isdigit()):
            raise ValueError("invalid Content-Length")
        return _Body(self.rfile, int(length))

    def _environ(self, body: _Body) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        address = self.server.server_address
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": self.path,
            "SERVER_NAME": str(address[0]),
            "SERVER_PORT": str(address[1]),
            "SERVER_PROTOCOL": self.request_version,
            "SERVER_SOFTWARE": self.server_version,
            "REMOTE_ADDR": str(self.client_address[0]),
            "REMOTE_PORT": str(self.client_address[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http" if self.server.ssl_context is None else "https",
            "wsgi.input": io.BufferedReader(body),
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "socketio_sync.socket": self.connection,
            "socketio_sync.reader": self.rfile,
        }
        for name, value in self.headers.items():
            if "_" in name:
                continue  # would look like another header's name
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = "HTTP_" + key
            separator = "; " if key == "HTTP_COOKIE" else ","
            environ[key] = environ[key] + separator + value if key in environ else value
        return environ


class _Exchange:
    """One response: the status and headers are sent with the first piece of the body."""

    def __init__(self, handler: _Handler) -> None:
        self._handler = handler
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._sent = False
        self._chunked = False

    def run(self, app: WSGIApplication, environ: dict[str, Any]) -> None:
        """Call the application and send what it returns."""
        result = app(environ, self.start_response)
        try:
            whole = isinstance(result, list) and len(result) == 1
            for part in result:
                self._write(part, whole)
            if not self._sent:
                self._write(b"", whole=True)
            if self._chunked:
                self._send(b"0\r\n\r\n")
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """PEP 3333's."""
        if exc_info is not None and self._sent:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._status and exc_info is None:
            raise AssertionError("start_response was called twice")
        self._status = status
        self._headers = list(headers)
        return self._write

    def fail(self) -> None:
        """The application raised: say so, if nothing was said yet."""
        self._handler.close_connection = True
        if self._sent:
            return
        self._status = "500 Internal Server Error"
        self._headers = [("Content-Type", "text/plain")]
        try:
            self._write(b"Internal Server Error", whole=True)
        except _ClientLeft:
            pass

    def _write(self, data: bytes, whole: bool = False) -> None:
        if not self._status:
            raise AssertionError("the application did not call start_response")
        head = b"" if self._sent else self._head(len(data) if whole else None)
        self._sent = True
        if self._handler.command == "HEAD":
            data = b""
        elif self._chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if head or data:
            self._send(head + data)

    def _send(self, data: bytes) -> None:
        try:
            self._handler.wfile.write(data)
        except OSError as error:
            raise _ClientLeft from error

    def _head(self, length: int | None) -> bytes:
        """The status line and headers, with those that the application left to us; ``length`` of the body if known."""
        handler = self._handler
        headers = list(self._headers)
        names = {name.lower() for name, _ in headers}
        bodiless = self._status[:1] == "1" or self._status[:3] in ("204", "304")
        if "content-length" not in names and not bodiless:
            if length is not None:
                headers.append(("Content-Length", str(length)))
            elif handler.request_version == "HTTP/1.1":
                self._chunked = handler.command != "HEAD"
                headers.append(("Transfer-Encoding", "chunked"))
        if any(name.lower() == "connection" and value.lower() == "close" for name, value in headers):
            handler.close_connection = True
        elif handler.close_connection:
            headers.append(("Connection", "close"))
        if "date" not in names:
            headers.append(("Date", handler.date_time_string()))
        lines = [f"HTTP/1.1 {self._status}", *(f"{name}: {value}" for name, value in headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class _Body(io.RawIOBase):
    """A request's body of known length.

    Attributes:
        failed: the client left in the middle of it, or it is malformed.
    """

    def __init__(self, rfile: Any, length: int) -> None:
        super().__init__()
        self.failed = False
        self._rfile = rfile
        self._left = length

    def readable(self) -> bool:
        """io.RawIOBase's."""
        return True

    def readinto(self, buffer: Any) -> int:
        """io.RawIOBase's."""
        data = self.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def skip(self, limit: int) -> bool:
        """Read on to the end; False if that is further than ``limit`` bytes away, or cannot be reached."""
        if self.failed or self._left > limit:
            return False
        try:
            while limit > 0 and (data := self.take(limit)):
                limit -= len(data)
        except OSError:
            return False
        return limit > 0

    def take(self, size: int) -> bytes:
        """Some bytes of it, b"" at the end."""
        size = min(size, self._left)
        if size == 0:
            return b""
        try:
            data: bytes = self._rfile.read1(size)
        except OSError:
            self.failed = True
            raise
        self._expect(len(data) > 0)
        self._left -= len(data)
        return data

    def _expect(self, condition: bool) -> None:
        if not condition:
            self.failed = True
            raise ConnectionResetError("the client left in the middle of its request, or sent a malformed one")


class _Chunked(_Body):
    """A request's body in chunks (RFC 9112, 7.1)."""

    def __init__(self, rfile: Any) -> None:
        super().__init__(rfile, 0)
        self._ended = False

    def take(self, size: int) -> bytes:
        """Some bytes of it, b"" at the end."""
        if self._left == 0 and not self._ended:
            self._next_chunk()
        data = super().take(size)
        if data and self._left == 0:
            self._expect(self._rfile.readline(3) == b"\r\n")
        return data

    def _next_chunk(self) -> None:
        line = self._rfile.readline(1000).partition(b";")[0].strip()
        self._expect(0 < len(line) <= 16 and not line.strip(b"0123456789abcdefABCDEF"))
        self._left = int(line, 16)
        if self._left == 0:
            self._ended = True
            while (trailer := self._rfile.readline(8192)) != b"\r\n":
                self._expect(trailer.endswith(b"\n"))
