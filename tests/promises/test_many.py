"""What many cost: idle clients, clients that come and go, threads that wait, clients that do not read."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.promises.client import Promised
from tests.promises.client import promising
from tests.promises.client import small_window
from tests.promises.swarm import Swarm
from tests.promises.swarm import answer
from tests.support.timing import scaled
from tests.support.wire import Wire
from tests.support.wire import fetch
from tests.support.wire import open_websocket
from tests.support.wire import until

NATIVE = ["gevent", "gevent-patched", "threads"]
POOL = 80  # workers that clients who come and go may have woken at once; handler_threads is 64
MADE = 4 + 9  # descriptors that the runtime makes when it is first needed, and the request's own; three of a ring
MIB = 2**20


# -- idle clients ------------------------------------------------------------------------------------------------------


def test_2_000_idle_clients_are_pinged_without_a_task_each(runtime: str) -> None:
    with promising(runtime, quiet=False, ping_interval=1, ping_timeout=2) as server:  # a busy machine stalls them all
        before = server.facts()
        with Swarm(server.port, 2000) as swarm:
            begin, cpu = time.monotonic(), server.facts()["cpu"]
            until(lambda: all(member.pings >= 2 for member in swarm.members), timeout=scaled(10))
            seconds = time.monotonic() - begin
            held = server.facts()
            assert swarm.lost == []
            assert held["sockets"] == 2000
            each = (held["rss"] - before["rss"]) / 2000
            used = (held["cpu"] - cpu) / seconds
            print(f"{runtime}: {each / 1024:.1f} KiB a client, {used:.1%} of a CPU for their heartbeat of 1 s")
            assert held["threads"] <= before["threads"] + POOL
            assert held["greenlets"] <= before["greenlets"] + POOL
        server.empty()
        after = server.facts()
        assert after["descriptors"] <= before["descriptors"] + MADE


# -- clients that come and go ------------------------------------------------------------------------------------------


def heard(wire: Wire) -> str:
    """The next message; the pings that a busy machine has time for are answered."""
    while (message := str(wire.receive())) == "2":
        wire.send_text("3")
    return message


def come_and_go(server: Promised, count: int) -> None:
    """So many clients connect, join, are answered, and leave in one of three ways."""
    wires = [open_websocket(server.port) for _ in range(count)]
    for wire in wires:
        wire.send_text("40")
    for wire in wires:
        assert heard(wire).startswith("40{")
        wire.send_text('421["echo",{"some":["thing"]}]')
    for number, wire in enumerate(wires):
        assert heard(wire) == '431[{"some":["thing"]}]'
        if number % 3 == 0:
            wire.send_text("41")
        elif number % 3 == 1:
            wire.close_frame(1000)
        wire.close()
    server.empty()


def rounds(runtime: str, count: int, times: int) -> None:
    """Memory after the last round is within 10% of that after the second, and nothing else is left either."""
    with promising(runtime, keep_ended=False) as server:
        before = server.facts()
        sizes = []
        for _ in range(times):
            come_and_go(server, count)
            sizes.append(server.facts()["rss"])
        print(f"{runtime}: {', '.join(f'{size / MIB:.1f}' for size in sizes)} MiB")
        assert sizes[-1] <= sizes[1] * 1.1
        after = server.facts()
        assert after["descriptors"] <= before["descriptors"] + MADE
        until(lambda: server.facts()["threads"] <= before["threads"] + 2, timeout=scaled(20))


def test_200_clients_come_and_go_8_times(runtime: str) -> None:
    rounds(runtime, 200, 8)


def test_who_has_left_does_not_wait_for_the_garbage_collector(runtime: str) -> None:
    def alive() -> int:
        return int(fetch(server.port, "/alive").body)

    with promising(runtime) as server:
        for leave in (lambda wire: wire.send_text("41"), Wire.close_frame, Wire.reset):
            client = server.client()
            polling = server.polling()
            until(lambda: alive() == 2)  # the handler of the second may still be on its way
            leave(client.wire)
            client.close()
            polling.post("1")
            until(lambda: alive() == 0, timeout=scaled(3))  # a timer of 2 s may still hold it


@pytest.mark.long
@pytest.mark.timeout(600)
def test_2_000_clients_come_and_go_20_times(runtime: str) -> None:
    rounds(runtime, 2000, 20)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_polling_clients_come_and_go(runtime: str) -> None:
    with promising(runtime, keep_ended=False) as server:
        sizes = []
        for _ in range(8):
            for _ in range(100):
                client = server.polling()
                client.post('421["echo","x"]')
                assert client.receive() == '431["x"]'
                client.post("1")
            server.empty()
            sizes.append(server.facts()["rss"])
        assert sizes[-1] <= sizes[1] * 1.1


# -- threads that wait -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("native", NATIVE)
def test_1_000_native_threads_that_ask_once_leave_nothing(native: str) -> None:
    with promising(native) as server:
        with Swarm(server.port, 1, on_text=answer) as swarm, server.client(timeout=30) as other:
            del swarm
            before = server.facts()
            with ThreadPoolExecutor(1) as pool:
                asking = pool.submit(ask_from_threads, server)
                times = other.round_trips(20)
                answers = asking.result()
            assert len(answers) == 1000
            print(f"{native}: another's round trip {statistics.median(times) * 1000:.1f} ms meanwhile")
            until(lambda: server.facts()["threads"] <= before["threads"] + 2, timeout=scaled(20))
            assert server.facts()["descriptors"] <= before["descriptors"] + 1


def ask_from_threads(server: Promised) -> list[int]:
    """One client whose survey makes 1,000 threads ask it; its answers are read and given here."""
    with server.client(timeout=30) as client:
        client.send('421["survey",1000]')
        while not (message := client.next()).startswith("431"):
            ack_id = message[2 : message.index("[")]
            client.send(f"43{ack_id}[{ack_id}]")
        found: list[int] = json.loads(message[3:])[0]
        assert sorted(found) == list(range(min(found), min(found) + 1000))
        return found


# -- clients that do not read ------------------------------------------------------------------------------------------


def test_a_client_that_stops_reading_is_bounded_then_closed_and_others_notice_nothing(
    runtime: str, programs: Callable[..., Promised]
) -> None:
    limit = 4 * MIB
    server = programs(runtime, max_send_buffer=limit)
    with server.client() as slow, server.client() as other:
        small_window(slow.wire)
        calm = statistics.median(other.round_trips(50))
        before = server.facts()["rss"]
        slow.emit("push", 100_000, 2000)  # 200 MB
        times = other.round_trips(100)
        reason, details = server.end_of(slow.id)
        assert (reason, details is not None and "max_send_buffer" in details) == ("transport error", True)
        facts = server.facts()
        assert facts["kept"]["most"] <= limit + 200_000
        assert facts["rss"] - before < 4 * limit
        print(f"{runtime}: {calm * 1000:.2f} ms calm, {statistics.median(times) * 1000:.2f} ms meanwhile")
        assert statistics.median(times) < scaled(0.05)


def test_a_polling_client_that_stops_polling_is_bounded_too(runtime: str, programs: Callable[..., Promised]) -> None:
    limit = 4 * MIB
    server = programs(runtime, max_send_buffer=limit)
    client = server.polling()
    client.post('421["handshake"]')
    id = client.receive()[5:25]
    client.post('42["push",100000,2000]')
    reason, details = server.end_of(id)
    assert (reason, details is not None and "max_send_buffer" in details) == ("transport error", True)
    assert server.facts()["kept"]["most"] <= limit + 200_000
