"""A channel's receiver that remembers, and the other end of its socket."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import gevent.socket

from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.channel import Channel
from tests.support.timing import scaled


class Recorder:
    """Remembers what a channel reports, in order."""

    def __init__(self, runtime: Runtime) -> None:
        self.wanted = 0
        self.data = b""
        self.chunks: list[int] = []
        self.calls: list[str] = []
        self.error: OSError | None = None
        self.lost = runtime.event()
        self.drained = runtime.event()
        self.came = runtime.event()

    def on_data(self, data: bytes) -> None:
        self.calls.append("data")
        self.data += data
        self.chunks.append(len(data))
        self.came.set()

    def on_lost(self, error: OSError | None) -> None:
        self.calls.append("lost")
        self.error = error
        self.lost.set()

    def on_drained(self) -> None:
        self.calls.append("drained")
        self.drained.set()

    def wait_for(self, size: int) -> bytes:
        """The data, once there are so many bytes of it."""
        while len(self.data) < size:
            assert self.came.wait(scaled(5)), f"{len(self.data)} of {size} bytes came"
            self.came.clear()
        return self.data


class Pair:
    """A channel over one end of a socket pair, and the other end as ``peer``."""

    def __init__(
        self, runtime: Runtime, sockets: tuple[socket.socket, socket.socket] | None = None, lock: Any = None
    ) -> None:
        ours, theirs = sockets or socket.socketpair()
        ours.setblocking(False)
        self.runtime = runtime
        self.recorder = Recorder(runtime)
        self.lock = lock or runtime.lock()
        self.channel: Channel = runtime.open_channel(ours, self.lock, self.recorder)
        self.peer: Any = waiting_socket(runtime, theirs)

    def write(self, data: bytes) -> None:
        with self.lock:
            self.channel.write(data)

    def offer(self, data: bytes) -> None:
        """The channel's ``offer``, which it takes."""
        assert self.channel.offer(data)

    def look(self) -> None:
        """The channel's ``look``, in its thread."""
        self.runtime.call_soon(self.channel.look)

    def close(self) -> None:
        self.channel.abort()
        self.peer.close()


def waiting_socket(runtime: Runtime, sock: socket.socket) -> Any:
    """A socket whose calls wait in the way of the runtime, and not for ever."""
    if runtime.name == "gevent":
        sock = gevent.socket.socket(sock.family, sock.type, sock.proto, fileno=sock.detach())
    sock.settimeout(None if runtime.name == "fake" else scaled(5))
    return sock


def receive_exactly(sock: Any, size: int) -> bytes:
    """So many bytes, or those until the end."""
    data = bytearray()
    while len(data) < size:
        chunk = sock.recv(min(size - len(data), 1 << 20))
        if not chunk:
            break
        data += chunk
    return bytes(data)


def packets(runtime: Runtime) -> Pair:
    """A pair whose other end receives apart what was sent apart."""
    return Pair(runtime, socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))


def fill(sock: socket.socket) -> None:
    """Send until the kernel takes nothing more."""
    with suppress(BlockingIOError):
        while sock.send(bytes(1 << 20)):
            pass
