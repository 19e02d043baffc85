"""Names as the documentation writes them (``io.emit``, ``socket.rooms``, ``AckTimeout``), and what they are here."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
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
    """What a name stands for; AttributeError or ImportError if nothing."""
    first, *rest = name.split(".")
    known = examples()
    found = known[first] if first in known else _member(socketio_sync, first)
    for part in rest:
        found = _member(found, part)
    return found


def _member(owner: Any, name: str) -> Any:
    """An attribute, or the module of this name in a package."""
    if isinstance(owner, ModuleType) and not hasattr(owner, name):
        return importlib.import_module(f"{owner.__name__}.{name}")
    return getattr(owner, name)
