"""Clients of Engine.IO 3 (Socket.IO 2 and older), where ``allow_eio3`` lets them in."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.engine.served import PATH
from tests.engine.served import Served
from tests.engine.served import closed
from tests.engine.served import served
from tests.support.wire import Closed
from tests.support.wire import Reply
from tests.support.wire import until

EURO = "€😀"


@contextmanager
def serving(runtime: str, **options: Any) -> Iterator[Served]:
    with served(runtime, allow_eio3=True, **options) as server:
        yield server


class OldClient:
    """A session of protocol 3 on long-polling; ``more`` is added to its queries."""

    def __init__(self, server: Served, more: str = "") -> None:
        self.server = server
        self.target = f"?EIO=3&transport=polling{more}"
        length, _, packet = server.fetch(self.target).text.partition(":")
        assert int(length) == len(packet)
        assert packet[0] == "0"
        self.handshake = json.loads(packet[1:])
        self.sid = self.handshake["sid"]
        self.target += f"&sid={self.sid}"

    def get(self) -> Reply:
        reply = self.server.fetch(self.target)
        assert reply.status == 200
        return reply

    def post(self, body: bytes, content_type: str = "text/plain;charset=UTF-8") -> None:
        reply = self.server.fetch(self.target, "POST", body, {"Content-Type": content_type})
        assert (reply.status, reply.body) == (200, b"ok")


# -- long-polling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["EIO=3&", "EIO=2&", ""])
def test_the_handshake(runtime: str, query: str) -> None:
    with serving(runtime) as server:
        reply = server.fetch(f"?{query}transport=polling")
        assert reply.headers["content-type"] == "text/plain; charset=UTF-8"
        assert reply.text.startswith('118:0{"sid":"')
        assert reply.text.endswith(
            '","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
        )


def test_text(runtime: str) -> None:
    with serving(runtime) as server:
        client = OldClient(server)
        connection = server.connection()
        assert connection.protocol == 3
        client.post(f"3:4{EURO[0]}x4:4{EURO}1:4".encode())
        assert [server.message() for _ in range(3)] == ["€x", EURO, ""]
        until(lambda: len(connection.session.queue) == 3)
        reply = client.get()
        assert reply.text == f"3:4€x4:4{EURO}1:4"
        assert reply.headers["content-type"] == "text/plain; charset=UTF-8"


def test_binary_as_base64(runtime: str) -> None:
    with serving(runtime) as server:
        client = OldClient(server, "&b64=1")
        client.post(b"2:4a6:b4AQID")
        assert [server.message() for _ in range(2)] == ["a", b"\x01\x02\x03"]
        until(lambda: len(server.engine.connections[client.sid].session.queue) == 2)
        assert client.get().body == b"2:4a6:b4AQID"


def test_binary_bodies(runtime: str) -> None:
    with serving(runtime) as server:
        client = OldClient(server)
        body = b"\x00\x07\xff4" + EURO.encode()[:3] + b"abc" + b"\x01\x04\xff\x04\x01\x02\x03"
        client.post(body, "application/octet-stream")
        assert [server.message() for _ in range(2)] == ["€abc", b"\x01\x02\x03"]
        until(lambda: len(server.engine.connections[client.sid].session.queue) == 2)
        reply = client.get()
        assert reply.headers["content-type"] == "application/octet-stream"
        assert reply.body == body
        # Without binary it stays text.
        client.post(b"2:4t")
        server.message()
        assert client.get().body == b"2:4t"


def test_jsonp(runtime: str) -> None:
    """It implies base64; the reference looks at ``b64`` alone."""
    with serving(runtime) as server:
        reply = server.fetch("?EIO=3&transport=polling&j=0")
        assert reply.text.startswith('___eio[0]("118:0{')
        packet = json.loads(reply.text[len("___eio[0](") : -2])
        target = f"?EIO=3&transport=polling&j=1&sid={json.loads(packet[5:])['sid']}"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        body = b"d=14%3A42%5B%22m%22%2C%22a%5C%5Cnb%22%5D"
        assert server.fetch(target, "POST", body, form).body == b"ok"
        assert server.message() == '2["m","a\\nb"]'
        assert server.fetch(target).text == '___eio[0]("14:42[\\"m\\",\\"a\\\\nb\\"]");'
        server.connection().send(b"\x01\x02\x03")
        assert server.fetch(target).text == '___eio[0]("6:b4AQID");'


@pytest.mark.parametrize(
    "body",
    [b"abc", b"5:4a", b"99999991:4222", b"-1:4a", b"1e3:4a", b":4a", b"2:9a", b"\xff", b"1" * 400 + b":4"],
)
def test_a_body_that_is_no_payload_ends_the_session(runtime: str, body: bytes) -> None:
    """CVE-2020-36048 among them."""
    with serving(runtime) as server:
        client = OldClient(server)
        client.post(body)
        assert server.end()[0] == "parse error"
        assert server.fetch(client.target).status == 400


@pytest.mark.parametrize(
    "body",
    [b"\x00\x05\xff4a", b"\x02\x02\xff4a", b"\x00" + b"\x01" * 311 + b"\xff4", b"\x00\x09", b"\x01\x01\xff\x09"],
)
def test_a_binary_body_that_is_no_payload_ends_the_session(runtime: str, body: bytes) -> None:
    with serving(runtime) as server:
        client = OldClient(server)
        client.post(body, "application/octet-stream")
        assert server.end()[0] == "parse error"


def test_the_client_pings(runtime: str) -> None:
    with serving(runtime, ping_interval=0.3, ping_timeout=0.2) as server:
        client = OldClient(server)
        for _ in range(3):
            client.post(b"1:2")
            assert client.get().text == "1:3"
        # Nothing but pings counts.
        client.post(b"2:4x")
        assert server.end() == ("ping timeout", None)


def test_closing(runtime: str) -> None:
    with serving(runtime) as server:
        client = OldClient(server)
        parked = server.wire()
        parked.ask("GET", PATH + client.target, headers={"Connection": "close"})
        until(lambda: server.engine.connections[client.sid].writable)
        client.post(b"1:1")
        assert parked.answer().text == "1:6"
        assert server.end() == ("transport close", None)
        client = OldClient(server)
        server.connection()
        server.connection().close()
        assert client.get().text == "1:61:1"


def test_overlap(runtime: str) -> None:
    with serving(runtime) as server:
        client = OldClient(server)
        parked = server.wire()
        parked.ask("GET", PATH + client.target, headers={"Connection": "close"})
        until(lambda: server.engine.connections[client.sid].writable)
        assert server.fetch(client.target).status == 400
        assert parked.answer().text == "1:1"


# -- WebSocket ---------------------------------------------------------------------------------------------------------


def test_a_websocket(runtime: str) -> None:
    with serving(runtime) as server:
        wire = server.websocket("EIO=3")
        wire.send_text("2probe")
        assert wire.receive() == "3"
        wire.send_text(f"4{EURO}")
        assert wire.receive() == f"4{EURO}"
        wire.send_binary(b"\x04\x01\x02")
        assert server.message() == EURO
        assert server.message() == b"\x01\x02"
        assert wire.receive() == b"\x04\x01\x02"
        wire.send_text("b4AQID")
        assert wire.receive() == b"\x04\x01\x02\x03"


@pytest.mark.parametrize(
    ("packet", "reason", "description"),
    [
        ("1", "transport close", None),
        ("3", "transport error", "invalid heartbeat direction"),
        ("7", "parse error", "parse error"),
        ("", "parse error", "parse error"),
        (b"", "parse error", "binary packet of an unknown type"),
        (b"\x05x", "parse error", "binary packet of an unknown type"),
    ],
)
def test_packets_that_end_the_session(runtime: str, packet: str | bytes, reason: str, description: str | None) -> None:
    with serving(runtime) as server:
        wire = server.websocket("EIO=3")
        if isinstance(packet, str):
            wire.send_text(packet)
        else:
            wire.send_binary(packet)
        assert closed(wire) == Closed(None)
        assert server.end() == (reason, description)


@pytest.mark.parametrize("packet", ["0", "5", "6"])
def test_packets_that_are_ignored(runtime: str, packet: str) -> None:
    with serving(runtime) as server:
        wire = server.websocket("EIO=3")
        wire.send_text(packet)
        wire.send_text("4x")
        assert wire.receive() == "4x"


def test_an_upgrade_keeps_the_deadline(runtime: str) -> None:
    """The reference has no heartbeat timeout after it."""
    with serving(runtime, ping_interval=0.3, ping_timeout=0.2) as server:
        client = OldClient(server)
        server.connection().send(b"queued")
        wire = server.wire()
        assert wire.upgrade(f"{PATH}?EIO=3&transport=websocket&sid={client.sid}") is None
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        wire.send_text("5")
        assert wire.receive() == b"\x04queued"
        wire.send_text("2")
        assert wire.receive() == "3"
        assert closed(wire) == Closed(None)
        assert server.end() == ("ping timeout", None)


def test_an_old_client_that_is_not_read_is_not_timed_out(runtime: str) -> None:
    with serving(runtime, ping_interval=0.2, ping_timeout=0.1) as server:
        wire = server.websocket("EIO=3")
        connection = server.connection()
        connection.pause_reading()
        wire.send_text("2")
        time.sleep(0.6)  # the interval and the timeout, twice
        assert server.ended.empty()
        connection.resume_reading()
        assert wire.receive() == "3"


def test_both_protocols_side_by_side(runtime: str) -> None:
    with serving(runtime) as server:
        old = server.websocket("EIO=3")
        new = server.websocket()
        old.send_binary(b"\x04x")
        new.send_binary(b"x")
        assert old.receive() == b"\x04x"
        assert new.receive() == b"x"
        client = OldClient(server)
        assert server.fetch(client.target.replace("EIO=3", "EIO=4")).status == 400
