"""Nobody waits for somebody else's client or handler."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.promises.client import Client
from tests.promises.client import Promised
from tests.promises.client import promising
from tests.support.timing import scaled
from tests.support.wire import TEXT
from tests.support.wire import frame

# Three heartbeats fit into a handler's nap.
SHORT = {"ping_interval": 0.15, "ping_timeout": 0.25}
NAP = 1.2
LONG = [pytest.param(packet, marks=pytest.mark.long) for packet in ("3", "430[]")]


@contextmanager
def flooding(client: Client, packet: str) -> Iterator[None]:
    """Send a packet as fast as it can, and read what is answered, in threads of their own."""
    sock = client.wire.sock
    block = frame(TEXT, packet.encode()) * 1000
    leaving = threading.Event()

    def send() -> None:
        while not leaving.is_set():
            try:
                sock.sendall(block)
            except OSError:
                return

    def read() -> None:
        try:
            while sock.recv(1 << 18):
                pass
        except OSError:
            pass

    threads = [threading.Thread(target=target, daemon=True) for target in (send, read)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        leaving.set()
        sock.shutdown(socket.SHUT_RD)
        for thread in threads:
            thread.join()
        client.wire.reset()  # so that the server need not read all that lies in the kernel


@pytest.mark.parametrize("packet", ['42["noise"]', '421["echo","as fast as I can"]', *LONG])
def test_a_flood_leaves_anothers_round_trip_under_50_ms_at_the_median(server: Promised, packet: str) -> None:
    with server.client() as other, server.client() as flood:
        calm = other.round_trips(100)
        with flooding(flood, packet):
            time.sleep(0.2)
            times = other.round_trips(100)
        print(f"calm {calm[50] * 1000:.2f} ms, flooded {times[50] * 1000:.2f} ms, 95% {times[95] * 1000:.2f} ms")
        assert statistics.median(times) < scaled(0.05)
    server.end_of(flood.id)  # the flood is over for the next test


def test_one_segment_with_an_event_and_the_answer_that_its_handler_waits_for(server: Promised) -> None:
    with server.client() as client:
        client.emit("ask later")
        question = client.next()
        ack_id = question[2 : question.index("[")]
        begin = time.monotonic()
        client.send('421["wait for the answer"]', f'43{ack_id}["here"]')
        assert client.next() == '431["here"]'
        assert time.monotonic() - begin < scaled(0.5)


@pytest.mark.parametrize("repeats", [1, 50])
def test_one_segment_with_an_event_and_the_answer_to_what_it_is_about_to_ask(runtime: str, repeats: int) -> None:
    """The ids of answers count from 0, so a client can know them; in the reference it works as events come first."""
    with promising(runtime) as server, server.client() as client:
        begin = time.monotonic()
        for ack_id in range(repeats):
            client.send(f'42{ack_id}["ask",10]', f'43{ack_id}["answer {ack_id}"]')
        messages = [client.next() for _ in range(2 * repeats)]
        assert [text for text in messages if text[:2] == "43"] == [f'43{n}["answer {n}"]' for n in range(repeats)]
        assert [text for text in messages if text[:2] == "42"] == [f'42{n}["question",0]' for n in range(repeats)]
        assert time.monotonic() - begin < scaled(1)


def test_one_segment_with_events_and_the_answer_that_the_handler_before_them_waits_for(server: Promised) -> None:
    with server.client() as client:
        client.send('421["ask",10]')
        question = client.next()
        ack_id = question[2 : question.index("[")]
        begin = time.monotonic()
        client.send('422["echo","behind"]', f'43{ack_id}["here"]', '423["echo","last"]')
        assert [client.next() for _ in range(3)] == ['431["here"]', '432["behind"]', '433["last"]']
        assert time.monotonic() - begin < scaled(0.5)


def test_one_body_with_events_and_the_answer_by_polling(server: Promised) -> None:
    client = server.polling()
    client.post('421["ask",10]')
    question = client.receive()
    ack_id = question[2 : question.index("[")]
    begin = time.monotonic()
    client.post('422["echo","behind"]', f'43{ack_id}["here"]')
    assert [client.receive() for _ in range(2)] == ['431["here"]', '432["behind"]']
    assert time.monotonic() - begin < scaled(0.5)
    client.post("1")


@pytest.fixture
def impatient(runtime: str, programs: Callable[..., Promised]) -> Promised:
    """The program with a heartbeat of 0.4 s."""
    return programs(runtime, **SHORT)


def test_a_handler_that_sleeps_stops_neither_heartbeat_nor_answers_of_its_client_nor_others(
    impatient: Promised,
) -> None:
    with impatient.client() as client, impatient.client() as other:
        client.emit("ask later")
        question = client.next()
        client.send(f'421["nap",{NAP}]', '422["wait for the answer"]')
        client.send(f'43{question[2 : question.index("[")]}["early"]')
        times: list[float] = []
        while not (messages := client.listen(0.05)):
            times += other.round_trips(5)
        assert (messages if len(messages) == 2 else [*messages, client.next()]) == ['431["awake"]', '432["early"]']
        assert client.pings >= 2
        assert statistics.median(times) < scaled(0.05)


def test_a_handler_that_waits_for_its_own_client_stops_neither_its_heartbeat_nor_others(impatient: Promised) -> None:
    with impatient.client() as client, impatient.client() as other:
        client.send('421["ask",10]')
        question = client.next()
        begin = time.monotonic()
        while time.monotonic() - begin < NAP:
            other.round_trips(5)
            assert client.listen(0.05) == []
        client.send(f'43{question[2 : question.index("[")]}["at last"]')
        assert client.next() == '431["at last"]'
        assert client.pings >= 2


def test_a_handler_that_sleeps_lets_a_polling_client_live(impatient: Promised) -> None:
    client = impatient.polling()
    client.post(f'421["nap",{NAP}]')
    assert client.receive() == '431["awake"]'  # it answers pings meanwhile
    client.post("1")


def test_many_handlers_that_sleep_leave_the_others_alone(server: Promised) -> None:
    """50 of them; on threads there are 64 handler_threads."""
    sleepers = [server.client() for _ in range(50)]
    for client in sleepers:
        client.send(f'421["nap",{scaled(0.5)}]')
    with server.client() as other:
        assert statistics.median(other.round_trips(50)) < scaled(0.05)
    for client in sleepers:
        assert client.next() == '431["awake"]'


def test_below_handler_threads_others_go_on() -> None:
    with promising("threads", handler_threads=4) as server, server.client() as other:
        sleepers = [server.client() for _ in range(3)]
        for client in sleepers:
            client.send('421["nap",0.5]')
        assert other.round_trips(20)[10] < scaled(0.05)
        for client in sleepers:
            assert client.next() == '431["awake"]'
            client.close()


def test_at_handler_threads_events_wait_and_one_warning_names_who_holds_them() -> None:
    with promising("threads", quiet=False, handler_threads=4) as server, server.client() as other:
        sleepers = [server.client() for _ in range(4)]
        for client in sleepers:
            client.send('421["nap",1.5]')
        time.sleep(0.1)
        begin = time.monotonic()
        assert other.call("echo", "late") == ["late"]
        assert time.monotonic() - begin > 1
        for client in sleepers:
            assert client.next() == '431["awake"]'
            client.close()
    [warning] = [line for line in server.program.lines if line.startswith("WARNING")]
    assert "'nap' in '/' (4)" in warning
