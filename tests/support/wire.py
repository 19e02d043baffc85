"""A bare HTTP, Engine.IO and WebSocket peer that speaks bytes over a blocking socket, independent of our codecs."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import struct
import time
from dataclasses import dataclass
from typing import Any

SCALE = float(os.environ.get("SOCKETIO_SYNC_TEST_SCALE", "1"))
TIMEOUT = 10.0 * SCALE

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


@dataclass(frozen=True)
class Reply:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


@dataclass(frozen=True)
class Closed:
    """A close frame; ``code`` None: without a status."""

    code: int | None
    reason: str = ""


class Wire:
    """One TCP connection to a server on this machine, over TLS with ``tls``."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, timeout: float = TIMEOUT) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = tls.wrap_socket(plain, server_hostname="localhost") if tls is not None else plain
        self.buffer = b""
        self.port = port

    # -- bytes -------------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self, size: int) -> bytes:
        """Exactly so many bytes; EOFError if the stream ends before."""
        while len(self.buffer) < size:
            self._more()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def read_until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self._more()
        end = self.buffer.index(mark) + len(mark)
        data, self.buffer = self.buffer[:end], self.buffer[end:]
        return data

    def read_to_the_end(self) -> bytes:
        """What comes until the server closes."""
        try:
            while True:
                self._more()
        except (EOFError, ConnectionResetError):
            data, self.buffer = self.buffer, b""
            return data

    def _more(self) -> None:
        data = self.sock.recv(1 << 18)
        if not data:
            raise EOFError(f"the server closed; {self.buffer[:100]!r} was left")
        self.buffer += data

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Leave without a goodbye: RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- HTTP --------------------------------------------------------------------------------------------------------

    def ask(self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send a request."""
        fields = {"Host": f"127.0.0.1:{self.port}", **(headers or {})}
        if body:
            fields["Content-Length"] = str(len(body))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def answer(self, method: str = "GET") -> Reply:
        """Read a response."""
        status, headers = self.head()
        if method == "HEAD" or status in (204, 304) or status < 200:
            return Reply(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Reply(status, headers, self._chunks())
        if "content-length" in headers:
            return Reply(status, headers, self.read(int(headers["content-length"])))
        return Reply(status, headers, self.read_to_the_end())

    def head(self) -> tuple[int, dict[str, str]]:
        """Read a status line and headers, names in lower case."""
        lines = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for line in filter(None, lines[1:]):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return int(lines[0].split(" ")[1]), headers

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.read_until(b"\r\n").split(b";")[0], 16):
            body += self.read(size)
            self.read(2)
        self.read_until(b"\r\n")
        return body

    # -- WebSocket ---------------------------------------------------------------------------------------------------

    def upgrade(self, target: str, headers: dict[str, str] | None = None, ahead: bytes = b"") -> Reply | None:
        """Ask for a WebSocket, with ``ahead`` right behind the request. None if it was granted, else the refusal."""
        key = base64.b64encode(os.urandom(16)).decode()
        fields = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            **(headers or {}),
        }
        lines = [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + ahead)
        status, received = self.head()
        if status == 101:
            return None
        return Reply(status, received, self.read(int(received.get("content-length", "0"))))

    def frame(self, opcode: int, payload: bytes) -> None:
        self.send(frame(opcode, payload))

    def send_text(self, text: str) -> None:
        self.frame(TEXT, text.encode())

    def send_binary(self, data: bytes) -> None:
        self.frame(BINARY, data)

    def receive(self) -> str | bytes | Closed:
        """The next message or close frame; pings are answered."""
        while True:
            opcode, payload = self.receive_frame()
            if opcode == TEXT:
                return payload.decode()
            if opcode == BINARY:
                return payload
            if opcode == CLOSE:
                return Closed(struct.unpack("!H", payload[:2])[0], payload[2:].decode()) if payload else Closed(None)
            if opcode == PING:
                self.frame(PONG, payload)

    def receive_frame(self) -> tuple[int, bytes]:
        first, second = self.read(2)
        assert first & 0xF0 == 0x80, f"not a whole frame: {first:#x}"
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", self.read(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.read(8))
        return first & 0x0F, self.read(size)

    def close_frame(self, code: int | None = None) -> None:
        self.frame(CLOSE, b"" if code is None else struct.pack("!H", code))


def frame(opcode: int, payload: bytes) -> bytes:
    """A masked frame."""
    mask = os.urandom(4)
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0xFF, size)
    pad = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
    return head + mask + masked


def fetch(
    port: int,
    target: str,
    method: str = "GET",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    """One request on a connection of its own."""
    with Wire(port, tls=tls) as wire:
        wire.ask(method, target, body, {"Connection": "close", **(headers or {})})
        return wire.answer(method)


class Polling:
    """An Engine.IO 4 client on long-polling, each request on a connection of its own."""

    def __init__(self, port: int, path: str = "/socket.io/", *, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.path = path
        self.tls = tls
        self.sid = ""
        self.handshake: dict[str, Any] = {}
        self._pending: list[str] = []

    @property
    def target(self) -> str:
        return f"{self.path}?EIO=4&transport=polling" + (f"&sid={self.sid}" if self.sid else "")

    def open(self) -> Polling:
        packet = self.get()[0]
        assert packet[0] == "0", packet
        self.handshake = json.loads(packet[1:])
        self.sid = self.handshake["sid"]
        return self

    def get(self) -> list[str]:
        """The packets of one poll."""
        reply = fetch(self.port, self.target, tls=self.tls)
        assert reply.status == 200, reply
        return reply.text.split("\x1e")

    def park(self) -> Wire:
        """Begin a poll; read its ``answer`` later."""
        wire = Wire(self.port, tls=self.tls)
        wire.ask("GET", self.target, headers={"Connection": "close"})
        return wire

    def post(self, *packets: str) -> None:
        body = "\x1e".join(packets).encode()
        reply = fetch(self.port, self.target, "POST", body, {"Content-Type": "text/plain;charset=UTF-8"}, self.tls)
        assert (reply.status, reply.body) == (200, b"ok"), reply

    def receive(self) -> str:
        """The next packet that is neither a noop nor a ping; pings are answered."""
        while True:
            while not self._pending:
                self._pending = self.get()
            packet = self._pending.pop(0)
            if packet == "2":
                self.post("3")
            elif packet != "6":
                return packet


def open_websocket(
    port: int, path: str = "/socket.io/", *, tls: ssl.SSLContext | None = None, ahead: bytes = b""
) -> Wire:
    """An Engine.IO 4 session on a WebSocket; the open packet is read."""
    wire = Wire(port, tls=tls)
    refusal = wire.upgrade(f"{path}?EIO=4&transport=websocket", ahead=ahead)
    assert refusal is None, refusal
    packet = wire.receive()
    assert isinstance(packet, str), packet
    assert packet[0] == "0", packet
    return wire


def until(condition: Any, timeout: float = TIMEOUT) -> Any:
    """Wait for something that another process does; returns its first true value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {value!r} after {timeout} s")
        time.sleep(0.02)
    return value
