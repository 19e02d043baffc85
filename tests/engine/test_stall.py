"""A handler that keeps the CPU: under gevent nothing else runs meanwhile, and still nobody is disconnected."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from tests.engine.served import Served
from tests.engine.served import served
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import until

INTERVAL = 1.0
TIMEOUT = 1.0


class PatientClient:
    """Answers pings in a thread of its own, and would leave after the interval and the timeout without one.

    Attributes:
        longest: seconds that it waited for a ping at most.
        pings: how many came.
        left: the server has closed it.
    """

    def __init__(self, wire: Wire) -> None:
        self.longest = 0.0
        self.pings = 0
        self.left = False
        self._wire = wire
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        last = time.monotonic()
        try:
            while True:
                message = self._wire.receive()
                if message == "2":
                    self.pings += 1
                    self.longest = max(self.longest, time.monotonic() - last)
                    last = time.monotonic()
                    self._wire.send_text("3")
                elif not isinstance(message, str):
                    break
        except (OSError, EOFError):
            pass
        self.left = True

    def stop(self) -> None:
        self._wire.close_frame()
        self._thread.join()


def burn(seconds: float) -> None:
    """Keep the CPU without ever giving others their turn."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def stalled(server: Served, seconds: float) -> None:
    """Have a handler burn, and wait until it is over and everything goes its way again."""
    wire = server.websocket()
    connection = server.connection()
    done = threading.Event()

    def handler(data: str | bytes) -> None:
        burn(seconds)
        done.set()

    connection.on("message", handler)
    wire.send_text("4burn")
    assert done.wait(seconds + 10)
    wire.send_text("1")


@pytest.mark.parametrize("seconds", [3.0, pytest.param(10.0, marks=pytest.mark.long)])
def test_nobody_is_disconnected(runtime: str, seconds: float, caplog: pytest.LogCaptureFixture) -> None:
    with served(runtime, ping_interval=INTERVAL, ping_timeout=TIMEOUT) as server, caplog.at_level(logging.WARNING):
        clients = [PatientClient(server.websocket()) for _ in range(10)]
        for _ in clients:
            server.connection()
        stalled(server, seconds)
        server.end()  # that of the one who asked for it
        # Whose time ran out meanwhile would be closed within this.
        seen = [client.pings for client in clients]
        until(lambda: all(client.pings > before + 1 for client, before in zip(clients, seen, strict=True)))
        assert server.ended.empty()
        assert server.engine.clients_count == 10
        for client in clients:
            assert not client.left
            assert client.longest < INTERVAL + TIMEOUT
            client.stop()
        if runtime == "gevent":
            [record] = [record for record in caplog.records if "keeps the CPU" in record.getMessage()]
            assert "in burn" in record.getMessage()


def test_a_poll_under_way_is_answered_with_a_ping() -> None:
    with served("gevent", ping_interval=INTERVAL, ping_timeout=TIMEOUT) as server:
        client: Polling = server.polling()
        parked = server.park(client)
        server.connection()
        begin = time.monotonic()
        burner = threading.Thread(target=stalled, args=(server, 2.5))
        burner.start()
        assert parked.answer().text == "2"
        assert time.monotonic() - begin < INTERVAL + TIMEOUT
        client.post("3")
        burner.join()
        for _ in range(2):
            assert client.get() == ["2"]
            client.post("3")
        assert client.sid in server.engine.connections


def test_a_client_that_is_gone_is_still_noticed(runtime: str) -> None:
    with served(runtime, ping_interval=INTERVAL, ping_timeout=TIMEOUT) as server:
        silent = server.websocket()
        server.connection()
        stalled(server, 1.5)
        reasons = {server.end()[0], server.end()[0]}
        assert reasons == {"transport close", "ping timeout"}
        silent.close()
