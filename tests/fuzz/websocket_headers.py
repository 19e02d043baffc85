"""Fuzz what reads the headers of a WebSocket handshake."""

from __future__ import annotations

from socketio_sync.protocol.websocket_deflate import negotiate
from socketio_sync.protocol.websocket_handshake import HandshakeError
from socketio_sync.protocol.websocket_handshake import accept_key
from socketio_sync.protocol.websocket_handshake import check_handshake
from socketio_sync.protocol.websocket_handshake import choose_subprotocol

_NAMES = ("Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol")
CORPUS = [
    b"websocket\nkeep-alive, Upgrade\ndGhlIHNhbXBsZSBub25jZQ==\n13\nchat, superchat\npermessage-deflate",
    b"websocket\nUpgrade\nAAAAAAAAAAAAAAAAAAAAAA==\n13\n\npermessage-deflate; client_max_window_bits",
    b"\n\n\n\n\npermessage-deflate; server_no_context_takeover; client_max_window_bits=10, constructor",
    b'\n\n\n\n\nfoo; bar="a, b; c", permessage-deflate; client_max_window_bits="9"',
]


def target(data: bytes) -> None:
    """Each line is a header; they are refused with a status, or lead to an answer without line ends in it."""
    lines = data.decode("latin-1").split("\n", len(_NAMES))
    headers = dict(zip(_NAMES, lines, strict=False))
    try:
        check_handshake("GET", headers.get)
        accept_key(headers["Sec-WebSocket-Key"])
    except HandshakeError as error:
        assert error.status == 400
    try:
        protocol = choose_subprotocol(headers.get("Sec-WebSocket-Protocol"))
        assert protocol is None or protocol.isascii() and protocol.isprintable() and "," not in protocol
    except HandshakeError as error:
        assert error.status == 400
    agreed = negotiate(lines[-1])
    if agreed is not None:
        answer, inflate = agreed
        assert answer.startswith("permessage-deflate; server_no_context_takeover")
        assert answer.isascii() and answer.isprintable()
        assert 8 <= inflate.window_bits <= 15
