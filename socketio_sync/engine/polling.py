"""The long-polling transport: GET drains, or waits; POST feeds."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Protocol

from socketio_sync.engine import lanes
from socketio_sync.engine.compression import compress
from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol import engineio_packet as packets
from socketio_sync.protocol import jsonp
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.engineio_payload import decode_packet
from socketio_sync.protocol.engineio_payload import decode_payload
from socketio_sync.protocol.engineio_payload import encode_payload
from socketio_sync.protocol.engineio_v3 import decode_packet_v3
from socketio_sync.protocol.engineio_v3 import decode_payload_v3
from socketio_sync.protocol.engineio_v3 import encode_payload_v3

if TYPE_CHECKING:
    from socketio_sync.engine.connection import Connection
    from socketio_sync.engine.engine import Engine

TEXT = "text/plain; charset=UTF-8"
BINARY = "application/octet-stream"

# So many long polls may hold a thread each where no socket can be taken and the number of threads is not known.
HELD_BY_DEFAULT = 2
# The longest that a GET beyond that waits, in seconds.
SHORT_WAIT = 1.0
# How long a close packet waits for the GET that its client sent at the same time, in seconds. The reference, with one
# thread, has them in the order in which they came; here the GET would find its session gone.
FAREWELL = 0.05
# How often a held request looks whether its client has left, in seconds.
GONE_TICK = 5.0


Payload = tuple[str, bytes, bool]


class PayloadFormat:
    """How packets become the body of a GET's answer, and the body of a POST packets: fixed by the handshake.

    Args:
        protocol: 4 or 3.
        base64: protocol 3: the client takes no binary bodies.
        jsonp: the number of the JSONP callback as sent, or None.
    """

    __slots__ = ("base64", "jsonp", "protocol")

    def __init__(self, protocol: int, base64: bool, jsonp: str | None) -> None:
        self.protocol = protocol
        # A JSONP answer is a script: binary can only be base64 in it, whether the client said so or not.
        self.base64 = base64 or jsonp is not None
        self.jsonp = jsonp

    def encode(self, batch: Sequence[EncodedPacket]) -> Payload:
        """The content type, the body, and whether it may be compressed: if one of the packets may."""
        content_type, body = self._encode(batch)
        return content_type, body, any([packet.compress for packet in batch])

    def _encode(self, batch: Sequence[EncodedPacket]) -> tuple[str, bytes]:
        if self.protocol == 4:
            body: str | bytes = encode_payload([text for packet in batch for text in packet.polling])
        else:
            body = encode_payload_v3([typed for packet in batch for typed in packet.typed], base64=self.base64)
        if isinstance(body, bytes):
            return BINARY, body
        if self.jsonp is not None:
            body = jsonp.wrap(self.jsonp, body)
        return TEXT, body.encode("utf-8")

    def decode(self, body: bytes, content_type: str) -> list[tuple[str, str | bytes]]:
        """The packets of a POST's body; ProtocolError if it is none."""
        if self.protocol == 3 and content_type.startswith(BINARY):
            return decode_payload_v3(body)
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            raise ProtocolError("parse error") from None
        if self.jsonp is not None:
            unwrapped = jsonp.unwrap(text)
            if unwrapped is None:
                return []
            text = unwrapped
        return decode_payload(text) if self.protocol == 4 else decode_payload_v3(text)

    def decode_packet(self, text: str) -> tuple[str, str | bytes]:
        """One text packet, as on a WebSocket."""
        return decode_packet(text) if self.protocol == 4 else decode_packet_v3(text)


class Reply(Protocol):
    """A request whose answer comes later."""

    def answer(self, encoded: Payload) -> None:
        """Give the answer; the connection's lock is held."""

    def answer_ok(self) -> None:
        """Answer a POST; the connection's lock is held."""

    def finish(self) -> None:
        """Send what ``answer`` gave; the lock is not held."""

    def park(self, request: Request) -> Response:
        """Wait for the answer; returns what the web server shall do with its side of the request."""


class _Reply:
    def __init__(
        self, engine: Engine, request: Request, connection: Connection, headers: list[tuple[str, str]]
    ) -> None:
        self._engine = engine
        self._peer = request.peer
        self._connection = connection
        self._headers = headers
        self._accept_encoding = request.header("accept-encoding")
        self._response: Response | None = None

    def answer(self, encoded: Payload) -> None:
        self._respond(payload_response(self._engine, self._headers, self._accept_encoding, encoded))

    def answer_ok(self) -> None:
        self._respond(ok_response(self._headers))

    def _respond(self, response: Response) -> None:
        self._response = response


class AdoptedReply(_Reply):
    """The client's socket is taken from the server, whose thread goes; we write the whole response."""

    def __init__(
        self, engine: Engine, request: Request, connection: Connection, headers: list[tuple[str, str]]
    ) -> None:
        super().__init__(engine, request, connection, headers)
        self._lane = request.peer if isinstance(request.peer, lanes.Lane) else None

    def _respond(self, response: Response) -> None:
        self._response = response
        if self._lane is not None:
            self._lane.write(response)

    def finish(self) -> None:
        if self._lane is not None:
            self._lane.go_on()

    def park(self, request: Request) -> Response:
        known = self._lane
        try:
            lane = known or lanes.take(self._engine, request, self._connection)
        except OSError:  # no descriptor is left: the client shall come again (or it has gone)
            self._connection.release(self)
            return self._response or lanes.TAKEN
        with self._connection.lock:
            if self._response is None:
                lane.park(self)
            elif known is None:
                lane.write(self._response)
            self._lane = lane  # last: who gave the answer lets the lane go on as soon as he sees it
            late = known is None and self._response is not None
        if late:
            lane.go_on()
        return lanes.TAKEN


class HeldReply(_Reply):
    """No socket to take: the server's thread (or greenlet) waits here."""

    def __init__(
        self, engine: Engine, request: Request, connection: Connection, headers: list[tuple[str, str]]
    ) -> None:
        super().__init__(engine, request, connection, headers)
        self._event = engine.runtime.event()

    def finish(self) -> None:
        self._event.set()

    def park(self, request: Request) -> Response:
        held = self._engine.held
        limit = self._limit()
        seconds = held.enter(limit, len(self._engine.connections))
        try:
            self._wait(seconds)
        finally:
            held.leave()
        if self._response is None:
            self._connection.release(self)
            self._event.wait()
        assert self._response is not None
        return self._response

    def _limit(self) -> int | None:
        engine = self._engine
        if engine.runtime.name == "gevent":
            return None
        if engine.options.max_held_requests is not None:
            return engine.options.max_held_requests
        threads = self._peer.threads
        return HELD_BY_DEFAULT if threads is None else threads // 2

    def _wait(self, seconds: float | None) -> None:
        if seconds is not None:
            self._event.wait(seconds)
            return
        while not self._event.wait(GONE_TICK):
            if self._peer.gone():
                self._connection.reply_lost(self)
                self._response = Response()
                return


class HeldRequests:
    """Counts the requests that hold a thread of the server."""

    def __init__(self, lock: object) -> None:
        self._lock = lock
        self._count = 0

    def enter(self, limit: int | None, clients: int) -> float | None:
        """One more; returns how many seconds it may wait, None for as long as it takes.

        Beyond the limit the wait shrinks with the number of clients that share the remaining threads, so that their
        queue stays about a second long and plain requests get through.
        """
        with self._lock:  # type: ignore[attr-defined]
            self._count += 1
            if limit is None or self._count <= limit:
                return None
        return SHORT_WAIT / max(1, clients - limit)

    def enter_to_stay(self, threads: int | None) -> bool:
        """One more, for as long as a WebSocket lasts; False if it would take the last of the server's threads."""
        with self._lock:  # type: ignore[attr-defined]
            if threads is not None and self._count >= threads - 1:
                return False
            self._count += 1
            return True

    def leave(self) -> None:
        """One less."""
        with self._lock:  # type: ignore[attr-defined]
            self._count -= 1


def handle_get(engine: Engine, request: Request, connection: Connection, headers: list[tuple[str, str]]) -> Response:
    """Answer a poll with what is queued, or park it."""
    kind: Callable[..., AdoptedReply | HeldReply] = AdoptedReply if request.peer.kind == "adopt" else HeldReply
    reply = kind(engine, request, connection, headers)
    try:
        batch = connection.poll(reply)
    except ProtocolError:
        return Response("400 Bad Request", [*headers, ("Content-Length", "0")])
    if batch is None:
        return reply.park(request)
    encoded = connection.format.encode(batch)
    response = payload_response(engine, headers, request.header("accept-encoding"), encoded)
    return lanes.answer(engine, request, connection, response)


def handle_post(engine: Engine, request: Request, connection: Connection, headers: list[tuple[str, str]]) -> Response:
    """Feed the packets of a body to the connection; what is refused follows WIRE's table of the reference."""
    if not connection.begin_post():
        connection.fail("transport error", "overlap from client")
        return Response("400 Bad Request", [*headers, ("Content-Length", "0")])
    reply: AdoptedReply | HeldReply | None = None
    try:
        refusal = _feed(engine, request, connection, headers)
        if refusal is None and connection.reading_paused:
            reply = (AdoptedReply if request.peer.kind == "adopt" else HeldReply)(engine, request, connection, headers)
    finally:
        waits = connection.end_post(reply)
    if reply is not None and waits:
        return reply.park(request)
    return refusal or lanes.answer(engine, request, connection, ok_response(headers))


def _feed(engine: Engine, request: Request, connection: Connection, headers: list[tuple[str, str]]) -> Response | None:
    """Returns None if the answer is to be "ok"."""
    content_type = request.header("content-type") or ""
    if connection.protocol == 4 and content_type.startswith(BINARY):
        connection.fail("transport error", "invalid content")
        return Response("400 Bad Request", [*headers, ("Content-Length", "0")])
    try:
        body = request.read_body(engine.options.max_http_buffer_size)
    except ProtocolError as error:
        connection.fail("transport error", error.reason)
        return Response("400 Bad Request", [*headers, ("Content-Length", "0")])
    if body is None:
        return Response("413 Content Too Large", [*headers, ("Content-Length", "0"), ("Connection", "close")])
    try:
        batch = connection.format.decode(body, content_type)
    except ProtocolError as error:
        connection.fail("parse error", error.reason)
        return None
    for type, data in batch:
        if type == packets.CLOSE:
            connection.await_get(FAREWELL)
            connection.receive(type, data)
            break
        connection.receive(type, data)
    return None


def payload_response(
    engine: Engine, headers: list[tuple[str, str]], accept_encoding: str | None, encoded: Payload
) -> Response:
    """The answer of a GET."""
    content_type, body, compressible = encoded
    extra = [("Content-Type", content_type), ("cache-control", "no-store")]
    compression = engine.options.http_compression
    if compressible and compression is not None and len(body) >= compression.threshold:
        body, encoding = compress(body, accept_encoding)
        if encoding is not None:
            extra += [("Content-Encoding", encoding), ("Vary", "Accept-Encoding")]
    return Response("200 OK", [*headers, *extra, ("Content-Length", str(len(body)))], body)


def ok_response(headers: list[tuple[str, str]]) -> Response:
    """The answer of a POST. text/html, as the reference's, because IE once wanted it."""
    extra = [("Content-Type", "text/html"), ("Content-Length", "2"), ("cache-control", "no-store")]
    return Response("200 OK", [*headers, *extra], b"ok")
