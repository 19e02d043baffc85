from __future__ import annotations

import importlib
import sys
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from decimal import Decimal
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.socketio_msgpack import MsgpackParser
from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import CONNECT
from socketio_sync.protocol.socketio_packet import CONNECT_ERROR
from socketio_sync.protocol.socketio_packet import DISCONNECT
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import RESERVED_EVENTS
from socketio_sync.protocol.socketio_packet import Packet

parser = MsgpackParser()

# As printed by Node's socket.io-msgpack-parser 3.0.2.
FROM_NODE = [
    (b"\x83\xa4type\x00\xa4data\xd4\x00\x00\xa3nsp\xa1/", Packet(CONNECT)),
    (b"\x83\xa4type\x00\xa4data\x81\xa5token\xa1a\xa3nsp\xa1/", Packet(CONNECT, "/", {"token": "a"})),
    (b"\x83\xa4type\x00\xa4data\x82\xa3sid\xa1S\xa3pid\xd4\x00\x00\xa3nsp\xa1/", Packet(CONNECT, "/", {"sid": "S"})),
    (b"\x82\xa4type\x01\xa3nsp\xa1/", Packet(DISCONNECT)),
    (b"\x83\xa4type\x02\xa4data\x92\xa1a\x01\xa3nsp\xa1/", Packet(EVENT, "/", ["a", 1])),
    (
        b"\x84\xa4type\x02\xa4data\x92\xa1a\x01\xa7options\x81\xa8compress\xc3\xa3nsp\xa1/",
        Packet(EVENT, "/", ["a", 1]),
    ),
    (
        b"\x85\xa4type\x02\xa4data\x91\xa1a\xa7options\x81\xa8compress\xc3\xa2id\x00\xa3nsp\xa1/",
        Packet(EVENT, "/", ["a"], 0),
    ),
    (b"\x84\xa2id\x00\xa4type\x03\xa4data\x91\xa1x\xa3nsp\xa1/", Packet(ACK, "/", ["x"], 0)),
    (
        b"\x83\xa4type\x04\xa3nsp\xa2/x\xa4data\x81\xa7message\xb1Invalid namespace",
        Packet(CONNECT_ERROR, "/x", {"message": "Invalid namespace"}),
    ),
    (
        b"\x83\xa4type\x02\xa4data\x95\xa1a\xc4\x02\x01\x02\xd7\x00\x00\x00\x00\x00\x00\x00\x00\x01\xd4\x00\x00"
        b"\xc7\x01\x00\x07\xa3nsp\xa1/",
        Packet(EVENT, "/", ["a", b"\x01\x02", datetime(1970, 1, 1, 0, 0, 0, 1000, timezone.utc), None, b"\x07"]),
    ),
]


@pytest.mark.parametrize(("message", "packet"), FROM_NODE)
def test_what_node_sends(message: bytes, packet: Packet) -> None:
    assert parser.decoder().add(message) == packet


@pytest.mark.parametrize(
    ("packet", "message"),
    [
        (Packet(EVENT, "/", ["a", 1]), b"\x83\xa4type\x02\xa4data\x92\xa1a\x01\xa3nsp\xa1/"),
        (Packet(DISCONNECT), b"\x82\xa4type\x01\xa3nsp\xa1/"),
        (Packet(CONNECT), b"\x82\xa4type\x00\xa3nsp\xa1/"),
        (
            Packet(ACK, "/", [b"\x01", 0.5], 7),
            b"\x84\xa4type\x03\xa4data\x92\xc4\x01\x01\xcb\x3f\xe0\0\0\0\0\0\0\xa2id\x07\xa3nsp\xa1/",
        ),
    ],
)
def test_golden(packet: Packet, message: bytes) -> None:
    assert parser.encode(packet) == (message,)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
    | st.binary(),
    lambda children: st.lists(children) | st.dictionaries(st.text(st.characters()), children),
    max_leaves=10,
)
names = st.text().filter(lambda name: name not in RESERVED_EVENTS)
packets = st.one_of(
    st.builds(Packet, st.just(EVENT), st.text(), st.builds(lambda name, *args: [name, *args], names, values, values)),
    st.builds(Packet, st.just(ACK), st.text(), st.lists(values), st.none() | st.integers(0, 2**53)),
    st.builds(Packet, st.just(CONNECT), st.text(), st.none() | st.dictionaries(st.text(), values)),
    st.builds(Packet, st.just(CONNECT_ERROR), st.text(), st.text() | st.dictionaries(st.text(), values)),
    st.builds(Packet, st.just(DISCONNECT), st.text()),
)


@given(packets)
def test_what_is_encoded_is_decoded(packet: Packet) -> None:
    (message,) = parser.encode(packet)
    decoder = parser.decoder()
    assert decoder.add(message) == packet
    assert decoder.waiting is None


@given(st.binary() | values.map(msgpack.Packer(unicode_errors="surrogatepass").pack))
def test_any_bytes_give_a_packet_or_a_protocol_error(message: bytes) -> None:
    try:
        parser.decoder().add(message)
    except ProtocolError:
        pass


def message(**fields: Any) -> bytes:
    packed: bytes = msgpack.packb({"type": EVENT, "nsp": "/", "data": ["a"], **fields})
    return packed


EXT = msgpack.ExtType

REFUSED: dict[str, list[Any]] = {
    "invalid packet type": [
        message(type=5),
        message(type=-1),
        message(type=None),
        message(type=True),
        message(type=2.0),
        message(type="2"),
        b"\x80",
    ],
    "invalid namespace": [
        message(nsp=None),
        message(nsp=b"/"),
        message(nsp=1),
        msgpack.packb({"type": CONNECT, "nsp": "/\ud800"}, unicode_errors="surrogatepass"),
    ],
    "invalid packet id": [message(id=id) for id in (None, "1", 1.5, True, -1, 2**60)],
    "invalid payload": [
        '2["a"]',
        "",
        b"",
        b"\xc1",
        b"\x90",
        b"\xc0",
        b"\x91" * 3000,
        b"\x81\x90\xc0",
        b"\x81\xc0\xc0",
        b"\xd9\x01\xff",
        b"\xdd\xff\xff\xff\xff",
        message() + b"\xc0",
        message()[:-1],
        message(type=CONNECT, data=None),
        message(type=CONNECT, data=[]),
        message(type=DISCONNECT, data=None),
        message(type=DISCONNECT, data={}),
        message(type=CONNECT_ERROR, data=[]),
        message(data=None),
        message(data={}),
        message(data=[]),
        message(data=[None]),
        message(data=["disconnect"]),
        message(type=ACK, data="x"),
        message(data=["a", EXT(5, b"1")]),
        message(data=EXT(0, b"\x00")),
        b"\xd7\x00\x7f" + b"\xff" * 7,
        b"\xd4\x00\x00",
    ],
}


@pytest.mark.parametrize(("reason", "data"), [(reason, data) for reason in REFUSED for data in REFUSED[reason]])
def test_refused(reason: str, data: str | bytes) -> None:
    with pytest.raises(ProtocolError, match=f"^{reason}$"):
        parser.decoder().add(data)


def test_accepted_as_by_the_reference() -> None:
    assert parser.decoder().add(message(more=True, id=3)) == Packet(EVENT, "/", ["a"], 3)
    assert parser.decoder().add(message(data=[1])) == Packet(EVENT, "/", ["1"])
    assert parser.decoder().add(message(type=CONNECT, data={}, id=3)) == Packet(CONNECT, "/", {})


def test_undefined_is_nothing() -> None:
    undefined = EXT(0, b"\x00")
    packet = parser.decoder().add(message(data=["a", undefined, {"b": undefined, "c": [undefined, 1]}, None]))
    assert packet.data == ["a", None, {"c": [None, 1]}, None]


def test_array_buffers_of_any_length() -> None:
    for length in range(20):
        content = b"\x01" * length
        data = message(data=["a", "LENGTH"]).replace(b"\xa6LENGTH", bytes((0xC7, length, 0)) + content)
        assert parser.decoder().add(data).data == ["a", content]


def test_dates_are_aware_datetimes() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, timezone.utc)
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    content = ((moment - epoch) // timedelta(milliseconds=1)).to_bytes(8, "big", signed=True)
    assert parser.decoder().add(message(data=["a", EXT(0, content)])).data[1] == moment
    # MessagePack's own timestamps, as other languages send them:
    assert parser.decoder().add(message(data=["a", msgpack.Timestamp.from_datetime(moment)])).data[1] == moment


def test_there_is_nothing_to_reset() -> None:
    parser.decoder().reset()


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgpack", None)
    monkeypatch.delitem(sys.modules, MsgpackParser.__module__)
    with pytest.raises(ImportError, match=r"needs the package msgpack: pip install socketio_sync\[msgpack\]$"):
        importlib.import_module(MsgpackParser.__module__)


class TestEncode:
    def test_the_fault_has_the_path_that_the_user_wrote(self) -> None:
        with pytest.raises(TypeError, match=r"^args\[0\] is a Decimal"):
            parser.encode(Packet(EVENT, "/", ["a", Decimal(1)]))
        with pytest.raises(TypeError, match=r"^args\[0\] is a Decimal"):
            parser.encode(Packet(ACK, "/", [Decimal(1)]))
        with pytest.raises(TypeError, match=r'^data\["a"\] is a Decimal'):
            parser.encode(Packet(CONNECT, "/", {"a": Decimal(1)}))

    def test_a_configured_copy_takes_more(self) -> None:
        configured = parser(encode=str)
        (encoded,) = configured.encode(Packet(EVENT, "/", ["a", Decimal("1.5")]))
        assert parser.decoder().add(encoded).data == ["a", "1.5"]
        assert repr(configured) == "<parser msgpack encode=<class 'str'>>"
        assert repr(parser) == "<parser msgpack>"

    def test_encode_must_be_callable(self) -> None:
        with pytest.raises(TypeError, match="encode must be a function"):
            parser(encode="str")  # type: ignore[arg-type]
