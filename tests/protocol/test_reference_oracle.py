"""What the reference's own parsers make of our bytes, and we of theirs, for packets that hypothesis invents."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from socketio_sync import parsers
from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.engineio_payload import decode_payload
from socketio_sync.protocol.engineio_payload import encode_payload
from socketio_sync.protocol.engineio_v3 import decode_payload_v3
from socketio_sync.protocol.engineio_v3 import encode_payload_v3
from socketio_sync.protocol.socketio_packet import RESERVED_EVENTS
from socketio_sync.protocol.socketio_packet import Packet
from tests.support.programs import missing
from tests.support.programs import node_modules

Ask = Callable[..., Any]

TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    executable = shutil.which("node")
    if executable is None:
        missing("node")
    command = [str(executable), str(Path(__file__).parent / "oracle.js")]
    env = {**os.environ, "NODE_PATH": str(node_modules())}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=env) as node:
        assert node.stdin is not None

        def request(op: str, **fields: Any) -> Any:
            assert node.stdin is not None and node.stdout is not None
            node.stdin.write(json.dumps({"op": op, **mark(fields)}) + "\n")
            node.stdin.flush()
            answer = json.loads(node.stdout.readline())
            if "error" in answer:
                raise ProtocolError(answer["error"])
            return unmark(answer["result"])

        yield request
        node.stdin.close()


def mark(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$b": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [mark(item) for item in value]
    return {key: mark(item) for key, item in value.items()} if isinstance(value, dict) else value


def unmark(value: Any) -> Any:
    if isinstance(value, list):
        return [unmark(item) for item in value]
    if isinstance(value, dict):
        if "$b" in value:
            return base64.b64decode(value["$b"])
        return {key: unmark(item) for key, item in value.items()}
    return value


def packet_of(fields: dict[str, Any]) -> Packet:
    return Packet(fields["type"], fields["nsp"], fields.get("data"), fields.get("id"))


def fields_of(packet: Packet) -> dict[str, Any]:
    fields = {"type": packet.type, "nsp": packet.nsp, "data": packet.data, "id": packet.id}
    return {name: value for name, value in fields.items() if value is not None}


texts = st.text(st.characters(exclude_categories=["Cs"]))
keys = texts.filter(lambda key: key not in ("_placeholder", "__proto__", "$b"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-(2.0**53), 2.0**53)  # beyond, JavaScript writes a whole number's digits in its own way
    | texts
    | st.binary(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(keys, children, max_size=4),
    max_leaves=8,
)
namespaces = st.just("/") | st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"])).map("/{}".format)
names = texts.filter(lambda name: name not in RESERVED_EVENTS)
events = st.tuples(names, st.lists(values, max_size=3)).map(lambda parts: [parts[0], *parts[1]])
ids = st.none() | st.integers(0, 10**15 - 1)
packets = st.one_of(
    st.builds(Packet, st.just(0), namespaces, st.none() | st.dictionaries(keys, texts)),
    st.builds(Packet, st.just(1), namespaces),
    st.builds(Packet, st.just(2), namespaces, events, ids),
    st.builds(Packet, st.just(3), namespaces, st.lists(values, max_size=3), ids.filter(lambda id: id is not None)),
    st.builds(Packet, st.just(4), namespaces, texts | st.dictionaries(keys, texts)),
).filter(lambda packet: count_binary(packet.data) <= 10)


def count_binary(value: Any) -> int:
    if isinstance(value, bytes):
        return 1
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(count_binary, value)) if isinstance(value, list) else 0


many = settings(max_examples=100, suppress_health_check=list(HealthCheck), deadline=None)


@pytest.mark.parametrize("name", ["default", "msgpack"])
@many
@given(packet=packets)
def test_packets(ask: Ask, name: str, packet: Packet) -> None:
    parser = getattr(parsers, name)
    assert list(map(packet_of, ask("decode", parser=name, messages=parser.encode(packet)))) == [packet]
    decoder = parser.decoder()
    *parts, last = ask("encode", parser=name, packet=fields_of(packet))
    assert [decoder.add(part) for part in parts] == [None] * len(parts)
    assert decoder.add(last) == packet


@many
@given(text=st.from_regex(r"[0-7](/[a-z]?,)?[0-9]{0,2}(\[.{0,6}\]|\{.{0,6}\}|\"[a-z]*\"|)", fullmatch=True))
def test_what_we_take_the_reference_takes_in_the_same_way(ask: Ask, text: str) -> None:
    try:
        ours = parsers.default.decoder().add(text)
    except ProtocolError:
        return
    (theirs,) = map(packet_of, ask("decode", parser="default", messages=[text]))
    assert ours is not None
    if ours.type == 2 and isinstance(theirs.data[0], (int, float)):
        theirs.data[0] = str(theirs.data[0])  # JavaScript does it when it looks for listeners
    if ours.type not in (2, 3):
        theirs.id = None  # which means nothing there
    assert ours == theirs


engine_packets = st.lists(
    st.tuples(st.sampled_from("0123456"), st.text(st.characters(exclude_characters="\x1e", exclude_categories=["Cs"])))
    | st.tuples(st.just("4"), st.binary(min_size=1)),
    min_size=1,
)


def engine_fields(packets: list[tuple[str, str | bytes]]) -> list[dict[str, Any]]:
    return [{"type": TYPES[int(type)], **({"data": data} if data else {})} for type, data in packets]


@many
@given(sent=engine_packets)
def test_payloads(ask: Ask, sent: list[tuple[str, str | bytes]]) -> None:
    ours = encode_payload([part for type, data in sent for part in EncodedPacket([data], type=type).polling])
    theirs = ask("encodePayload", packets=engine_fields(sent))
    assert ours == theirs
    assert ask("decodePayload", body=ours) == engine_fields(sent)
    assert decode_payload(theirs) == sent


@pytest.mark.parametrize("binary", [True, False])
@many
@given(sent=engine_packets)
def test_payloads_of_protocol_3(ask: Ask, binary: bool, sent: list[tuple[str, str | bytes]]) -> None:
    ours = encode_payload_v3(sent, base64=not binary)
    theirs = ask("encodePayload3", packets=engine_fields(sent), binary=binary)
    assert ours == theirs
    assert ask("decodePayload3", body=ours) == engine_fields(sent)
    assert decode_payload_v3(theirs) == sent
