"""Plain events and answers: whatever is taken in one step is what the parser and the codec would have made of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.plain import plain_answer
from socketio_sync.protocol.plain import plain_event
from socketio_sync.protocol.plain import text_of
from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.protocol.socketio_parser import DefaultParser
from socketio_sync.protocol.websocket import text_frame

json_texts = st.from_regex(
    rb'\A\[("[a-z]{0,3}"|1|"connect"|"disconnect")(,("[a-z]*"|-?[0-9]{1,20}|null|\{\}|\[\]))*\]\Z'
)
packets = st.tuples(
    st.sampled_from([b"42", b"4", b"43", b"45", b"40", b"4 2"]),
    st.from_regex(rb"\A[0-9]{0,17}\Z") | st.sampled_from([b"-1", b" 1", b"/a,", b"/a,1", b"1-", b"\xd9\xa1"]),
    json_texts | st.text(max_size=8).map(str.encode),
    st.just(b"") | st.sampled_from([b"]", b" ", b"x"]),
).map(b"".join)


def decoded(packet: bytes) -> Packet | None:
    """What the long way makes of it, if it is a packet."""
    try:
        return DefaultParser().decoder().add(packet[1:].decode())
    except ProtocolError:
        return None


@given(packets)
def test_what_is_taken_is_what_the_decoder_would_give(packet: bytes) -> None:
    event = plain_event(packet)
    if event is not None:
        data, digits = event
        assert decoded(packet) == Packet(EVENT, "/", data, int(digits) if digits else None)
        assert digits is None or digits == b"%d" % int(digits)


@pytest.mark.parametrize(
    ("packet", "event"),
    [
        (b'42["a"]', (["a"], None)),
        (b'420["a",1,{"b":null}]', (["a", 1, {"b": None}], b"0")),
        (b'42999999999999999["a"]', (["a"], b"999999999999999")),
        ('421["ä","€"]'.encode(), (["ä", "€"], b"1")),
        (b'42[""]', ([""], None)),
    ],
)
def test_plain_events(packet: bytes, event: tuple[list[Any], bytes | None]) -> None:
    assert plain_event(packet) == event


@pytest.mark.parametrize(
    "packet",
    [
        b"", b"4", b"42", b"42[", b"42[]", b"42[1]", b'42["connect"]', b'42["a"', b'42["a"]]', b'4207["a"]',
        b'4200["a"]', b'429999999999999999["a"]', b'42/,["a"]', b'42/a,1["a"]', b'421-["a"]', b'42-1["a"]',
        '42٣["a"]'.encode(), b'451-["a",{"_placeholder":true,"num":0}]', b'43["a"]', b'40["a"]', b'42{"a":1}',
        b'42["a",1e999]', rb'42["\ud800"]', b'42["\xff"]',
    ],
)  # fmt: skip
def test_others(packet: bytes) -> None:
    assert plain_event(packet) is None


@given(
    st.just("/") | st.from_regex(r"\A/[a-zä]{1,3}\Z"),
    st.integers(0, 10**15 - 1),
    st.lists(
        st.none()
        | st.floats()
        | st.integers()
        | st.text(max_size=150)
        | st.binary()
        | st.dictionaries(st.text(), st.text())
    ),
)
def test_an_answer_is_the_frame_of_what_is_encoded(nsp: str, id: int, values: list[Any]) -> None:
    frame = plain_answer(nsp, b"%d" % id, tuple(values))
    if frame is not None:
        (text,) = DefaultParser().encode(Packet(ACK, nsp, tuple(values), id))
        assert isinstance(text, str)
        assert frame == text_frame("4" + text)


@pytest.mark.parametrize("values", [("a",), (1, None), ([{"a": 0.5}],), (), ("x" * 70_000,), ("nnnull",)])
def test_ordinary_values_are_answered_plainly(values: tuple[Any, ...]) -> None:
    (text,) = DefaultParser().encode(Packet(ACK, "/", values, 7))
    assert plain_answer("/", b"7", values) == text_frame(f"4{text!s}")


@pytest.mark.parametrize("value", [b"binary", float("nan"), float("inf"), 2**70, object(), "\ud800"])
def test_values_that_must_be_walked(value: object) -> None:
    assert plain_answer("/", b"7", (value,)) is None


@pytest.mark.parametrize("size", [0, 100, 118, 119, 120, 200, 13_350, 13_355, 13_356, 65_528, 65_529, 65_530, 70_000])
def test_the_text_of_an_answer(size: int) -> None:
    frame = plain_answer("/", b"7", ("x" * size,))
    assert frame is not None
    assert text_of(frame) == f'37["{"x" * size}"]'
