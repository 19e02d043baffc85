"""Connected sockets inside one thread's memory, for the virtual runtime: no kernel, no descriptors."""

from __future__ import annotations

import itertools
import socket
from collections import deque

_numbers = itertools.count(1)


class MemorySocket:
    """What a Channel needs of a non-blocking socket. It takes every byte at once, so nothing ever waits to be sent.

    Any thread may send; one reads. Made in pairs, by ``memory_pair``.

    Attributes:
        unplugged: nothing leaves or arrives any more, and neither side is told, as behind a pulled cable.
    """

    __slots__ = ("_closed", "_ended", "_incoming", "_number", "peer", "unplugged")

    peer: MemorySocket

    def __init__(self) -> None:
        self._incoming: deque[bytes] = deque()
        self._number = next(_numbers)
        self._ended = False  # nothing follows what is in _incoming
        self._closed = False
        self.unplugged = False

    @property
    def readable(self) -> bool:
        """Whether ``recv`` would return something, be it the end."""
        return bool(self._incoming) or self._ended

    def fileno(self) -> int:
        """A number that no other one has."""
        return self._number

    def send(self, data: bytes | memoryview, flags: int = 0) -> int:
        """Give all of ``data`` to the other end."""
        if self.unplugged or self.peer.unplugged:
            return len(data)
        if self._closed or self.peer._closed:
            raise BrokenPipeError("the other end is closed")
        if data:
            self.peer._incoming.append(bytes(data))
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """At most ``size`` bytes of what came; b"" at the end."""
        if not self._incoming:
            if self._ended:
                return b""
            raise BlockingIOError("nothing came")
        data = self._incoming[0]
        if not flags & socket.MSG_PEEK:
            self._incoming.popleft()
            if len(data) > size:
                self._incoming.appendleft(data[size:])
        return data[:size]

    def shutdown(self, how: int) -> None:
        """Send no more."""
        if not (self.unplugged or self.peer.unplugged):
            self.peer._ended = True

    def close(self) -> None:
        """Neither read nor send any more. Twice is harmless."""
        if not self._closed:
            self._closed = True
            self.shutdown(socket.SHUT_RDWR)


def memory_pair() -> tuple[MemorySocket, MemorySocket]:
    """Two sockets that are connected with each other."""
    one, other = MemorySocket(), MemorySocket()
    one.peer, other.peer = other, one
    return one, other
