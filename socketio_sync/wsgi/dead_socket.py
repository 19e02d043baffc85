"""What a web server has in the place of the client's socket once that is ours: writes succeed, reads find the end."""

from __future__ import annotations

import _socket
import errno
import os
import socket
from typing import Any
from typing import NoReturn

_RESPONSE = 4096  # more bytes than a response without body has


class DeadSocket:
    """For a gevent socket, in the place of its inner one: what gevent asks of that, without a descriptor.

    A pair of real sockets would cost each new WebSocket ten calls to the kernel.

    Args:
        former: the inner socket whose place it takes.
    """

    __slots__ = ("__weakref__", "family", "proto", "type")

    def __init__(self, former: _socket.socket) -> None:
        self.family = former.family
        self.type = former.type
        self.proto = former.proto

    def fileno(self) -> int:
        """As of a closed socket."""
        return -1

    def detach(self) -> int:
        """As of a closed socket."""
        return -1

    def send(self, data: Any, flags: int = 0) -> int:
        """All of it is gone."""
        return memoryview(data).nbytes

    def sendto(self, data: Any, *flags_and_address: Any) -> int:
        """All of it is gone."""
        return memoryview(data).nbytes

    def sendmsg(self, buffers: Any, *more: Any) -> int:
        """All of it is gone."""
        return sum(memoryview(data).nbytes for data in buffers)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """The end."""
        return b""

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """The end."""
        return 0

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, None]:
        """The end."""
        return b"", None

    def recvfrom_into(self, buffer: Any, size: int = 0, flags: int = 0) -> tuple[int, None]:
        """The end."""
        return 0, None

    def recvmsg(self, *sizes_and_flags: int) -> tuple[bytes, list[Any], int, None]:
        """The end."""
        return b"", [], 0, None

    def recvmsg_into(self, buffers: Any, *sizes_and_flags: int) -> tuple[int, list[Any], int, None]:
        """The end."""
        return 0, [], 0, None

    def getsockopt(self, level: int, option: int, size: int = 0) -> int | bytes:
        """No option is set."""
        return bytes(size) if size else 0

    def setsockopt(self, *option: Any) -> None:
        """There is nothing to set."""

    def setblocking(self, blocking: bool) -> None:
        """It never blocks."""

    def settimeout(self, timeout: float | None) -> None:
        """It never blocks."""

    def gettimeout(self) -> float:
        """It never blocks."""
        return 0.0

    def getsockname(self) -> NoReturn:
        """OSError: it has none."""
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    getpeername = getsockname

    def shutdown(self, how: int) -> None:
        """Nobody notices."""

    def close(self) -> None:
        """There is nothing to close."""


class Spare:
    """The far end of a dead pair, whose near end a server has. It swallows the response, and is closed after it."""

    __slots__ = ("_sock",)

    def __init__(self) -> None:
        self._sock: _socket.socket | None = None

    def dead_socket(self) -> _socket.socket:
        """Make the pair; the end for the server reads the end of the stream, and can be written to."""
        dead, self._sock = _socket.socketpair()
        self._sock.shutdown(socket.SHUT_WR)
        self._sock.setblocking(False)
        return dead

    def close(self) -> None:
        """The server has written its response. Twice is harmless."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        try:
            # Closed with something unread it would be a connection reset for the server.
            while len(sock.recv(_RESPONSE)) == _RESPONSE:
                pass
        except OSError:
            pass
        sock.close()

    def __del__(self) -> None:
        self.close()
