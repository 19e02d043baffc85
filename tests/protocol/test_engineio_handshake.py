from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.protocol.engineio_handshake import BAD_HANDSHAKE_METHOD
from socketio_sync.protocol.engineio_handshake import BAD_REQUEST
from socketio_sync.protocol.engineio_handshake import FORBIDDEN
from socketio_sync.protocol.engineio_handshake import MAX_QUERY_FIELDS
from socketio_sync.protocol.engineio_handshake import MAX_QUERY_LENGTH
from socketio_sync.protocol.engineio_handshake import UNKNOWN_SID
from socketio_sync.protocol.engineio_handshake import UNKNOWN_TRANSPORT
from socketio_sync.protocol.engineio_handshake import UNSUPPORTED_PROTOCOL_VERSION
from socketio_sync.protocol.engineio_handshake import EngineError
from socketio_sync.protocol.engineio_handshake import open_packet
from socketio_sync.protocol.engineio_handshake import parse_query
from socketio_sync.protocol.engineio_handshake import parse_revision


@pytest.mark.parametrize(
    ("code", "status", "body"),
    [
        (UNKNOWN_TRANSPORT, "400 Bad Request", '{"code":0,"message":"Transport unknown"}'),
        (UNKNOWN_SID, "400 Bad Request", '{"code":1,"message":"Session ID unknown"}'),
        (BAD_HANDSHAKE_METHOD, "400 Bad Request", '{"code":2,"message":"Bad handshake method"}'),
        (BAD_REQUEST, "400 Bad Request", '{"code":3,"message":"Bad request"}'),
        (FORBIDDEN, "403 Forbidden", '{"code":4,"message":"Forbidden"}'),
        (UNSUPPORTED_PROTOCOL_VERSION, "400 Bad Request", '{"code":5,"message":"Unsupported protocol version"}'),
    ],
)
def test_the_table_of_errors(code: int, status: str, body: str) -> None:
    error = EngineError(code)
    assert (error.code, error.status, error.json, error.context) == (code, status, body, {})
    assert str(error) == error.message


def test_an_error_with_context_and_a_text_of_its_own() -> None:
    error = EngineError(FORBIDDEN, {"message": "paid up?"}, 'no "entry"')
    assert error.context == {"message": "paid up?"}
    assert json.loads(error.json) == {"code": 4, "message": 'no "entry"'}


def test_the_open_packet_is_byte_for_byte_the_reference_s() -> None:
    assert open_packet("X7OGvrdBLbHl2CKhAAAA", ["websocket"], 25, 20, 1_000_000) == (
        '{"sid":"X7OGvrdBLbHl2CKhAAAA","upgrades":["websocket"],'
        '"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
    )
    assert '"upgrades":[],"pingInterval":300,"pingTimeout":1' in open_packet("a", [], 0.3, 0.001, 1)


@pytest.mark.parametrize(
    ("query", "revision"), [({"EIO": "4"}, 4), ({"EIO": "3"}, 3), ({}, 3), ({"EIO": "04"}, 3), ({"EIO": ""}, 3)]
)
def test_the_revision(query: dict[str, str], revision: int) -> None:
    assert parse_revision(query) == revision


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("", {}),
        ("EIO=4&transport=polling&t=abc", {"EIO": "4", "transport": "polling", "t": "abc"}),
        ("transport=polling&transport=websocket", {"transport": "websocket"}),
        ("sid=&b64", {"sid": "", "b64": ""}),
        ("name=J%C3%BCrgen+X", {"name": "Jürgen X"}),
        ("name=J\xc3\xbcrgen", {"name": "Jürgen"}),
        ("name=%FF", {"name": "\ufffd"}),
        ("a=1;b=2", {"a": "1;b=2"}),
        ("__proto__=1", {"__proto__": "1"}),
    ],
)
def test_the_query(text: str, query: dict[str, str]) -> None:
    assert parse_query(text) == query


def test_a_query_belongs_to_who_asked() -> None:
    text = "EIO=4&transport=websocket"
    parse_query(text)["EIO"] = "3"
    assert parse_query(text) == {"EIO": "4", "transport": "websocket"}


def test_a_query_has_limits() -> None:
    at_the_limit = "&".join(f"k{number}=" for number in range(MAX_QUERY_FIELDS))
    assert len(parse_query(at_the_limit)) == MAX_QUERY_FIELDS
    assert parse_query("a=" + "x" * (MAX_QUERY_LENGTH - 2))
    for text in at_the_limit + "&more=", "a=" + "x" * (MAX_QUERY_LENGTH - 1):
        with pytest.raises(EngineError) as caught:
            parse_query(text)
        assert caught.value.code == BAD_REQUEST


@given(st.text())
def test_any_query_is_parsed(text: str) -> None:
    parse_query(text)
