"""Every way in which a session ends: what the client sees, and what reason the handlers get."""

from __future__ import annotations

import time

import pytest

from socketio_sync.runtime.timer_wheel import Timer
from tests.engine.served import Served
from tests.engine.served import closed
from tests.engine.served import served
from tests.support.wire import CLOSE
from tests.support.wire import PONG
from tests.support.wire import Closed
from tests.support.wire import Wire
from tests.support.wire import fetch
from tests.support.wire import frame
from tests.support.wire import until


def test_close_on_a_websocket_sends_what_was_sent_before(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        connection = server.connection()
        connection.send("x" * 5_000_000)
        connection.send("last")
        connection.close()
        assert len(str(wire.receive())) == 5_000_001
        assert wire.receive() == "4last"
        assert closed(wire) == Closed(None)
        assert server.end() == ("forced close", None)


def test_close_with_a_get_under_way(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        parked = server.park(client)
        server.connection().close()
        assert parked.answer().text == "1"
        assert server.end() == ("forced close", None)
        assert server.fetch(client.target).status == 400


def test_close_between_two_gets(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        connection = server.connection()
        connection.close()
        assert server.ended.empty()
        assert client.get() == ["6", "1"]
        assert server.end() == ("forced close", None)
        assert server.fetch(client.target).status == 400


def test_close_between_two_gets_with_something_queued(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        connection = server.connection()
        connection.send("last")
        connection.close()
        connection.send("too late")
        assert client.get() == ["4last"]
        assert client.get() == ["6", "1"]
        assert server.end() == ("forced close", None)


def test_close_between_two_gets_and_an_upgrade(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        wire = server.probe(client)
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        server.connection().close()
        wire.send_text("5")
        assert closed(wire) == Closed(None)
        assert server.end() == ("forced close", None)


def test_what_was_sent_before_the_close_comes_behind_the_upgrade(runtime: str) -> None:
    """As the DISCONNECT packet of ``socket.disconnect(True)``: without it the client would come back."""
    with served(runtime) as server:
        client = server.polling()
        wire = server.probe(client)
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        connection = server.connection()
        connection.send("last")
        connection.close()
        wire.send_text("5")
        assert wire.receive() == "4last"
        assert closed(wire) == Closed(None)
        assert server.end() == ("forced close", None)


def test_close_at_once(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        server.connection().close(discard=True)
        assert server.end() == ("forced close", None)
        assert server.fetch(client.target).status == 400


def test_close_twice_and_send_after_it(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        connection = server.connection()
        for _ in range(3):
            connection.close()
            connection.send("nothing")
        assert closed(wire) == Closed(None)
        assert server.end()[0] == "forced close"
        assert server.ended.empty()


def test_the_client_closes_a_polling_session(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        parked = server.park(client)
        client.post("1")
        assert parked.answer().text == "6"
        assert server.end() == ("transport close", None)
        assert server.fetch(client.target).status == 400


def test_a_get_that_the_close_packet_overtakes(runtime: str) -> None:
    with served(runtime) as server:
        for _ in range(20):
            client = server.polling()
            with Wire(server.port) as closing, Wire(server.port) as polling:
                closing.ask("POST", client.target, b"1")
                polling.ask("GET", client.target)
                assert polling.answer().text == "6"
                assert closing.answer().text == "ok"
            assert server.end() == ("transport close", None)
            assert server.fetch(client.target).status == 400


@pytest.mark.parametrize("behind", [frame(PONG, b""), b"what is not allowed" * 2000], ids=["pong", "rubbish"])
def test_what_was_sent_reaches_a_client_that_closes_and_goes_on_sending(runtime: str, behind: bytes) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        connection = server.connection()
        for _ in range(20):
            connection.send("x" * 50_000)  # more than a small window: most of it lies in the kernel
        wire.sock.sendall(frame(CLOSE, b"\x03\xe8"))
        assert server.end() == ("transport close", None)
        wire.sock.sendall(behind)
        for _ in range(20):
            assert wire.receive() == "4" + "x" * 50_000
        assert wire.receive() == Closed(1000)


def test_a_client_that_does_not_answer_a_close_frame(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        server.connection().close()
        assert closed(wire) == Closed(None)
        # Ours is shut, and in the end the socket is closed for good.
        until(lambda: not server.engine.runtime.channels)


def test_the_engine_closes(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        polling = server.polling()
        parked = server.park(polling)
        idle = server.polling()
        server.engine.close()
        assert closed(wire) == Closed(None)
        assert parked.answer().text == "1"
        assert [server.end()[0] for _ in range(3)] == ["server shutting down"] * 3
        assert server.engine.clients_count == 0
        assert server.fetch(idle.target).status == 400
        # Newcomers are refused, on both transports.
        reply = server.fetch("?EIO=4&transport=polling")
        assert reply.status == 503
        upgrade = server.wire().upgrade("/engine.io/?EIO=4&transport=websocket")
        assert upgrade is not None
        assert upgrade.status == 503
        server.engine.close()


def test_the_engine_waits_for_handlers(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        done: list[str] = []

        def slow(data: str | bytes) -> None:
            server.engine.runtime.sleep(0.3)
            done.append("handled")

        server.connection().on("message", slow)
        wire.send_text("4x")
        assert server.message() == "x"
        until(lambda: server.engine.runtime.active_jobs)
        server.engine.close(timeout=5)
        assert done == ["handled"]


def test_the_engine_waits_only_so_long(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        go = server.engine.runtime.event()
        server.connection().on("message", lambda data: go.wait(5))
        wire.send_text("4x")
        assert server.message() == "x"
        begin = time.monotonic()
        server.engine.close(timeout=0.1)
        assert time.monotonic() - begin < 2
        go.set()


def test_many_clients_that_come_while_the_engine_closes(runtime: str) -> None:
    """Each is refused or closed; none is left behind."""
    with served(runtime) as server:
        wires = [server.wire() for _ in range(30)]
        for number, wire in enumerate(wires):
            wire.ask("GET", "/engine.io/?EIO=4&transport=polling", headers={"Connection": "close"})
            if number == 15:
                server.engine.close()
        statuses = {wire.answer().status for wire in wires}
        assert statuses <= {200, 503}
        assert server.engine.clients_count == 0


@pytest.mark.parametrize("kind", ["polling", "websocket", "upgraded"])
def test_nothing_is_left_of_a_session(runtime: str, kind: str) -> None:
    with served(runtime) as server:
        for _ in range(5):
            if kind == "websocket":
                wire = server.websocket()
                wire.close()
            else:
                client = server.polling()
                if kind == "upgraded":
                    server.upgraded(client).close()
                else:
                    fetch(server.port, client.target, "POST", b"1")
            assert server.end()[0] == "transport close"
        assert server.engine.connections == {}
        runtime_object = server.engine.runtime
        until(lambda: not runtime_object.channels)
        until(lambda: not live_timers(server))


def live_timers(server: Served) -> list[Timer]:
    """The engine's own that would still fire."""
    slots = list(server.engine.runtime.timers._wheel._slots.values())
    timers = [timer for slot in slots for timer in slot if timer.fn is not None]
    return [timer for timer in timers if "socketio_sync.engine" in str(getattr(timer.fn, "__module__", ""))]


def test_a_handler_that_closes_its_newcomer(runtime: str) -> None:
    with served(runtime) as server:
        server.engine.on("connection", lambda connection: connection.close())
        for _ in range(20):
            wire = server.websocket()
            assert closed(wire) == Closed(None)
            assert server.end() == ("forced close", None)
        assert server.engine.clients_count == 0
