"""The client's socket is taken from every server of the table, and the server does not notice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.servers import HOSTS
from tests.support.servers import TLS_HOSTS
from tests.support.servers import Host
from tests.support.servers import Running
from tests.support.servers import serving
from tests.support.wire import Wire
from tests.support.wire import until

APP = "tests.wsgi.echo_app:app"
# Servers that close after a response and do not say so.
CLOSING = ("wsgiref", "wsgiref-threads", "uwsgi")


@pytest.fixture(scope="module", params=HOSTS, ids=str)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    host: Host = request.param
    with serving(host, APP) as running:
        yield running


@pytest.fixture(scope="module", params=TLS_HOSTS, ids=lambda host: f"tls-{host}")
def tls_server(request: pytest.FixtureRequest) -> Iterator[Running]:
    host: Host = request.param
    with serving(host, APP) as running:
        yield running


def connect(server: Running, ahead: bytes = b"") -> Wire:
    wire = Wire(server.port, tls=server.tls)
    assert wire.upgrade("/echo/", ahead=ahead) is None
    return wire


def exchange(wire: Wire, data: bytes) -> None:
    wire.send(data)
    assert wire.read(len(data)) == data


def facts(server: Running) -> str:
    return server.fetch("/echo/?only=facts").text


def warm_up(server: Running) -> dict[str, Any]:
    """Its state once the runtime has what it keeps."""
    facts(server)
    return server.debug()


def test_what_is_said_about_the_server(server: Running) -> None:
    host = server.host
    said = facts(server)
    assert said.startswith("adopt" if host.adopts else "none"), said
    if host.adopts:
        assert f"gevent={host.gevent}" in said
    if host.single or host.gunicorn == "gthread":
        assert f"threads={1 if host.single else 2}" in said


def test_a_taken_socket_is_free_of_its_server(server: Running) -> None:
    if not server.host.adopts:
        pytest.skip("nothing to take")
    before = warm_up(server)
    wires = [connect(server) for _ in range(20)]
    for wire in wires:
        exchange(wire, b"hello" * 100)
    # More than any of these servers has threads, and still it answers.
    assert server.fetch("/").body == b"hello"
    exchange(wires[0], bytes(range(256)) * 1200)
    for number, wire in enumerate(wires):
        if number % 2:
            wire.send(b"quit")
            assert wire.read_to_the_end() == b""
        wire.close()
    until(lambda: server.debug()["sockets"] <= before["sockets"])
    assert server.trouble() == []
    if server.host.access_log:
        assert sum('"GET /echo/' in line and " 101 " in line for line in access_lines(server)) == 20, server.log


def access_lines(server: Running) -> list[str]:
    """uWSGI has a format of its own."""
    log = server.log.replace("(HTTP/1.1 101)", " 101 ") if server.host.name == "uwsgi" else server.log
    return [line.replace("GET /echo/", '"GET /echo/').replace('""', '"') for line in log.splitlines()]


def test_bytes_right_behind_the_request_are_not_lost(server: Running) -> None:
    if not server.host.adopts:
        pytest.skip("nothing to take")
    if server.host.name == "uwsgi":
        pytest.skip("uWSGI keeps them in C")
    with connect(server, ahead=b"first") as wire:
        assert wire.read(5) == b"first"
        exchange(wire, b"second")
    with connect(server, ahead=b"x" * 3000) as wire:
        assert wire.read(3000) == b"x" * 3000
    assert server.trouble() == []


def test_a_client_that_resets_its_connection(server: Running) -> None:
    if not server.host.adopts:
        pytest.skip("nothing to take")
    before = warm_up(server)
    for _ in range(5):
        wire = connect(server)
        wire.reset()
    until(lambda: server.debug()["sockets"] <= before["sockets"])
    assert server.trouble() == []


def test_bodies(server: Running) -> None:
    assert server.fetch("/echo/", "POST", b"body" * 1000).body == b"body" * 1000
    assert server.fetch("/echo/", "POST", b"").body == b""
    assert server.fetch("/echo/", "POST", b"x" * 1_000_001).body == b"too long"
    assert server.fetch("/").body == b"hello"


def test_kept_alive_connections_are_taken_too(server: Running) -> None:
    if not server.host.adopts:
        pytest.skip("nothing to take")
    with Wire(server.port) as wire:
        wire.ask("GET", "/")
        reply = wire.answer()
        assert reply.body == b"hello"
        if reply.headers.get("connection", "").lower() == "close" or server.host.name in CLOSING:
            pytest.skip("this server keeps none")
        assert wire.upgrade("/echo/") is None
        exchange(wire, b"after a plain request")
    assert server.trouble() == []


def test_tls_holds_the_servers_thread(tls_server: Running) -> None:
    before = warm_up(tls_server)
    assert facts(tls_server).startswith("hold")
    wires = [connect(tls_server, ahead=b"ahead") for _ in range(2)]
    for wire in wires:
        assert wire.read(5) == b"ahead"
        exchange(wire, b"hello" * 1000)
    assert tls_server.fetch("/").body == b"hello"
    exchange(wires[0], bytes(range(256)) * 1200)
    wires[0].send(b"quit")
    # Nothing but the end: what the server writes afterwards reaches nobody.
    assert wires[0].read_to_the_end() == b""
    for wire in wires:
        wire.close()
    until(lambda: tls_server.debug()["sockets"] <= before["sockets"])
    assert tls_server.trouble() == []
    if tls_server.host.access_log:
        until(lambda: sum("GET /echo/ " in line and " 101 " in line for line in tls_server.log.splitlines()) == 2)
