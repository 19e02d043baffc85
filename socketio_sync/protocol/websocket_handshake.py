"""The opening handshake of a WebSocket (RFC 6455, 4.2), judged as Node's ``ws`` does."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable

from socketio_sync.exceptions import ProtocolError

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_KEY = re.compile(r"[+/0-9A-Za-z]{22}==")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class HandshakeError(ProtocolError):
    """An opening handshake is refused: answer with the HTTP ``status``, the ``reason`` and these ``headers``."""

    def __init__(self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


def accept_key(key: str) -> str:
    """The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def check_handshake(method: str, header: Callable[[str], str | None]) -> None:
    """Judge a client's request for a WebSocket.

    Args:
        method: of the request.
        header: the value of a header by its name, or None.

    Raises:
        HandshakeError: it must be refused.
    """
    if method != "GET":
        raise HandshakeError(405, "Invalid HTTP method", (("Allow", "GET"),))
    if (header("Upgrade") or "").lower() != "websocket":
        raise HandshakeError(400, "Invalid Upgrade header")
    if "upgrade" not in _items((header("Connection") or "").lower()):
        raise HandshakeError(400, "Invalid Connection header")
    if not _KEY.fullmatch(header("Sec-WebSocket-Key") or ""):
        raise HandshakeError(400, "Missing or invalid Sec-WebSocket-Key header")
    if header("Sec-WebSocket-Version") != "13":
        reason = "Missing or invalid Sec-WebSocket-Version header"
        raise HandshakeError(400, reason, (("Sec-WebSocket-Version", "13"),))


def choose_subprotocol(header: str | None) -> str | None:
    """The first protocol of a Sec-WebSocket-Protocol header, which ``ws`` takes too: a browser that asks wants one.

    Raises:
        HandshakeError: 400, the header is no list of distinct tokens.
    """
    if header is None:
        return None
    names = _items(header)
    if len(set(names)) != len(names) or not all(map(_TOKEN.fullmatch, names)):
        raise HandshakeError(400, "Invalid Sec-WebSocket-Protocol header")
    return names[0]


def _items(header: str) -> list[str]:
    return [item.strip(" \t") for item in header.split(",")]
