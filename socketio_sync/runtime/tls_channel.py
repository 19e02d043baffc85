"""The channel of a TLS object, where reading may need to write and writing may need to read."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from typing import Any

from .channel import Buffer
from .channel import Channel
from .channel import ChannelReceiver
from .native import NativeLock

if TYPE_CHECKING:
    from .base import Runtime


class _TLSSocket:
    """A TLS object that behaves like a plain non-blocking socket.

    One TLS object is never read and written at the same time, so reading takes the lock; a writer holds it already.

    Attributes:
        read_needs_write, write_needs_read: what the last call could not do for want of the other direction.
    """

    def __init__(self, tls: Any, lock: NativeLock) -> None:
        self._tls = tls
        self._lock = lock
        self.fileno = tls.fileno
        self.close = tls.close
        self.read_needs_write = False
        self.write_needs_read = False

    def recv(self, size: int) -> bytes:
        try:
            with self._lock:
                data: bytes = self._tls.recv(size)
        except ssl.SSLWantReadError:
            raise BlockingIOError from None
        except ssl.SSLWantWriteError:
            self.read_needs_write = True
            raise BlockingIOError from None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""
        return data

    def send(self, data: Buffer) -> int:
        try:
            sent: int = self._tls.send(data)
        except ssl.SSLWantWriteError:
            raise BlockingIOError from None
        except ssl.SSLWantReadError:
            self.write_needs_read = True
            raise BlockingIOError from None
        return sent

    def pending(self) -> bool:
        with self._lock:
            return bool(self._tls.pending())

    def shutdown(self, how: int) -> None:
        """Say goodbye in TLS as well, where the object can; the answer is not waited for."""
        with self._lock:
            try:
                self._tls.unwrap()
            except (AttributeError, OSError, ValueError):
                pass
            self._tls.shutdown(how)


class TLSChannel(Channel):
    """A channel over a non-blocking TLS object (``recv``, ``send``, ``pending``, ``shutdown``, ``close``).

    What it wants from the socket is noted and waited for, and the call repeated with the same bytes. Decrypted bytes
    that it holds are taken before the socket is waited for, since no poll would report them.
    """

    __slots__ = ()

    def __init__(self, runtime: Runtime, sock: Any, lock: NativeLock, receiver: ChannelReceiver) -> None:
        super().__init__(runtime, _TLSSocket(sock, lock), lock, receiver)
        self.direct_fd = -1

    def _start(self, initial: bytes) -> None:
        super()._start(initial)
        self.on_readable()

    def resume(self) -> None:
        super().resume()
        self._runtime.call_soon(self.on_readable)

    def on_readable(self) -> None:
        if self.sock.write_needs_read:
            self.sock.write_needs_read = False
            super().on_writable()
        super().on_readable()
        while self.fd >= 0 and super()._wants_read() and self.sock.pending():
            super().on_readable()
        self._watch()

    def on_writable(self) -> None:
        if self.sock.read_needs_write:
            self.sock.read_needs_write = False
            self.on_readable()
        super().on_writable()

    def _wants_read(self) -> bool:
        return self.sock.write_needs_read or super()._wants_read()

    def _wants_write(self) -> bool:
        return self.sock.read_needs_write or (super()._wants_write() and not self.sock.write_needs_read)
