"""``retries``: one event after the other, each sent again until it is acknowledged."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from socketio_sync import AckTimeout
from socketio_sync import Client
from socketio_sync import DisconnectedError
from tests.support.proxy import Proxy
from tests.support.served import Served
from tests.support.served import served
from tests.support.timing import scaled
from tests.support.wire import TIMEOUT
from tests.support.wire import until

FAST = {"reconnection_delay": 0.02, "reconnection_delay_max": 0.05, "transports": ["websocket"]}


class Forgetful:
    """Handles "job": the first ``deaf`` events of each number are not answered."""

    def __init__(self, deaf: int) -> None:
        self.deaf = deaf
        self.got: list[int] = []
        self.lock = threading.Lock()

    def job(self, socket: Any, number: int, ack: Any) -> None:
        with self.lock:
            self.got.append(number)
            hear = self.got.count(number) > self.deaf
        if hear:
            ack("done", number)


@pytest.fixture
def plain() -> Iterator[Served]:
    with served("threads") as running:
        yield running


def test_each_event_is_sent_until_it_is_acknowledged_and_in_order(plain: Served) -> None:
    app = Forgetful(deaf=1)
    plain.io.on("job", app.job)
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with Client(plain.url, retries=2, ack_timeout=0.1, **FAST) as client:
        for number in range(5):
            client.emit("job", number, callback=lambda *args: answers.put(args))
        assert [answers.get(timeout=TIMEOUT) for _ in range(5)] == [("done", number) for number in range(5)]
    assert app.got == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_after_the_last_try_it_is_given_up_and_the_next_one_goes(plain: Served) -> None:
    app = Forgetful(deaf=100)
    plain.io.on("job", app.job)
    plain.io.on("echo", lambda socket, value: value)
    outcomes: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with Client(plain.url, retries=2, ack_timeout=0.1, **FAST) as client:
        client.emit("job", 1, error_callback=outcomes.put)
        client.emit("job", 2)
        client.emit("echo", 3, callback=outcomes.put)
        assert isinstance(outcomes.get(timeout=TIMEOUT), AckTimeout)
        assert outcomes.get(timeout=TIMEOUT) == 3
    assert app.got == [1, 1, 1, 2, 2, 2]


def test_a_blocking_call_has_the_time_of_all_tries(plain: Served) -> None:
    app = Forgetful(deaf=1)
    plain.io.on("job", app.job)
    with Client(plain.url, retries=1, ack_timeout=0.3, **FAST) as client:
        assert client.emit_with_ack("job", 1) == ("done", 1)
        app.deaf = 100
        with pytest.raises(AckTimeout):
            client.emit_with_ack("job", 2)
        app.deaf = 0
        assert client.emit_with_ack("job", 3) == ("done", 3)


def test_timeout_is_that_of_each_try(plain: Served) -> None:
    app = Forgetful(deaf=2)
    plain.io.on("job", app.job)
    done = threading.Event()
    with Client(plain.url, retries=5, ack_timeout=900, **FAST) as client:
        client.timeout(0.1).emit("job", 1, callback=lambda *args: done.set())
        assert done.wait(TIMEOUT)
    assert app.got == [1, 1, 1]


def test_a_loss_counts_as_a_try_and_nothing_overtakes(plain: Served) -> None:
    app = Forgetful(deaf=0)
    plain.io.on("job", app.job)
    with Proxy(plain.port) as proxy, Client(proxy.url, retries=10, ack_timeout=scaled(10), **FAST) as client:
        done = threading.Event()
        for number in range(200):
            client.emit("job", number, callback=lambda text, got: done.set() if got == 199 else None)
            if number % 50 == 25:
                proxy.cut_for(0.02, "reset")
        assert done.wait(scaled(20))
    firsts = [number for index, number in enumerate(app.got) if number not in app.got[:index]]
    assert firsts == list(range(200))


def test_a_volatile_event_is_not_sent_again(plain: Served) -> None:
    app = Forgetful(deaf=100)
    plain.io.on("job", app.job)
    plain.io.on("echo", lambda socket, value: value)
    with Client(plain.url, retries=3, ack_timeout=0.05, **FAST) as client:
        client.volatile.emit("job", 1)
        assert client.timeout(5).emit_with_ack("echo", 1) == 1
    assert app.got == [1]


def test_the_queue_waits_for_the_next_connect_but_nobody_blocks(plain: Served) -> None:
    app = Forgetful(deaf=0)
    plain.io.on("job", app.job)
    client = Client(plain.url, retries=1, ack_timeout=scaled(10), **FAST)
    client.emit("job", 1)
    with pytest.raises(DisconnectedError):
        client.emit_with_ack("job", 2)
    with client:
        assert client.emit_with_ack("job", 3) == ("done", 3)
    assert app.got == [1, 3]
    until(lambda: not client.active)
