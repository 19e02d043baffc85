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


class TLSChannel(Channel):
    """A channel over a non-blocking TLS object (``recv``, ``send``, ``pending``, ``shutdown``, ``close``).

    One TLS object is never read and written at the same time, so reading takes the lock as well. What it wants from
    the socket (``SSLWantReadError``, ``SSLWantWriteError``) is noted and waited for; the call is repeated with the same
    bytes. Decrypted bytes that it holds are taken before the socket is waited for, since no poll would report them.
    """

    __slots__ = ("_ahead", "_read_needs_write", "_write_needs_read")

    def __init__(self, runtime: Runtime, sock: Any, lock: NativeLock, receiver: ChannelReceiver) -> None:
        super().__init__(runtime, sock, lock, receiver)
        self._read_needs_write = False
        self._write_needs_read = False
        self._ahead = b""  # what was read while only the end was looked for

    def _start(self, initial: bytes) -> None:
        initial, self._ahead = initial + self._ahead, b""
        super()._start(initial)
        self.on_readable()

    def resume(self) -> None:
        super().resume()
        self._runtime.call_soon(self.on_readable)

    def on_readable(self) -> None:
        if self._write_needs_read:
            self._write_needs_read = False
            super().on_writable()
        super().on_readable()
        while self.fd >= 0 and self._wants_read() and self._pending():
            super().on_readable()
        self._watch()

    def on_writable(self) -> None:
        if self._read_needs_write:
            self._read_needs_write = False
            self.on_readable()
        super().on_writable()

    def _pending(self) -> bool:
        with self._lock:
            return self.fd >= 0 and self.sock.pending() > 0

    def _peek(self) -> None:
        """TLS has no MSG_PEEK: a byte is read and kept for ``start``."""
        try:
            data = self._receive(1)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            self._ahead = data
            self._stop_peeking()
        else:
            self._lose(None)

    def _receive(self, size: int) -> bytes:
        try:
            with self._lock:
                data: bytes = self.sock.recv(size)
        except ssl.SSLWantReadError:
            raise BlockingIOError from None
        except ssl.SSLWantWriteError:
            self._read_needs_write = True
            raise BlockingIOError from None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""
        return data

    def _transmit(self, data: Buffer) -> int:
        try:
            sent: int = self.sock.send(data)
        except ssl.SSLWantWriteError:
            raise BlockingIOError from None
        except ssl.SSLWantReadError:
            self._write_needs_read = True
            raise BlockingIOError from None
        return sent

    def _wants_read(self) -> bool:
        return self._write_needs_read or super()._wants_read()

    def _wants_write(self) -> bool:
        return self._read_needs_write or (self._backlog is not None and not self._write_needs_read)

    def _shutdown(self) -> None:
        """Say goodbye in TLS as well where the object can; its answer is not waited for."""
        with self._lock:
            try:
                self.sock.unwrap()
            except (AttributeError, OSError):
                pass
            super()._shutdown()
