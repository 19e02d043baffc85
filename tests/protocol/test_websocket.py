"""The WebSocket codec, rule by rule: RFC 6455, the limits, and the advisories that ``ws`` had."""

from __future__ import annotations

import sys
import time
import tracemalloc

import pytest

from socketio_sync.protocol.websocket import Close
from socketio_sync.protocol.websocket import Ping
from socketio_sync.protocol.websocket import Pong
from socketio_sync.protocol.websocket import WebSocketCodec
from socketio_sync.protocol.websocket import WebSocketError
from socketio_sync.protocol.websocket import binary_frame
from socketio_sync.protocol.websocket import close_frame
from socketio_sync.protocol.websocket import masked
from socketio_sync.protocol.websocket import ping_frame
from socketio_sync.protocol.websocket import pong_frame
from socketio_sync.protocol.websocket import text_frame
from tests.protocol.websocket_peer import KEY
from tests.protocol.websocket_peer import bytewise
from tests.protocol.websocket_peer import feed
from tests.protocol.websocket_peer import frame
from tests.support.timing import scaled

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
LENGTHS = (0, 1, 2, 3, 4, 5, 124, 125, 126, 127, 4096, 16383, 16384, 16385, 32768, 65535, 65536, 100_003)


def server(**options: object) -> WebSocketCodec:
    return WebSocketCodec(**{"max_message_size": 1_000_000, **options})  # type: ignore[arg-type]


def client(**options: object) -> WebSocketCodec:
    return server(client=True, **options)


def content(length: int) -> bytes:
    return bytes(index * 7 & 0xFF for index in range(length))


# RFC 6455, 5.7


def test_the_examples_of_the_rfc_are_sent() -> None:
    assert text_frame("Hello") == bytes.fromhex("810548656c6c6f")
    assert masked(text_frame("Hello"), KEY) == bytes.fromhex("818537fa213d7f9f4d5158")
    assert ping_frame(b"Hello") == bytes.fromhex("890548656c6c6f")
    assert masked(pong_frame(b"Hello"), KEY) == bytes.fromhex("8a8537fa213d7f9f4d5158")
    assert binary_frame(content(256)) == bytes.fromhex("827e0100") + content(256)
    assert binary_frame(content(65536)) == bytes.fromhex("827f0000000000010000") + content(65536)


def test_the_examples_of_the_rfc_are_received() -> None:
    assert client().receive(bytes.fromhex("810548656c6c6f")) == ["Hello"]
    assert server().receive(bytes.fromhex("818537fa213d7f9f4d5158")) == ["Hello"]
    assert client().receive(bytes.fromhex("010348656c80026c6f")) == ["Hello"]
    assert client().receive(bytes.fromhex("890548656c6c6f")) == [Ping(b"Hello")]
    assert server().receive(bytes.fromhex("8a8537fa213d7f9f4d5158")) == [Pong(b"Hello")]


# Frames to send


@pytest.mark.parametrize("length", LENGTHS)
def test_frames_of_every_length_class(length: int) -> None:
    data = content(length)
    assert binary_frame(data) == frame(BINARY, data, key=None)
    assert text_frame("a" * length) == frame(TEXT, b"a" * length, key=None)
    assert masked(binary_frame(data), KEY) == frame(BINARY, data)


def test_several_finished_frames_are_masked_at_once() -> None:
    frames = text_frame("4a") + binary_frame(b"x" * 200) + binary_frame(b"y" * 70_000) + close_frame(1000)
    assert masked(frames, KEY) == (
        frame(TEXT, b"4a") + frame(BINARY, b"x" * 200) + frame(BINARY, b"y" * 70_000) + frame(CLOSE, b"\x03\xe8")
    )


def test_every_frame_gets_a_key_of_its_own() -> None:
    sent = masked(text_frame("a") * 100)
    keys = {sent[at + 2 : at + 6] for at in range(0, len(sent), 7)}
    assert len(keys) > 90


def test_text_is_utf8_and_a_lone_surrogate_cannot_be_sent() -> None:
    assert text_frame("é€😀") == b"\x81\x09" + "é€😀".encode()
    with pytest.raises(UnicodeEncodeError):
        text_frame("\ud800")


def test_close_frames() -> None:
    assert close_frame() == b"\x88\x00"
    assert close_frame(1001, "bye") == b"\x88\x05\x03\xe9bye"
    assert len(close_frame(1000, "r" * 123)) == 127
    with pytest.raises(ValueError, match="125 bytes, not 126"):
        close_frame(1000, "é" * 62)
    with pytest.raises(ValueError, match="needs a close code"):
        close_frame(None, "bye")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65536, -1])
def test_a_close_code_that_must_not_be_sent_is_not(code: int) -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        close_frame(code)


def test_control_frames_are_short() -> None:
    assert ping_frame() == b"\x89\x00"
    assert len(pong_frame(b"x" * 125)) == 127
    for make in (ping_frame, pong_frame):
        with pytest.raises(ValueError, match="125 bytes, not 126"):
            make(b"x" * 126)


def test_only_bytes_are_control_data_and_only_text_is_a_reason() -> None:
    # CVE-2016-10518 (a number as ping data leaked memory), CVE-2026-45736 (so did an array as close reason)
    with pytest.raises(TypeError):
        ping_frame(100)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        close_frame(1000, memoryview(bytes(10)))  # type: ignore[arg-type]


# Messages received


@pytest.mark.parametrize("length", LENGTHS)
def test_messages_of_every_length_class(length: int) -> None:
    data = content(length)
    assert server().receive(frame(BINARY, data)) == [data]
    assert client().receive(frame(BINARY, data, key=None)) == [data]
    assert server().receive(frame(TEXT, b"a" * length)) == ["a" * length]
    assert client().receive(frame(TEXT, b"a" * length, key=None)) == ["a" * length]


@pytest.mark.parametrize("length", [*range(12), 45, 124, 125, 126])
def test_short_text_with_any_key(length: int) -> None:
    text = "".join(chr(48 + index % 64) for index in range(length))
    for key in (bytes(4), b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\x01\x00\x00\x00", KEY):
        assert server().receive(frame(TEXT, text.encode(), key=key)) == [text]


def test_many_messages_in_one_read() -> None:
    texts = [f'42["message",{number}]' for number in range(1000)]
    data = b"".join(frame(TEXT, text.encode()) for text in texts)
    assert server().receive(data) == texts


def test_byte_by_byte() -> None:
    data = frame(TEXT, b"one") + frame(BINARY, content(300)) + frame(PING, b"p") + frame(TEXT, b"", width=8)
    assert feed(server(), bytewise(data)) == (["one", content(300), Ping(b"p"), ""], None)


def test_an_empty_read_is_nothing() -> None:
    codec = server()
    assert codec.receive(b"") == []
    assert codec.receive(frame(TEXT, b"a")[:3]) == []
    assert codec.receive(b"") == []
    assert codec.receive(frame(TEXT, b"a")[3:]) == ["a"]


@pytest.mark.parametrize("width", [2, 8])
def test_a_longer_length_than_needed_is_taken_as_node_does(width: int) -> None:
    assert server().receive(frame(TEXT, b"Hello", width=width)) == ["Hello"]


def test_fragments_with_control_frames_between() -> None:
    data = (
        frame(TEXT, b"a", fin=False)
        + frame(PING, b"1")
        + frame(CONTINUATION, b"", fin=False)
        + frame(PONG, b"2")
        + frame(CONTINUATION, b"b")
        + frame(TEXT, b"c")
    )
    expected = [Ping(b"1"), Pong(b"2"), "ab", "c"]
    assert server().receive(data) == expected
    assert feed(server(), bytewise(data)) == (expected, None)


def test_a_binary_message_in_fragments() -> None:
    data = frame(BINARY, b"\xff", fin=False) + frame(CONTINUATION, content(70_000))
    assert server().receive(data) == [b"\xff" + content(70_000)]


def test_a_character_may_lie_across_fragments() -> None:
    euro = "€".encode()
    data = frame(TEXT, euro[:1], fin=False) + frame(CONTINUATION, euro[1:2], fin=False) + frame(CONTINUATION, euro[2:])
    assert server().receive(data) == ["€"]


INVALID_UTF8 = [
    b"\x80",
    b"\xc0\xaf",
    b"\xc3",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xff",
    b"ok\xfe" * 60,
]


@pytest.mark.parametrize("payload", INVALID_UTF8)
def test_invalid_utf8_is_1007(payload: bytes) -> None:
    for data in (frame(TEXT, payload), frame(TEXT, payload, fin=False) + frame(CONTINUATION)):
        events, error = feed(server(), [data])
        assert events == []
        assert error is not None and (error.code, error.reason) == (1007, "invalid UTF-8 sequence")
    _, error = feed(client(), [frame(TEXT, payload, key=None)])
    assert error is not None and error.code == 1007


# Faults

FAULTS = {
    "rsv2": (frame(TEXT, b"a", rsv=2), 1002, "RSV2 and RSV3 must be clear"),
    "rsv3": (frame(BINARY, b"a", rsv=1), 1002, "RSV2 and RSV3 must be clear"),
    "rsv1 without deflate": (frame(TEXT, b"a", rsv=4), 1002, "RSV1 must be clear"),
    "rsv on a control frame": (frame(PING, b"a", rsv=4), 1002, "RSV1 must be clear"),
    "unmasked": (frame(TEXT, b"a", key=None), 1002, "MASK must be set"),
    "unmasked and empty": (frame(TEXT, b"", key=None), 1002, "MASK must be set"),
    "unmasked ping": (frame(PING, b"", key=None), 1002, "MASK must be set"),
    "unmasked, long": (frame(TEXT, b"a" * 70_000, key=None), 1002, "MASK must be set"),
    "fragmented ping": (frame(PING, b"a", fin=False), 1002, "a control frame must not be fragmented"),
    "fragmented close": (frame(CLOSE, b"", fin=False), 1002, "a control frame must not be fragmented"),
    "long ping": (frame(PING, b"a" * 126), 1002, "a control frame must not be longer than 125 bytes"),
    "long pong": (frame(PONG, b"a" * 70_000), 1002, "a control frame must not be longer than 125 bytes"),
    "ping with a wide length": (frame(PING, b"a", width=2), 1002, "a control frame must not be longer than 125 bytes"),
    "continuation of nothing": (frame(CONTINUATION, b"a"), 1002, "invalid opcode 0"),
    "text within text": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002, "invalid opcode 1"),
    "binary within text": (frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), 1002, "invalid opcode 2"),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002, "invalid close code"),
    "close with a bad reason": (frame(CLOSE, b"\x03\xe8\xff"), 1007, "invalid UTF-8 sequence"),
    "message too big": (frame(TEXT, b"a" * 1001), 1009, "message too big"),
    "fragments too big": (
        frame(TEXT, b"a" * 600, fin=False) + frame(CONTINUATION, b"a" * 401),
        1009,
        "message too big",
    ),
    "reserved opcode 3": (frame(3, b"a"), 1002, "invalid opcode 3"),
    "reserved opcode 7": (frame(7, b"a"), 1002, "invalid opcode 7"),
    "reserved opcode 11": (frame(11, b"a"), 1002, "invalid opcode 11"),
    "reserved opcode 15": (frame(15, b"a"), 1002, "invalid opcode 15"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_ends_the_decoding(name: str) -> None:
    data, code, reason = FAULTS[name]
    for pieces in (
        [frame(TEXT, b"before") + data + frame(TEXT, b"after"), frame(TEXT, b"later")],
        [frame(TEXT, b"before"), *bytewise(data), frame(TEXT, b"later")],
    ):
        events, error = feed(server(max_message_size=1000), pieces)
        assert events == ["before"]
        assert error is not None and (error.code, error.reason, str(error)) == (code, reason, reason)


@pytest.mark.parametrize("length", [0, 5, 200])
def test_a_client_refuses_masked_frames(length: int) -> None:
    _, error = feed(client(), [frame(TEXT, b"a" * length)])
    assert error is not None and (error.code, error.reason) == (1002, "MASK must be clear")


# Closing


def test_close() -> None:
    assert server().receive(frame(CLOSE)) == [Close(None, "")]
    assert server().receive(frame(CLOSE, b"\x03\xe8")) == [Close(1000, "")]
    assert server().receive(frame(CLOSE, b"\x03\xe9gone \xe2\x82\xac")) == [Close(1001, "gone €")]
    assert server().receive(frame(CLOSE, b"\x03\xe8" + b"r" * 123)) == [Close(1000, "r" * 123)]


@pytest.mark.parametrize("code", range(998, 1018))
def test_close_codes_of_the_rfc(code: int) -> None:
    valid = code in {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}
    events, error = feed(server(), [frame(CLOSE, code.to_bytes(2, "big"))])
    assert events == ([Close(code, "")] if valid else [])
    assert (error is None) == valid


@pytest.mark.parametrize(("code", "valid"), [(0, 0), (2999, 0), (3000, 1), (4000, 1), (4999, 1), (5000, 0), (65535, 0)])
def test_close_codes_of_libraries_and_applications(code: int, valid: int) -> None:
    events, error = feed(server(), [frame(CLOSE, code.to_bytes(2, "big"))])
    assert len(events) == valid
    assert (error is None) == bool(valid)


def test_nothing_is_decoded_behind_a_close() -> None:
    codec = server()
    assert codec.receive(frame(TEXT, b"a") + frame(CLOSE) + frame(TEXT, b"b") + b"\xff\xff") == ["a", Close(None, "")]
    assert codec.receive(frame(TEXT, b"c")) == []
    assert codec.receive(b"\xff\xff\xff") == []
    assert codec.wanted == 0


# Limits


@pytest.mark.parametrize("limit", [0, 1, 5, 125, 126, 1000, 65535, 65536])
def test_the_limit_is_exact(limit: int) -> None:
    for opcode in (TEXT, BINARY):
        assert len(server(max_message_size=limit).receive(frame(opcode, b"a" * limit))) == 1
        events, error = feed(server(max_message_size=limit), [frame(opcode, b"a" * (limit + 1))])
        assert events == []
        assert error is not None and error.code == 1009
        parts = frame(opcode, b"a" * limit, fin=False) + frame(CONTINUATION)
        assert len(server(max_message_size=limit).receive(parts)) == 1


@pytest.mark.parametrize("length", [1_000_001, 1 << 31, 1 << 62, 1 << 63, (1 << 64) - 1])
def test_a_length_is_judged_from_the_header(length: int) -> None:
    # CVE-2016-10542
    codec = server()
    with pytest.raises(WebSocketError) as caught:
        codec.receive(b"\x82\xff" + length.to_bytes(8, "big"))
    assert caught.value.code == 1009


def test_a_fragments_length_is_judged_from_the_header() -> None:
    codec = server(max_message_size=1000)
    assert codec.receive(frame(TEXT, b"a" * 900, fin=False)) == []
    with pytest.raises(WebSocketError) as caught:
        codec.receive(b"\x00\xfe" + (101).to_bytes(2, "big"))
    assert caught.value.code == 1009


def test_control_frames_do_not_count_as_message() -> None:
    codec = server(max_message_size=10)
    data = frame(TEXT, b"a" * 10, fin=False) + frame(PING, b"p" * 125) + frame(CONTINUATION)
    assert codec.receive(data) == [Ping(b"p" * 125), "a" * 10]


@pytest.mark.parametrize("part", [b"", b"x"])
def test_the_fragments_of_a_message_are_counted(part: bytes) -> None:
    # CVE-2026-48779
    limit = 50
    start = frame(BINARY, part, fin=False) + frame(CONTINUATION, part, fin=False) * (limit - 2)
    for _ in range(2):
        assert server(max_fragments=limit).receive(start + frame(CONTINUATION, part)) == [part * limit]
    codec = server(max_fragments=limit)
    assert codec.receive(start + frame(CONTINUATION, part, fin=False)) == []
    with pytest.raises(WebSocketError) as caught:
        codec.receive(frame(CONTINUATION, part))
    assert (caught.value.code, caught.value.reason) == (1008, "too many message fragments")


def test_the_count_of_fragments_starts_again_with_each_message() -> None:
    codec = server(max_fragments=3, max_message_size=4)
    message = frame(TEXT, b"ab", fin=False) + frame(CONTINUATION, b"c", fin=False) + frame(CONTINUATION, b"d")
    assert codec.receive(message * 5) == ["abcd"] * 5


def test_endless_tiny_fragments_take_bounded_memory() -> None:
    codec = server()
    flood = frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 20_000
    tracemalloc.start()
    try:
        _, error = feed(codec, [flood[at : at + 16384] for at in range(0, len(flood), 16384)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error is not None and error.code == 1008
    assert peak < 2_000_000


# Costs


def test_how_much_is_wanted() -> None:
    codec = server()
    data = frame(BINARY, bytes(500_000))
    assert codec.wanted == 0
    assert codec.receive(data[:5]) == []
    assert codec.wanted == 0, "the header is not complete"
    assert codec.receive(data[5:10]) == []
    assert codec.wanted == len(data) - 10
    assert codec.receive(data[10:400_000]) == []
    assert codec.wanted == len(data) - 400_000
    assert codec.receive(data[400_000:-100]) == []
    assert codec.wanted == 0, "an ordinary read is enough"
    assert codec.receive(data[-100:]) == [bytes(500_000)]
    assert codec.wanted == 0


def seconds_to_receive(size: int, piece: int) -> float:
    data = binary_frame(bytes(size))
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    codec = client(max_message_size=size)
    start = time.perf_counter()
    for part in pieces:
        events = codec.receive(part)
    spent = time.perf_counter() - start
    assert events == [bytes(size)]
    return spent


def test_a_big_frame_in_many_reads_takes_linear_time() -> None:
    # Copying what came before at each read would move 128 GB.
    assert seconds_to_receive(32_000_000, 4096) < scaled(3)


def test_a_frame_byte_by_byte_takes_linear_time() -> None:
    # Four times the bytes: copying would take sixteen times as long.
    short, long = (min(seconds_to_receive(size, 1) for _ in range(3)) for size in (50_000, 200_000))
    assert long < 10 * short


def test_an_idle_codec_is_small() -> None:
    codec = server()
    codec.receive(frame(TEXT, b"hello") + frame(BINARY, bytes(100_000)))
    held = sys.getsizeof(codec) + sum(sys.getsizeof(getattr(codec, name)) for name in ("_partial", "_fragments"))
    assert held < 250


# The short way


def state(codec: WebSocketCodec) -> list[object]:
    return [getattr(codec, name) for name in WebSocketCodec.__slots__]


@pytest.mark.parametrize("limit", [1_000_000, 10])
@pytest.mark.parametrize(
    "before",
    [
        b"",
        masked(text_frame("whole"), KEY),
        masked(text_frame("half"), KEY)[:7],
        masked(binary_frame(b"x" * 9), KEY)[:4],
        frame(TEXT, b"a", fin=False),
        frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b"),
        frame(TEXT, b"a", fin=False) + frame(CONTINUATION, b"b", fin=False),
        frame(TEXT, b"a", fin=False) + masked(ping_frame(b"b"), KEY),
        masked(close_frame(), KEY),
        masked(b"\x83\x00", KEY),
    ],
)
@pytest.mark.parametrize(
    "data",
    [
        masked(text_frame("4"), KEY),
        masked(text_frame("Grüße, €"), KEY),
        masked(text_frame("x" * 125), KEY),
        masked(text_frame("x" * 126), KEY),
        masked(text_frame(""), KEY),
        masked(text_frame("one") + text_frame("two"), KEY)[:12],
        text_frame("bare"),
        masked(binary_frame(b"binary"), KEY),
        masked(ping_frame(b"ping"), KEY),
        frame(TEXT, b"\xff"),
        frame(TEXT, b"more", fin=False),
        b"\x81",
        b"\x81\x85ab",
        b"\xc1" + masked(text_frame("rsv"), KEY)[1:],
    ],
)
def test_a_short_text_is_what_would_have_been_received(limit: int, before: bytes, data: bytes) -> None:
    short, long = server(max_message_size=limit), server(max_message_size=limit)
    for codec in (short, long):
        try:
            codec.receive(before)
        except WebSocketError as error:
            assert "opcode" in error.reason
    unchanged = state(short)
    text = short.short_text(data, 0)
    assert state(short) == unchanged
    if text is not None:
        assert long.receive(data[: len(text) + 6]) == [text.decode()]
        assert state(long) == unchanged


def test_what_is_a_short_text() -> None:
    codec = server()
    data = masked(text_frame("one") + text_frame("zwölf"), KEY)
    assert codec.short_text(data, 0) == b"one"
    assert codec.short_text(data, 9) == "zwölf".encode()
    assert codec.short_text(data[:-1], 9) is None
