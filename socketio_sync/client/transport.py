"""What transports and the engine client know of each other."""

from __future__ import annotations

from typing import Any
from typing import Protocol

from socketio_sync.exceptions import DisconnectDetails


class TransportReceiver(Protocol):
    """Who is told what a transport reads; one thread at a time, without a lock."""

    def on_text(self, transport: Any, text: str) -> None:
        """One Engine.IO packet in its text form."""

    def on_binary(self, transport: Any, data: bytes) -> None:
        """One binary message."""

    def on_lost(self, transport: Any, reason: str, details: DisconnectDetails | None) -> None:
        """The transport has ended, and not by us."""
