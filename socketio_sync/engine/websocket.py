"""The WebSocket transport: bytes from the socket become packets; opening, upgrading and ending one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from operator import methodcaller
from typing import TYPE_CHECKING

from socketio_sync.engine.connection import Connection
from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.exceptions import DisconnectDetails
from socketio_sync.exceptions import without_frames
from socketio_sync.protocol.engineio_packet import MESSAGE
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.websocket import Close
from socketio_sync.protocol.websocket import Ping
from socketio_sync.protocol.websocket import WebSocketCodec
from socketio_sync.protocol.websocket import WebSocketError
from socketio_sync.protocol.websocket import close_frame
from socketio_sync.protocol.websocket import pong_frame
from socketio_sync.protocol.websocket_deflate import negotiate
from socketio_sync.protocol.websocket_handshake import HandshakeError
from socketio_sync.protocol.websocket_handshake import accept_key
from socketio_sync.protocol.websocket_handshake import choose_subprotocol

if TYPE_CHECKING:
    from socketio_sync.engine.engine import Engine
    from socketio_sync.engine.handler import Receiver
    from socketio_sync.runtime.channel import Channel
    from socketio_sync.runtime.channel import Input

log = logging.getLogger("socketio_sync.engine")

SWITCHING = "101 Switching Protocols"

_MESSAGE = ord(MESSAGE)


class WebSocketTransport:
    """Receiver of one channel; what it decodes goes to an upgrade first, or at once to the session.

    Attributes:
        channel: the adopted socket.
        codec: what its bytes go through.
        frames: how a packet becomes frames on this transport, None for the plain way.
        wanted: how many bytes complete the frame being read, 0 if the usual size will do.
        plain_receiver: who gets short messages at once, for there is no more to do; see ``judge_plain_locked``.
    """

    __slots__ = (
        "_ended", "_on_binary", "_on_text", "channel", "codec", "connection", "frames", "plain_receiver", "wanted"
    )  # fmt: skip

    def __init__(self, connection: Connection, codec: WebSocketCodec) -> None:
        self.connection = connection
        self.channel: Channel
        self.frames: Callable[[EncodedPacket], bytes] | None = None
        self.wanted = 0
        self.plain_receiver: Receiver | None = None
        self._ended = False
        self.codec = codec
        self._on_text: Callable[[str], None]
        self._on_binary: Callable[[bytes], None]

    def listen(self, on_text: Callable[[str], None], on_binary: Callable[[bytes], None]) -> None:
        """Give what comes to these from now on: an upgrade's, or the session's."""
        self._on_text = on_text
        self._on_binary = on_binary

    # -- receiving, in the I/O thread ----------------------------------------------------------------------------------

    def on_data(self, data: bytes) -> None:
        """Bytes came: decode all of them, and act on each message."""
        error = None
        codec = self.codec
        try:
            messages = codec.receive(data)
        except WebSocketError as caught:
            error = caught
            messages = caught.events
        self.wanted = codec.wanted
        for message in messages:
            kind = type(message)
            if kind is str:
                self._on_text(message)  # type: ignore[arg-type]
            elif kind is bytes:
                self._on_binary(message)  # type: ignore[arg-type]
            elif kind is Ping:
                self._answer_ping(message.data)  # type: ignore[union-attr]
            elif kind is Close:
                self.end(message.code, answering=True)  # type: ignore[union-attr]
                self.connection.transport_lost(self, "transport close", None)
        if error is not None:
            self._lost("transport error", DisconnectDetails(error.reason, error.code), error.code)

    def on_lost(self, error: OSError | None) -> None:
        """The TCP connection ended without a close frame."""
        if error is None:
            self._lost("transport close", None, None)
        else:
            self._lost("transport error", DisconnectDetails("websocket error", error=without_frames(error)), None)

    def on_drained(self) -> None:
        """All that waited is written."""
        self.connection.drained()

    def _answer_ping(self, data: bytes) -> None:
        with self.connection.lock:
            # RFC 6455, 5.5.3: only the newest ping needs an answer; a flood of them must not fill our memory.
            if not self._ended and not self.channel.waiting:
                self.channel.write(pong_frame(data))

    def _lost(self, reason: str, details: DisconnectDetails | None, code: int | None) -> None:
        self.end(code)
        self.connection.transport_lost(self, reason, details)

    # -- the end -------------------------------------------------------------------------------------------------------

    def end(self, code: int | None, *, answering: bool = False) -> None:
        """Send a close frame (without a status when ``code`` is None), and close once it is out. Twice is harmless.

        Args:
            answering: it answers the client's, which was read just now, in the I/O thread.
        """
        with self.connection.lock:
            if self._ended:
                return
            self._ended = True
            write = self.channel.write_last if answering else self.channel.write
            write(close_frame(code))
            self.channel.finish()  # nothing may come behind the close frame (RFC 6455, 5.5.1)

    def abort(self) -> None:
        """Close at once; what waits is lost."""
        self.channel.abort()


def messages(came: Iterable[Input]) -> Iterator[tuple[Receiver, bytes]]:
    """The short text messages in what was read for many sockets, each behind the digit of its packet's type.

    Of all else is taken care here. Measured: this runs for every message; as ``WebSocketTransport.on_data`` and
    ``receive_text``, without their frames and without what few messages need.
    """
    for channel, data in came:
        transport = channel.receiver
        if transport.__class__ is not WebSocketTransport or data.__class__ is not bytes:
            channel.on_read(data)
            continue
        try:
            position = 0
            while (
                (receiver := transport.plain_receiver) is not None
                and (packet := transport.codec.short_text(data, position)) and packet[0] == _MESSAGE
            ):  # fmt: skip
                yield receiver, packet
                position += len(packet) + 6
                if position == len(data):
                    break
            else:
                channel.on_read(data[position:])
        except Exception as error:
            channel.failed(error)


def make_codec(engine: Engine, request: Request) -> tuple[WebSocketCodec, list[tuple[str, str]], bool]:
    """The codec for a handshake, its response headers, and whether messages to the client may be deflated."""
    limit = engine.options.max_http_buffer_size
    options = engine.options.per_message_deflate
    agreed = None
    if options is not None:
        agreed = negotiate(
            request.header("sec-websocket-extensions"),
            client_no_context_takeover=options.client_no_context_takeover,
            client_max_window_bits=options.client_max_window_bits,
        )
    if agreed is None:
        return WebSocketCodec(max_message_size=limit), [], False
    header, inflate = agreed
    codec = WebSocketCodec(max_message_size=limit, inflate=inflate)
    return codec, [("Sec-WebSocket-Extensions", header)], True


def connect(
    engine: Engine,
    request: Request,
    connection: Connection,
    headers: list[tuple[str, str]],
    begin: Callable[[WebSocketTransport], bool],
) -> Response:
    """Take the client's socket, answer 101, and let ``begin`` put the transport to use before anything is read.

    ``begin`` returns False to refuse: then the WebSocket is closed at once, as the reference does after its 101.
    On a server whose socket cannot be taken (TLS) this blocks until the WebSocket's end.

    Raises:
        HandshakeError: what the client asks for is wrong, or no thread of the server can be held for it.
    """
    peer = request.peer
    if peer.kind != "hold" or engine.runtime.name == "gevent":
        return _connect(engine, request, connection, headers, begin)
    if not engine.held.enter_to_stay(peer.threads):
        raise HandshakeError(503, "no thread of the server is left to hold a WebSocket over TLS")
    try:
        return _connect(engine, request, connection, headers, begin)
    finally:
        engine.held.leave()


def _connect(
    engine: Engine,
    request: Request,
    connection: Connection,
    headers: list[tuple[str, str]],
    begin: Callable[[WebSocketTransport], bool],
) -> Response:
    peer = request.peer
    codec, extra, deflate = make_codec(engine, request)
    subprotocol = choose_subprotocol(request.header("sec-websocket-protocol"))
    if subprotocol is not None:
        extra.append(("Sec-WebSocket-Protocol", subprotocol))
    transport = WebSocketTransport(connection, codec)
    configure_frames(engine, request, transport, deflate and not peer.upgraded)
    sock, ahead = peer.take()
    transport.channel = engine.runtime.open_channel(sock, connection.lock, transport)
    ended = engine.runtime.event() if peer.kind == "hold" else None
    if ended is not None:
        transport.channel.on_closed = ended.set
    if not peer.upgraded:
        with connection.lock:  # in one piece with the open packet, which ``begin`` sends
            transport.channel.cork(switching_head(request, headers + extra))
    begun = begin(transport)
    with connection.lock:
        transport.channel.uncork()
    if begun:
        transport.channel.start(ahead)
    else:
        transport.end(None)
    if ended is not None:
        ended.wait()
        peer.release()
    return Response(SWITCHING)


def configure_frames(engine: Engine, request: Request, transport: WebSocketTransport, deflate: bool) -> None:
    """Choose how packets become frames: deflated, with base64 for a client that asked for it, or the plain way."""
    options = engine.options.per_message_deflate
    if request.query.get("b64") and transport.connection.protocol == 4:
        transport.frames = base64_frames
    elif deflate and options is not None and transport.connection.protocol == 4:
        transport.frames = methodcaller("deflated", options.threshold)


def base64_frames(packet: EncodedPacket) -> bytes:
    """Frames for a client that sent ``b64=1``: binary as ``b`` and base64 in text frames."""
    return packet.websocket_base64


def switching_head(request: Request, headers: list[tuple[str, str]]) -> bytes:
    """The 101 response, RFC 6455 4.2.2."""
    lines = [
        f"HTTP/1.1 {SWITCHING}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(request.header('sec-websocket-key') or '')}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
