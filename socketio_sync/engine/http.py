"""What the engine needs of a web server: a Request with its Peer goes in, a Response comes out."""

from __future__ import annotations

import _socket
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from functools import lru_cache
from typing import Any
from typing import Literal
from typing import Protocol
from urllib.parse import quote

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.engineio_handshake import EngineError
from socketio_sync.protocol.engineio_handshake import parse_query

# Read at most this much of a body of unknown length at once.
_CHUNK = 65536


GiveBack = Callable[[_socket.socket], None]


class Peer(Protocol):
    """How the socket of a request's client can be reached.

    Attributes:
        kind: ``adopt``, a plain socket that can be taken from the server; ``hold``, a TLS socket, which keeps the
            server's thread for as long as it is used; ``none``, no socket of this client's own (or HTTP/2): long-
            polling only.
        is_gevent: the request came on a gevent socket.
        server: a name for messages, for example ``"waitress 3.0"``.
        threads: the server's number of threads, where known.
        upgraded: the server has sent the 101 of a WebSocket handshake already.
        give_back: None, or a function for the socket that ``take`` returns: it lets the server serve it further, as one
            that has just been accepted, and returns when that is over. To be called in the thread of the request.
    """

    @property
    def kind(self) -> Literal["adopt", "hold", "none"]: ...
    @property
    def is_gevent(self) -> bool: ...
    @property
    def server(self) -> str: ...
    @property
    def threads(self) -> int | None: ...
    @property
    def upgraded(self) -> bool: ...
    @property
    def give_back(self) -> GiveBack | None: ...

    def take(self) -> tuple[_socket.socket, bytes]:
        """Take the socket from the server: non-blocking, TCP_NODELAY set; with what the server had read of it already.

        After it, leave the server with the response ``101 Switching Protocols`` (or ``200 OK``) without headers and
        body.

        Raises:
            RuntimeError: ``kind`` is ``none``, or it was taken before.
            OSError: the client is gone.
        """
        ...

    def release(self) -> None:
        """Hold: after the connection's end, leave the server something that it can close without noise."""
        ...

    def gone(self) -> bool:
        """None: the client is known to have left."""
        ...


class Unavailable(Exception):
    """No newcomer is taken now, and why: 503."""


class Request:
    """One HTTP request.

    Attributes:
        environ: the WSGI environ as the server gave it.
        peer: how the client's socket can be reached.
        method: in upper case.
        path: PATH_INFO, decoded.
        query_string: as sent.
        query: its decoded pairs; of a repeated name the last counts. Empty if there is too much of it.
        remote_address: of the TCP connection (or what a proxy fix in front made of it), "" if unknown.
        secure: the scheme is https.
    """

    __slots__ = ("environ", "method", "path", "peer", "query", "query_string", "remote_address", "secure")

    def __init__(self, environ: dict[str, Any], peer: Peer) -> None:
        self.environ = environ
        self.peer = peer
        self.method: str = environ["REQUEST_METHOD"].upper()
        self.path = _text(environ.get("PATH_INFO", ""))
        self.query_string: str = environ.get("QUERY_STRING", "")
        try:
            self.query = parse_query(self.query_string)
        except EngineError:
            self.query = {}  # longer than is read: refused as one that names no transport
        self.remote_address: str = environ.get("REMOTE_ADDR") or ""
        self.secure: bool = environ.get("wsgi.url_scheme") == "https"

    @property
    def url(self) -> str:
        """The request target, as Node's ``request.url``: quoted path and query string."""
        path = quote(_text(self.environ.get("SCRIPT_NAME", "")) + self.path, safe="/:@!$&'()*+,;=~")
        return f"{path}?{self.query_string}" if self.query_string else path

    def header(self, name: str) -> str | None:
        """A request header, its repeats joined by commas; None if it is missing."""
        value: str | None = self.environ.get(environ_key(name))
        return value

    def read_body(self, limit: int) -> bytes | None:
        """The whole body, or None if it has more than ``limit`` bytes, judged by Content-Length before anything is
        read.

        Without a Content-Length it is read only where the server says that its input ends (``wsgi.input_terminated``:
        chunked requests); elsewhere reading would wait for ever (PEP 3333), and the body counts as empty.

        Raises:
            ProtocolError: an invalid Content-Length, or the client left before the end of its body.
        """
        declared = self.environ.get("CONTENT_LENGTH") or ""
        if not declared:
            return self._read_to_the_end(limit) if self.environ.get("wsgi.input_terminated") else b""
        if not (declared.isascii() and declared.isdigit()):
            raise ProtocolError("invalid Content-Length")
        length = int(declared) if len(declared) < 20 else limit + 1
        if length > limit:
            return None
        body = self._read(length)
        if len(body) < length:
            raise ProtocolError("request body closed prematurely")
        return body

    def _read_to_the_end(self, limit: int) -> bytes | None:
        body = self._read(limit + 1)
        return body if len(body) <= limit else None

    def _read(self, length: int) -> bytes:
        read = self.environ["wsgi.input"].read
        parts = []
        try:
            # One read does for most servers, but PEP 3333's input is a file, and a raw one may give less.
            while length > 0 and (part := read(min(length, _CHUNK))):
                parts.append(part)
                length -= len(part)
        except (OSError, ValueError, EOFError) as error:  # ValueError: the server has closed the file
            raise ProtocolError("request body closed prematurely") from error
        return b"".join(parts)


@dataclass(slots=True)
class Response:
    """One HTTP response: the status line's code and phrase, the headers, the whole body."""

    status: str = "200 OK"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


@lru_cache(128)
def environ_key(name: str) -> str:
    """Where the environ has a header (PEP 3333)."""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


def _text(value: str) -> str:
    """Undo PEP 3333's Latin-1 disguise of the bytes that came."""
    return value if value.isascii() else value.encode("latin-1", "replace").decode("utf-8", "replace")
