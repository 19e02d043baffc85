"""From long-polling to a WebSocket: nothing lost, nothing twice, nothing out of order, and back if it fails."""

from __future__ import annotations

import threading
import time

import pytest

from socketio_sync.protocol.engineio_handshake import EngineError
from tests.engine.served import PATH
from tests.engine.served import Served
from tests.engine.served import closed
from tests.engine.served import served
from tests.support.wire import BINARY
from tests.support.wire import TEXT
from tests.support.wire import Closed
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import frame
from tests.support.wire import until


def test_the_sequence(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        assert client.handshake["upgrades"] == ["websocket"]
        parked = server.park(client)
        wire = server.probe(client)
        connection = server.connection()
        assert connection.transport == "polling"
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        assert parked.answer().text == "6"
        # A client that still polls is let go again and again.
        assert client.get() == ["6"]
        assert client.get() == ["6"]
        wire.send_text("5")
        assert server.upgrades.get(timeout=5) == "websocket"
        assert connection.transport == "websocket"
        wire.send_text("4hello")
        assert wire.receive() == "4hello"


def test_what_is_sent_meanwhile_comes_once_and_in_order(runtime: str) -> None:
    with served(runtime, echo=False) as server:
        client = server.polling()
        connection = server.connection()
        total = 2000
        half_way = threading.Event()

        def push() -> None:
            for number in range(total):
                connection.send(str(number))
                if number == total // 2:
                    half_way.set()
                if number % 50 == 0:
                    time.sleep(0.001)

        thread = threading.Thread(target=push)
        thread.start()
        received = [packet for packet in client.get() if packet != "6"]
        wire = server.probe(client)
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        received += [packet for packet in client.get() if packet != "6"]
        half_way.wait(10)
        wire.send_text("5")
        while len(received) < total:
            received.append(str(wire.receive()))
        thread.join()
        assert received == [f"4{number}" for number in range(total)]


def test_binary_that_was_queued_is_binary_on_the_websocket(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        connection = server.connection()
        connection.send("one")
        connection.send(b"\x01\x02")
        wire = server.upgraded(client)
        assert wire.receive() == "4one"
        assert wire.receive() == b"\x01\x02"


def test_upgrade_and_message_in_one_segment(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.probe(server.polling())
        wire.send(frame(TEXT, b"2probe") + frame(TEXT, b"5") + frame(TEXT, b"4hello") + frame(BINARY, b"\x01"))
        assert [wire.receive() for _ in range(3)] == ["3probe", "4hello", b"\x01"]


def test_an_upgrade_without_a_probe(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.probe(server.polling())
        wire.send_text("5")
        wire.send_text("4hello")
        assert wire.receive() == "4hello"


def test_a_get_under_way_is_answered_at_the_upgrade(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        parked = server.park(client)
        wire = server.probe(client)
        wire.send_text("5")
        assert parked.answer().text == "6"
        assert server.ended.empty()


def test_requests_behind_the_upgrade_are_refused(runtime: str) -> None:
    with served(runtime) as server:
        for _ in range(20):
            client = server.polling()
            wire = server.probe(client)
            wire.send_text("2probe")
            assert wire.receive() == "3probe"
            wire.send_text("5")
            # Sent later, so judged later, whatever the server reads first.
            assert server.fetch(client.target).status == 400
            wire.send_text("4hello")
            assert wire.receive() == "4hello"
            wire.close()


def test_requests_that_are_overtaken_by_the_upgrade_are_refused(runtime: str) -> None:
    """They were looked at while the session was on polling still."""
    with served(runtime) as server:
        server.upgraded(server.polling()).send_text("4hello")
        connection = server.connection()
        assert server.message() == "hello"
        with pytest.raises(EngineError, match="Bad request"):
            connection.begin_post()
        with pytest.raises(EngineError, match="Bad request"):
            connection.poll(None)  # type: ignore[arg-type]


# -- it fails ----------------------------------------------------------------------------------------------------------


def goes_on(server: Served, client: Polling) -> None:
    """The session is on polling still, and can be upgraded once more."""
    client.post("4still here")
    assert client.receive() == "4still here"
    wire = server.upgraded(client)
    wire.send_text("4upgraded")
    assert wire.receive() == "4upgraded"
    assert server.ended.empty()


def test_an_upgrade_that_takes_too_long(runtime: str) -> None:
    with served(runtime, upgrade_timeout=0.2) as server:
        client = server.polling()
        wire = server.probe(client)
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        assert closed(wire) == Closed(None)
        goes_on(server, client)


def test_a_websocket_that_says_nothing(runtime: str) -> None:
    with served(runtime, upgrade_timeout=0.2) as server:
        client = server.polling()
        assert closed(server.probe(client)) == Closed(None)
        goes_on(server, client)


@pytest.mark.parametrize("probed", [False, True])
@pytest.mark.parametrize("how", [Wire.close, Wire.reset, Wire.close_frame])
def test_a_client_that_gives_up(runtime: str, probed: bool, how: object) -> None:
    with served(runtime) as server:
        client = server.polling()
        parked = server.park(client)
        wire = server.probe(client)
        if probed:
            wire.send_text("2probe")
            assert wire.receive() == "3probe"
            assert parked.answer().text == "6"
        how(wire)  # type: ignore[operator]
        connection = server.connection()
        until(lambda: connection._upgrade is None)
        if not probed:
            connection.send("hello")
            assert parked.answer().text == "4hello"
        goes_on(server, client)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("packet", [b"4too early", b"1", b"2", b"3probe", b"7", b""])
def test_anything_else_ends_only_the_websocket(runtime: str, packet: bytes, opcode: int) -> None:
    with served(runtime) as server:
        client = server.polling()
        wire = server.probe(client)
        wire.frame(opcode, packet)
        assert closed(wire) == Closed(None)
        assert server.heard.empty()
        goes_on(server, client)


def test_an_upgrade_during_a_post_ends_only_the_websocket(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        slow = server.wire()
        slow.ask("POST", client.target, headers={"Content-Length": "6", "Connection": "close"})
        slow.send(b"4slow")
        until(lambda: server.engine.connections[client.sid].posting)
        wire = server.probe(client)
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        wire.send_text("5")
        assert closed(wire) == Closed(None)
        slow.send(b"!")
        assert slow.answer().body == b"ok"
        assert client.get() == ["4slow!"]
        goes_on(server, client)


def test_a_broken_frame_ends_only_the_websocket(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        wire = server.probe(client)
        wire.send(b"\xff\xff")
        end = closed(wire)
        assert end is not None
        assert end.code == 1002
        goes_on(server, client)


def test_nothing_is_lost_with_an_abandoned_probe(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        connection = server.connection()
        wire = server.probe(client)
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        connection.send("kept")
        wire.close()
        assert client.receive() == "4kept"


# -- more than one -----------------------------------------------------------------------------------------------------


def test_a_second_upgrade_is_closed_at_once(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        first = server.upgraded(client)
        server.upgrades.get(timeout=5)
        assert closed(server.probe(client)) == Closed(None)
        first.send_text("4hello")
        assert first.receive() == "4hello"


def test_two_upgrades_at_once(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        first = server.probe(client)
        assert closed(server.probe(client)) == Closed(None)
        first.send_text("2probe")
        assert first.receive() == "3probe"
        first.send_text("5")
        first.send_text("4hello")
        assert first.receive() == "4hello"


def test_a_flood_of_upgrades(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        wires = []
        for _ in range(20):
            wires.append(server.wire())
            key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            target = f"{PATH}?EIO=4&transport=websocket&sid={client.sid}"
            head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n"
            wires[-1].send(head.encode() + frame(TEXT, b"2probe"))
        answers = []
        for wire in wires:
            assert wire.head()[0] == 101
            answers.append(wire.receive())
        assert answers.count("3probe") == 1
        assert answers.count(Closed(None)) == 19
        wires[answers.index("3probe")].close()
        until(lambda: server.engine.connections[client.sid]._upgrade is None)
        goes_on(server, client)


def test_a_flood_of_probes_costs_nothing(runtime: str) -> None:
    """One chain of timers, however often it is asked; and what the client does not read does not pile up."""
    with served(runtime) as server:
        client = server.polling()
        wire = server.probe(client)
        for _ in range(10):
            wire.send(frame(TEXT, b"2probe") * 1000)
        wire.send_text("5")
        wire.send_text("4done")
        while (message := wire.receive()) == "3probe":
            pass
        assert message == "4done"
        timers = sum(map(len, server.engine.runtime.timers._wheel._slots.values()))
        assert timers < 20


def test_upgrades_that_are_not_allowed(runtime: str) -> None:
    """The reference only stops to announce them."""
    with served(runtime, allow_upgrades=False) as server:
        client = server.polling()
        assert client.handshake["upgrades"] == []
        reply = server.wire().upgrade(f"{PATH}?EIO=4&transport=websocket&sid={client.sid}")
        assert reply is not None
        assert (reply.status, reply.text) == (400, "Bad request")
        # To open with a WebSocket is no upgrade.
        wire = server.websocket()
        wire.send_text("4hello")
        assert wire.receive() == "4hello"


@pytest.mark.parametrize("transports", [["polling"], ["websocket"]])
def test_transports_that_are_not_allowed(runtime: str, transports: list[str]) -> None:
    with served(runtime, transports=transports) as server:
        reply = server.fetch("?EIO=4&transport=polling")
        upgrade = server.wire().upgrade(f"{PATH}?EIO=4&transport=websocket")
        if transports == ["polling"]:
            assert '"upgrades":[]' in reply.text
            assert upgrade is not None
            assert (upgrade.status, upgrade.text) == (400, "Transport unknown")
        else:
            assert reply.text == '{"code":0,"message":"Transport unknown"}'
            assert upgrade is None


# -- with back pressure ------------------------------------------------------------------------------------------------


def test_an_upgrade_of_a_client_that_is_not_read(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        connection = server.connection()
        connection.pause_reading()
        wire = server.upgraded(client)
        server.upgrades.get(timeout=5)
        time.sleep(0.05)
        wire.send_text("4held")
        connection.send("out")
        assert wire.receive() == "4out"
        assert server.heard.empty()
        connection.resume_reading()
        assert wire.receive() == "4held"
