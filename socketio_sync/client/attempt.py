"""A ``connect`` that somebody waits for, and when there is nothing to wait for any more."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from socketio_sync.exceptions import ConnectError
from socketio_sync.exceptions import DisconnectedError
from socketio_sync.exceptions import TransportError

if TYPE_CHECKING:
    from socketio_sync.runtime.events import Event


class Attempt:
    """One ``connect`` that is waited for."""

    __slots__ = ("error", "last", "settled")

    def __init__(self, settled: Event) -> None:
        self.settled = settled
        self.error: ConnectError | DisconnectedError | None = None
        self.last: ConnectError | None = None  # what went wrong until now

    def settle(self, error: ConnectError | DisconnectedError | None) -> None:
        """It is decided."""
        self.error = error
        self.settled.set()


def is_final(error: ConnectError) -> bool:
    """Whether a ``connect`` that is waited for need not try again: the server was there, and has said no."""
    if not isinstance(error, TransportError):
        return True
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return True
    return error.status is not None and error.status < 500 and error.status not in (408, 425, 429)
