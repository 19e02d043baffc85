"""Answers to a crowd of events travel together, but none waits for a handler that blocks or computes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

import pytest

from tests.promises.client import Client
from tests.promises.client import Promised
from tests.promises.client import dumps
from tests.promises.client import promising
from tests.support.io_uring import needs_io_uring
from tests.support.timing import scaled


def calls(*events: list[object]) -> list[str]:
    return [f"42{number}{dumps(event)}" for number, event in enumerate(events)]


def answered(client: Client, count: int) -> list[int]:
    """The ids of the next so many answers."""
    return [int(client.next()[2:].partition("[")[0]) for _ in range(count)]


def test_a_crowd_is_answered_in_order_and_in_few_pieces(server: Promised) -> None:
    with server.client() as client:
        client.send(*calls(*(["echo", number] for number in range(40))))
        pieces: list[bytes] = []
        while sum(piece.count(b"43") for piece in pieces) < 40:
            pieces.append(client.wire.sock.recv(65536))
        assert len(pieces) < 10
        frames = b"".join(pieces)
        assert b"".join(bytes((0x81, len(text))) + text for text in answers(40)) == frames


def answers(count: int) -> list[bytes]:
    return [f"43{number}[{number}]".encode() for number in range(count)]


def test_no_answer_waits_for_a_handler_that_blocks(server: Promised) -> None:
    with server.client() as client:
        client.send(*calls(*(["echo", number] for number in range(10)), ["nap", 2 * scaled(1)], ["echo", 11]))
        begin = time.monotonic()
        assert answered(client, 10) == list(range(10))
        assert time.monotonic() - begin < scaled(1)
        assert answered(client, 2) == [10, 11]


def test_no_answer_waits_long_for_a_handler_that_computes(runtime: str) -> None:
    # The watchdog of the hub, or the deputy of the I/O thread, sends what was gathered.
    with promising(runtime, quiet=False) as server, server.client() as client:
        client.send(*calls(*(["echo", number] for number in range(10)), ["spin", 3 * scaled(1)], ["echo", 11]))
        begin = time.monotonic()
        assert answered(client, 10) == list(range(10))
        assert time.monotonic() - begin < 2 * scaled(1)
        assert answered(client, 2) == [10, 11]


def test_answers_of_handlers_that_are_not_quick_come_one_by_one(server: Promised) -> None:
    with server.client() as client:
        client.send(*calls(*(["spin", 0.1] for _ in range(6))))
        times = []
        for number in range(6):
            assert answered(client, 1) == [number]
            times.append(time.monotonic())
        # Were they gathered, all would come at once.
        assert times[-1] - times[0] > 0.3


def test_what_is_emitted_between_keeps_its_place(server: Promised) -> None:
    with server.client() as client:
        events: list[list[object]] = []
        for number in range(10):
            events += [["echo", number], ["everybody", "mark", number]]
        client.send(*calls(*events))
        received = [client.next() for _ in range(30)]
        expected = []
        for number in range(10):
            expected += [f"43{2 * number}[{number}]", f'42["mark",{number}]', f"43{2 * number + 1}[]"]
        assert received == expected


def test_big_answers_and_small_ones_keep_their_order(server: Promised) -> None:
    with server.client() as client:
        sizes = [1, 5000, 1, 70_000, 1, 1] * 3
        client.send(*calls(*(["echo", "x" * size] for size in sizes)))
        for number, size in enumerate(sizes):
            head, _, text = client.next().partition("[")
            assert head == f"43{number}"
            assert len(json.loads("[" + text)[0]) == size


def test_answers_before_the_end_are_sent(server: Promised) -> None:
    with server.client() as client:
        client.send(*calls(*(["echo", number] for number in range(5)), ["count and leave", 2, True]))
        assert answered(client, 5) == list(range(5))
        assert [client.next() for _ in range(3)] == ['42["number",0]', '42["number",1]', "41"]
        assert client.end() is not None


def test_a_client_that_leaves_amid_a_crowd(server: Promised) -> None:
    leaving = server.client()
    leaving.send(*calls(*(["echo", number] for number in range(60))))
    leaving.wire.reset()
    with server.client() as client:
        assert client.call("echo", "well") == ["well"]


def test_many_crowds_on_few_threads(programs: Callable[..., Promised], runtime: str) -> None:
    server = programs(runtime, handler_threads=2)
    clients = [server.client() for _ in range(20)]
    for _ in range(10):
        for client in clients:
            client.wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.send(*calls(*(["echo", number] for number in range(30)), ["nap", 0.001], ["echo", 31]))
        for client in clients:
            assert answered(client, 32) == list(range(32))


@pytest.mark.parametrize("io_uring", [pytest.param(True, marks=needs_io_uring), False])
def test_a_crowd_of_clients_is_answered_whatever_one_of_them_does(
    programs: Callable[..., Promised], runtime: str, io_uring: bool
) -> None:
    """Answers to many clients leave together; one that blocks, computes, emits or leaves amid them keeps none back."""
    server = programs(runtime, io_uring=io_uring)
    clients = [server.client() for _ in range(30)]
    disturbances = [["nap", 0.3], ["spin", 0.02], ["everybody", "mark", 1], ["echo", "x" * 70_000]]
    for number in range(20):
        disturbance = disturbances[number % len(disturbances)]
        culprit = clients[number]
        for client in clients:
            client.send(*calls(disturbance if client is culprit else ["echo", number]))
        for client in clients:
            assert answered_or_marked(client) == 0
    leaving = clients.pop()
    for client in clients:
        client.send(*calls(["echo", 1]))
    leaving.wire.reset()
    for client in clients:
        assert answered_or_marked(client) == 0


def answered_or_marked(client: Client) -> int:
    """The id of the next answer; what everybody gets is left out."""
    while not (message := client.next()).startswith("43"):
        assert message == '42["mark",1]'
    return int(message[2:].partition("[")[0])
