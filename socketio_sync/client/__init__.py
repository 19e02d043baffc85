"""The client: ``Client``, ``Manager``, ``connect``."""

from __future__ import annotations

from typing import Any

from socketio_sync.client.socket import Client as Client
from socketio_sync.client.socket import Manager as Manager


def connect(url: str, *, inbox: int = 1000, **options: Any) -> Client:
    """Return a connected client that keeps the events it has no handler for: for scripts, in a ``with``.

    Args:
        url: as for Client.
        inbox: how many events are kept for ``receive``.
        **options: as for Client.

    Raises:
        ConnectError, TransportError: as ``Client.connect``.
    """
    client = Client(url, inbox=inbox, **options)
    client.connect()
    return client
