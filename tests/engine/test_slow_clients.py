"""Clients that do not read: bounded memory, a clear end, and nobody else notices."""

from __future__ import annotations

import threading

import pytest

from socketio_sync.protocol.engineio_packet import EncodedPacket
from tests.engine.served import served
from tests.support.wire import until

CHUNK = "x" * 100_000


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_client_that_does_not_read_is_closed_at_the_limit(runtime: str, transport: str) -> None:
    limit = 2_000_000
    with served(runtime, max_send_buffer=limit) as server:
        if transport == "polling":
            server.polling()
        else:
            server.websocket()
        slow = server.connection()
        good = server.websocket()
        highest = 0
        while server.ended.empty():
            slow.send(CHUNK)
            highest = max(highest, slow.buffered)
        assert limit < highest <= limit + len(CHUNK) + 100
        reason, description = server.end()
        assert reason == "transport error"
        assert "max_send_buffer" in str(description)
        assert slow.buffered == 0
        slow.send("nobody gets it")
        good.send_text("4fine")
        assert good.receive() == "4fine"
        assert server.engine.clients_count == 1


def test_one_that_finds_less_waiting_is_always_taken(runtime: str) -> None:
    """However big it is."""
    with served(runtime, max_send_buffer=1000) as server:
        wire = server.websocket()
        connection = server.connection()
        connection.send("x" * 20_000_000)
        assert connection.buffered > 1000
        assert len(str(wire.receive())) == 20_000_001
        connection.send("more")
        assert wire.receive() == "4more"
        assert server.ended.empty()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_volatile_packet_is_dropped_as_soon_as_anything_waits(runtime: str, transport: str) -> None:
    with served(runtime) as server:
        packet = EncodedPacket(["volatile"])
        if transport == "polling":
            client = server.polling()
            connection = server.connection()
            assert not connection.send_packet(packet, volatile=True)
            parked = server.park(client)
            assert connection.send_packet(packet, volatile=True)
            assert parked.answer().text == "4volatile"
            assert not connection.send_packet(packet, volatile=True)
            return
        wire = server.websocket()
        connection = server.connection()
        assert connection.send_packet(packet, volatile=True)
        assert wire.receive() == "4volatile"
        connection.send("x" * 20_000_000)
        assert not connection.send_packet(packet, volatile=True)
        assert len(str(wire.receive())) == 20_000_001
        until(lambda: not connection.buffered)
        assert connection.send_packet(packet, volatile=True)
        assert wire.receive() == "4volatile"


def test_batches_are_never_torn_apart(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        connection = server.connection()

        def push(name: str) -> None:
            for number in range(200):
                connection.send_packet(EncodedPacket([f"{name}{number}", name.encode() * 1000, b"last"]))

        threads = [threading.Thread(target=push, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        seen = dict.fromkeys("abcd", 0)
        for _ in range(800):
            text = str(wire.receive())
            name, number = text[1], int(text[2:])
            assert wire.receive() == name.encode() * 1000
            assert wire.receive() == b"last"
            assert number == seen[name]
            seen[name] += 1
        for thread in threads:
            thread.join()


# -- drain -------------------------------------------------------------------------------------------------------------


def test_drain_waits_until_all_is_sent(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        connection = server.connection()
        assert connection.drain(0)
        connection.send("x" * 20_000_000)
        assert not connection.drain(0.05)
        results: list[bool] = []
        thread = threading.Thread(target=lambda: results.append(connection.drain(10)))
        thread.start()
        assert len(str(wire.receive())) == 20_000_001
        thread.join(10)
        assert results == [True]
        assert connection.buffered == 0


def test_drain_on_polling(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        connection = server.connection()
        connection.send("x")
        assert not connection.drain(0.05)
        assert connection._drain_waiters == []
        results: list[bool] = []
        thread = threading.Thread(target=lambda: results.append(connection.drain(10)))
        thread.start()
        assert client.get() == ["4x"]
        thread.join(10)
        assert results == [True]


def test_drain_ends_with_the_connection(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        connection = server.connection()
        connection.send("x" * 20_000_000)
        results: list[bool] = []
        threads = [threading.Thread(target=lambda: results.append(connection.drain(10))) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: len(connection._drain_waiters) == 3)
        wire.reset()
        for thread in threads:
            thread.join(10)
        assert results == [False] * 3
        assert not connection.drain(1)


def test_a_handler_that_drains_keeps_the_memory_small(runtime: str) -> None:
    with served(runtime, echo=False) as server:
        highest: list[int] = []

        def push(data: str | bytes) -> None:
            for _ in range(200):
                connection.send(CHUNK)
                highest.append(connection.buffered)
                connection.drain()

        wire = server.websocket()
        connection = server.connection()
        connection.on("message", push)
        wire.send_text("4go")
        for _ in range(200):
            assert len(str(wire.receive())) == len(CHUNK) + 1
        assert max(highest) <= len(CHUNK) + 20


# -- clients that send faster than they are heard ----------------------------------------------------------------------


def test_a_client_that_is_behind_is_not_read(runtime: str) -> None:
    with served(runtime, echo=False) as server:
        wire = server.websocket()
        connection = server.connection()
        go = server.engine.runtime.event()
        connection.on("message", lambda data: go.wait(10))
        wire.sock.settimeout(0.3)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 100_000_000:
                wire.send_binary(bytes(100_000))
                sent += 100_000
        assert sent < 30_000_000
        assert connection.reading_paused
        # Another client is heard all the same.
        other = server.websocket()
        other.send_text("4other")
        until(lambda: server.heard.qsize() >= 2)
        go.set()
        until(lambda: not connection.reading_paused)
