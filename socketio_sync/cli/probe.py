"""Single HTTP requests and one WebSocket, made by hand: to see what a proxy does, nothing may be mended on the way."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from http.client import HTTPException
from http.client import HTTPMessage
from http.client import HTTPResponse
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_TEXT, _CLOSE = 1, 8


@dataclass(frozen=True)
class Answer:
    """A response.

    Attributes:
        headers: as they came.
        seconds: how long it took.
    """

    status: int
    headers: HTTPMessage
    body: bytes
    seconds: float

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def error(self) -> dict[str, Any] | None:
        """Engine.IO's error, ``{"code", "message"}``, if it is one."""
        try:
            error = json.loads(self.body)
        except ValueError:
            return None
        return error if isinstance(error, dict) and "code" in error and "message" in error else None


class Deployment:
    """A URL that is looked at.

    Attributes:
        origin: scheme, host and port.
        page: the origin of the page that we are; None: of none.
        path: of the Socket.IO server.
        tls: the context for https, None for http.
        cookies: what the deployment has set, sent again as a browser does.
    """

    def __init__(self, url: str, path: str, headers: Mapping[str, str], page: str | None, timeout: float) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        self.secure = parts.scheme in ("https", "wss")
        if not parts.hostname or parts.scheme not in ("http", "https", "ws", "wss"):
            raise ValueError(f"{url!r} is no address of a server, as in https://example.org")
        self.host = parts.hostname
        self.port = parts.port or (443 if self.secure else 80)
        default = self.port == (443 if self.secure else 80)
        name = f"[{self.host}]" if ":" in self.host else self.host
        self.origin = f"{'https' if self.secure else 'http'}://{name}{'' if default else f':{self.port}'}"
        self.page: str | None = page or self.origin
        self.path = f"/{path.strip('/')}/"
        self.tls = ssl.create_default_context() if self.secure else None
        self.cookies: dict[str, str] = {}
        self._headers = dict(headers)
        self._timeout = timeout

    def ask(self, query: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own. Raises OSError, HTTPException."""
        pending = self.begin(query, method, body, **headers)
        return pending.answer()

    def connect(self) -> HTTPConnection:
        """A connection that is open. Raises OSError."""
        if self.tls is not None:
            connection: HTTPConnection = HTTPSConnection(self.host, self.port, timeout=self._timeout, context=self.tls)
        else:
            connection = HTTPConnection(self.host, self.port, timeout=self._timeout)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def begin(self, query: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Pending:
        """Send a request, and leave its answer for later."""
        sent = {**self._headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.page is not None:
            sent["Origin"] = self.page
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = self.connect()
        started = time.monotonic()
        try:
            connection.request(method, f"{self.path}?EIO=4&{query}", body, sent)
        except BaseException:
            connection.close()
            raise
        return Pending(self, connection, started)

    def websocket(self, sid: str = "") -> WebSocket:
        """Ask for a WebSocket, for a new session or as the upgrade of one. Raises OSError, HTTPException."""
        key = base64.b64encode(os.urandom(16)).decode()
        query = "transport=websocket" + (f"&sid={sid}" if sid else "")
        pending = self.begin(
            query,
            Upgrade="websocket",
            Connection="Upgrade",
            Sec_WebSocket_Key=key,
            Sec_WebSocket_Version="13",
        )
        return WebSocket(pending, key)


class Pending:
    """A request that was sent."""

    def __init__(self, deployment: Deployment, connection: HTTPConnection, started: float) -> None:
        self._deployment = deployment
        self.connection = connection
        self._started = started

    def response(self) -> HTTPResponse:
        try:
            return self.connection.getresponse()
        except BaseException:
            self.connection.close()
            raise

    def answer(self) -> Answer:
        """Wait for it, and close the connection."""
        response = self.response()
        try:
            answer = Answer(response.status, response.headers, response.read(), time.monotonic() - self._started)
        finally:
            self.connection.close()
        for header in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = header.partition(";")[0].partition("=")
            self._deployment.cookies[name.strip()] = value.strip()
        return answer


class WebSocket:
    """What came of the wish for one.

    Attributes:
        answer: the response, without a body if it is one.
        opened: it is one: 101, with the key that RFC 6455 asks for.
    """

    def __init__(self, pending: Pending, key: str) -> None:
        self._connection = pending.connection
        response = pending.response()
        body = b"" if response.status == 101 else response.read()
        self.answer = Answer(response.status, response.headers, body, 0.0)
        expected = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()
        self.opened = response.status == 101 and response.headers.get("Sec-WebSocket-Accept") == expected
        self._reader: Any = response.fp
        self._sock: socket.socket | None = self._connection.sock

    def receive(self, timeout: float) -> str | None:
        """The next message; None if the connection ended. Raises TimeoutError."""
        assert self._sock is not None
        self._sock.settimeout(timeout)
        head = self._reader.read(2)
        if len(head) < 2 or head[0] & 15 == _CLOSE:
            return None
        size = head[1] & 127
        if size > 125:
            size = int.from_bytes(self._reader.read(2 if size == 126 else 8), "big")
        message: bytes = self._reader.read(size)
        return message.decode("utf-8", "replace")

    def send(self, text: str, opcode: int = _TEXT) -> None:
        """One short message."""
        assert self._sock is not None
        data = text.encode()
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        self._sock.sendall(bytes([0x80 | opcode, 0x80 | len(data)]) + mask + masked)

    def close(self) -> None:
        """Say goodbye, if there is somebody to hear it."""
        try:
            if self.opened:
                self.send("\x03\xe8", _CLOSE)
        except OSError:
            pass
        finally:
            self._connection.close()


def reason_of(error: BaseException) -> str:
    """Why a request failed, in a few words."""
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, HTTPException):
        return f"it does not speak HTTP ({type(error).__name__})"
    return str(error) or type(error).__name__
