"""The client's half of Engine.IO 4 over memory: what the server's real transports read and write.

A wire belongs to one connection. It tells its owner what comes, in the I/O thread.
"""

from __future__ import annotations

import io
import json
import sys
from collections import deque
from collections.abc import Callable
from collections.abc import Mapping
from functools import partial
from typing import Any
from typing import Literal
from typing import Protocol
from urllib.parse import urlencode

from socketio_sync.engine.engine import Engine
from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.exceptions import TransportError
from socketio_sync.protocol import engineio_packet as packets
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.engineio_payload import decode_payload
from socketio_sync.protocol.engineio_payload import encode_payload
from socketio_sync.protocol.websocket import Close
from socketio_sync.protocol.websocket import WebSocketCodec
from socketio_sync.protocol.websocket import close_frame
from socketio_sync.protocol.websocket import masked
from socketio_sync.runtime.memory_socket import MemorySocket
from socketio_sync.runtime.memory_socket import memory_pair

HOST = "testserver"
ADDRESS = "127.0.0.1"

# A list for a name that comes several times.
Query = Mapping[str, str | list[str]]

_PONG = EncodedPacket([""], type=packets.PONG, compress=False)
_CLOSE = EncodedPacket([""], type=packets.CLOSE, compress=False)
_ANY_SIZE = 2**40


class Owner(Protocol):
    """Who is told what a wire brings."""

    def on_open(self) -> None:
        """The Engine.IO session began."""

    def on_message(self, data: str | bytes) -> None:
        """A message came."""

    def on_close(self, reason: str) -> None:
        """The connection ended, and not by this side. Once."""


class MemoryPeer:
    """The engine's ``Peer`` for a request that came out of memory."""

    kind: Literal["adopt"] = "adopt"
    is_gevent = False
    server = "TestClient"
    threads = None
    upgraded = False
    give_back = None

    def __init__(self, sock: MemorySocket) -> None:
        self._sock = sock
        self.taken = False

    def take(self) -> tuple[Any, bytes]:
        """The server's end."""
        self.taken = True
        return self._sock, b""

    def release(self) -> None:
        """Nothing is left behind."""

    def gone(self) -> bool:
        """Its socket tells."""
        return False


class Wire:
    """What both transports share.

    Args:
        engine: the server's; it is started.
        owner: told what comes.
        headers, query: of every request; a query's own names are added.
    """

    transport = ""

    def __init__(self, engine: Engine, owner: Owner, headers: Mapping[str, str], query: Query) -> None:
        self._engine = engine
        self._runtime = engine.runtime
        self._owner = owner
        self._headers = headers
        self._query: dict[str, Any] = {**query, "EIO": "4", "transport": self.transport}
        self._ended = False

    def _environ(self, method: str, body: bytes = b"") -> dict[str, Any]:
        """A request as a web server would describe it (PEP 3333)."""
        options = self._engine.options
        directory = "/" + options.path.strip("/")
        slash = "/" if options.add_trailing_slash and directory != "/" else ""
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": (directory + slash).encode().decode("latin-1"),
            "QUERY_STRING": urlencode(self._query, doseq=True),
            "REMOTE_ADDR": ADDRESS,
            "SERVER_NAME": HOST,
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": HOST,
            "CONTENT_LENGTH": str(len(body)) if body else "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self._headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        return environ

    def open(self) -> None:
        """Do the handshake.

        Raises:
            TransportError: the server refuses it.
        """
        raise NotImplementedError

    def send(self, packet: EncodedPacket) -> None:
        """Send a packet. Any thread."""
        raise NotImplementedError

    def close(self) -> None:
        """Say goodbye; the owner hears nothing more."""
        raise NotImplementedError

    def cut(self, silent: bool) -> None:
        """Be gone without a goodbye; the owner hears nothing more.

        Args:
            silent: not even the end of the connection reaches the server.
        """
        raise NotImplementedError

    def _receive(self, type: str, data: str | bytes) -> None:
        if self._ended:
            return
        if type == packets.MESSAGE:
            self._owner.on_message(data)
        elif type == packets.PING:
            self.send(_PONG)
        elif type == packets.OPEN:
            self._query["sid"] = json.loads(data)["sid"]
            self._owner.on_open()
        elif type == packets.CLOSE:
            self._end("transport close")

    def _end(self, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self._owner.on_close(reason)


class WebSocketWire(Wire):
    """Over one WebSocket, from the handshake on. The receiver of the client's channel."""

    transport = "websocket"
    wanted = 0

    def __init__(self, engine: Engine, owner: Owner, headers: Mapping[str, str], query: Query) -> None:
        super().__init__(engine, owner, headers, query)
        self._lock = self._runtime.lock()
        self._codec = WebSocketCodec(max_message_size=_ANY_SIZE, client=True)
        self._head: bytes | None = b""  # what came of the handshake's answer; None: all of it

    def open(self) -> None:
        self._sock, theirs = memory_pair()
        upgrade = {
            "HTTP_UPGRADE": "websocket",
            "HTTP_CONNECTION": "Upgrade",
            "HTTP_SEC_WEBSOCKET_VERSION": "13",
            "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        peer = MemoryPeer(theirs)
        response = self._engine.handle(Request({**self._environ("GET"), **upgrade}, peer))
        if not peer.taken:
            raise _refusal(response)
        self._channel = self._runtime.open_channel(self._sock, self._lock, self)
        self._channel.start()

    def send(self, packet: EncodedPacket) -> None:
        self._write(packet.websocket)

    def close(self) -> None:
        self._ended = True
        self._write(close_frame())
        self._channel.finish()

    def cut(self, silent: bool) -> None:
        self._ended = True
        self._sock.unplugged = silent
        self._channel.abort()

    def _write(self, frames: bytes) -> None:
        with self._lock:
            self._channel.write(masked(frames))

    def on_data(self, data: bytes) -> None:
        """Bytes came: first the rest of the handshake's answer, then frames."""
        if self._head is not None:
            head, end, data = (self._head + data).partition(b"\r\n\r\n")
            self._head = None if end else head
        for message in self._codec.receive(data):
            if isinstance(message, str):
                self._receive(message[:1], message[1:])
            elif isinstance(message, bytes):
                self._receive(packets.MESSAGE, message)
            elif isinstance(message, Close) and not self._ended:
                self._end("transport close")
                self.close()

    def on_lost(self, error: OSError | None) -> None:
        """The server has closed the connection without a close frame."""
        self._end("transport close" if error is None else "transport error")

    def on_drained(self) -> None:
        """Memory takes everything at once."""


class PollingWire(Wire):
    """Over long-polling: always one GET, and a POST at a time. For servers that allow no WebSockets."""

    transport = "polling"

    def __init__(self, engine: Engine, owner: Owner, headers: Mapping[str, str], query: Query) -> None:
        super().__init__(engine, owner, headers, query)
        self._outgoing: deque[EncodedPacket] = deque()
        self._posting = False
        self._silent = False
        self._parked: dict[_Answer, None] = {}

    def open(self) -> None:
        _, theirs = memory_pair()
        response = self._engine.handle(Request(self._environ("GET"), MemoryPeer(theirs)))
        if _status(response) != 200:
            raise _refusal(response)
        self._runtime.call_soon(self._got, response)

    def send(self, packet: EncodedPacket) -> None:
        if not self._silent:
            self._outgoing.append(packet)
            self._runtime.call_soon(self._post)

    def close(self) -> None:
        self._ended = True
        self.send(_CLOSE)

    def cut(self, silent: bool) -> None:
        self._ended = self._silent = True
        self._outgoing.clear()
        for answer in self._parked:
            answer.cut(silent)

    def _get(self) -> None:
        """In a worker, since the user's middlewares are asked."""
        self._request("GET", b"", self._got)

    def _got(self, response: Response) -> None:
        if _status(response) != 200:
            return self._end("transport error")
        for type, data in decode_payload(response.body.decode()):
            self._receive(type, data)
        if not self._ended:
            self._runtime.submit(self._get, "GET")

    def _post(self) -> None:
        """Begin the next POST, if none is on its way."""
        if self._outgoing and not self._posting:
            self._posting = True
            body = encode_payload([text for packet in self._outgoing for text in packet.polling])
            self._outgoing.clear()
            self._runtime.submit(partial(self._request, "POST", body.encode(), self._posted), "POST")

    def _posted(self, response: Response) -> None:
        self._posting = False
        if _status(response) != 200:
            return self._end("transport error")
        self._post()

    def _request(self, method: str, body: bytes, then: Callable[[Response], None]) -> None:
        """Do one request. ``then`` gets the answer in the I/O thread."""
        ours, theirs = memory_pair()
        peer = MemoryPeer(theirs)
        response = self._engine.handle(Request(self._environ(method, body), peer))
        if not peer.taken:
            self._runtime.call_soon(then, response)
            return
        answer = _Answer(self, ours, then)
        self._parked[answer] = None
        answer.start()

    def answered(self, answer: _Answer) -> None:
        """A parked request has its answer."""
        self._parked.pop(answer, None)


class _Answer:
    """The answer of a request that the server has parked: it comes on the socket, which ends behind it."""

    wanted = 0

    def __init__(self, wire: PollingWire, sock: MemorySocket, then: Callable[[Response], None]) -> None:
        runtime = wire._runtime
        self._wire = wire
        self._sock = sock
        self._then = then
        self._data = b""
        self._channel = runtime.open_channel(sock, runtime.lock(), self)

    def start(self) -> None:
        self._channel.start()

    def cut(self, silent: bool) -> None:
        self._sock.unplugged = silent
        self._channel.abort()

    def on_data(self, data: bytes) -> None:
        self._data += data

    def on_lost(self, error: OSError | None) -> None:
        self._wire.answered(self)
        head, _, body = self._data.partition(b"\r\n\r\n")
        status = head.partition(b"\r\n")[0].decode().partition(" ")[2]
        self._then(Response(status or "503 no answer", [], body))

    def on_drained(self) -> None:
        pass


def _status(response: Response) -> int:
    return int(response.status.split()[0])


def _refusal(response: Response) -> TransportError:
    """The error for a handshake that was answered so; the text is the server's."""
    text = response.body.decode()
    if text.startswith("{"):
        text = json.loads(text)["message"]
    return TransportError(text, status=_status(response))
