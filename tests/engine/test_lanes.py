"""What becomes of a kept connection in time, with a web server in memory that gets it back."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest

from socketio_sync.engine.engine import Engine
from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.engine.lanes import COST
from socketio_sync.engine.lanes import IDLE_TIMEOUT
from socketio_sync.engine.lanes import KEPT_PER_CLIENT
from socketio_sync.engine.lanes import LOOK_EVERY
from socketio_sync.engine.lanes import MISSES
from socketio_sync.engine.lanes import TAKEN
from socketio_sync.runtime.events import Event
from socketio_sync.runtime.memory_socket import MemorySocket
from socketio_sync.runtime.memory_socket import memory_pair
from socketio_sync.testing.wires import MemoryPeer
from tests.engine.test_in_virtual_time import HANDSHAKE
from tests.engine.test_in_virtual_time import World
from tests.engine.test_in_virtual_time import received


class KeepingPeer(MemoryPeer):
    """A request of a web server that takes connections back."""

    def __init__(self, sock: MemorySocket, give_back: Callable[[Any], None], exhausted: bool) -> None:
        super().__init__(sock)
        self.give_back = give_back  # type: ignore[assignment]
        self._exhausted = exhausted

    def take(self) -> Any:
        if self._exhausted:
            raise OSError(errno.EMFILE, "too many open files")
        return super().take()


class KeepingWorld(World):
    """Attributes:
    got_back: sockets that the web server has to serve again.
    serving: how long it does; None: not at all.
    exhausted: there is no descriptor left.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.got_back: list[Any] = []
        self.serving: Event | None = None
        self.exhausted = False

    def serve(self, sock: Any) -> None:
        self.got_back.append(sock)
        if self.serving is not None:
            self.serving.wait()

    def first(self, query: str, method: str = "GET", body: bytes = b"", **more: str) -> tuple[Response, MemorySocket]:
        """A request by the web server, on a connection that may be kept."""
        environ = {
            "REQUEST_METHOD": method,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "PATH_INFO": "/engine.io/",
            "HTTP_HOST": "x",
            "QUERY_STRING": f"EIO=4&{query}",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
            **more,
        }
        ours, theirs = memory_pair()
        response = self.engine.handle(Request(environ, KeepingPeer(theirs, self.serve, self.exhausted)))
        self.runtime.run_until_idle()
        return response, ours

    def kept(self, query: str) -> MemorySocket:
        """A kept connection on which nothing waits."""
        response, sock = self.first(query, "POST", b"4x")
        assert response is TAKEN
        assert received(sock).endswith(b"ok")
        return sock

    def ask(self, sock: MemorySocket, query: str, body: bytes | None = None) -> bytes:
        """A further request, and what is answered at once."""
        method, length = ("GET", "") if body is None else ("POST", f"Content-Length: {len(body)}\r\n")
        sock.send(f"{method} /engine.io/?EIO=4&{query} HTTP/1.1\r\nHost: x\r\n{length}\r\n".encode() + (body or b""))
        self.runtime.run_until_idle()
        return received(sock)


@pytest.fixture
def world() -> Iterator[KeepingWorld]:
    world = KeepingWorld()
    yield world
    world.runtime.stop()


def test_requests_on_a_kept_connection(world: KeepingWorld) -> None:
    query = world.open_polling()
    sock = world.kept(query)
    assert world.ask(sock, query).endswith(b"\r\n\r\n4x")
    answer = world.ask(sock, query, b"4y")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection:" not in answer
    assert world.ask(sock, query).endswith(b"\r\n\r\n4y")
    assert world.got_back == []


def test_an_idle_connection_goes_back_after_a_time_and_a_waiting_one_does_not() -> None:
    world = KeepingWorld(ping_interval=300)
    query = world.open_polling()
    idle, waiting = world.kept(query), world.kept(query)
    world.ask(waiting, query)
    assert world.ask(waiting, query) == b""
    world.pass_time(IDLE_TIMEOUT - 0.1)
    assert world.got_back == []
    world.pass_time(LOOK_EVERY + 0.2)
    assert world.got_back == [idle.peer]
    world.pass_time(IDLE_TIMEOUT)
    assert world.got_back == [idle.peer]
    world.connections[0].send("late")
    world.runtime.run_until_idle()
    assert received(waiting).endswith(b"4late")
    world.runtime.stop()


def test_after_the_upgrade_no_connection_is_kept(world: KeepingWorld) -> None:
    query = world.open_polling()
    idle, waiting = world.kept(query), world.kept(query)
    assert world.ask(waiting, query)
    assert world.ask(waiting, query) == b""
    websocket = world.open_websocket("&" + query.partition("&")[2])
    world.send(websocket, "2probe")
    assert received(waiting).endswith(b"\r\n\r\n6")
    world.send(websocket, "5")
    world.pass_time(LOOK_EVERY)
    assert {id(sock) for sock in world.got_back} == {id(idle.peer), id(waiting.peer)}
    assert not world.engine.lanes


def test_after_the_sessions_end_no_connection_is_kept(world: KeepingWorld) -> None:
    query = world.open_polling()
    idle, waiting = world.kept(query), world.kept(query)
    world.ask(waiting, query)
    world.ask(waiting, query)
    world.connections[0].close()
    world.runtime.run_until_idle()
    assert received(waiting).endswith(b"\r\n\r\n1")
    assert world.got_back == [waiting.peer]
    world.pass_time(LOOK_EVERY)
    assert world.got_back == [waiting.peer, idle.peer]


def test_a_request_for_the_web_server_is_left_to_it_whole(world: KeepingWorld) -> None:
    query = world.open_polling()
    sock = world.kept(query)
    world.ask(sock, "transport=polling")
    [back] = world.got_back
    assert back.recv(1000).startswith(b"GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\n")
    back.send(b"an answer")
    assert received(sock) == b"an answer"


def test_another_host_or_path_or_session_is_for_the_web_server(world: KeepingWorld) -> None:
    query, other = world.open_polling(), world.open_polling()
    targets = [
        (f"/other/?EIO=4&{query}", "x"),
        (f"/engine.io?EIO=4&{query}", "x"),
        (f"/engine.io//?EIO=4&{query}", "x"),
        (f"/engine.i%6f/?EIO=4&{query}", "x"),
        (f"/engine.io/?EIO=4&{other}", "x"),
        (f"/engine.io/?EIO=4&{query}&sid=", "x"),
        (f"/engine.io/?EIO=4&{query.replace('polling', 'websocket')}", "x"),
        (f"/engine.io/?EIO=4&{query}", "y"),
    ]
    for number, (target, host) in enumerate(targets):
        world.connections[0].misses = 0
        sock = world.kept(query)
        sock.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        world.runtime.run_until_idle()
        assert received(sock) == b""
        assert len(world.got_back) == number + 1


def test_who_always_gets_connections_back_keeps_none_any_more(world: KeepingWorld) -> None:
    query = world.open_polling()
    busy = world.kept(query)
    for _ in range(MISSES):
        sock = world.kept(query)
        for _ in range(COST):  # it has been worth it
            world.ask(busy, query)
            world.ask(sock, query, b"4x")
        world.ask(sock, "transport=polling")
    for _ in range(MISSES):
        world.ask(busy, query)
        world.ask(world.kept(query), "transport=polling")
    assert world.first(query, "POST", b"4x")[0].body == b"ok"
    assert len(world.got_back) == 2 * MISSES
    assert world.ask(busy, query)  # which goes on
    assert world.first(query, "POST", b"4x")[0].body == b"ok"


def test_nobody_keeps_many(world: KeepingWorld) -> None:
    query = world.open_polling()
    socks = [world.kept(query) for _ in range(KEPT_PER_CLIENT)]
    assert world.first(query, "POST", b"4x")[0].body == b"ok"
    socks[0].close()
    world.runtime.run_until_idle()
    world.kept(query)
    assert len(world.engine.lanes) == KEPT_PER_CLIENT
    world.kept(world.open_polling())  # another session has its own


def test_what_was_given_back_counts_until_it_is_served(world: KeepingWorld) -> None:
    query = world.open_polling()
    world.serving = world.runtime.event()
    for _ in range(KEPT_PER_CLIENT - 1):
        sock = world.kept(query)
        for _ in range(COST):
            world.ask(sock, query, b"4x")
        world.ask(sock, "transport=polling")
    world.kept(query)
    assert world.first(query, "POST", b"4x")[0].body == b"ok"
    world.serving.set()
    world.runtime.run_until_idle()
    world.kept(query)


def test_a_refusal_is_told_with_what_a_wsgi_environ_has(world: KeepingWorld) -> None:
    environs: list[dict[str, Any]] = []
    world.engine.on("connection_error", lambda error: environs.append(error.environ))
    query = world.open_polling()
    lasting = {"REMOTE_ADDR": "10.0.0.1", "REMOTE_PORT": "7", "SERVER_SOFTWARE": "web/1", "wsgi.version": (1, 0)}
    response, sock = world.first(query, "POST", b"4x", **lasting)  # type: ignore[arg-type]
    assert response is TAKEN
    assert received(sock).endswith(b"ok")
    sock.send(f"GET /engine.io/?EIO=3&{query} HTTP/1.1\r\nHost: x\r\nX-Own: y\r\n\r\n".encode())
    world.runtime.run_until_idle()
    assert received(sock).startswith(b"HTTP/1.1 400 ")
    [environ] = environs
    more = {"SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "x", "HTTP_X_OWN": "y", "QUERY_STRING": f"EIO=3&{query}"}
    for key, value in (lasting | more).items():
        assert environ[key] == value


def test_an_answer_needs_no_descriptor(world: KeepingWorld) -> None:
    query = world.open_polling()
    world.exhausted = True
    assert world.first(query, "POST", b"4x")[0].body == b"ok"
    assert world.first(query)[0].body == b"4x"
    # One that would wait is answered at once, and the client comes again.
    assert world.first(query)[0].body == b"6"
    world.exhausted = False
    world.connections[0].send("late")
    assert world.first(query)[0] is TAKEN


def test_who_cannot_give_back_keeps_nothing(world: KeepingWorld) -> None:
    query = world.open_polling()
    for more in (
        {"SERVER_PROTOCOL": "HTTP/1.0"},
        {"HTTP_CONNECTION": "close"},
        {"HTTP_CONNECTION": "keep-alive, upgrade"},
        {"HTTP_TRANSFER_ENCODING": "chunked"},
    ):
        response, sock = world.first(query, "POST", b"4x", **more)
        assert response.body == b"ok"
        assert received(sock) == b""
    response, sock = world.first(query, CONTENT_LENGTH="1")
    assert response.body.startswith(b"4x")


@pytest.mark.parametrize(
    "watch",
    [
        lambda engine: engine.use(lambda environ: None),
        lambda engine: engine.on("headers", lambda headers, environ: None),
    ],
    ids=["middleware", "headers"],
)
def test_who_watches_every_request_sees_every_request(world: KeepingWorld, watch: Callable[[Engine], object]) -> None:
    query = world.open_polling()
    sock = world.kept(query)
    watch(world.engine)
    assert world.first(query, "POST", b"4x")[0].body == b"ok"
    assert world.ask(sock, query) == b""
    assert world.got_back == [sock.peer]


def test_a_close_packet_waits_for_the_get_that_comes_with_it(world: KeepingWorld) -> None:
    """The I/O thread goes on meanwhile."""
    query = world.open_polling()
    posts, gets = world.kept(query), world.kept(query)
    world.ask(gets, query)
    assert world.ask(posts, query, b"1") == b""
    assert world.ask(gets, query).endswith(b"\r\n\r\n6")
    assert received(posts).endswith(b"ok")


def test_a_post_waits_while_the_client_is_not_read(world: KeepingWorld) -> None:
    query = world.open_polling()
    sock = world.kept(query)
    world.connections[0].pause_reading()
    assert world.ask(sock, query, b"4y") == b""
    assert world.ask(sock, query, b"4z") == b""  # too early: it stays in the kernel
    world.connections[0].resume_reading()
    world.runtime.run_until_idle()
    assert received(sock).count(b"HTTP/1.1 200 OK") == 2


def test_a_stopping_engine_ends_what_it_kept(world: KeepingWorld) -> None:
    query = world.open_polling()
    idle, waiting = world.kept(query), world.kept(query)
    world.ask(waiting, query)
    world.ask(waiting, query)
    world.engine.close(timeout=0)
    world.runtime.run_until_idle()
    answer = received(waiting)
    assert answer.endswith(b"\r\n\r\n1")
    assert b"Connection: close\r\n" in answer
    assert idle.recv(10) == b""
    assert world.got_back == []


def test_an_upgrade_is_for_the_web_server(world: KeepingWorld) -> None:
    query = world.open_polling()
    sock = world.kept(query)
    headers = "".join(f"{key[5:].replace('_', '-')}: {value}\r\n" for key, value in HANDSHAKE.items())
    target = f"/engine.io/?EIO=4&{query.replace('polling', 'websocket')}"
    sock.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
    world.runtime.run_until_idle()
    assert world.got_back == [sock.peer]
