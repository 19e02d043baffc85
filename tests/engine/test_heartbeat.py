"""Who answers pings stays, who does not is closed, on whatever transport (Engine.IO 4, "Heartbeat")."""

from __future__ import annotations

import json
import time

import pytest

from tests.engine.served import closed
from tests.engine.served import served
from tests.support.wire import PING
from tests.support.wire import PONG
from tests.support.wire import TEXT
from tests.support.wire import frame
from tests.support.wire import until

SHORT = {"ping_interval": 0.3, "ping_timeout": 0.2}


def test_a_websocket_that_answers_stays(runtime: str) -> None:
    with served(runtime, **SHORT) as server:
        wire = server.websocket()
        for _ in range(3):
            assert wire.receive() == "2"
            wire.send_text("3")
        assert server.engine.clients_count == 1


def test_a_websocket_that_is_silent_is_closed(runtime: str) -> None:
    with served(runtime, **SHORT) as server:
        begin = time.monotonic()
        wire = server.websocket()
        assert closed(wire) is not None
        assert 0.5 <= time.monotonic() - begin < 0.8
        assert server.end() == ("ping timeout", None)


def test_polling_that_answers_stays(runtime: str) -> None:
    with served(runtime, **SHORT) as server:
        client = server.polling()
        for _ in range(3):
            assert client.get() == ["2"]
            client.post("3")
        assert server.engine.clients_count == 1


def test_polling_that_is_silent_is_closed_and_its_get_answered(runtime: str) -> None:
    with served(runtime, **SHORT) as server:
        client = server.polling()
        assert client.get() == ["2"]
        assert client.get() == ["1"]
        assert server.end() == ("ping timeout", None)


def test_a_session_is_over_when_its_time_is_over(runtime: str) -> None:
    """Not when the next slot of the timers comes."""
    with served(runtime, **SHORT) as server:
        for _ in range(3):
            client = server.polling()
            time.sleep(0.5)
            assert json.loads(server.fetch(client.target).body)["code"] == 1


def test_a_message_restarts_the_wait_for_a_pong_once(runtime: str) -> None:
    with served(runtime, **SHORT) as server:
        wire = server.websocket()
        assert wire.receive() == "2"
        begin = time.monotonic()
        for _ in range(7):
            wire.send_text("4still here")
            time.sleep(0.05)
        assert closed(wire) is not None
        assert server.end() == ("ping timeout", None)
        assert 0.2 <= time.monotonic() - begin < 0.6


def test_a_flood_of_pongs_that_nobody_asked_for_is_free(runtime: str) -> None:
    """CVE-2026-48802."""
    with served(runtime, ping_interval=20, ping_timeout=20) as server:
        wire = server.websocket()
        for _ in range(20):
            wire.send(frame(TEXT, b"3") * 500)
        wire.send_text("4done")
        assert wire.receive() == "4done"
        assert len(server.engine.runtime.timers._wheel._slots) < 10
        until(lambda: server.engine.runtime.active_jobs == 0)


def test_an_upgrade_with_a_pong_due_does_not_lose_the_deadline(runtime: str) -> None:
    """The reference's sessions are immortal after it."""
    with served(runtime, ping_interval=0.3, ping_timeout=0.5) as server:
        client = server.polling()
        wire = server.probe(client)
        assert client.get() == ["2"]
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        wire.send_text("5")
        assert server.upgrades.get(timeout=5) == "websocket"
        assert closed(wire) is not None
        assert server.end() == ("ping timeout", None)


def test_an_upgrade_with_a_pong_due_and_then_the_pong(runtime: str) -> None:
    with served(runtime, ping_interval=0.3, ping_timeout=0.5) as server:
        client = server.polling()
        wire = server.probe(client)
        assert client.get() == ["2"]
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        wire.send_text("5")
        wire.send_text("3")
        assert wire.receive() == "2"
        wire.send_text("3")
        assert wire.receive() == "2"
        assert server.engine.clients_count == 1


def test_the_ping_that_was_queued_comes_on_the_new_transport(runtime: str) -> None:
    with served(runtime, ping_interval=0.3, ping_timeout=2) as server:
        client = server.polling()
        connection = server.connection()
        until(lambda: connection.session.awaiting_pong)
        assert server.upgraded(client).receive() == "2"


@pytest.mark.parametrize("size", [0, 125])
def test_a_ping_of_the_websocket_layer_is_answered(runtime: str, size: int) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        wire.frame(PING, b"x" * size)
        assert wire.receive_frame() == (PONG, b"x" * size)


def test_a_client_that_is_not_read_is_not_timed_out(runtime: str) -> None:
    with served(runtime, **SHORT) as server:
        wire = server.websocket()
        connection = server.connection()
        connection.pause_reading()
        wire.send_text("4late")
        assert wire.receive() == "2"
        time.sleep(0.6)  # the timeout thrice
        assert server.ended.empty()
        connection.resume_reading()
        assert wire.receive() == "4late"
        wire.send_text("3")
        assert wire.receive() == "2"
        assert server.engine.clients_count == 1
