"""What gevent's socket makes of a dead one inside."""

from __future__ import annotations

import gc
import os
import socket
import weakref
from collections.abc import Iterator
from typing import Any

import gevent.socket
import pytest

from socketio_sync.wsgi.adopt import find_peer
from socketio_sync.wsgi.dead_socket import DeadSocket


@pytest.fixture
def taken() -> Iterator[tuple[Any, Any, socket.socket]]:
    """The server's gevent socket, the one that was taken from it, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        served, _ = listener.accept()
    server_side = gevent.socket.socket(fileno=served.detach())
    sock, ahead = find_peer({"gunicorn.socket": server_side}).take()
    assert ahead == b""
    yield server_side, sock, client
    server_side.close()
    sock.close()
    client.close()


def test_what_is_written_is_gone_and_what_is_read_is_the_end(taken: tuple[Any, Any, socket.socket]) -> None:
    server_side, sock, client = taken
    server_side.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" * 100_000)
    assert server_side.send(memoryview(b"abcd").cast("H")) == 4
    assert server_side.sendto(b"abc", ("127.0.0.1", 9)) == 3
    assert server_side.sendmsg([b"ab", b"cde"]) == 5
    assert server_side.recv(100) == b""
    assert server_side.recv_into(bytearray(5)) == 0
    assert server_side.recvfrom(5) == (b"", None)
    assert server_side.recvfrom_into(bytearray(5)) == (0, None)
    assert server_side.recvmsg(5) == (b"", [], 0, None)
    assert server_side.recvmsg_into([bytearray(5)]) == (0, [], 0, None)
    with server_side.makefile("rwb") as file:
        assert file.readline() == b""
        file.write(b"nobody reads this")
    sock.send(b"real")
    assert client.recv(100) == b"real"


def test_the_rest_of_a_socket(taken: tuple[Any, Any, socket.socket]) -> None:
    server_side, sock, client = taken
    assert (server_side.family, server_side.type, server_side.proto) == (sock.family, socket.SOCK_STREAM, sock.proto)
    assert server_side.fileno() == -1
    server_side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert server_side.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
    assert server_side.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) == b"\0"
    server_side.settimeout(5)
    server_side.setblocking(True)
    assert DeadSocket(sock).gettimeout() == 0.0
    for name in (server_side.getpeername, server_side.getsockname):
        with pytest.raises(OSError, match="not connected"):
            name()
    server_side.shutdown(socket.SHUT_RDWR)
    assert weakref.ref(server_side._sock)() is server_side._sock
    server_side.close()
    server_side.close()
    client.send(b"still here")
    assert sock.gettimeout() == 0.0
    assert gevent.socket.wait_read(sock.fileno(), timeout=5) is None
    assert sock.recv(100) == b"still here"


def test_it_is_taken_once(taken: tuple[Any, Any, socket.socket]) -> None:
    server_side = taken[0]
    peer = find_peer({"gunicorn.socket": server_side})
    assert peer.gone()
    with pytest.raises(OSError, match="Bad file descriptor"):
        peer.take()


def test_the_taken_one_outlives_the_servers(taken: tuple[Any, Any, socket.socket]) -> None:
    server_side, sock, client = taken
    descriptor = sock.fileno()
    assert server_side.detach() == -1
    gc.collect()
    assert sock.fileno() == descriptor
    sock.send(b"x")
    assert client.recv(1) == b"x"


def test_taking_needs_no_descriptor() -> None:
    near, far = gevent.socket.socketpair()
    before = os.listdir("/proc/self/fd")
    sock, _ = find_peer({"gunicorn.socket": near}).take()
    assert os.listdir("/proc/self/fd") == before
    for each in (sock, near, far):
        each.close()
