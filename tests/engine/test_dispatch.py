"""Every request that is refused, with its status, code, text and headers, and the two that are granted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.served import PATH
from tests.engine.served import RUNTIMES
from tests.engine.served import Served
from tests.engine.served import closed
from tests.engine.served import served
from tests.support.wire import Closed
from tests.support.wire import Reply

MESSAGES = [
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
]


@pytest.fixture(scope="module", params=RUNTIMES)
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(request.param) as serving:
        yield serving


def assert_refused(reply: Reply, code: int, message: str | None = None) -> None:
    """The reference's JSON answer."""
    text = MESSAGES[code] if message is None else message
    assert reply.status == (403 if code == 4 else 400)
    assert reply.headers["content-type"] == "application/json"
    assert reply.text == f'{{"code":{code},"message":{json.dumps(text)}}}'
    assert reply.headers["content-length"] == str(len(reply.body))


# -- granted -----------------------------------------------------------------------------------------------------------


def test_a_polling_handshake(server: Served) -> None:
    reply = server.fetch("?EIO=4&transport=polling")
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/plain; charset=UTF-8"
    assert reply.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in reply.headers
    assert re.fullmatch(
        r'0{"sid":"[A-Za-z0-9_-]{20}","upgrades":\["websocket"\],'
        r'"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}',
        reply.text,
    )
    assert len(reply.body) == 118


def test_a_websocket_handshake(server: Served) -> None:
    wire = server.wire()
    wire.send(
        f"GET {PATH}?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n"
        "Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    status, headers = wire.head()
    assert status == 101
    assert headers["upgrade"] == "websocket"
    assert headers["connection"] == "Upgrade"
    assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    packet = wire.receive()
    assert isinstance(packet, str)
    assert json.loads(packet[1:])["upgrades"] == []


def test_get_and_post(server: Served) -> None:
    client = server.polling()
    reply = server.fetch(client.target, "POST", b"4hello")
    assert (reply.status, reply.body) == (200, b"ok")
    assert reply.headers["content-type"] == "text/html"
    assert reply.headers["content-length"] == "2"
    assert reply.headers["cache-control"] == "no-store"
    reply = server.fetch(client.target)
    assert (reply.status, reply.body) == (200, b"4hello")
    assert reply.headers["content-type"] == "text/plain; charset=UTF-8"
    assert reply.headers["content-length"] == "6"
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (compatible;MSIE 10.0)", "Mozilla/5.0 (Trident/7.0; rv:11.0)"])
def test_the_old_explorer_is_asked_not_to_guess(server: Served, agent: str) -> None:
    client = server.polling()
    headers = {"User-Agent": agent}
    assert server.fetch("?EIO=4&transport=polling", headers=headers).headers["x-xss-protection"] == "0"
    assert server.fetch(client.target, "POST", b"4x", headers).headers["x-xss-protection"] == "0"
    assert server.fetch(client.target, headers=headers).headers["x-xss-protection"] == "0"


@pytest.mark.parametrize("query", ["transport=abc&EIO=4&transport=polling", "EIO=3&transport=polling&EIO=4"])
def test_the_last_of_repeated_names_counts(server: Served, query: str) -> None:
    assert server.fetch("?" + query).status == 200


# -- refused -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", 0),
        ("EIO=4", 0),
        ("EIO=4&transport=", 0),
        ("EIO=4&transport=abc", 0),
        ("EIO=4&transport=Polling", 0),
        ("EIO=4&transport=constructor", 0),
        ("EIO=4&transport=__proto__", 0),
        ("EIO=4&transport=webtransport", 0),
        ("EIO=4&transport=polling&sid=abc", 1),
        ("EIO=4&transport=polling&sid=__proto__", 1),
        ("EIO=4&transport=websocket", 3),
        ("EIO=4&transport=polling&transport=websocket", 3),
        ("transport=polling", 5),
        ("EIO=3&transport=polling", 5),
        ("EIO=abc&transport=polling", 5),
        ("EIO=44&transport=polling", 5),
    ],
)
def test_a_refused_get(server: Served, query: str, code: int) -> None:
    assert_refused(server.fetch("?" + query), code)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_without_a_session(server: Served, method: str) -> None:
    assert_refused(server.fetch("?EIO=4&transport=polling", method), 2)


def test_a_head_without_a_session(server: Served) -> None:
    assert server.fetch("?EIO=4&transport=polling", "HEAD").status == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_another_method_with_a_session(server: Served, method: str) -> None:
    client = server.polling()
    reply = server.fetch(client.target, method)
    assert (reply.status, reply.body) == (500, b"")
    assert client.sid in server.engine.connections


def test_another_revision_than_the_sessions(server: Served) -> None:
    client = server.polling()
    assert_refused(server.fetch(f"?EIO=3&transport=polling&sid={client.sid}"), 3)
    assert_refused(server.fetch(f"?transport=polling&sid={client.sid}"), 3)


def test_another_transport_than_the_sessions(server: Served) -> None:
    client = server.polling()
    assert_refused(server.fetch(f"?EIO=4&transport=websocket&sid={client.sid}"), 3)
    server.upgraded(client)
    server.upgrades.get(timeout=5)
    assert_refused(server.fetch(client.target), 3)
    assert_refused(server.fetch(client.target, "POST", b"4x"), 3)


def test_an_origin_that_cannot_stand_in_a_header(server: Served) -> None:
    wire = server.wire()
    wire.send(f"GET {PATH}?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nOrigin: http://a\x7fb\r\n\r\n".encode())
    assert_refused(wire.answer(), 3)


def test_an_origin_that_is_not_ours(server: Served) -> None:
    assert_refused(server.fetch("?EIO=4&transport=polling", headers={"Origin": "http://evil.example"}), 4)


def test_the_query_is_bounded(server: Served) -> None:
    assert server.fetch("?EIO=4&transport=polling&t=" + "x" * 4000).status == 200
    # gevent's server refuses it itself.
    assert server.fetch("?EIO=4&transport=polling" + "&a=b" * 5000).status in (400, 414)


@pytest.mark.parametrize("path", ["/engine.io", "/engine.io/more/", "/", "/socket.io/"])
def test_another_path(server: Served, path: str) -> None:
    assert server.fetch(f"{path}?EIO=4&transport=polling").status == 404


# -- refused upgrades --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("EIO=4", 0),
        ("EIO=4&transport=abc", 0),
        ("EIO=4&transport=__proto__", 0),
        ("EIO=4&transport=constructor", 0),
        ("EIO=4&transport=websocket&sid=abc", 1),
        ("EIO=4&transport=websocket&sid=__proto__", 1),
        ("EIO=3&transport=websocket", 5),
        ("transport=websocket", 5),
    ],
)
def test_a_refused_upgrade(server: Served, query: str, code: int) -> None:
    reply = server.wire().upgrade(f"{PATH}?{query}")
    assert_upgrade_refused(reply, MESSAGES[code])


def assert_upgrade_refused(reply: Reply | None, message: str) -> None:
    """400 even if it is forbidden, and text."""
    assert reply is not None
    assert (reply.status, reply.text) == (400, message)
    assert reply.headers["content-type"] == "text/html"


def test_an_upgrade_from_another_origin(server: Served) -> None:
    reply = server.wire().upgrade(f"{PATH}?EIO=4&transport=websocket", {"Origin": "http://evil.example"})
    assert_upgrade_refused(reply, "Forbidden")


@pytest.mark.parametrize("version", ["12", "", "x"])
def test_an_upgrade_with_a_bad_version(server: Served, version: str) -> None:
    reply = server.wire().upgrade(f"{PATH}?EIO=4&transport=websocket", {"Sec-WebSocket-Version": version})
    assert reply is not None
    assert reply.status in (400, 426)
    assert "13" in reply.headers["sec-websocket-version"]


@pytest.mark.parametrize("key", ["", "short", "dGhlIHNhbXBsZSBub25jZ!=="])
def test_an_upgrade_with_a_bad_key(server: Served, key: str) -> None:
    reply = server.wire().upgrade(f"{PATH}?EIO=4&transport=websocket", {"Sec-WebSocket-Key": key})
    assert reply is not None
    assert reply.status == 400


def test_an_upgrade_for_polling_is_granted_and_closed(server: Served) -> None:
    before = server.engine.clients_count
    wire = server.wire()
    assert wire.upgrade(f"{PATH}?EIO=4&transport=polling") is None
    assert closed(wire) == Closed(None)
    client = server.polling()
    wire = server.wire()
    assert wire.upgrade(f"{PATH}?EIO=4&transport=polling&sid={client.sid}") is None
    assert closed(wire) == Closed(None)
    assert client.sid in server.engine.connections
    assert server.engine.clients_count == before + 1


# -- what the hook is told ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "method", "code", "context"),
    [
        ("EIO=4&transport=abc", "GET", 0, {"transport": "abc"}),
        ("EIO=4&transport=polling&sid=abc", "GET", 1, {"sid": "abc"}),
        ("EIO=4&transport=polling", "PUT", 2, {"method": "PUT"}),
        ("EIO=4&transport=websocket", "GET", 3, {"name": "TRANSPORT_HANDSHAKE_ERROR"}),
        (
            "EIO=4&transport=websocket&sid={sid}",
            "GET",
            3,
            {"name": "TRANSPORT_MISMATCH", "transport": "websocket", "previousTransport": "polling"},
        ),
        (
            "EIO=3&transport=polling&sid={sid}",
            "GET",
            3,
            {"name": "PROTOCOL_MISMATCH", "protocol": 3, "previousProtocol": 4},
        ),
        ("EIO=3&transport=polling", "GET", 5, {"protocol": 3}),
    ],
)
def test_connection_error(runtime: str, query: str, method: str, code: int, context: dict[str, Any]) -> None:
    with served(runtime) as server:
        infos: list[Any] = []
        server.engine.on("connection_error", infos.append)
        server.fetch("?" + query.format(sid=server.polling().sid), method)
        [info] = infos
        assert (info.code, info.message, info.context) == (code, MESSAGES[code], context)
        assert info.environ["REQUEST_METHOD"] == method
