"""The WebSocket transport: an opening handshake by http.client, then the socket is the runtime's."""

from __future__ import annotations

import base64
import http.client
import secrets
from typing import Any

from socketio_sync.client.address import Address
from socketio_sync.client.address import refused
from socketio_sync.client.address import shut
from socketio_sync.client.transport import TransportReceiver
from socketio_sync.config import CompressionOptions
from socketio_sync.exceptions import DisconnectDetails
from socketio_sync.exceptions import TransportError
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.websocket import Close
from socketio_sync.protocol.websocket import Ping
from socketio_sync.protocol.websocket import WebSocketCodec
from socketio_sync.protocol.websocket import WebSocketError
from socketio_sync.protocol.websocket import close_frame
from socketio_sync.protocol.websocket import masked
from socketio_sync.protocol.websocket import pong_frame
from socketio_sync.protocol.websocket_deflate import Inflate
from socketio_sync.protocol.websocket_handshake import accept_key
from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.channel import Channel
from socketio_sync.runtime.native import NativeLock

# What npm's ws lets a server send.
MAX_MESSAGE_SIZE = 100 * 2**20

_MAX_ERROR_BODY = 4096
_DEFLATE_PARAMETERS = frozenset(("server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits"))


class WebSocketTransport:
    """One WebSocket. ``write`` needs the lock; nothing here takes it but the channel.

    Args:
        lock: the connection's.
        receiver: told what comes; may be replaced with the lock held.
        deflate: offer compression, and use it from this threshold on.
    """

    name = "websocket"

    def __init__(
        self,
        runtime: Runtime,
        lock: NativeLock,
        address: Address,
        receiver: TransportReceiver,
        deflate: CompressionOptions | None,
    ) -> None:
        self._runtime = runtime
        self._lock = lock
        self._address = address
        self.receiver = receiver
        self._deflate = deflate
        self._codec: WebSocketCodec
        self._channel: Channel | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._ended = False
        self.closed = runtime.event()
        self.wanted = 0

    @property
    def waiting(self) -> int:
        """Bytes that the network has not taken yet."""
        return 0 if self._channel is None else self._channel.waiting

    # -- opening, in a task --------------------------------------------------------------------------------------------

    def open(self, sid: str, timeout: float) -> None:
        """Connect, and begin to read. ``sid`` is that of the session to upgrade.

        Raises:
            TransportError: the server was not reached, or answered anything but a WebSocket.
        """
        try:
            self._connection = connection = self._address.open(timeout)
            if self._ended:  # aborted meanwhile
                raise ConnectionAbortedError("closed while it was being opened")
            sock, ahead = self._handshake(connection, sid)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._discard()
            if isinstance(error, TransportError):
                raise
            raise TransportError(f"websocket error: {str(error) or type(error).__name__}") from error
        sock.setblocking(False)
        with self._lock:
            channel = self._channel = self._runtime.open_channel(sock, self._lock, self)
            channel.on_closed = self.closed.set
            ended = self._ended
        if ended:
            channel.abort()
        else:
            channel.start(ahead)

    def _handshake(self, connection: http.client.HTTPConnection, sid: str) -> tuple[Any, bytes]:
        """Ask for a WebSocket; returns the socket and what came behind the answer."""
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
        }
        if self._deflate is not None:
            headers["Sec-WebSocket-Extensions"] = "permessage-deflate"
        connection.request("GET", self._address.target("websocket", sid), headers=self._address.headers(headers))
        response = connection.getresponse()
        self._address.keep_cookies(response.headers)
        if response.status != 101:
            raise refused("websocket error", response, response.read(_MAX_ERROR_BODY))
        if response.headers.get("Sec-WebSocket-Accept", "").strip() != accept_key(key):
            raise TransportError("websocket error: the server's handshake is not WebSocket's", status=101)
        self._codec = self._make_codec(response.headers.get("Sec-WebSocket-Extensions"))
        sock = connection.sock
        sock.setblocking(False)
        # What the response's buffer has read ahead: often the first packet comes in one segment with the answer.
        ahead = b""
        try:
            ahead = response.fp.peek()
        except OSError:  # TLS says so that nothing is there
            pass
        connection.sock = None
        response.close()
        return sock, ahead

    def _make_codec(self, agreed: str | None) -> WebSocketCodec:
        if agreed is None:
            self._deflate = None
            return WebSocketCodec(max_message_size=MAX_MESSAGE_SIZE, client=True)
        name, *parameters = [part.strip() for part in agreed.split(";")]
        known = all(parameter.partition("=")[0] in _DEFLATE_PARAMETERS for parameter in parameters)
        if self._deflate is None or name != "permessage-deflate" or not known:
            raise TransportError("websocket error: the server uses an extension that was not offered", status=101)
        return WebSocketCodec(max_message_size=MAX_MESSAGE_SIZE, client=True, inflate=Inflate())

    def _discard(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self.closed.set()

    # -- the channel's receiver, in the I/O thread ---------------------------------------------------------------------

    def on_data(self, data: bytes) -> None:
        """Bytes came: decode all of them, and act on each message."""
        error = None
        try:
            messages = self._codec.receive(data)
        except WebSocketError as caught:
            error = caught
            messages = caught.events
        self.wanted = self._codec.wanted
        for message in messages:
            if isinstance(message, str):
                self.receiver.on_text(self, message)
            elif isinstance(message, bytes):
                self.receiver.on_binary(self, message)
            elif isinstance(message, Ping):
                self._answer_ping(message.data)
            elif isinstance(message, Close):
                self.finish()
                details = DisconnectDetails(message.reason or None, message.code)
                self.receiver.on_lost(self, "transport close", details)
        if error is not None:
            self.finish(error.code)
            self.receiver.on_lost(self, "transport error", DisconnectDetails(error.reason, error.code))

    def on_lost(self, error: OSError | None) -> None:
        """The TCP connection ended without a close frame."""
        if error is None:
            self.receiver.on_lost(self, "transport close", DisconnectDetails("the connection ended", 1006))
        else:
            self.receiver.on_lost(self, "transport error", DisconnectDetails("websocket error", error=error))

    def on_drained(self) -> None:
        """All that waited is written."""

    def read_now(self) -> None:
        """Read what may have come, before a deadline is enforced."""
        if self._channel is not None:
            self._channel.read_now()

    # -- sending and ending --------------------------------------------------------------------------------------------

    def write(self, packet: EncodedPacket) -> None:
        """Under the lock: send a packet, or keep what the network does not take."""
        if self._channel is None or self._ended:
            return
        frames = packet.websocket if self._deflate is None else packet.deflated(self._deflate.threshold)
        self._channel.write(masked(frames))

    def _answer_ping(self, data: bytes) -> None:
        with self._lock:
            if not self._ended and self._channel is not None and not self._channel.waiting:
                self._channel.write(masked(pong_frame(data)))

    def pause(self) -> None:
        """Stop reading."""
        if self._channel is not None:
            self._channel.pause()

    def resume(self) -> None:
        """Go on reading."""
        if self._channel is not None:
            self._channel.resume()

    def finish(self, code: int | None = None) -> None:
        """Send what waits and a close frame, then end; ``closed`` is set when that is done. Twice is harmless."""
        with self._lock:
            ended, self._ended = self._ended, True
            channel = self._channel
            if channel is not None and not ended:
                channel.write(masked(close_frame(code)))
        if channel is None:
            self.abort()
        elif not ended:
            channel.resume()
            channel.finish()
            if channel.fd < 0:  # it is gone already, for instance because it is the parent process's
                self.closed.set()

    def abort(self) -> None:
        """End at once; what waits is lost."""
        with self._lock:
            self._ended = True
            channel = self._channel
        if channel is not None:
            channel.abort()
        elif self._connection is not None:
            shut(self._connection)
