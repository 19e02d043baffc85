"""permessage-deflate: the examples of RFC 7692, what is agreed on, and that no message inflates beyond the limit."""

from __future__ import annotations

import os
import time
import tracemalloc
import zlib

import pytest

from socketio_sync.protocol.websocket import Ping
from socketio_sync.protocol.websocket import WebSocketCodec
from socketio_sync.protocol.websocket import WebSocketError
from socketio_sync.protocol.websocket import binary_frame
from socketio_sync.protocol.websocket import deflated_binary_frame
from socketio_sync.protocol.websocket import deflated_text_frame
from socketio_sync.protocol.websocket import masked
from socketio_sync.protocol.websocket import text_frame
from socketio_sync.protocol.websocket_deflate import Inflate
from socketio_sync.protocol.websocket_deflate import deflate
from socketio_sync.protocol.websocket_deflate import negotiate
from tests.protocol.websocket_peer import bytewise
from tests.protocol.websocket_peer import feed
from tests.protocol.websocket_peer import frame
from tests.support.timing import scaled

CONTINUATION, TEXT, BINARY, PING = 0, 1, 2, 9
RSV1 = 4
HELLO = bytes.fromhex("f248cdc9c90700")


def codec(limit: int = 1_000_000, *, client: bool = False, **options: object) -> WebSocketCodec:
    inflate = Inflate(**options)  # type: ignore[arg-type]
    return WebSocketCodec(max_message_size=limit, client=client, inflate=inflate)


def fails(decoder: WebSocketCodec, data: bytes) -> tuple[int, str]:
    with pytest.raises(WebSocketError) as caught:
        decoder.receive(data)
    return caught.value.code, caught.value.reason


# Inflating

EXAMPLES = {
    "one block (7.2.3.1)": ("c107f248cdc9c90700", ["Hello"]),
    "two frames (7.2.3.1)": ("4103f248cd8004c9c90700", ["Hello"]),
    "shared window (7.2.3.2)": ("c107f248cdc9c90700c105f200110000", ["Hello", "Hello"]),
    "no compression (7.2.3.3)": ("c10b000500faff48656c6c6f00", ["Hello"]),
    "the last block (7.2.3.4)": ("c108f348cdc9c9070000" * 2, ["Hello", "Hello"]),
    "two blocks (7.2.3.5)": ("c10df24805000000ffffcac9c90700", ["Hello"]),
    "an empty message (7.2.3.6)": ("c10100", [""]),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_rfc(name: str) -> None:
    data, expected = EXAMPLES[name]
    assert codec(client=True).receive(bytes.fromhex(data)) == expected
    assert feed(codec(client=True), bytewise(bytes.fromhex(data))) == (expected, None)


def test_compressed_and_plain_messages_alternate() -> None:
    data = frame(TEXT, HELLO, rsv=RSV1) + frame(TEXT, b"plain") + frame(BINARY, HELLO, rsv=RSV1)
    assert codec().receive(data) == ["Hello", "plain", b"Hello"]


def test_a_ping_between_compressed_fragments() -> None:
    data = frame(TEXT, HELLO[:3], rsv=RSV1, fin=False) + frame(PING, b"p") + frame(CONTINUATION, HELLO[3:])
    assert codec().receive(data) == [Ping(b"p"), "Hello"]
    assert codec().receive(data + frame(TEXT, b"plain")) == [Ping(b"p"), "Hello", "plain"]


@pytest.mark.parametrize(
    "data",
    [
        frame(PING, b"a", rsv=RSV1),
        frame(TEXT, HELLO[:3], rsv=RSV1, fin=False) + frame(CONTINUATION, HELLO[3:], rsv=RSV1),
        frame(TEXT, b"a", fin=False) + frame(CONTINUATION, HELLO, rsv=RSV1),
    ],
)
def test_rsv1_only_marks_the_first_frame_of_a_message(data: bytes) -> None:
    assert fails(codec(), data) == (1002, "RSV1 must be clear")


def test_without_agreement_a_compressed_message_is_a_fault() -> None:
    assert fails(WebSocketCodec(max_message_size=100), frame(TEXT, HELLO, rsv=RSV1)) == (1002, "RSV1 must be clear")


@pytest.mark.parametrize("payload", [b"\xff", b"\xff" * 100, b"\x05", b"\x06\xff"])
def test_garbage_is_1007(payload: bytes) -> None:
    assert fails(codec(), frame(BINARY, payload, rsv=RSV1)) == (1007, "invalid compressed data")


def test_inflated_text_must_be_utf8() -> None:
    payload = deflate(b"\xff" * 100)
    assert payload is not None
    assert fails(codec(), frame(TEXT, payload, rsv=RSV1)) == (1007, "invalid UTF-8 sequence")


def test_without_context_takeover_nothing_refers_to_earlier_messages() -> None:
    second = bytes.fromhex("f200110000")
    decoder = codec(context_takeover=False)
    assert decoder.receive(frame(TEXT, HELLO, rsv=RSV1) * 2) == ["Hello", "Hello"]
    assert fails(decoder, frame(TEXT, second, rsv=RSV1)) == (1007, "invalid compressed data")


def test_nothing_older_than_the_agreed_window_is_kept() -> None:
    block = os.urandom(3000)
    compressor = zlib.compressobj(wbits=-15)
    first, second = (
        frame(BINARY, (compressor.compress(block) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4], rsv=RSV1)
        for _ in range(2)
    )
    assert codec(window_bits=15).receive(first + second) == [block, block]
    narrow = codec(window_bits=9)
    assert narrow.receive(first) == [block]
    assert fails(narrow, second) == (1007, "invalid compressed data")


# The limit


@pytest.mark.parametrize("limit", [100, 1000, 70_000])
def test_the_limit_holds_after_inflating(limit: int) -> None:
    for length in (limit, limit + 1, limit * 20 + 1000):
        compressor = zlib.compressobj(wbits=-15)
        payload = (compressor.compress(b"a" * length) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
        assert len(payload) <= limit
        if length <= limit:
            assert codec(limit).receive(frame(BINARY, payload, rsv=RSV1)) == [b"a" * length]
        else:
            assert fails(codec(limit), frame(BINARY, payload, rsv=RSV1)) == (1009, "message too big")


def test_a_bomb_costs_no_more_than_the_limit() -> None:
    bomb = deflate(bytes(100_000_000))
    assert bomb is not None and len(bomb) < 100_000
    data = frame(BINARY, bomb, rsv=RSV1)
    decoder = codec(1_000_000)
    tracemalloc.start()
    try:
        assert fails(decoder, data) == (1009, "message too big")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_a_bomb_in_fragments() -> None:
    bomb = deflate(bytes(10_000_000))
    assert bomb is not None
    parts = [bomb[at : at + 100] for at in range(0, len(bomb), 100)]
    data = frame(BINARY, parts[0], rsv=RSV1, fin=False)
    data += b"".join(frame(CONTINUATION, part, fin=False) for part in parts[1:]) + frame(CONTINUATION)
    events, error = feed(codec(1_000_000), [data])
    assert events == []
    assert error is not None and error.code == 1009


def test_the_limit_holds_before_inflating() -> None:
    assert fails(codec(1000), b"\xc2\xfe" + (1001).to_bytes(2, "big")) == (1009, "message too big")


def test_what_a_stream_that_has_ended_is_followed_by_is_ignored() -> None:
    compressor = zlib.compressobj(wbits=-15)
    ended = compressor.compress(b"Hello") + compressor.flush()
    decoder = codec()
    assert decoder.receive(frame(TEXT, ended + ended * 1000, rsv=RSV1)) == ["Hello"]
    assert decoder.receive(frame(TEXT, HELLO, rsv=RSV1)) == ["Hello"]


# Deflating


@pytest.mark.parametrize("length", [100, 512, 1000, 40_000, 300_000])
def test_what_is_sent_is_compressed_and_refers_to_nothing_before(length: int) -> None:
    text = "".join(f'{{"item":{number}}}' for number in range(length // 8))[:length]
    sent = deflated_text_frame(text)
    assert sent[0] == 0xC1
    assert len(sent) < len(text_frame(text)) * 0.75
    assert deflated_binary_frame(text.encode())[0] == 0xC2
    assert codec(client=True).receive(sent + deflated_binary_frame(text.encode())) == [text, text.encode()]
    assert codec(context_takeover=False).receive(masked(sent * 3)) == [text] * 3


@pytest.mark.parametrize("data", [b"", b"a", b"ab" * 3, bytes(range(256)), os.urandom(20_000)])
def test_what_gets_no_shorter_is_sent_as_it_is(data: bytes) -> None:
    assert deflate(data) is None
    assert deflated_binary_frame(data) == binary_frame(data)
    assert deflated_text_frame("short") == text_frame("short")


# Negotiation

BASE = "permessage-deflate; server_no_context_takeover"
BOTH = f"{BASE}; client_no_context_takeover"


@pytest.mark.parametrize(
    ("offers", "answer"),
    [
        ("permessage-deflate", BASE),
        ("permessage-deflate; client_max_window_bits", BASE),  # browsers
        ("permessage-deflate; server_no_context_takeover", BASE),
        ("permessage-deflate; client_no_context_takeover", BOTH),
        ("permessage-deflate;client_no_context_takeover;server_no_context_takeover", BOTH),
        ("permessage-deflate; client_max_window_bits=15", BASE),
        ("permessage-deflate; client_max_window_bits=10", f"{BASE}; client_max_window_bits=10"),
        ('permessage-deflate; client_max_window_bits="9"', f"{BASE}; client_max_window_bits=9"),
        ("permessage-deflate; server_max_window_bits=15", f"{BASE}; server_max_window_bits=15"),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", BASE),
        ("permessage-deflate; client_no_context_takeover, permessage-deflate", BOTH),
        ("  permessage-deflate  ;  client_max_window_bits  =  12  ", f"{BASE}; client_max_window_bits=12"),
        ("x-webkit-deflate-frame, permessage-deflate; client_max_window_bits", BASE),
        ('foo; bar="a, b; c", permessage-deflate', BASE),
        (", ,permessage-deflate,", BASE),
    ],
)
def test_offers_that_are_taken(offers: str, answer: str) -> None:
    agreed = negotiate(offers)
    assert agreed is not None
    assert agreed[0] == answer
    assert agreed[1].context_takeover == ("client_no_context_takeover" not in answer)


@pytest.mark.parametrize(
    "offers",
    [
        None,
        "",
        "constructor",  # GHSA-5v72-xg48-5rpm
        "constructor; prototype=__proto__",
        "__proto__",
        "permessage-deflate2",
        "PERMESSAGE-DEFLATE",
        "permessage-deflate; unknown",
        "permessage-deflate; constructor",
        "permessage-deflate;",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover=",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=010",
        "permessage-deflate; client_max_window_bits=-9",
        "permessage-deflate; client_max_window_bits=1e1",
        "permessage-deflate; client_max_window_bits=\u0661\u0662",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=10",  # would need frames of its own
        '"permessage-deflate"',
        'foo; bar="a, permessage-deflate',
        'foo; bar="a, permessage-deflate, b"',
        'foo; bar="\\", permessage-deflate, \\""',
        "permessage-deflate\x00",
        "=;=,=",
    ],
)
def test_offers_that_are_not(offers: str | None) -> None:
    assert negotiate(offers) is None


def test_what_the_server_may_ask_for() -> None:
    browser = "permessage-deflate; client_max_window_bits"
    agreed = negotiate(browser, client_no_context_takeover=True, client_max_window_bits=11)
    assert agreed is not None
    assert agreed[0] == f"{BOTH}; client_max_window_bits=11"
    assert (agreed[1].window_bits, agreed[1].context_takeover) == (11, False)
    hint = negotiate("permessage-deflate; client_max_window_bits=9", client_max_window_bits=11)
    assert hint is not None and hint[0] == f"{BASE}; client_max_window_bits=9"
    cannot = negotiate("permessage-deflate", client_max_window_bits=11)
    assert cannot is not None and cannot[0] == BASE
    assert cannot[1].window_bits == 15


@pytest.mark.parametrize("unit", [" ", ",", ";", '"', "\\", '"\\', "a=", 'a="b', "permessage-deflate;", "a;", '","'])
@pytest.mark.parametrize("head", ["", "permessage-deflate; b", 'a="'])
def test_a_long_header_takes_linear_time(head: str, unit: str) -> None:
    offers = head + unit * (200_000 // len(unit)) + "x"
    start = time.perf_counter()
    negotiate(offers)
    assert time.perf_counter() - start < scaled(3)
