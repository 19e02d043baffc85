"""The contract between Engine.IO and what lies above it; anyone can implement it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Protocol

if TYPE_CHECKING:
    from socketio_sync.engine.connection import Connection
    from socketio_sync.exceptions import DisconnectDetails


class Receiver(Protocol):
    """What one connection brings upward, in the I/O thread or a request's: it must not block or run user code."""

    def on_message(self, data: str | bytes) -> None:
        """A message came; messages of one connection come one after the other."""

    def on_close(self, reason: str, details: DisconnectDetails | None) -> None:
        """The connection ended; called exactly once."""


class Nobody:
    """A Receiver that wants to know nothing; that of an ended connection, lest the two keep each other alive."""

    def on_message(self, data: str | bytes) -> None:
        """Nobody waits for it."""

    def on_close(self, reason: str, details: DisconnectDetails | None) -> None:
        """Nobody waits for it."""


NOBODY = Nobody()


class EngineHandler(Protocol):
    """What is told of new connections."""

    def on_connection(self, connection: Connection) -> Receiver:
        """A handshake succeeded; nothing was read from the connection yet."""


class CrowdHandler(EngineHandler, Protocol):
    """The same, for when a call for each message is too slow."""

    def on_messages(self, messages: Iterator[tuple[Receiver, bytes]]) -> None:
        """Short texts came for many receivers, in UTF-8, each behind the digit of its packet's type (I/O thread).

        It has to be as if each ``on_message`` was called, and no exception may come out of it.
        """
