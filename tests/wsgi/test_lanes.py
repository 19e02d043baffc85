"""A long-polling client's TCP connection goes from the web server to us, and back for everything that is not ours."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketio_sync.engine.lanes import MISSES
from tests.support.servers import HOSTS
from tests.support.servers import Host
from tests.support.servers import Running
from tests.support.servers import free_port
from tests.support.servers import serving
from tests.support.wire import Polling
from tests.support.wire import Reply
from tests.support.wire import Wire
from tests.support.wire import until

APP = "tests.wsgi.lanes_app:app"
KEEPING = [host for host in HOSTS if host.name in ("gunicorn-gevent", "own-gevent")]
GUNICORN = KEEPING[0]
MARK = "\x1e"


@pytest.fixture(scope="module", params=KEEPING, ids=str)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    host: Host = request.param
    with serving(host, APP) as running:
        yield running


@pytest.fixture(scope="module")
def gunicorn() -> Iterator[Running]:
    """Its access log tells what came through it."""
    with serving(GUNICORN, APP) as running:
        yield running


class Client(Wire):
    """A session whose every request comes on one TCP connection."""

    def __init__(self, server: Running, path: str = "/engine.io/") -> None:
        super().__init__(server.port)
        self.own_port = self.sock.getsockname()[1]
        self.target = f"{path}?EIO=4&transport=polling"
        self.sid = json.loads(self.get().text[1:])["sid"]
        self.target += f"&sid={self.sid}"

    def __enter__(self) -> Client:
        return self

    def behind(self, reply: Reply) -> Reply:
        """The same reply; if it has ended the connection, the next request will come on another."""
        if reply.headers.get("connection") == "close":
            self.sock.close()
            self.sock = Wire(self.port).sock
        return reply

    def get(self, **headers: str) -> Reply:
        self.ask("GET", self.target, headers=headers)
        return self.answer()

    def post(self, body: str, **headers: str) -> Reply:
        self.ask("POST", self.target, body.encode(), headers)
        return self.answer()

    def exchange(self, text: str) -> None:
        reply = self.behind(self.post(f"4{text}"))
        assert (reply.status, reply.body) == (200, b"ok"), reply
        assert self.behind(self.get()).text == f"4{text}"

    def page(self, target: str) -> str:
        self.ask("GET", target)
        return self.answer().text

    def is_kept(self) -> bool:
        """Whether the web server still serves this very connection."""
        return self.page("/port") == str(self.own_port)


def parked(server: Running, client: Client) -> Wire:
    """A GET of the same session that waits, on a connection of its own that was kept before."""
    wire = Wire(server.port)
    wire.ask("POST", client.target, b"4x")
    assert wire.answer().body == b"ok"
    assert client.get().text == "4x"
    wire.ask("GET", client.target)
    until(lambda: server.fetch(f"/waiting?{client.sid}").body == b"True")
    return wire


def trouble(server: Running) -> list[str]:
    """Apart from what the test of origins provokes."""
    return [line for line in server.trouble() if "evil.example" not in line]


def seen(server: Running, part: str) -> int:
    """How many requests with this in their line came through gunicorn."""
    return sum(part in line for line in server.log.splitlines())


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_one_connection_carries_all_requests(gunicorn: Running) -> None:
    with Client(gunicorn) as client:
        for number in range(20):
            client.exchange(f"message {number}")
        assert client.is_kept()
        until(lambda: seen(gunicorn, "GET /port"))
        assert seen(gunicorn, client.sid) == 1  # the first POST
    assert trouble(gunicorn) == []


def test_a_waiting_get_is_answered_and_its_connection_goes_on(server: Running) -> None:
    with Client(server) as client, parked(server, client) as wire:
        for text in ("one", "two €", "three" * 1000):
            assert client.post(f"4{text}").body == b"ok"
            assert wire.answer().text == f"4{text}"
            wire.ask("GET", client.target)
    assert trouble(server) == []


def test_an_answer_is_as_the_web_servers(server: Running) -> None:
    """Apart from what a web server adds of its own."""
    added = {"server", "connection", "keep-alive"}
    with Client(server, "/careful/") as client:
        origin = {"Origin": "http://good.example"}
        own = client.post("4" + "x" * 50, **origin), client.get(**origin)
        lane = client.post("4" + "x" * 50, **origin), client.get(**origin)
        for reply, other in zip(own, lane, strict=True):
            assert {k: v for k, v in reply.headers.items() if k not in added | {"date"}} == {
                k: v for k, v in other.headers.items() if k not in added | {"date"}
            }
        assert lane[1].headers["access-control-allow-origin"] == "http://good.example"


def test_each_request_is_judged_by_its_own_origin(server: Running) -> None:
    with Client(server, "/careful/") as client:
        client.exchange("x")
        assert client.post("4x", Origin="http://evil.example").status == 403
        assert "access-control-allow-origin" not in client.get(Origin="http://evil.example").headers
        client.exchange("x")


def test_a_body_over_the_limit(server: Running) -> None:
    with Client(server, "/careful/") as client:
        client.exchange("x")
        reply = client.post("4" + "x" * 100)
        assert (reply.status, reply.body) == (413, b"")
        assert reply.headers["connection"] == "close"
        assert client.read_to_the_end() == b""
    with Wire(server.port) as wire:
        wire.ask("POST", client.target, b"4the session stays")
        assert wire.answer().body == b"ok"


def test_nothing_is_kept_where_a_middleware_sees_every_request(gunicorn: Running) -> None:
    with Client(gunicorn, "/watched/") as client:
        client.post("4x")
        assert client.get().text == "4x"
    until(lambda: seen(gunicorn, client.sid) == 2)


# -- what goes back ----------------------------------------------------------------------------------------------------


def test_pages_between_polls(server: Running) -> None:
    with Client(server) as client:
        for _ in range(3):
            for number in range(5):
                client.exchange(f"before {number}")
            assert client.page("/port") == str(client.own_port)
            assert client.page("/") == "hello"
    assert trouble(server) == []


def test_a_connection_is_kept_again_after_a_page(gunicorn: Running) -> None:
    with Client(gunicorn) as client:
        for _ in range(3):
            for number in range(5):
                client.exchange(f"before {number}")
            assert client.is_kept()
    until(lambda: seen(gunicorn, client.sid) == 3)


def test_two_sessions_on_one_connection(server: Running) -> None:
    """As a proxy does that has many clients and few connections."""
    other = Client(server)
    other.close()
    with Client(server) as client:
        for number in range(2 * MISSES):
            client.exchange(f"one {number}")
            other.sock = client.sock
            other.exchange(f"two {number}")
            client.sock = other.sock
    assert trouble(server) == []


def test_requests_that_are_sent_together(server: Running) -> None:
    def request(method: str, target: str, body: str = "") -> bytes:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        return f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{length}\r\n{body}".encode()

    with Client(server) as client:
        client.exchange("x")
        for _ in range(3):
            client.send(
                request("POST", client.target, "4one")
                + request("POST", client.target, f"4two{MARK}4three")
                + request("GET", client.target)
                + request("GET", "/port")
                + request("GET", "/")
            )
            texts = [client.answer().text for _ in range(5)]
            assert texts == ["ok", "ok", f"4one{MARK}4two{MARK}4three", str(client.own_port), "hello"]
            client.exchange("y")
    assert trouble(server) == []


def test_a_request_behind_a_waiting_one(server: Running) -> None:
    with Client(server) as client, parked(server, client) as wire:
        wire.ask("GET", "/port")
        client.post("4late")
        assert wire.answer().text == "4late"
        assert wire.answer().text == str(wire.sock.getsockname()[1])


def test_a_long_body(server: Running) -> None:
    with Client(server) as client:
        client.exchange("x")
        for size in (15_000, 16_384, 17_000, 200_000):
            client.exchange("x" * size)
    assert trouble(server) == []


def test_an_answer_that_is_read_slowly(server: Running) -> None:
    """What the kernel does not take at once is sent later; the connection may end behind it."""
    with Client(server) as client:
        client.exchange("x")
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        with Wire(server.port) as wire:
            for _ in range(6):
                wire.ask("POST", client.target, b"4" + b"x" * 900_000)
                assert wire.answer().body == b"ok"
        for _ in range(6):
            client.ask("GET", client.target)
        client.ask("GET", "/", headers={"Connection": "close"})
        answers = client.read_to_the_end().split(b"HTTP/1.1 200 OK\r\n")[1:]
        bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers]
        expected = [b"4" + b"x" * 900_000] * 6 + [b"hello"]
        assert bodies
        assert bodies == expected[: len(bodies)]


def test_a_request_that_comes_slowly(server: Running) -> None:
    with Client(server) as client:
        client.exchange("x")
        host = f"127.0.0.1:{server.port}"
        head = f"POST {client.target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\n".encode()
        for first in (head, head[:-2], head[:50], head[:1], head + b"4fo"):
            client.send(first)
            answered_meanwhile = server.fetch("/").body
            assert answered_meanwhile == b"hello"
            client.send((head + b"4four")[len(first) :])
            assert client.behind(client.answer()).body == b"ok"
            assert client.behind(client.get()).text == "4four"
    assert trouble(server) == []


def test_a_chunked_body(server: Running) -> None:
    with Client(server) as client:
        client.exchange("x")
        client.send(f"POST {client.target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        client.send(b"5\r\n4four\r\n0\r\n\r\n")
        assert client.answer().body == b"ok"
        client.ask("GET", client.target)
        assert client.answer().text == "4four"
        client.exchange("y")


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PUT", "DELETE"])
def test_other_methods(server: Running, method: str) -> None:
    with Client(server) as client:
        expected = server.fetch(client.target, method).status
        client.exchange("x")
        client.ask(method, client.target)
        assert client.answer(method).status == expected
    with Wire(server.port) as wire:
        wire.ask("POST", client.target, b"4the session stays")
        assert wire.answer().body == b"ok"


def test_a_client_that_wants_the_end(server: Running) -> None:
    with Client(server) as client:
        client.exchange("x")
        client.post("4y")
        assert client.get(Connection="close").text == "4y"
        assert client.read_to_the_end() == b""
    with Wire(server.port) as wire:
        wire.send(f"POST {client.target} HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\n4z".encode())
        assert wire.read_to_the_end().endswith(b"ok")


@pytest.mark.parametrize("host", KEEPING, ids=str)
def test_nonsense_is_the_web_servers(host: Host) -> None:
    with serving(host, APP) as server, Client(server) as client:
        client.exchange("x")
        client.send(b"nonsense\r\n\r\n")
        assert b" 400 " in client.read_to_the_end().splitlines()[0]


# -- ends --------------------------------------------------------------------------------------------------------------


def test_a_session_that_has_ended(server: Running) -> None:
    with Client(server) as client:
        client.exchange("x")
        client.post("1")
        reply = client.get()
        assert (reply.status, json.loads(reply.body)["code"]) == (400, 1)
        assert client.is_kept()


def test_a_session_that_ends_while_a_get_waits(server: Running) -> None:
    with Client(server) as client, parked(server, client) as wire:
        client.post("1")
        assert wire.answer().text == "6"
        wire.ask("GET", "/")
        assert wire.answer().text == "hello"


def test_a_second_get_ends_the_session(server: Running) -> None:
    with Client(server) as client, parked(server, client) as wire:
        assert client.get().status == 400
        assert wire.answer().text == "1"
        assert client.get().status == 400


@pytest.mark.parametrize("how", [Wire.close, Wire.reset])
def test_a_client_that_leaves_a_waiting_get(server: Running, how: object) -> None:
    with Client(server) as client:
        how(parked(server, client))  # type: ignore[operator]
        until(lambda: client.post("4x").status == 400)
    assert trouble(server) == []


def test_a_client_that_leaves_between_requests_keeps_its_session(server: Running) -> None:
    with Client(server) as client:
        client.exchange("x")
        other = Wire(server.port)
        other.ask("POST", client.target, b"4y")
        assert other.answer().body == b"ok"
        other.close()
        assert client.get().text == "4y"


def test_the_upgrade_to_a_websocket(server: Running) -> None:
    """On the connection of polls, too."""
    with Client(server) as client, parked(server, client) as wire:
        assert client.upgrade(client.target.replace("polling", "websocket")) is None
        client.send_text("2probe")
        assert client.receive() == "3probe"
        assert wire.answer().text == "6"
        client.send_text("5")
        client.send_text("4hello")
        assert client.receive() == "4hello"
        wire.ask("GET", client.target)
        assert wire.answer().status == 400
        wire.ask("GET", "/")
        assert wire.answer().text == "hello"
    assert trouble(server) == []


def test_nothing_is_left_behind(server: Running) -> None:
    with Client(server) as client:
        client.exchange("warm up")
    before = server.debug()
    clients = [Client(server) for _ in range(20)]
    for client in clients:
        client.exchange("x")
        assert client.is_kept()
        client.exchange("y")
    for client in clients:
        client.close()
    until(lambda: server.debug()["sockets"] <= before["sockets"])
    until(lambda: server.debug()["greenlets"] <= before["greenlets"])


def test_an_idle_connection_needs_no_greenlet(server: Running) -> None:
    before = server.debug()
    clients = [Client(server) for _ in range(20)]
    for client in clients:
        client.exchange("x")
    until(lambda: server.debug()["greenlets"] <= before["greenlets"] + 5)
    for client in clients:
        client.close()


def test_a_graceful_stop() -> None:
    with serving(GUNICORN, APP) as server, Client(server) as idle, Client(server) as client:
        idle.exchange("x")
        client.exchange("x")
        waiting = parked(server, client)
        client.ask("GET", "/slow")
        until(lambda: "slow page begins" in server.log)
        server.signal(signal.SIGTERM)
        assert waiting.answer().text == "1"
        assert waiting.read_to_the_end() == b""
        waiting.close()
        assert idle.read_to_the_end() == b""
        assert client.answer().text == "slow"
        assert client.read_to_the_end() == b""
        assert server.wait() == 0
        assert trouble(server) == []


def test_every_kind_of_address(tmp_path: Path) -> None:
    """What gunicorn gets back belongs to one of its listening sockets."""
    everywhere, dual, path = free_port(), free_port(), tmp_path / "socket"
    options = ("-b", f"0.0.0.0:{everywhere}", "-b", f"[::]:{dual}", "-b", f"unix:{path}")
    with serving(GUNICORN, APP, *options) as server:
        with socket.socket(socket.AF_UNIX) as local:
            local.connect(str(path))
            for wire in (None, Wire(everywhere), Wire(dual)):
                with Client(server) as client:
                    client.sock.close()
                    client.sock = local if wire is None else wire.sock
                    for _ in range(3):
                        client.exchange("x")
                        assert client.page("/") == "hello"
                        client.exchange("y")
                until(lambda client=client: seen(server, client.sid) == 4)
        assert trouble(server) == []


def test_a_worker_without_keep_alive_gets_nothing_back() -> None:
    with serving(GUNICORN, APP, "--keep-alive", "0") as server:
        polling = Polling(server.port, "/engine.io/").open()
        with Wire(server.port) as wire:
            wire.ask("POST", polling.target, b"4x")
            assert wire.answer().body == b"ok"
            assert wire.read_to_the_end() == b""
        assert polling.get() == ["4x"]
