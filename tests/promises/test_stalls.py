"""A handler that computes and never lets go: gevent's hub reads nothing meanwhile, and nobody may suffer for it."""

from __future__ import annotations

import time

import pytest

from tests.promises.client import promising
from tests.promises.client import run_node
from tests.promises.swarm import Swarm


def hold_up(runtime: str, seconds: float, interval: float, timeout: float, clients: int = 100) -> None:
    """Many clients live through a stall; each gets its pings so soon that an official client would not give up."""
    with promising(runtime, quiet=False, ping_interval=interval, ping_timeout=timeout) as server:
        with Swarm(server.port, clients) as swarm, server.client(timeout=60) as busy:
            time.sleep(interval)  # half of them are awaited, half of them not
            busy.send(f'421["spin",{seconds}]')
            answered = [message for message in busy.listen(seconds + interval + timeout) if message == '431["done"]']
            assert answered == ['431["done"]']
            assert swarm.lost == []
            assert server.facts()["ended"] == {}
            longest = max(member.longest for member in swarm.members)
            print(f"{runtime}: the longest without a ping {longest:.2f} s")
            assert longest < interval + timeout
    warnings = [line for line in server.program.lines if line.startswith("WARNING")]
    if runtime == "gevent":
        # One line tells of it, and names the place.
        assert len(warnings) == 1, warnings
        assert "in spin" in warnings[0]
    else:
        assert warnings == []


def test_2_s_of_pure_cpu_and_a_heartbeat_that_is_shorter(runtime: str) -> None:
    hold_up(runtime, 2.0, 0.7, 0.6)


@pytest.mark.long
@pytest.mark.parametrize(("interval", "timeout"), [(1.0, 1.0), (0.5, 1.5), (1.4, 0.6)])
def test_10_s_of_pure_cpu_and_a_heartbeat_of_2_s(runtime: str, interval: float, timeout: float) -> None:
    # On threads each ping and each pong costs the interpreter's switch interval, 5 ms, as long as another thread
    # computes: a second for 100 clients, and the shortest patience tried here is too little for that.
    hold_up(runtime, 10.0, interval, timeout, clients=40 if (runtime, timeout) == ("threads", 0.6) else 100)


def test_short_stalls_one_after_another(runtime: str) -> None:
    """Each too short to move the deadlines."""
    with promising(runtime, quiet=False, ping_interval=0.4, ping_timeout=0.5) as server:
        with Swarm(server.port, 20) as swarm, server.client() as busy:
            busy.send(*['42["spin",0.4]'] * 4, '421["echo"]')
            while not busy.listen(0.5):
                pass
            assert swarm.lost == []
            assert server.facts()["ended"] == {}


def live_through(runtime: str, seconds: float) -> None:
    with promising(runtime, quiet=False, ping_interval=1, ping_timeout=1) as server:
        run_node("stall.js", server, str(seconds), "20")
        assert all(reason == "client namespace disconnect" for reason, *_ in server.facts()["ended"].values())


def test_the_official_client_lives_through_2_and_a_half_seconds() -> None:
    live_through("gevent", 2.5)


@pytest.mark.long
def test_the_official_client_lives_through_10_s(runtime: str) -> None:
    live_through(runtime, 10)
