"""What goes over the wire: the order of transports, the upgrade, headers, cookies, base64, compression, slowness."""

from __future__ import annotations

import queue
import socket
import threading
from typing import Any

import pytest

from socketio_sync import Client
from socketio_sync import TransportError
from socketio_sync import connect
from socketio_sync import parsers
from tests.client.app import make_app
from tests.client.raw import answering
from tests.client.raw import reply
from tests.support.proxy import Proxy
from tests.support.served import Served
from tests.support.served import served
from tests.support.timing import scaled
from tests.support.wire import TIMEOUT
from tests.support.wire import until

FAST = {"reconnection_delay": 0.02, "reconnection_delay_max": 0.05}


def upgraded(client: Client) -> None:
    until(lambda: client.emit_with_ack("transport") == "websocket")


def test_polling_is_upgraded_and_nothing_is_lost_on_the_way(server: Served) -> None:
    with connect(server.url, inbox=100_000) as client:
        sent = 0
        asking = client.timeout(scaled(20))
        while asking.emit_with_ack("transport") != "websocket":
            client.emit("push", "n", 20)
            client.emit("echo", b"x" * 1000)
            sent += 20
        client.emit("push", "n", 1)
        numbers = [client.receive("n", timeout=TIMEOUT)[1] for _ in range(sent + 1)]
        assert numbers == [*range(20)] * (sent // 20) + [0]
        assert "websocket" in repr(client)


def test_a_packet_right_behind_the_switch_is_not_lost(server: Served) -> None:
    for _ in range(40):  # the reply to the CONNECT often falls into the upgrade
        with connect(server.url) as client:
            assert client.timeout(scaled(10)).emit_with_ack("echo", 1) == 1


@pytest.mark.parametrize("options", [{"upgrade": False}, {"transports": ["polling"]}])
def test_no_upgrade_when_it_is_not_wanted(server: Served, options: dict[str, Any]) -> None:
    with Client(server.url, **options) as client:
        for _ in range(20):
            assert client.emit_with_ack("transport") == "polling"


def test_an_upgrade_that_fails_leaves_the_polling(server: Served) -> None:
    """The proxy of this test lets no WebSocket through, as some firewalls do."""
    probes: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def answer(sock: socket.socket, request: bytes) -> None:
        if b"Upgrade: websocket" in request:
            probes.put(request)
            sock.sendall(reply("403 Forbidden", b"no WebSocket here"))
            return
        with socket.create_connection(("127.0.0.1", server.port)) as upstream:
            upstream.sendall(request.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n", 1))
            while data := upstream.recv(65536):
                sock.sendall(data)
            sock.shutdown(socket.SHUT_RDWR)

    with answering(answer) as port, Client(f"http://127.0.0.1:{port}") as client:
        assert b"sid=" in probes.get(timeout=TIMEOUT)
        for number in range(10):
            assert client.emit_with_ack("echo", number) == number
        assert client.emit_with_ack("transport") == "polling"


def test_the_first_transport_is_opened_and_others_only_if_asked(server: Served) -> None:
    def answer(sock: socket.socket, request: bytes) -> None:
        seen.append(b"websocket" if b"Upgrade: websocket" in request else b"polling")
        sock.sendall(reply("404 Not Found"))

    for options, expected in (
        ({"transports": ["websocket", "polling"]}, [b"websocket"]),
        ({"transports": ["websocket", "polling"], "try_all_transports": True}, [b"websocket", b"polling"]),
        ({"try_all_transports": True}, [b"polling", b"websocket"]),
        ({}, [b"polling"]),
    ):
        seen: list[bytes] = []
        with answering(answer) as port, pytest.raises(TransportError):
            connect(f"http://127.0.0.1:{port}", **options)  # type: ignore[arg-type]
        assert seen == expected


def test_try_all_transports_finds_the_one_that_works() -> None:
    with served("threads", transports=["polling"]) as running:
        options = {"transports": ["websocket", "polling"], "reconnection": False}
        with pytest.raises(TransportError):
            connect(running.url, **options)  # type: ignore[arg-type]
        with connect(running.url, try_all_transports=True, **options) as client:  # type: ignore[arg-type]
            assert "polling" in repr(client)


def test_remember_upgrade_begins_with_what_worked(server: Served) -> None:
    with Client(server.url, remember_upgrade=True, **FAST) as client:
        upgraded(client)
        lost = threading.Event()
        client.on("disconnect", lambda: lost.set())
        client.emit("cut")
        assert lost.wait(TIMEOUT)
        client.connect()
        assert client.emit_with_ack("transport") == "websocket"


def test_query_and_headers_go_with_every_request(server: Served, transports: tuple[str, ...]) -> None:
    url = f"{server.url}?room=ü%20x&empty="
    with Client(url, transports=transports, extra_headers={"X-Token": "abc", "Origin": server.url}) as client:
        request = client.emit_with_ack("request")
        assert (request["query"]["room"], request["query"]["empty"], request["query"]["EIO"]) == ("ü x", "", "4")
        assert request["headers"]["x-token"] == "abc"
        assert request["headers"]["host"] == f"127.0.0.1:{server.port}"
    with Client(url, transports=transports, query={"other": "1"}) as client:
        query = client.emit_with_ack("request")["query"]
        assert "room" not in query and query["other"] == "1"


def test_another_path() -> None:
    with served("threads", path="/deep/socket") as running:
        make_app(running.io)
        with Client(running.url, path="/deep/socket/") as client:
            assert client.emit_with_ack("echo", 1) == 1
        with pytest.raises(TransportError):
            connect(running.url)


@pytest.mark.parametrize("keep", [True, False])
def test_cookies_go_back_if_wanted(keep: bool) -> None:
    with served("threads", cookie={"name": "io"}) as running:
        cookies: queue.SimpleQueue[str] = queue.SimpleQueue()
        running.io.engine.use(lambda environ: cookies.put(environ.get("HTTP_COOKIE", "")))
        make_app(running.io)
        headers = {"Cookie": "mine=1"}
        with Client(running.url, with_credentials=keep, extra_headers=headers) as client:
            upgraded(client)
        seen = [cookies.get() for _ in range(cookies.qsize())]
        assert seen[0] == "mine=1"
        assert all(cookie.startswith("mine=1; io=") == keep for cookie in seen[1:])


def test_a_cookie_that_expires_is_forgotten() -> None:
    requests: list[bytes] = []
    lines = iter(["Set-Cookie: a=1", "Set-Cookie: b=2; Max-Age=60", "Set-Cookie: a=; Max-Age=0"])
    handshake = b'0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'

    def answer(sock: socket.socket, request: bytes) -> None:
        requests.append(request)
        body = b"6" if b"sid=" in request else handshake
        sock.sendall(reply("200 OK", b"ok" if request.startswith(b"POST") else body, next(lines, "X-No: more")))

    with answering(answer) as port:
        client = Client(f"http://127.0.0.1:{port}", transports=["polling"], with_credentials=True)
        with pytest.raises(TransportError):
            client.connect(timeout=0.5)
    assert b"Cookie: a=1" in requests[1]
    assert b"Cookie: b=2\r\n" in requests[-1]


def test_force_base64(server: Served, transports: tuple[str, ...]) -> None:
    with Client(server.url, transports=transports, force_base64=True) as client:
        assert client.emit_with_ack("echo", b"\x00\xff" * 100, "text") == (b"\x00\xff" * 100, "text")
        assert client.emit_with_ack("request")["query"]["b64"] == "1"


@pytest.mark.parametrize("server_deflates", [True, False])
def test_compression_where_both_want_it(server_deflates: bool) -> None:
    with served("threads", per_message_deflate=server_deflates, max_http_buffer_size=10**7) as running:
        make_app(running.io)
        with Client(running.url, transports=["websocket"], per_message_deflate=True) as client:
            for size in (10, 2000, 3_000_000):
                data = b"a" * size
                assert client.emit_with_ack("echo", data, "ü" * size) == (data, "ü" * size)
                assert client.compress(False).emit_with_ack("echo", data) == data


def test_msgpack(transports: tuple[str, ...]) -> None:
    with served("threads", parser=parsers.msgpack) as running:
        make_app(running.io)
        with Client(running.url, transports=transports, parser=parsers.msgpack) as client:
            assert client.emit_with_ack("echo", {"a": b"x"}, [1.5, None]) == ({"a": b"x"}, [1.5, None])


def test_a_handler_that_is_slow_loses_nothing(server: Served, transports: tuple[str, ...]) -> None:
    release = threading.Event()
    done = threading.Event()
    seen: list[int] = []
    with Client(server.url, transports=transports) as client:

        @client.on("n")
        def handle(number: int) -> None:
            release.wait(TIMEOUT)
            seen.append(number)
            if number == 4999:
                done.set()

        client.emit("push", "n", 5000)
        until(lambda: client._life._mailbox is not None and client._life._mailbox.pending >= 1000)
        release.set()
        assert done.wait(scaled(20))
        assert client.emit_with_ack("echo", 1) == 1
    assert seen == list(range(5000))


def test_a_server_that_does_not_read_fills_the_buffer_and_no_more() -> None:
    from socketio_sync import LimitError

    release = threading.Event()
    with served("threads", max_pending_events=1) as running:
        running.io.on("x", lambda socket, data: release.wait(TIMEOUT))
        with Client(running.url, transports=["websocket"], max_send_buffer=2_000_000) as client:
            with pytest.raises(LimitError):
                for _ in range(200):
                    client.emit("x", bytes(500_000))
            release.set()
            running.io.on("echo", lambda socket, value: value)
            until(lambda: client._life.connector.waiting == 0)
            assert client.emit_with_ack("echo", 5) == 5


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_lagging_network_keeps_the_order(server: Served, transport: str) -> None:
    with Proxy(server.port, lag=0.03) as proxy, connect(proxy.url, transports=[transport]) as client:
        for number in range(100):
            client.emit("push", f"e{number}", 1)
        names = [client.receive(timeout=TIMEOUT)[0] for _ in range(101)]
        assert names == ["hello", *(f"e{number}" for number in range(100))]


@pytest.mark.parametrize(
    "frame", [b"\xf1\x00", b"\x81\x82ab", b"\x83\x00", b"\x81\x02\xff\xff", b"\x82\x7f" + b"\x7f" * 8]
)
def test_a_frame_that_is_none_is_a_transport_error(frame: bytes) -> None:
    import base64
    import hashlib
    import re

    def answer(sock: socket.socket, request: bytes) -> None:
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", request)
        assert key is not None
        digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        handshake = b'0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        accept = b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        # All in one segment with the answer, which is when it is easily overlooked.
        sock.sendall(head + accept + b"\x81" + bytes([len(handshake)]) + handshake + b"\x81\x0f40" + b'{"sid":"xyz"}')
        sock.recv(65536)
        sock.sendall(frame)
        while sock.recv(65536):
            pass

    with answering(answer) as port:
        reasons: queue.SimpleQueue[Any] = queue.SimpleQueue()
        client = Client(f"http://127.0.0.1:{port}", transports=["websocket"], reconnection=False)
        client.on("disconnect", lambda reason, details: reasons.put((reason, details)))
        try:
            client.connect(timeout=5)
        except Exception:
            pass
        else:
            reason, details = reasons.get(timeout=TIMEOUT)
            assert reason == "transport error"
            assert details.code in (1002, 1007, 1009)
