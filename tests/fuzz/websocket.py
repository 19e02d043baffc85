"""Fuzz the WebSocket codec: any bytes, cut anywhere, both sides, with and without deflate."""

from __future__ import annotations

from socketio_sync.protocol.websocket import Close
from socketio_sync.protocol.websocket import Event
from socketio_sync.protocol.websocket import Ping
from socketio_sync.protocol.websocket import Pong
from socketio_sync.protocol.websocket import WebSocketCodec
from socketio_sync.protocol.websocket import WebSocketError
from socketio_sync.protocol.websocket import binary_frame
from socketio_sync.protocol.websocket import close_frame
from socketio_sync.protocol.websocket import deflated_text_frame
from socketio_sync.protocol.websocket import masked
from socketio_sync.protocol.websocket import ping_frame
from socketio_sync.protocol.websocket import text_frame
from socketio_sync.protocol.websocket_deflate import Inflate

LIMIT = 1000

_FRAMES = [
    text_frame("42é"),
    binary_frame(bytes(300)),
    text_frame("a" * LIMIT),
    b"\x01\x02ab" + ping_frame(b"p") + b"\x00\x00" + b"\x80\x01c",
    close_frame(1000, "bye"),
    deflated_text_frame("abc" * 100) * 2,
    text_frame("1") + ping_frame() + text_frame("2"),
]
# The first byte chooses the side, deflate, and where the bytes are cut.
CORPUS = [
    *(b"\x01" + frames for frames in _FRAMES),
    *(b"\x03" + frames for frames in _FRAMES),
    *(b"\x1c" + masked(frames, b"\x00\x00\x00\x00") for frames in _FRAMES),
    *(b"\x2e" + masked(frames, b"\x12\x80\xfe\x01") for frames in _FRAMES),
]


def target(data: bytes) -> None:
    """Whole and in pieces the same events and the same fault; no message and no rest beyond the limit."""
    choice = data[0] if data else 0
    data = data[1:]
    step = (choice >> 2) + 1
    whole = _decode(choice, [data])
    assert _decode(choice, [data[at : at + step] for at in range(0, len(data), step)]) == whole


def _decode(choice: int, pieces: list[bytes]) -> tuple[list[Event], int | None]:
    codec = WebSocketCodec(
        max_message_size=LIMIT, client=bool(choice & 1), inflate=Inflate() if choice & 2 else None, max_fragments=20
    )
    events: list[Event] = []
    code = None
    for piece in pieces:
        try:
            found = codec.receive(piece)
        except WebSocketError as error:
            assert code is None
            code = error.code
            found = error.events
        assert 0 <= codec.wanted <= LIMIT + 14
        events += found
    for event in events:
        assert isinstance(event, (str, bytes, Ping, Pong, Close))
        assert not isinstance(event, (str, bytes)) or len(event) <= LIMIT
    assert code in (None, 1002, 1007, 1008, 1009)
    return events, code
