"""How much a server carries besides: plain requests go on while clients hold what they hold."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

import pytest

from tests.support.servers import HOSTS
from tests.support.servers import TLS_HOSTS
from tests.support.servers import Host
from tests.support.servers import serving
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import open_websocket
from tests.support.wire import until
from tests.wsgi.test_adopt import h2_get

APP = "tests.wsgi.product_app:app"


def host_of(name: str, *options: str) -> Host:
    [host] = [host for host in HOSTS if host.name == name]
    return host


def first_message(wire: Wire) -> str:
    while (received := wire.receive()) == "2":
        wire.send_text("3")
    assert isinstance(received, str)
    return received


@pytest.mark.parametrize("name", ["gunicorn-gevent", "gunicorn-gthread"])
def test_200_websockets_past_worker_connections_leave_plain_requests_working(name: str) -> None:
    with serving(host_of(name), APP, "--worker-connections", "50") as server, ExitStack() as stack:
        wires = [stack.enter_context(open_websocket(server.port)) for _ in range(200)]
        started = time.monotonic()
        assert json.loads(server.fetch("/sessions").body)["connections"] == 200
        assert time.monotonic() - started < 1.5
        for wire in wires:
            wire.send_text("40")
        for wire in wires:
            assert first_message(wire).startswith("40{")


def test_20_parked_polls_leave_plain_requests_under_1_5_seconds() -> None:
    """waitress with its 4 threads, and no socket to take: the polls take turns."""
    with serving(host_of("waitress"), APP) as server, ExitStack() as stack:
        clients = [Polling(server.port).open() for _ in range(20)]
        assert all(client.handshake["upgrades"] == [] for client in clients)
        parked = []
        for client in clients:
            wire = stack.enter_context(Wire(server.port))
            wire.ask("GET", client.target)
            parked.append(wire)
        for _ in range(5):
            started = time.monotonic()
            assert server.fetch("/sessions").status == 200
            assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("name", ["gunicorn-gevent", "gunicorn-gthread"])
def test_http_2_is_long_polling_only(name: str) -> None:
    [host] = [host for host in TLS_HOSTS if host.name == name]
    with serving(host, APP, "--http-protocols", "h2,h1") as server:
        body = b"".join(h2_get(server.port, "/socket.io/?EIO=4&transport=polling")).decode()
        assert body[0] == "0"
        handshake = json.loads(body[1:])
        assert handshake["upgrades"] == []
        refusal = b"".join(h2_get(server.port, "/socket.io/?EIO=4&transport=websocket"))
        assert json.loads(refusal)["message"] == "Bad request"


@pytest.mark.parametrize("workers", [1, 2])
def test_several_worker_processes_are_warned_of(workers: int) -> None:
    with serving(host_of("gunicorn-gthread"), APP, "--workers", str(workers)) as server:
        for _ in range(12):
            Polling(server.port).open()
        warnings = [line for line in server.log.splitlines() if "several worker processes" in line]
        assert len(warnings) <= workers  # once a process
        assert bool(warnings) == (workers > 1)


def test_websockets_over_tls_leave_one_thread_of_the_server() -> None:
    """Each holds one of gthread's 4 threads: the fourth stays with long-polling."""
    [host] = [host for host in TLS_HOSTS if host.name == "gunicorn-gthread"]
    with serving(host, APP) as server, ExitStack() as stack:
        wires = [stack.enter_context(open_websocket(server.port, tls=server.tls)) for _ in range(3)]
        with Wire(server.port, tls=server.tls) as refused:
            reply = refused.upgrade("/socket.io/?EIO=4&transport=websocket")
            assert reply is not None
            assert (reply.status, reply.text[:9]) == (503, "no thread")
        assert json.loads(server.fetch("/sessions").body)["connections"] == 3
        wires[0].close()
        until(lambda: json.loads(server.fetch("/sessions").body)["connections"] == 2)
        stack.enter_context(open_websocket(server.port, tls=server.tls))
