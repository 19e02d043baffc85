"""Engine.IO alone, as its users type it."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

from socketio_sync.engine.connection import Connection
from socketio_sync.engine.engine import Engine
from tests.engine.served import closed
from tests.engine.served import served
from tests.support.wire import until


def test_what_a_connection_says_of_itself(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        connection = server.connection()
        assert connection.id == client.sid
        assert connection.protocol == 4
        assert connection.transport == "polling"
        assert connection.remote_address == "127.0.0.1"
        assert connection.buffered == 0
        connection.send("12345")
        assert connection.buffered > 0
        # The id is the client's secret.
        assert client.sid not in repr(connection)
        server.upgraded(client)
        assert server.upgrades.get(timeout=5) == "websocket"
        assert connection.transport == "websocket"
        assert server.engine.clients_count == 1
        assert repr(server.engine) == "<Engine '/engine.io/' clients=1>"


@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_bytes_like_is_sent_as_it_was(runtime: str, kind: Callable[[bytearray], Any]) -> None:
    with served(runtime) as server:
        client = server.polling()
        data = bytearray(b"\x01\x02")
        server.connection().send(kind(data))
        data[:] = b"\xff\xff"
        assert client.get() == ["bAQI="]


@pytest.mark.parametrize(
    ("data", "error"), [(1, TypeError), (None, TypeError), (["x"], TypeError), ("\ud800", ValueError)]
)
def test_what_cannot_be_sent_fails_at_its_sender(runtime: str, data: Any, error: type[Exception]) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        connection = server.connection()
        with pytest.raises(error):
            connection.send(data)
        connection.send("fine")
        assert wire.receive() == "4fine"


def test_listeners(runtime: str) -> None:
    with served(runtime, echo=False) as server:
        wire = server.websocket()
        connection = server.connection()
        seen: list[object] = []

        @connection.on("message")
        def first(data: str | bytes) -> None:
            seen.append(("first", data))
            raise ValueError("a handler's fault stays its own")

        connection.on("message", lambda data: seen.append(("second", data)))
        connection.on("close", lambda reason, details: seen.append(reason))
        wire.send_text("4a")
        wire.send_text("4b")
        wire.send_text("1")
        until(lambda: len(seen) == 5)
        assert seen == [("first", "a"), ("second", "a"), ("first", "b"), ("second", "b"), "transport close"]
        with pytest.raises(ValueError, match="no event 'packet'"):
            connection.on("packet", print)
        with pytest.raises(TypeError):
            connection.on("message", 5)  # type: ignore[arg-type]


def test_messages_right_behind_the_handshake_wait_for_the_connection_handler(runtime: str) -> None:
    with served(runtime, echo=False) as server:
        seen: list[object] = []

        @server.engine.on("connection")
        def slow(connection: Connection) -> None:
            server.engine.runtime.sleep(0.1)
            connection.on("message", seen.append)

        wire = server.websocket()
        wire.send_text("4early")
        until(lambda: seen)
        assert seen == ["early"]


def test_a_handler_that_blocks_blocks_nobody_else(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        connection = server.connection()
        go = server.engine.runtime.event()
        connection.on("message", lambda data: go.wait(10) if data == "block" else None)
        wire.send_text("4block")
        assert wire.receive() == "4block"
        other = server.websocket()
        other.send_text("4other")
        assert other.receive() == "4other"
        # Its own heartbeat goes on too: a wrong packet is noticed at once.
        wire.send_text("2")
        assert closed(wire) is not None
        go.set()


def test_sending_from_any_thread_in_the_order_of_each(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        connection = server.connection()
        threads = [
            threading.Thread(target=lambda name=name: [connection.send(f"{name}{n}") for n in range(300)])
            for name in "abcd"
        ]
        for thread in threads:
            thread.start()
        received: dict[str, list[int]] = {name: [] for name in "abcd"}
        for _ in range(1200):
            text = str(wire.receive())
            received[text[1]].append(int(text[2:]))
        for thread in threads:
            thread.join()
        assert all(numbers == list(range(300)) for numbers in received.values())


def test_an_engine_is_nothing_until_it_is_used() -> None:
    before = threading.active_count()
    engine = Engine()
    assert not engine.started
    assert "_lock" not in engine.__dict__
    assert threading.active_count() == before
    engine.close()
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(engine)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"pingInterval": 5}, TypeError),
        ({"ping_interval": 25_000}, ValueError),
        ({"transports": ["smoke"]}, ValueError),
    ],
)
def test_options_are_checked(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Engine(**options)


def test_another_path(runtime: str) -> None:
    with served(runtime, path="/live") as server:
        assert server.fetch("/live/?EIO=4&transport=polling").status == 200
        assert server.fetch("/engine.io/?EIO=4&transport=polling").status == 404


def test_a_listener_may_take_less_than_there_is(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        reasons: list[str] = []
        server.connection().on("close", lambda reason: reasons.append(reason))
        wire.close_frame(1000)
        until(lambda: reasons == ["transport close"])


class Echo:
    """What somebody else builds on the engine."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def on_message(self, data: str | bytes) -> None:
        self._connection.send(data)

    def on_close(self, reason: str, details: object) -> None:
        pass


class EchoHandler:
    def on_connection(self, connection: Connection) -> Echo:
        return Echo(connection)


def test_a_handler_of_somebody_else(runtime: str) -> None:
    with served(runtime, handler=EchoHandler()) as server:
        wire = server.websocket()
        wire.send_text("4" + "short")
        wire.send_binary(b"binary")
        wire.send_text("4" + "long" * 100)
        assert [wire.receive() for _ in range(3)] == ["4short", b"binary", "4" + "long" * 100]
