"""Names as the documentation writes them (``io.emit``, ``socket.rooms``, ``AckTimeout``), and what they are here."""

from __future__ import annotations

import functools
import importlib
from types import SimpleNamespace
from typing import Any

import socketio_sync
from socketio_sync import Client
from socketio_sync import Server
from socketio_sync.testing import TestClient


@functools.cache
def examples() -> dict[str, Any]:
    """By the variables' names that the documentation uses: an object of each kind."""
    io = Server()
    with TestClient(io) as client:
        socket = io.sockets[str(client.id)]
        (copy,) = io.fetch_sockets()
    mine = Client("http://127.0.0.1:1")
    return {"client": mine, "io": io, "nsp": io.of("/chat"), "socket": socket, "member": copy}


def resolve(name: str) -> Any:
    """What a name stands for; AttributeError if nothing."""
    first, *rest = name.split(".")
    found = examples().get(first)
    if found is None:
        found = socketio_sync if hasattr(socketio_sync, first) else SimpleNamespace()
        rest = [first, *rest]
    for depth, part in enumerate(rest):
        try:
            found = getattr(found, part)
        except AttributeError:
            if found is not socketio_sync:
                raise
            found = importlib.import_module(".".join(["socketio_sync", *rest[: depth + 1]]))
    return found
