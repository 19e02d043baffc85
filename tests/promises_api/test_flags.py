"""Threads that chain flags on the same socket and namespace never see each other's flags."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest

from socketio_sync import Namespace
from socketio_sync import Socket
from tests.support.served import RUNTIMES
from tests.support.served import Served
from tests.support.served import served
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import open_websocket
from tests.support.wire import until

TIMES = 300


@pytest.fixture(params=RUNTIMES)
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads change places between any two steps
    with served(request.param) as server:
        yield server
    sys.setswitchinterval(interval)


def join(server: Served, wire: Any, send: Callable[[str], None], *rooms: str) -> Socket:
    send("40")
    id = json.loads(wire.receive().lstrip("4")[1:])["sid"]
    socket: Socket = until(lambda: server.io.sockets.get(id))
    socket.join(rooms)
    return socket


def ignore(*args: object) -> None:
    """An answer, or that there is none."""


def run_together(*senders: Callable[[int], None]) -> None:
    """Each in a thread of its own, ``TIMES`` times."""

    def run(send: Callable[[int], None]) -> None:
        gate.wait()
        for number in range(TIMES):
            send(number)

    gate = threading.Barrier(len(senders))
    threads = [threading.Thread(target=run, args=(send,)) for send in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def read(wire: Wire) -> Counter[tuple[str, bool]]:
    """How many of each event came before the last one, and whether with an ack id."""
    seen: Counter[tuple[str, bool]] = Counter()
    while (packet := str(wire.receive())) != '42["last"]':
        if packet == "2":
            wire.send_text("3")
            continue
        name = json.loads(packet[packet.index("[") :])[0]
        seen[name, packet[2] != "["] += 1
    return seen


def test_each_chain_reaches_whom_it_names(server: Served) -> None:
    nsp: Namespace = server.io.of("/")
    wires = [open_websocket(server.port) for _ in range(4)]
    alice, bob, carol, dave = wires
    socket = join(server, alice, alice.send_text)
    join(server, bob, bob.send_text, "a")
    join(server, carol, carol.send_text, "a", "b")
    join(server, dave, dave.send_text)
    kept = nsp.to("a").compress(False)  # a chain that several threads use
    run_together(
        lambda n: socket.emit("to it", n),
        lambda n: socket.to("a").emit("to a", n),
        lambda n: socket.broadcast.emit("to others", n),
        lambda n: socket.except_("a").emit("to others outside a", n),
        lambda n: socket.timeout(60).emit("asked", n, callback=ignore, error_callback=ignore),
        lambda n: socket.compress(False).emit("uncompressed", n),
        lambda n: nsp.to("b").emit("to b", n),
        lambda n: nsp.to("a").except_("b").emit("to a but b", n),
        lambda n: kept.emit("to a by a kept chain", n),
        lambda n: kept.to("c").except_("b").emit("extended", n),
        lambda n: nsp.local.emit("to all", n),
        lambda n: nsp.emit("to all again", n),
    )
    nsp.emit("last")

    def times(*names: str, asked: tuple[str, ...] = ()) -> Counter[tuple[str, bool]]:
        return Counter({**{(name, False): TIMES for name in names}, **{(name, True): TIMES for name in asked}})

    every = ("to all", "to all again")
    assert read(alice) == times("to it", "uncompressed", *every, asked=("asked",))
    in_a = ("to a", "to others", "to a by a kept chain", *every)
    assert read(bob) == times(*in_a, "to a but b", "extended")
    assert read(carol) == times(*in_a, "to b")
    assert read(dave) == times("to others", "to others outside a", *every)
    for wire in wires:
        wire.close()


def test_volatile_of_one_thread_drops_nothing_of_another(server: Served) -> None:
    """Nobody polls: what is volatile is dropped, and all the rest waits."""
    client = Polling(server.port).open()
    socket = join(server, client, client.post)
    nsp = server.io.of("/")
    run_together(
        lambda n: socket.emit("plain", n),
        lambda n: socket.volatile.emit("volatile", n),
        lambda n: nsp.volatile.emit("volatile", n),
        lambda n: nsp.emit("plain", n),
        lambda n: nsp.to(socket.id).volatile.emit("volatile", n),
        lambda n: nsp.to(socket.id).emit("plain", n),
    )
    nsp.emit("last")
    seen: Counter[str] = Counter()
    while (packet := client.receive()) != '42["last"]':
        seen[json.loads(packet[2:])[0]] += 1
    assert seen == {"plain": 3 * TIMES}


def test_each_wait_has_the_timeout_of_its_own_chain(server: Served) -> None:
    wire = open_websocket(server.port)
    socket = join(server, wire, wire.send_text)
    errors: list[Any] = []
    run_together(
        lambda n: socket.timeout(0.05).emit("q", n, callback=print, error_callback=errors.append) if n < 100 else None,
        lambda n: socket.timeout(90).emit("q", n, callback=print, error_callback=errors.append) if n < 100 else None,
        lambda n: socket.emit("q", n, callback=print, error_callback=errors.append) if n < 100 else None,
    )
    until(lambda: len(errors) == 100)
    assert {type(error).__name__ for error in errors} == {"AckTimeout"}
    wire.close()
    until(lambda: len(errors) == 300)
    assert {type(error).__name__ for error in errors[100:]} == {"DisconnectedError"}
