"""The long durations as they are by default, on a clock that the test turns: to the millisecond, without a sleep."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.engine.connection import Connection
from socketio_sync.engine.engine import Engine
from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.engine.upgrade import Upgrade
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.runtime.memory_socket import MemorySocket
from socketio_sync.runtime.memory_socket import memory_pair
from socketio_sync.runtime.virtual import VirtualRuntime
from socketio_sync.testing.wires import MemoryPeer
from tests.support.wire import TEXT
from tests.support.wire import frame

HANDSHAKE = {
    "HTTP_UPGRADE": "websocket",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
}
NOTHING = b""


class World:
    """An engine, its clock, and clients' ends of its sockets.

    Attributes:
        ended: the reasons of connections that are over.
    """

    def __init__(self, **options: Any) -> None:
        self.runtime = VirtualRuntime()
        self.engine = Engine(**options)
        self.engine.start(runtime=self.runtime)
        self.ended: list[str] = []
        self.connections: list[Connection] = []
        self.engine.on("connection", self._connected)

    def _connected(self, connection: Connection) -> None:
        self.connections.append(connection)
        connection.on("message", connection.send)
        connection.on("close", lambda reason, details: self.ended.append(reason))

    def pass_time(self, seconds: float) -> None:
        self.runtime.advance(seconds)

    def request(self, query: str, method: str = "GET", body: bytes = b"", **more: str) -> tuple[Response, MemorySocket]:
        """The server's response and, where it took the socket instead, the client's end of it."""
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": "/engine.io/",
            "QUERY_STRING": f"EIO=4&{query}",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
            **more,
        }
        ours, theirs = memory_pair()
        response = self.engine.handle(Request(environ, MemoryPeer(theirs)))
        self.runtime.run_until_idle()
        return response, ours

    def open_polling(self) -> str:
        """The query of a new session."""
        response, _ = self.request("transport=polling")
        return f"transport=polling&sid={json.loads(response.body[1:])['sid']}"

    def poll(self, query: str) -> bytes:
        """The body of a GET that is answered at once."""
        response, _ = self.request(query)
        return response.body

    def open_websocket(self, query: str = "") -> MemorySocket:
        """A WebSocket; what the server sends at first is read."""
        _, sock = self.request("transport=websocket" + query, **HANDSHAKE)
        assert b"101 Switching Protocols" in received(sock)
        return sock

    def send(self, sock: MemorySocket, text: str) -> None:
        sock.send(frame(TEXT, text.encode()))
        self.runtime.run_until_idle()


def received(sock: MemorySocket) -> bytes:
    """What has come and not been read."""
    data = b""
    try:
        while more := sock.recv(1 << 20):
            data += more
    except BlockingIOError:
        pass
    return data


def text_frame(text: str) -> bytes:
    return struct.pack("!BB", 0x81, len(text)) + text.encode()


CLOSE_FRAME = b"\x88\x00"


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.runtime.stop()


def test_a_ping_every_interval_after_the_pong(world: World) -> None:
    sock = world.open_websocket()
    for _ in range(3):
        world.pass_time(24.99)
        assert received(sock) == NOTHING
        world.pass_time(0.02)
        assert received(sock) == text_frame("2")
        world.pass_time(19.9)
        world.send(sock, "3")
    assert world.ended == []


def test_a_silent_websocket_is_closed_after_interval_and_timeout(world: World) -> None:
    sock = world.open_websocket()
    world.pass_time(44.99)
    assert received(sock) == text_frame("2")
    assert world.ended == []
    world.pass_time(0.02)
    assert received(sock) == CLOSE_FRAME
    assert world.ended == ["ping timeout"]


def test_a_message_restarts_the_wait_once(world: World) -> None:
    sock = world.open_websocket()
    world.pass_time(40)
    world.send(sock, "4x")
    world.pass_time(15)
    world.send(sock, "4x")
    world.pass_time(4.99)
    assert world.ended == []
    world.pass_time(0.02)
    assert world.ended == ["ping timeout"]


class Heartbeat:
    """What the protocol says of one session that is pinged, with one deadline at a time."""

    def __init__(self, interval: float, timeout: float) -> None:
        self.interval = interval
        self.timeout = timeout
        self.now = 0.0
        self.due = interval
        self.awaiting = self.extended = self.over = False
        self.pings = 0

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        while not self.over and self.due < self.now:
            if self.awaiting:
                self.over = True
            else:
                self.awaiting, self.pings = True, self.pings + 1
                self.due += self.timeout

    def pong(self) -> None:
        if self.awaiting:
            self.awaiting = self.extended = False
            self.due = self.now + self.interval

    def message(self) -> None:
        if self.awaiting and not self.extended:
            self.extended = True
            self.due = self.now + self.timeout


@given(
    st.sampled_from([(25, 20), (5, 20), (20, 5), (7, 7)]),
    st.lists(st.tuples(st.floats(0.1, 30), st.sampled_from(["pong", "message", "nothing"])), max_size=30),
)
def test_no_deadline_is_missed_whatever_the_client_sends(
    times: tuple[float, float], steps: list[tuple[float, str]]
) -> None:
    interval, timeout = times
    world = World(ping_interval=interval, ping_timeout=timeout)
    sock = world.open_websocket()
    model = Heartbeat(interval, timeout)
    pings = 0
    for seconds, what in steps:
        assume(abs(model.now + seconds - model.due) > 0.05)
        model.pass_time(seconds)
        world.pass_time(seconds)
        assume(abs(model.now - model.due) > 0.05)
        pings += received(sock).count(text_frame("2"))
        assert (pings, bool(world.ended)) == (model.pings, model.over)
        if model.over:
            break
        if what != "nothing":
            world.send(sock, "3" if what == "pong" else "4x")
            getattr(model, what)()
    world.runtime.stop()


def test_a_stall_moves_every_deadline(world: World) -> None:
    sock = world.open_websocket()
    world.pass_time(30)
    assert received(sock) == text_frame("2")
    world.runtime.stall(600)
    # Its pong may come as a request that has to be accepted first.
    world.pass_time(0.9)
    assert world.ended == []
    world.send(sock, "3")
    world.pass_time(24.9)
    assert received(sock) == NOTHING
    world.pass_time(0.2)
    assert received(sock) == text_frame("2")
    # One that stays silent is closed in the end, stall or not.
    world.runtime.stall(600)
    world.pass_time(20)
    assert world.ended == ["ping timeout"]


def test_a_pong_that_lay_unread_during_a_stall_counts(world: World) -> None:
    sock = world.open_websocket()
    world.pass_time(25.01)
    sock.send(frame(TEXT, b"3"))  # it lies in the kernel
    world.runtime.stall(0.9)  # too short to count as one
    world.pass_time(19.5)
    assert world.ended == []


def test_a_get_finds_the_session_over_to_the_millisecond(world: World) -> None:
    query = world.open_polling()
    world.pass_time(44.999)
    assert world.poll(query) == b"2"
    query = world.open_polling()
    world.pass_time(45.001)
    assert json.loads(world.poll(query)) == {"code": 1, "message": "Session ID unknown"}


def test_a_parked_get_is_answered_by_the_ping_and_by_the_end(world: World) -> None:
    query = world.open_polling()
    _, sock = world.request(query)
    world.pass_time(25.01)
    assert received(sock).endswith(b"\r\n\r\n2")
    _, sock = world.request(query)
    world.pass_time(20)
    assert received(sock).endswith(b"\r\n\r\n1")
    assert world.ended == ["ping timeout"]


def test_a_closing_session_waits_for_a_get(world: World) -> None:
    """Thirty seconds, as the reference; its heartbeat goes on meanwhile."""
    world.open_polling()
    world.connections[0].close()
    world.pass_time(29.9)
    assert world.ended == []
    world.pass_time(0.2)
    assert world.ended == ["forced close"]
    assert world.engine.clients_count == 0


def test_an_upgrade_ends_after_its_timeout(world: World) -> None:
    query = world.open_polling()
    sock = world.open_websocket("&" + query.partition("&")[2])
    world.send(sock, "2probe")
    assert received(sock) == text_frame("3probe")
    world.pass_time(9.99)
    assert received(sock) == NOTHING
    world.pass_time(0.02)
    assert received(sock) == CLOSE_FRAME
    assert world.connections[0].transport == "polling"
    # No tick goes on.
    world.pass_time(1)
    timers = [timer for slot in world.runtime.timers._wheel._slots.values() for timer in slot]
    assert not any(isinstance(getattr(timer.fn, "__self__", None), Upgrade) for timer in timers)


def test_a_probe_lets_go_of_each_get_within_a_tenth(world: World) -> None:
    query = world.open_polling()
    sock = world.open_websocket("&" + query.partition("&")[2])
    world.send(sock, "2probe")
    for _ in range(3):
        _, parked = world.request(query)
        world.pass_time(0.1)
        assert received(parked).endswith(b"\r\n\r\n6")


def test_reading_that_is_paused_rests_the_deadline(world: World) -> None:
    sock = world.open_websocket()
    connection = world.connections[0]
    connection.pause_reading()
    connection.pause_reading()
    world.send(sock, "3")
    world.pass_time(200)
    connection.resume_reading()
    world.pass_time(200)
    assert world.ended == []
    connection.resume_reading()
    world.pass_time(20)
    assert world.ended == []


def test_batches_on_both_transports(world: World) -> None:
    batch = [EncodedPacket(["a"]), EncodedPacket(["b", b"\x01"]), EncodedPacket(["c"])]
    sock = world.open_websocket()
    assert world.connections[0].send_packets(batch)
    assert received(sock) == text_frame("4a") + text_frame("4b") + b"\x82\x01\x01" + text_frame("4c")
    query = world.open_polling()
    _, parked = world.request(query)
    assert world.connections[1].send_packets(batch)
    world.runtime.run_until_idle()
    assert received(parked).endswith(b"\r\n\r\n4a\x1e4b\x1ebAQ==\x1e4c")
    world.connections[1].close(discard=True)
    assert not world.connections[1].send_packets(batch)
