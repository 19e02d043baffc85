from __future__ import annotations

import json
import math
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import CONNECT
from socketio_sync.protocol.socketio_packet import CONNECT_ERROR
from socketio_sync.protocol.socketio_packet import DISCONNECT
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import RESERVED_EVENTS
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.protocol.socketio_parser import DefaultParser

parser = DefaultParser()

GOLDEN = [
    (Packet(CONNECT), ["0"]),
    (Packet(CONNECT, "/", {"token": "a"}), ['0{"token":"a"}']),
    (Packet(CONNECT, "/admin", {"sid": "S", "pid": "P"}), ['0/admin,{"sid":"S","pid":"P"}']),
    (Packet(CONNECT, "/admin"), ["0/admin,"]),
    (Packet(DISCONNECT), ["1"]),
    (Packet(DISCONNECT, "/admin"), ["1/admin,"]),
    (Packet(EVENT, "/", ["a", 1, {"b": None}]), ['2["a",1,{"b":null}]']),
    (Packet(EVENT, "/", ["a"], 0), ['20["a"]']),
    (Packet(EVENT, "/admin", ["a", "€😀"], 12), ['2/admin,12["a","€😀"]']),
    (Packet(EVENT, "/a[0]", ["a"], 1), ['2/a[0],1["a"]']),
    (Packet(ACK, "/", [], 7), ["37[]"]),
    (Packet(ACK, "/admin", ["x"], 999_999_999_999_999), ['3/admin,999999999999999["x"]']),
    (Packet(CONNECT_ERROR, "/zz", {"message": "Invalid namespace"}), ['4/zz,{"message":"Invalid namespace"}']),
    (Packet(CONNECT_ERROR, "/", "text"), ['4"text"']),
    (Packet(EVENT, "/", ["b", b"\x01"]), ['51-["b",{"_placeholder":true,"num":0}]', b"\x01"]),
    (
        Packet(EVENT, "/x", ["b", {"k": [b"1", {"d": b""}]}, b"3"], 4),
        [
            '53-/x,4["b",{"k":[{"_placeholder":true,"num":0},{"d":{"_placeholder":true,"num":1}}]},'
            '{"_placeholder":true,"num":2}]',
            b"1",
            b"",
            b"3",
        ],
    ),
    (Packet(ACK, "/", [b"\xff"], 3), ['61-3[{"_placeholder":true,"num":0}]', b"\xff"]),
]


def decode(messages: Any, max_attachments: int = 10) -> Packet | None:
    decoder = parser.decoder(max_attachments)
    *first, last = messages
    for message in first:
        assert decoder.add(message) is None
        assert decoder.waiting is not None
    packet = decoder.add(last)
    assert (packet is None) is (decoder.waiting is not None)
    return packet


@pytest.mark.parametrize(("packet", "messages"), GOLDEN)
def test_golden(packet: Packet, messages: list[str | bytes]) -> None:
    assert list(parser.encode(packet)) == messages
    assert decode(messages) == packet


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text().filter("_placeholder".__ne__), children, max_size=4)
    ),
    max_leaves=8,
)
namespaces = st.just("/") | st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"])).map("/{}".format)
ids = st.none() | st.integers(0, 10**15 - 1)
names = st.text().filter(lambda name: name not in RESERVED_EVENTS)
event_data = st.tuples(names, st.lists(json_values)).map(lambda parts: [parts[0], *parts[1]])
packets = st.one_of(
    st.builds(Packet, st.just(EVENT), namespaces, event_data, ids),
    st.builds(Packet, st.just(ACK), namespaces, st.lists(json_values), ids),
    st.builds(Packet, st.just(CONNECT), namespaces, st.none() | st.dictionaries(st.text(), st.text())),
    st.builds(Packet, st.just(CONNECT_ERROR), namespaces, st.text() | st.dictionaries(st.text(), st.text())),
    st.builds(Packet, st.just(DISCONNECT), namespaces),
)


@given(packets)
def test_what_is_encoded_is_decoded(packet: Packet) -> None:
    messages = parser.encode(packet)
    assert decode(messages, max_attachments=1000) == packet


@given(st.lists(st.text() | st.binary() | st.from_regex(r"[0-7][0-9]{0,3}-?(/[a-z]*,)?[0-9]*[\[{\"].{0,9}")))
def test_any_messages_give_packets_or_protocol_errors(messages: list[str | bytes]) -> None:
    decoder = parser.decoder()
    for message in messages:
        try:
            packet = decoder.add(message)
        except ProtocolError:
            assert decoder.waiting is None
        else:
            assert (packet is None) is (decoder.waiting is not None)


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ('05{"a":1}', Packet(CONNECT, "/", {"a": 1})),
        ("0/zz", Packet(CONNECT, "/zz")),
        ("0/zz,", Packet(CONNECT, "/zz")),
        ("0/admin?a=1,{}", Packet(CONNECT, "/admin?a=1", {})),
        ('2["error"]', Packet(EVENT, "/", ["error"])),
        ('2["connection"]', Packet(EVENT, "/", ["connection"])),
        ("2[1,2]", Packet(EVENT, "/", ["1", 2])),
        ('2007["ack"]', Packet(EVENT, "/", ["ack"], 7)),
        ('2["a",{"_placeholder":true,"num":0}]', Packet(EVENT, "/", ["a", {"_placeholder": True, "num": 0}])),
        ('2["a",9007199254740993]', Packet(EVENT, "/", ["a", 9007199254740993])),
        (r'2["\ud800"]', Packet(EVENT, "/", ["\ud800"])),
        ("1/admin", Packet(DISCONNECT, "/admin")),
        ("3[]", Packet(ACK, "/", [])),
    ],
)
def test_accepted_as_by_the_reference(text: str, packet: Packet) -> None:
    assert decode([text]) == packet


REFUSED: dict[str, list[Any]] = {
    "unknown packet type": ["", "7", '7["a"]', "a", "-1", "٢[]", " 2[]"],
    "invalid payload": [
        "0null",
        "0[]",
        '0"a"',
        "0{",
        "1[]",
        "1{}",
        "2",
        "2/a",
        "25",
        "2[]",
        "2{}",
        '2{"a":1}',
        "2[{}]",
        '2[{"toString":"foo"}]',
        "2[true]",
        "2[null]",
        '2 7["ack"]',
        '2 ["ack"]',
        '2-1["a"]',
        '2+1["a"]',
        '21e1["a"]',
        '2٣["a"]',
        '21234567890123456["a"]',
        '2123456789012345678901["a"]',
        '2["a"]x',
        '2["a",NaN]',
        '2["a",1e999]',
        '212-["a"]',
        "31{}",
        "3",
        '3"a"',
        "4",
        "41",
        "4[]",
        "4null",
        *(f'2["{name}"]' for name in sorted(RESERVED_EVENTS)),
    ],
    "illegal attachments": [
        "5",
        '5-["a"]',
        '50-["a"]',
        '51["m"]',
        '50x1-["a"]',
        '51e0-["a"]',
        '501-["a"]',
        '5 1-["a"]',
        '5-1-["a"]',
        '5٣-["a"]',
        '61["a"]',
        '60-["a"]',
        "5" + "9" * 200_000,
    ],
    "too many attachments": ['511-["a"]', '5999999-["a"]', f'5{"9" * 200_000}-["a"]'],
    "got binary data when not reconstructing a packet": [b"", b"a"],
}


@pytest.mark.parametrize(("reason", "message"), [(reason, text) for reason in REFUSED for text in REFUSED[reason]])
def test_refused(reason: str, message: str | bytes) -> None:
    decoder = parser.decoder()
    with pytest.raises(ProtocolError, match=f"^{reason}$"):
        decoder.add(message)
    assert decoder.waiting is None
    assert decoder.add('2["next"]') == Packet(EVENT, "/", ["next"])


@pytest.mark.parametrize(
    "placeholder",
    [
        '{"_placeholder":true,"num":"splice"}',
        '{"_placeholder":true,"num":1}',
        '{"_placeholder":true,"num":-1}',
        '{"_placeholder":true,"num":0.5}',
        '{"_placeholder":true,"num":true}',
        '{"_placeholder":true,"num":null}',
        '{"_placeholder":true}',
    ],
)
def test_a_placeholder_names_an_attachment(placeholder: str) -> None:
    decoder = parser.decoder()
    assert decoder.add(f'51-["a",[{placeholder}]]') is None
    with pytest.raises(ProtocolError, match="illegal attachments"):
        decoder.add(b"1")
    assert decoder.waiting is None


def test_a_placeholder_may_be_used_twice_and_an_attachment_not_at_all() -> None:
    placeholder = '{"_placeholder":true,"num":1,"more":0}'
    assert decode([f'52-["a",{placeholder},{placeholder}]', b"0", b"1"]) == Packet(EVENT, "/", ["a", b"1", b"1"])


def test_an_event_needs_a_name_that_is_no_attachment() -> None:
    with pytest.raises(ProtocolError, match="invalid payload"):
        decode(['51-[{"_placeholder":true,"num":0}]', b"0"])


def test_what_only_looks_like_a_placeholder_stays() -> None:
    data = '["a",{"_placeholder":"true","num":0},{"_placeholder":1},{"b":{"num":0}}]'
    expected = ["a", {"_placeholder": "true", "num": 0}, {"_placeholder": 1}, {"b": {"num": 0}}]
    assert decode(["51-" + data, b"0"]) == Packet(EVENT, "/", expected)


heads = st.sampled_from(["", "0", "007", "٣", "1" * 15, "1" * 16, "-1", " 1", "[", "1["])
json_texts = st.one_of(
    st.text().map(json.dumps),  # which escapes lone surrogates
    st.sampled_from(["a", *sorted(RESERVED_EVENTS)]).map(json.dumps),
    st.sampled_from(["", "{}", "1", "NaN", "1e999", "9" * 500, '"\\ud800"', '"a" ', "[" * 1100]),
)
tails = st.sampled_from(["", " ", "]", "\x00", "x"])
event_texts = st.one_of(
    st.text(),
    st.from_regex(r"[0-9]{0,17}\[.{0,9}"),
    st.builds("{}[{}]{}".format, heads, st.lists(json_texts, max_size=4).map(",".join), tails),
)


@given(event_texts.filter(lambda text: not text.startswith("/")))
@example('["connect"]')
@example("[1,2]")
@example('٣["a"]')
@example("1" * 16 + '["a"]')
@example('["\\ud800"]')
def test_the_short_way_takes_and_refuses_what_the_long_way_does(text: str) -> None:
    outcomes = []
    for message in (f"2{text}", f"2/,{text}"):  # who names the namespace takes the long way
        try:
            outcomes.append(repr(parser.decoder().add(message)))
        except ProtocolError as error:
            outcomes.append(f"refused: {error}")
    assert outcomes[0] == outcomes[1]


def test_the_packet_that_waits_can_be_seen() -> None:
    decoder = parser.decoder()
    decoder.add('52-/x,5["a"]')
    assert decoder.waiting == Packet(EVENT, "/x", ["a"], 5)
    decoder.add(b"0")
    assert decoder.waiting is not None
    decoder.reset()
    assert decoder.waiting is None
    with pytest.raises(ProtocolError, match="when not reconstructing"):
        decoder.add(b"1")


def test_a_text_between_attachments_is_refused_and_nothing_is_kept() -> None:
    decoder = parser.decoder()
    decoder.add('52-["a"]')
    decoder.add(b"0")
    with pytest.raises(ProtocolError, match="got plaintext data when reconstructing a packet"):
        decoder.add('2["b"]')
    assert decoder.waiting is None
    assert decoder.add('51-["a",{"_placeholder":true,"num":0}]') is None
    assert decoder.add(b"1") == Packet(EVENT, "/", ["a", b"1"])


def test_the_limit_of_attachments_is_the_callers() -> None:
    with pytest.raises(ProtocolError, match="too many"):
        parser.decoder(0).add('51-["a"]')
    assert parser.decoder(12).add('512-["a"]') is None


def test_deep_placeholders_need_no_stack() -> None:
    depth = 1000
    text = '51-["a",' + "[" * depth + '{"_placeholder":true,"num":0}' + "]" * depth + "]"
    packet = decode([text, b"deep"])
    assert packet is not None
    value = packet.data[1]
    for _ in range(depth):
        (value,) = value
    assert value == b"deep"


@pytest.mark.parametrize(
    "text", ["2" + "1" * 1_000_000, "5" + "1" * 1_000_000, "2/" + "a" * 1_000_000, "0" + "1" * 1_000_000 + "x"]
)
def test_long_headers_take_linear_time(text: str) -> None:
    begin = time.perf_counter()
    with pytest.raises(ProtocolError):
        parser.decoder().add(text)
    assert time.perf_counter() - begin < 1


class TestEncode:
    def test_the_fault_has_the_path_that_the_user_wrote(self) -> None:
        with pytest.raises(TypeError, match=r'^args\[0\]\["price"\] is a Decimal'):
            parser.encode(Packet(EVENT, "/", ["order", {"price": Decimal(1)}]))
        with pytest.raises(ValueError, match=r"^args\[1\] is nan"):
            parser.encode(Packet(ACK, "/", [None, math.nan], 1))

    def test_binary_is_for_events_and_acks(self) -> None:
        with pytest.raises(TypeError, match=r'^data\["key"\] is bytes'):
            parser.encode(Packet(CONNECT_ERROR, "/", {"key": b"1"}))

    def test_a_configured_copy_takes_more(self) -> None:
        configured = parser(encode=str)
        packet = Packet(EVENT, "/", ["a", Decimal("1.5"), b"1"])
        assert configured.encode(packet) == ('51-["a","1.5",{"_placeholder":true,"num":0}]', b"1")
        with pytest.raises(TypeError):
            parser.encode(packet)
        assert repr(parser) == "<parser default>"
        assert repr(configured) == "<parser default encode=<class 'str'>>"

    def test_encode_must_be_callable(self) -> None:
        with pytest.raises(TypeError, match="encode must be a function of one value, not 5"):
            parser(encode=5)  # type: ignore[arg-type]

    def test_the_data_is_not_touched(self) -> None:
        data = ["a", {"b": bytearray(b"1")}]
        parser.encode(Packet(EVENT, "/", data))
        assert data == ["a", {"b": bytearray(b"1")}]
