"""The client's socket is taken from every server of the table, and the server does not notice."""

from __future__ import annotations

import io
import os
import resource
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.wsgi import Response as GunicornResponse
from h2.connection import H2Connection
from h2.events import DataReceived
from h2.events import StreamEnded

from socketio_sync import Server
from socketio_sync import WSGIApp
from socketio_sync.wsgi.adopt import find_peer
from tests.support.servers import HOSTS
from tests.support.servers import TLS_HOSTS
from tests.support.servers import Host
from tests.support.servers import Running
from tests.support.servers import certificate
from tests.support.servers import client_tls
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


def test_a_unix_socket_behind_a_proxy(tmp_path: Path) -> None:
    host = next(host for host in HOSTS if host.name == "gunicorn-gthread")
    path = tmp_path / "gunicorn.sock"
    with serving(host, APP, "-b", f"unix:{path}") as server, socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        sock.sendall(b"GET /echo/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nahead")
        received = b""
        while not received.endswith(b"ahead"):
            received += sock.recv(1000)
        assert received.startswith(b"HTTP/1.1 101 ")
        assert server.trouble() == []


@pytest.mark.parametrize("name", ["gunicorn-gthread", "gunicorn-gevent"])
def test_http_2_shares_its_socket_and_is_never_touched(name: str) -> None:
    host = next(host for host in TLS_HOSTS if host.name == name)
    with serving(host, APP, "--http-protocols", "h2,h1") as server:
        body = b"".join(h2_get(server.port, "/echo/?only=facts"))
        assert body.startswith(b"none gevent=%s" % str(host.gevent).encode()), body


def h2_get(port: int, path: str) -> Iterator[bytes]:
    """The body of one response over HTTP/2."""
    context = client_tls()
    context.set_alpn_protocols(["h2"])
    connection = H2Connection()
    with Wire(port, tls=context) as wire:
        connection.initiate_connection()
        fields = {":method": "GET", ":path": path, ":authority": "localhost", ":scheme": "https"}
        connection.send_headers(1, list(fields.items()), end_stream=True)
        while True:
            wire.send(connection.data_to_send())
            for event in connection.receive_data(wire.sock.recv(65536)):
                if isinstance(event, DataReceived):
                    yield event.data
                if isinstance(event, StreamEnded):
                    return


def test_another_librarys_socket_is_left_alone() -> None:
    peer = find_peer({"wsgi.input": SimpleNamespace(raw=SimpleNamespace(_sock=object()))})
    assert (peer.kind, peer.is_gevent) == ("none", False)
    with pytest.raises(RuntimeError, match="no socket"):
        peer.take()


def test_a_test_client_has_no_socket() -> None:
    peer = find_peer({"wsgi.input": io.BytesIO(), "SERVER_SOFTWARE": "waitress/3"})
    assert (peer.kind, peer.server, peer.gone()) == ("none", "waitress 3", False)
    peer.release()


def test_waitress_tells_who_has_left() -> None:
    assert find_peer({"waitress.client_disconnected": lambda: True}).gone()


def pair_of() -> tuple[socket.socket, socket.socket]:
    """A server's socket and its client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
    return served, client


class Middleware:
    """Between gunicorn and the application, with something of its own that has gunicorn's name."""

    force_close = False

    def __init__(self, start_response: Any) -> None:
        self._start_response = start_response

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        return self._start_response(status, headers, exc_info)


@pytest.mark.parametrize("wrapped", [False, True])
def test_gunicorn_has_nothing_more_to_do_for_who_was_taken(wrapped: bool) -> None:
    served, client = pair_of()
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/socket.io/",
        "QUERY_STRING": "EIO=4&transport=websocket",
        "HTTP_CONNECTION": "Upgrade",
        "HTTP_UPGRADE": "websocket",
        "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
        "HTTP_SEC_WEBSOCKET_VERSION": "13",
        "gunicorn.socket": served,
    }
    request = SimpleNamespace(method="GET", version=(1, 1), should_close=lambda: False)
    response = GunicornResponse(request, None, Config())
    start_response = Middleware(response.start_response).start_response if wrapped else response.start_response
    io = Server(runtime="threads")
    body: Any = WSGIApp(io)(environ, start_response)
    assert response.status == "101 Switching Protocols"
    assert not response.headers_sent, "a middleware that fails now is to have its 500 in the log"
    assert [*body] == [b""]
    assert response.should_close() is not wrapped
    assert response.headers_sent is not wrapped
    body.close()
    io.close()
    served.close()
    client.close()


def test_what_the_server_writes_is_swallowed_until_it_is_done() -> None:
    served, client = pair_of()
    reader = served.makefile("rb")
    client.sendall(b"line\nahead")
    assert reader.readline() == b"line\n"
    peer = find_peer({"werkzeug.socket": served, "wsgi.input": reader})
    taken, ahead = peer.take()
    assert ahead == b"ahead"
    assert taken.gettimeout() == 0.0
    assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    served.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    assert reader.read() == b""
    assert peer.spare is not None
    peer.spare.close()
    assert served.recv(10) == b""
    taken.send(b"real")
    assert client.recv(100) == b"real"
    with pytest.raises(RuntimeError):
        peer.take()
    for sock in (served, client, taken, reader):
        sock.close()


def test_nothing_leaks_when_descriptors_run_out() -> None:
    served, client = pair_of()
    peer = find_peer({"werkzeug.socket": served})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    for spare_descriptors in (0, 1, 2):
        before = len(os.listdir("/proc/self/fd"))
        free = [number for number in range(highest + 3) if not os.path.exists(f"/proc/self/fd/{number}")]
        resource.setrlimit(resource.RLIMIT_NOFILE, (free[spare_descriptors], hard))
        try:
            with pytest.raises(OSError, match="Too many open files"):
                peer.take()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert len(os.listdir("/proc/self/fd")) == before
    served.sendall(b"still the server's")
    assert client.recv(100) == b"still the server's"
    served.close()
    client.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="only Linux tells")
def test_a_tls_client_that_has_left_is_noticed() -> None:
    served, client = pair_of()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    thread = threading.Thread(target=lambda: client_tls().wrap_socket(client).close())
    thread.start()
    secure = context.wrap_socket(served, server_side=True)
    thread.join()
    peer = find_peer({"werkzeug.socket": secure})
    assert peer.kind == "hold"
    until(peer.gone)
    assert peer.bury_if_gone()
    secure.sendall(b"to nobody")
    assert secure.recv(10) == b""
    secure.close()
