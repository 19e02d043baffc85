from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.engineio_payload import MAX_PACKETS
from socketio_sync.protocol.engineio_payload import decode_packet
from socketio_sync.protocol.engineio_payload import decode_payload
from socketio_sync.protocol.engineio_payload import encode_payload

texts = st.tuples(st.sampled_from("0123456"), st.text(st.characters(exclude_characters="\x1e")))
binaries = st.tuples(st.just("4"), st.binary())


@given(st.lists(texts | binaries, min_size=1))
def test_what_is_encoded_is_decoded(packets: list[tuple[str, str | bytes]]) -> None:
    encoded = [
        type + data if isinstance(data, str) else "b" + base64.b64encode(data).decode("ascii")
        for type, data in packets
    ]
    assert decode_payload(encode_payload(encoded)) == packets


@given(st.text() | st.text("0123456b=\x1e7aA"))
def test_any_body_gives_packets_or_a_protocol_error(body: str) -> None:
    try:
        packets = decode_payload(body)
    except ProtocolError as error:
        assert error.reason == "parse error"
    else:
        assert len(packets) == body.count("\x1e") + 1


def test_golden() -> None:
    body = '452-["b",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]\x1ebAQID\x1ebBAUG'
    assert decode_payload(body) == [
        ("4", '52-["b",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'),
        ("4", b"\x01\x02\x03"),
        ("4", b"\x04\x05\x06"),
    ]
    assert encode_payload(["0{}", "4hello"]) == "0{}\x1e4hello"


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("2", ("2", "")),
        ("2probe", ("2", "probe")),
        ("4€😀", ("4", "€😀")),
        ("b", ("4", b"")),
        ("bAQ==", ("4", b"\x01")),
        ("b+/8=", ("4", b"\xfb\xff")),
    ],
)
def test_a_packet(text: str, packet: tuple[str, str | bytes]) -> None:
    assert decode_packet(text) == packet


@pytest.mark.parametrize("text", ["", "7", "a", "B", "-", "٤hello", "bA", "bAQ", "bAQ==AQ==", "b*", "b-_8=", "bé"])
def test_no_packet(text: str) -> None:
    with pytest.raises(ProtocolError, match="^parse error$"):
        decode_packet(text)


@pytest.mark.parametrize("body", ["", "\x1e", "4a\x1e", "\x1e4a", "4a\x1e\x1e4b", "4a\x1e7"])
def test_every_packet_of_a_body_must_be_one(body: str) -> None:
    with pytest.raises(ProtocolError, match="^parse error$"):
        decode_payload(body)


def test_the_packets_of_a_body_are_counted() -> None:
    assert len(decode_payload("\x1e".join(["2"] * MAX_PACKETS))) == MAX_PACKETS
    with pytest.raises(ProtocolError, match="^parse error$"):
        decode_payload("\x1e".join(["2"] * (MAX_PACKETS + 1)))
