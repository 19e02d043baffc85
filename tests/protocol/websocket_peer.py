"""What a peer can send, made naively and without the code under test; and how the tests feed it in pieces."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from socketio_sync.protocol.websocket import Event
from socketio_sync.protocol.websocket import WebSocketCodec
from socketio_sync.protocol.websocket import WebSocketError

KEY = b"\x37\xfa\x21\x3d"


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, key: bytes | None = KEY, width: int = 0
) -> bytes:
    """One frame, masked unless ``key`` is None; ``width`` bytes for the length (1, 2 or 8), 0 for as many as needed."""
    length = len(payload)
    width = width or (1 if length < 126 else 2 if length < 65536 else 8)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    second = (0 if key is None else 0x80) | {1: length, 2: 126, 8: 127}[width]
    head = bytes((first, second)) + (b"" if width == 1 else length.to_bytes(width, "big"))
    if key is None:
        return head + payload
    return head + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


def feed(codec: WebSocketCodec, pieces: Iterable[bytes]) -> tuple[list[Event], WebSocketError | None]:
    """All events of the pieces, and the error that ended them or None. The last piece goes in even after an error."""
    events: list[Event] = []
    error = None
    for piece in pieces:
        try:
            events += codec.receive(piece)
        except WebSocketError as caught:
            assert error is None, "a codec fails once"
            events += caught.events
            error = caught
    return events, error


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """``data`` cut at these places."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:stop] for start, stop in zip(edges, edges[1:], strict=False)]


places = st.lists(st.integers(min_value=0, max_value=1 << 20), max_size=12)
