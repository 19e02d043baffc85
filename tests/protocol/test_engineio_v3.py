from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.engineio_payload import MAX_PACKETS
from socketio_sync.protocol.engineio_v3 import decode_packet_v3
from socketio_sync.protocol.engineio_v3 import decode_payload_v3
from socketio_sync.protocol.engineio_v3 import encode_payload_v3

Packets = list[tuple[str, "str | bytes"]]

texts = st.tuples(st.sampled_from("0123456"), st.text(st.characters(exclude_categories=["Cs"])))
binaries = st.tuples(st.just("4"), st.binary())
EMOJI = '2["b","€😀"]'

GOLDEN: list[tuple[Packets, bool, str | bytes]] = [
    ([("3", "")], True, "1:3"),
    ([("4", "0")], False, "2:40"),
    ([], False, "0:"),
    ([], True, "0:"),
    ([("4", EMOJI)], True, '13:42["b","€😀"]'),
    ([("4", EMOJI)], False, '13:42["b","€😀"]'),
    ([("4", b"\x01\x02\x03")], True, "6:b4AQID"),
    ([("4", "0"), ("4", b"\x01\x02\x03")], True, "2:406:b4AQID"),
    (
        [("4", '51-["b",{"_placeholder":true,"num":0}]'), ("4", b"\x01\x02\x03")],
        False,
        b'\x00\x03\x09\xff451-["b",{"_placeholder":true,"num":0}]\x01\x04\xff\x04\x01\x02\x03',
    ),
    (
        [("4", EMOJI), ("4", b"")],
        False,
        b"\x00\x01\x07\xff" + ("4" + EMOJI).encode() + b"\x01\x01\xff\x04",
    ),
]


@pytest.mark.parametrize(("packets", "base64", "body"), GOLDEN)
def test_golden(packets: Packets, base64: bool, body: str | bytes) -> None:
    assert encode_payload_v3(packets, base64=base64) == body
    assert decode_payload_v3(body) == packets


@given(st.lists(texts | binaries), st.booleans())
def test_what_is_encoded_is_decoded(packets: Packets, base64: bool) -> None:
    body = encode_payload_v3(packets, base64=base64)
    assert isinstance(body, bytes) is (not base64 and any(isinstance(data, bytes) for _, data in packets))
    assert decode_payload_v3(body) == packets


@given(st.text() | st.text("01234:b6=") | st.binary() | st.from_regex(rb"[\x00\x01][\x00-\x02]\xff[4\x04].*"))
def test_any_body_gives_packets_or_a_protocol_error(body: str | bytes) -> None:
    try:
        decode_payload_v3(body)
    except ProtocolError as error:
        assert error.reason == "parse error"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "1",
        ":",
        ":4",
        "a:4",
        "-1:4",
        "+1:4",
        " 1:4",
        "1.0:4",
        "1e0:4",
        "١:4",
        "2:4",
        "1:42",
        "1:4x",
        "1:7",
        "1:b",
        "2:b2",
        "4:b4AQ",
        "99999991:4222",
        "12345678901:4",
        '12:42["b","€😀"]',
        "2:😀",
        b"4",
        b"\x00",
        b"\x00\x01",
        b"\x00\xff4",
        b"\x00\x0a\xff4",
        b"\x02\x01\xff4",
        b"\x00\x02\xff4",
        b"\x00\x01\xff7",
        b"\x00\x02\xff4\xff",
        b"\x01\x01\xff\x02",
        b"\x01" + b"\x09" * 11 + b"\xff4",
        b"\x00" + b"\x00" * 400 + b"\xff",
    ],
)
def test_a_body_that_is_none_is_a_parse_error(body: str | bytes) -> None:
    with pytest.raises(ProtocolError, match="^parse error$"):
        decode_payload_v3(body)


def test_packets_may_end_inside_a_surrogate_pair() -> None:
    # JavaScript's strings can be cut there; each half is a text of its own.
    assert decode_payload_v3("2:4😀1:2".replace("😀", "\ud83d")) == [("4", "\ud83d"), ("2", "")]
    assert decode_payload_v3("5:4a😀b1:2") == [("4", "a😀b"), ("2", "")]


def test_empty_packets_mean_nothing() -> None:
    assert decode_payload_v3("0:1:20:") == [("2", "")]
    assert decode_payload_v3(b"") == []


@pytest.mark.parametrize(
    ("data", "packet"),
    [("2probe", ("2", "probe")), ("b4AQ==", ("4", b"\x01")), (b"\x04\x01", ("4", b"\x01")), (b"\x04", ("4", b""))],
)
def test_a_websocket_message(data: str | bytes, packet: tuple[str, str | bytes]) -> None:
    assert decode_packet_v3(data) == packet


@pytest.mark.parametrize("data", ["", "7", "b", "b0AQ==", "b4A", b"", b"4", b"\x02a"])
def test_no_websocket_message(data: str | bytes) -> None:
    with pytest.raises(ProtocolError, match="^parse error$"):
        decode_packet_v3(data)


@pytest.mark.parametrize(("one", "empty"), [("1:2", "0:"), (b"\x00\x01\xff2", b"\x00\x00\xff")])
def test_the_packets_of_a_body_are_counted(one: str | bytes, empty: str | bytes) -> None:
    assert len(decode_payload_v3(one * MAX_PACKETS)) == MAX_PACKETS
    for packet in one, empty:
        with pytest.raises(ProtocolError, match="^parse error$"):
            decode_payload_v3(packet * (MAX_PACKETS + 1))


@pytest.mark.parametrize("body", ["1" * 1_000_000, "😀" * 300_000, "7:4😀😀😀" * 60_000, b"\x00" * 1_000_000])
def test_long_bodies_take_linear_time(body: str | bytes) -> None:
    begin = time.perf_counter()
    try:
        decode_payload_v3(body)
    except ProtocolError:
        pass
    assert time.perf_counter() - begin < 3
