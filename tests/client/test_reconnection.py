"""Losing the connection in every way, and coming back: reasons, buffering, recovery, the manager's events."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

import pytest

from socketio_sync import Client
from socketio_sync import DisconnectedError
from socketio_sync import Server
from socketio_sync import TransportError
from socketio_sync import connect
from tests.client.app import make_app
from tests.client.raw import answering
from tests.client.raw import reply
from tests.support.proxy import Proxy
from tests.support.served import Served
from tests.support.served import served
from tests.support.servers import free_port
from tests.support.timing import scaled
from tests.support.wire import TIMEOUT
from tests.support.wire import until

FAST = {"reconnection_delay": 0.02, "reconnection_delay_max": 0.05}


class Log:
    """What happened to a client, in order."""

    def __init__(self, client: Client) -> None:
        self.entries: queue.SimpleQueue[Any] = queue.SimpleQueue()
        client.on("disconnect", lambda reason, details: self.entries.put((reason, details)))
        client.manager.on("reconnect", lambda attempt: self.entries.put(("reconnect", attempt)))
        client.manager.on("reconnect_failed", lambda: self.entries.put("reconnect_failed"))

    def next(self) -> Any:
        return self.entries.get(timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("how", "reasons"),
    [("finish", {"transport close", "transport error"}), ("reset", {"transport error", "transport close"})],
)
def test_a_cut_connection_comes_back(
    server: Served, transports: tuple[str, ...], how: str, reasons: set[str]
) -> None:
    with Proxy(server.port) as proxy, Client(proxy.url + "/other", transports=transports, **FAST) as client:
        log = Log(client)
        for _ in range(2):
            proxy.cut(how)
            until(lambda: not client.connected)
            assert client.active
            proxy.mend()
            assert log.next()[0] in reasons
            assert log.next()[0] == "reconnect"
            until(lambda: client.connected)


def test_silence_is_a_ping_timeout() -> None:
    with served("threads", ping_interval=0.2, ping_timeout=0.3) as running, Proxy(running.port) as proxy:
        with Client(proxy.url, transports=["websocket"], timeout=0.5, **FAST) as client:
            log = Log(client)
            proxy.cut("silence")
            assert log.next()[0] == "ping timeout"
            proxy.mend()
            until(lambda: client.connected)


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_pings_are_answered(transport: str) -> None:
    pings: queue.SimpleQueue[int] = queue.SimpleQueue()
    with served("threads", ping_interval=0.1, ping_timeout=0.5) as running:
        with Client(running.url, transports=[transport]) as client:
            client.manager.on("ping", lambda: pings.put(1))
            for _ in range(10):
                pings.get(timeout=TIMEOUT)
            until(lambda: client.connected)


def test_the_servers_disconnect_is_final(server: Served, transports: tuple[str, ...]) -> None:
    with Client(server.url, transports=transports) as client:
        log = Log(client)
        client.emit("kick")
        assert log.next()[0] == "io server disconnect"
        assert client.wait(TIMEOUT)
        assert not client.active
        client.connect()
        assert client.emit_with_ack("echo", 1) == 1


def test_a_handler_of_disconnect_may_connect_again(server: Served) -> None:
    again = threading.Event()
    client = Client(server.url, transports=["websocket"])

    @client.once("disconnect")
    def disconnected(reason: str) -> None:
        client.connect()
        again.set()

    with client:
        client.emit("kick")
        assert again.wait(TIMEOUT)
        assert client.emit_with_ack("echo", 1) == 1


def test_the_end_of_the_connection_is_not_final(server: Served, transports: tuple[str, ...]) -> None:
    with Client(server.url, transports=transports, **FAST) as client:
        log = Log(client)
        client.emit("kick", True)  # the namespace is left as well
        assert log.next()[0] == "io server disconnect"
        client.connect()
        client.emit("cut")
        assert log.next()[0] == "transport close"
        until(lambda: client.connected)


def test_without_reconnection_a_loss_is_the_end(server: Served) -> None:
    with Client(server.url, transports=["websocket"], reconnection=False) as client:
        log = Log(client)
        client.emit("cut")
        assert log.next()[0] == "transport close"
        assert client.wait(TIMEOUT)
        with pytest.raises(DisconnectedError, match="transport close"):
            client.emit_with_ack("echo", 1)


def test_attempts_are_counted_and_end() -> None:
    with served("threads") as running, Proxy(running.port) as proxy:
        client = Client(proxy.url, transports=["websocket"], reconnection_attempts=3, inbox=5, **FAST)
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for name in ("reconnect_attempt", "reconnect_error", "reconnect_failed"):
            client.manager.on(name, lambda *args, name=name: events.put((name, *args)))
        client.on("connect_error", lambda error: events.put(("connect_error", error)))
        client.connect()
        proxy.cut("reset")
        assert client.wait(TIMEOUT)
        with pytest.raises(DisconnectedError):
            client.receive(timeout=TIMEOUT)
        seen = [events.get(timeout=TIMEOUT) for _ in range(10)]
        assert [event[1] for event in seen if event[0] == "reconnect_attempt"] == [1, 2, 3]
        errors = [event[1] for event in seen if event[0] in ("reconnect_error", "connect_error")]
        assert len(errors) == 6 and all(isinstance(error, TransportError) for error in errors)
        assert [event[0] for event in seen].count("reconnect_failed") == 1


def test_what_is_emitted_during_a_loss_is_sent_in_order(server: Served, transports: tuple[str, ...]) -> None:
    got: list[int] = []
    server.io.on("keep", keep := lambda socket, number: got.append(number))
    try:
        with Proxy(server.port) as proxy, Client(proxy.url, transports=transports, **FAST) as client:
            proxy.cut("reset")
            until(lambda: not client.connected)
            for number in range(200):
                client.emit("keep", number)
                client.volatile.emit("keep", -1)
            proxy.mend()
            assert client.timeout(scaled(20)).emit_with_ack("echo", b"x") == b"x"
        until(lambda: len(got) == 200)
        assert got == list(range(200))
    finally:
        server.io.off("keep", keep)


def test_an_answer_lost_with_the_connection_is_an_error(server: Served) -> None:
    with Proxy(server.port) as proxy, Client(proxy.url, transports=["websocket"], **FAST) as client:
        threading.Timer(0.1, proxy.cut, ("reset",)).start()
        with pytest.raises(DisconnectedError):
            client.timeout(scaled(30)).emit_with_ack("never")
        assert client.active


@pytest.mark.long
@pytest.mark.parametrize("how", ["finish", "reset", "half"])
def test_recovery_loses_and_doubles_nothing(server: Served, transports: tuple[str, ...], how: str) -> None:
    stop = threading.Event()
    sent = 0

    def pour() -> None:
        nonlocal sent
        while not stop.is_set():
            server.io.to("stream").emit("drop", sent, b"x" * (sent % 7))
            sent += 1
            time.sleep(0.001)

    server.io.on("join", join := lambda socket: socket.join("stream"))
    pouring = threading.Thread(target=pour)
    with Proxy(server.port) as proxy, connect(proxy.url, transports=transports, inbox=100_000, **FAST) as client:
        client.emit_with_ack("join")
        recovered: list[bool] = []
        client.on("connect", lambda: recovered.append(client.recovered))
        pouring.start()
        try:
            for _ in range(6):
                time.sleep(0.1)
                proxy.cut_for(0.05, how)
                until(lambda: client.connected, scaled(20))
        finally:
            stop.set()
            pouring.join()
        server.io.to("stream").emit("last")
        numbers = []
        while (event := client.receive("drop", "last", timeout=scaled(20)))[0] == "drop":
            numbers.append(event[1])
            assert event[2] == b"x" * (event[1] % 7)
    server.io.off("join", join)
    assert recovered and all(recovered)
    assert numbers == list(range(sent))


def test_a_session_that_is_not_recovered_starts_anew() -> None:
    port = free_port()
    client = Client(f"http://127.0.0.1:{port}", transports=["websocket"], inbox=100, **FAST)
    ids: list[str | None] = []
    for _ in range(3):  # a new server each time knows nothing of the old session
        io = Server(connection_state_recovery=True)
        make_app(io)
        with io, io.listening(port=port):
            if not client.active:
                client.connect()
            until(lambda: client.connected and client.id not in ids, scaled(20))
            ids.append(client.id)
            assert not client.recovered
            assert client.receive("hello", timeout=TIMEOUT)[0] == "hello"
            assert client.emit_with_ack("echo", 1) == 1
    client.disconnect()
    assert len(set(ids)) == 3


def test_a_server_that_restarts_gets_its_client_back(transports: tuple[str, ...]) -> None:
    port = free_port()
    reasons: queue.SimpleQueue[str] = queue.SimpleQueue()
    client = Client(f"http://127.0.0.1:{port}", transports=transports, **FAST)
    client.on("disconnect", reasons.put)
    for round in range(2):
        io = Server()
        make_app(io)
        with io, io.listening(port=port):
            if not round:
                client.connect()
            assert client.timeout(scaled(20)).emit_with_ack("echo", round) == round
        assert reasons.get(timeout=TIMEOUT) in ("transport close", "transport error")
        assert client.active
    client.disconnect()
    assert client.wait(TIMEOUT)


def test_a_packet_that_is_none_ends_the_connection_and_it_comes_back() -> None:
    bad = iter([b'42["a', b'42["connect"]', b"451-[]", b"4", b"47"])
    handshake = b'0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
    asked = threading.Semaphore(0)
    reasons: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def answer(sock: Any, request: bytes) -> None:
        if request.startswith(b"POST"):
            asked.release()
            sock.sendall(reply("200 OK", b"ok"))
        elif b"sid=" not in request:
            sock.sendall(reply("200 OK", handshake))
        elif asked.acquire(timeout=TIMEOUT):
            sock.sendall(reply("200 OK", b'40{"sid":"xyz"}\x1e' + next(bad, b"6")))

    with answering(answer) as port:
        client = Client(f"http://127.0.0.1:{port}", transports=["polling"], **FAST)
        client.on("disconnect", lambda reason, details: reasons.put((reason, details)))
        client.connect()
        for _ in range(5):
            reason, details = reasons.get(timeout=TIMEOUT)
            assert reason == "parse error"
            assert details.description
        client.disconnect()
        asked.release()


def test_disconnect_ends_the_attempts(nothing_left: Any) -> None:
    client = Client(f"http://127.0.0.1:{free_port()}", **FAST)
    attempts: queue.SimpleQueue[int] = queue.SimpleQueue()
    client.manager.on("reconnect_attempt", attempts.put)
    threading.Thread(target=lambda: pytest.raises((TransportError, DisconnectedError), client.connect, 60)).start()
    attempts.get(timeout=TIMEOUT)
    client.disconnect()
    assert client.wait(TIMEOUT)
