"""Connecting, or not: each way in which a server is not there, refuses, or is something else."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from typing import Any

import pytest
import trustme

from socketio_sync import Client
from socketio_sync import ConnectError
from socketio_sync import DisconnectedError
from socketio_sync import Manager
from socketio_sync import Server
from socketio_sync import TransportError
from socketio_sync import connect
from tests.client.raw import answering
from tests.client.raw import reply
from tests.support.served import Served
from tests.support.served import served
from tests.support.servers import Host
from tests.support.servers import certificate
from tests.support.servers import free_port
from tests.support.servers import serving
from tests.support.timing import scaled
from tests.support.wire import TIMEOUT
from tests.support.wire import until

FIRST = pytest.mark.parametrize("transport", ["websocket", "polling"])
OPEN = b'0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'


def test_a_client_is_connected_when_connect_returns(server: Served, transports: tuple[str, ...]) -> None:
    client = Client(server.url, transports=transports, inbox=10)
    assert not client.active
    client.connect()
    assert (client.connected, client.active, client.recovered) == (True, True, False)
    assert client.id in server.io.sockets
    client.connect()  # nothing happens
    assert client.receive("hello", timeout=TIMEOUT)[0] == "hello"
    socket_id = client.id
    client.disconnect()
    assert (client.connected, client.active, client.id) == (False, False, None)
    assert client.wait(TIMEOUT)
    client.disconnect()
    until(lambda: socket_id not in server.io.sockets)


def test_a_middleware_refuses_with_message_and_data(server: Served, transports: tuple[str, ...]) -> None:
    errors: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client = Client(server.url + "/secret", transports=transports)
    client.on("connect_error", errors.put)
    with pytest.raises(ConnectError, match="not authorized") as caught:
        client.connect()
    assert caught.value.data == {"why": "token"}
    assert not isinstance(caught.value, TransportError)
    assert errors.get(timeout=TIMEOUT) is caught.value
    assert not client.active and client.wait(TIMEOUT)
    client.auth = {"token": "secret"}
    with client:
        assert client.connected
    assert errors.empty()


def test_a_namespace_that_is_none(server: Served) -> None:
    with pytest.raises(ConnectError, match="Invalid namespace"):
        connect(server.url + "/nowhere")


def test_auth_is_asked_at_each_connect(server: Served) -> None:
    tokens = iter(["first", "second"])
    client = Client(server.url, auth=lambda: {"token": next(tokens)}, inbox=10, reconnection_delay=0.01)
    with client:
        assert client.receive("hello", timeout=TIMEOUT)[1] == {"token": "first"}
        client.emit("cut")
        answer = client.receive("hello", timeout=TIMEOUT)[1]
        assert answer["token"] == "second"


def test_an_auth_that_fails_is_the_error_of_connect(server: Served, caplog: pytest.LogCaptureFixture) -> None:
    client = Client(server.url, auth=lambda: 1 / 0)
    with pytest.raises(ConnectError, match="division") as caught:
        client.connect()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert not client.active
    client.auth = lambda: "no dict"  # type: ignore[assignment, return-value]
    with pytest.raises(ConnectError, match="must be a dict"):
        client.connect()
    assert "auth of" in caplog.text


@FIRST
def test_nobody_listens(transport: str) -> None:
    port = free_port()
    client = Client(f"http://127.0.0.1:{port}", transports=[transport], reconnection=False)
    with pytest.raises(TransportError, match="refused") as caught:
        client.connect()
    assert isinstance(caught.value, ConnectionError) and caught.value.status is None
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert not client.active


@FIRST
def test_a_host_that_cannot_be_one(transport: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TransportError):
        connect(f"http://{'a' * 64}.example", transports=[transport], reconnection=False)
    assert "Traceback" not in caplog.text


def test_connect_tries_until_its_time_is_up() -> None:
    attempts: queue.SimpleQueue[int] = queue.SimpleQueue()
    client = Client(f"http://127.0.0.1:{free_port()}", reconnection_delay=0.05, reconnection_delay_max=0.05)
    client.manager.on("reconnect_attempt", attempts.put)
    began = time.monotonic()
    with pytest.raises(TransportError, match="in 0.5 s: .*refused"):
        client.connect(timeout=0.5)
    assert 0.4 < time.monotonic() - began < scaled(5)
    assert attempts.qsize() >= 2
    assert not client.active and client.wait(1)


def test_connect_succeeds_when_the_server_comes_in_time() -> None:
    port = free_port()
    io = Server()
    failed = threading.Event()
    client = Client(f"http://127.0.0.1:{port}", reconnection_delay=0.05, reconnection_delay_max=0.05)
    client.on("connect_error", lambda error: failed.set())
    thread = threading.Thread(target=client.connect, args=(scaled(20),))
    thread.start()
    assert failed.wait(TIMEOUT)
    with io.listening(port=port):
        thread.join(TIMEOUT)
        assert client.connected
        client.disconnect()


@FIRST
@pytest.mark.parametrize(
    ("status", "text"), [("401 Unauthorized", "who are you"), ("404 Not Found", "nothing"), ("200 OK", "<html>")]
)
def test_another_server_is_no_socketio_server(transport: str, status: str, text: str) -> None:
    with answering(lambda sock, head: sock.sendall(reply(status, text.encode()))) as port:
        began = time.monotonic()
        with pytest.raises(TransportError, match=text) as caught:
            connect(f"http://127.0.0.1:{port}", transports=[transport])
        assert caught.value.status == int(status[:3])
        assert time.monotonic() - began < scaled(5)  # it was not tried again


def test_a_redirect_is_not_followed_but_shown() -> None:
    with answering(lambda sock, head: sock.sendall(reply("302 Found", b"", "Location: https://login/"))) as port:
        with pytest.raises(TransportError, match="https://login/") as caught:
            connect(f"http://127.0.0.1:{port}")
        assert caught.value.status == 302


@FIRST
def test_a_busy_server_is_tried_again(transport: str) -> None:
    heads: list[bytes] = []

    def answer(sock: socket.socket, head: bytes) -> None:
        heads.append(head)
        sock.sendall(reply("503 Service Unavailable", b"busy"))

    with answering(answer) as port:
        with pytest.raises(TransportError, match="busy") as caught:
            connect(f"http://127.0.0.1:{port}", transports=[transport], timeout=0.6, reconnection_delay=0.05)
        assert caught.value.status == 503
        assert len(heads) >= 2


@FIRST
def test_a_server_that_says_nothing(transport: str) -> None:
    with answering(lambda sock, head: None) as port:
        client = Client(f"http://127.0.0.1:{port}", transports=[transport], timeout=0.3, reconnection=False)
        with pytest.raises(TransportError):
            client.connect()
        assert not client.active


@FIRST
@pytest.mark.parametrize(
    "garbage",
    [b"\x00\xff\xfe not HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0{", b"HTTP/1.1 abc\r\n\r\n"],
)
def test_garbage_is_a_transport_error(transport: str, garbage: bytes) -> None:
    def answer(sock: socket.socket, head: bytes) -> None:
        sock.sendall(garbage)
        sock.shutdown(socket.SHUT_RDWR)

    with answering(answer) as port:
        with pytest.raises(TransportError):
            connect(f"http://127.0.0.1:{port}", transports=[transport], reconnection=False)


@pytest.mark.parametrize("body", [b'0{"sid":1}', b"0", b"0[]", b"2", b"\xff\xfe", b"7", b'0{"sid":"a"}'])
def test_a_handshake_that_is_none(body: bytes) -> None:
    with answering(lambda sock, head: sock.sendall(reply("200 OK", body))) as port:
        with pytest.raises(TransportError):
            connect(f"http://127.0.0.1:{port}", transports=["polling"], reconnection=False)


def test_an_engineio_server_that_never_lets_in_is_left_in_time() -> None:
    requests: list[bytes] = []

    def answer(sock: socket.socket, head: bytes) -> None:
        requests.append(head)
        if head.startswith(b"POST"):
            sock.sendall(reply("200 OK", b"ok"))
        elif b"sid=" not in head:
            sock.sendall(reply("200 OK", OPEN))

    with answering(answer) as port:
        client = Client(f"http://127.0.0.1:{port}", transports=["polling"])
        with pytest.raises(TransportError, match="not connected to"):
            client.connect(timeout=0.3)
        assert not client.active
        until(lambda: any(head.endswith(b"\r\n\r\n1") for head in requests), TIMEOUT)  # it said goodbye


@pytest.mark.parametrize(
    ("packet", "message", "data"),
    [
        (b"40", "Socket.IO 2", None),
        (b'40{"no":"sid"}', "Socket.IO 2", None),
        (b'44{"message":"no","data":[1]}', "^no$", [1]),
        (b'44"plain"', "^plain$", None),
    ],
)
def test_what_the_namespace_says(packet: bytes, message: str, data: Any) -> None:
    asked = threading.Semaphore(0)

    def answer(sock: socket.socket, request: bytes) -> None:
        if request.startswith(b"POST"):
            asked.release()
            sock.sendall(reply("200 OK", b"ok"))
        elif b"sid=" not in request:
            sock.sendall(reply("200 OK", OPEN))
        elif asked.acquire(timeout=TIMEOUT):
            sock.sendall(reply("200 OK", packet))

    with answering(answer) as port:
        with pytest.raises(ConnectError, match=message) as caught:
            connect(f"http://127.0.0.1:{port}", transports=["polling"])
        assert caught.value.data == data
        asked.release()


def test_an_auth_that_fails_while_reconnecting_is_asked_again(server: Served) -> None:
    answers = iter([{"n": 1}, None, {"n": 3}])
    errors: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def auth() -> dict[str, Any]:
        answer = next(answers)
        if answer is None:
            raise OSError("the token server is away")
        return answer

    options: dict[str, Any] = {"reconnection_delay": 0.01, "reconnection_delay_max": 0.05}
    with Client(server.url, auth=auth, transports=["websocket"], inbox=10, **options) as client:
        client.on("connect_error", errors.put)
        client.receive("hello", timeout=TIMEOUT)
        client.emit("cut")
        assert "token server" in errors.get(timeout=TIMEOUT).message
        assert client.receive("hello", timeout=TIMEOUT)[1]["n"] == 3


def test_allow_request_refuses_with_403() -> None:
    with served("threads", allow_request=lambda environ: False) as running:
        for transport, status in (("polling", 403), ("websocket", 400)):
            with pytest.raises(TransportError, match="Forbidden") as caught:
                connect(running.url, transports=[transport])
            assert caught.value.status == status


def test_disconnect_ends_a_connect_that_waits_elsewhere() -> None:
    outcome: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client = Client(f"http://127.0.0.1:{free_port()}")

    def run() -> None:
        try:
            client.connect(timeout=100)
        except Exception as error:
            outcome.put(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: client.active)
    client.disconnect()
    error = outcome.get(timeout=TIMEOUT)
    assert isinstance(error, (DisconnectedError, TransportError))
    thread.join()


def test_several_threads_may_connect_the_same_client(server: Served) -> None:
    client = Client(server.url + "/slow", transports=["websocket"])
    barrier = threading.Barrier(8)
    connected: list[bool] = []

    def run() -> None:
        barrier.wait()
        client.connect()
        connected.append(client.connected)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert connected == [True] * 8
    assert len(server.io.of("/slow").sockets) == 1
    client.disconnect()


# -- several namespaces ----------------------------------------------------------------------------------------------


def test_namespaces_share_a_connection_and_end_alone(server: Served, transports: tuple[str, ...]) -> None:
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    before = server.io.engine.clients_count
    manager = Manager(server.url, transports=transports)
    manager.on("open", lambda: events.put("open"))
    manager.on("close", lambda reason, details: events.put(reason))
    main, other = manager.client("/", inbox=10), manager.client("other", inbox=10)
    with main, other:
        assert main.id != other.id
        assert server.io.engine.clients_count == before + 1
        assert other.receive(timeout=TIMEOUT)[0] == "in other"
        with pytest.raises(ConnectError):
            manager.client("/secret").connect()
        other.disconnect()
        assert main.emit_with_ack("echo", 1) == 1
        other.connect()
        assert main.emit_with_ack("echo", 2) == 2
    assert events.get(timeout=TIMEOUT) == "open"
    assert events.get(timeout=TIMEOUT) == "forced close"
    assert events.empty()
    until(lambda: server.io.engine.clients_count == before)


def test_leaving_a_namespace_before_it_has_answered(server: Served) -> None:
    manager = Manager(server.url, transports=["websocket"])
    slow = manager.client("/slow")
    with manager.client("/") as main:
        for _ in range(3):
            thread = threading.Thread(target=lambda: pytest.raises(DisconnectedError, slow.connect))
            thread.start()
            until(lambda: slow.active)
            slow.disconnect()
            thread.join()
        slow.connect()
        until(lambda: len(server.io.of("/slow").sockets) == 1)
        assert main.emit_with_ack("echo", 1) == 1
        assert main.connected and slow.connected
        slow.disconnect()


def test_a_reply_to_a_join_of_the_connection_before_means_nothing(server: Served) -> None:
    client = Client(server.url + "/slow", transports=["websocket"])
    for _ in range(5):  # left while it was joining, and with it the connection
        thread = threading.Thread(target=lambda: pytest.raises(DisconnectedError, client.connect))
        thread.start()
        until(lambda: "joining" in repr(client))
        client.disconnect()
        thread.join()
    client.connect(timeout=scaled(10))
    client.disconnect()


# -- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls_port() -> Any:
    with serving(Host("own-threads", tls=True), "tests.client.hosted:app") as running:
        yield running.port


@FIRST
def test_a_certificate_is_verified_unless_told_otherwise(tls_port: int, transport: str) -> None:
    began = time.monotonic()
    with pytest.raises(TransportError, match="certificate verify failed") as caught:
        connect(f"https://localhost:{tls_port}", transports=[transport])
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    assert time.monotonic() - began < scaled(5)  # it was not tried again


def test_a_certificate_for_another_host_is_refused() -> None:
    authority = trustme.CA()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("example.org").configure_cert(server_tls)
    client_tls = ssl.create_default_context()
    authority.configure_trust(client_tls)
    with answering(lambda sock, head: sock.sendall(reply("200 OK", OPEN)), server_tls) as port:
        with pytest.raises(TransportError, match="[Hh]ostname"):
            connect(f"https://localhost:{port}", ssl_context=client_tls)


def test_tls_carries_much_both_ways(tls_port: int, transports: tuple[str, ...]) -> None:
    context = ssl.create_default_context(cafile=certificate()[0])
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the server's own certificate is all that is known
    data = bytes(range(256)) * 20_000
    with connect(f"https://localhost:{tls_port}", transports=transports, ssl_context=context) as client:
        for _ in range(3):
            assert client.emit_with_ack("echo", data) == data
        client.emit("push", "n", 100)
        assert [client.receive("n", timeout=TIMEOUT)[1] for _ in range(100)] == list(range(100))
