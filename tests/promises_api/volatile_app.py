"""Emits volatile and other packets in turn, when a client asks for it; ``/done`` says how many of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from socketio_sync import Server
from socketio_sync import Socket
from socketio_sync import WSGIApp

io = Server()
done: dict[str, int] = {}


@io.on("join")
def join(socket: Socket, room: str) -> None:
    socket.join(room)


@io.on("alternate")
def alternate(socket: Socket, whom: str, count: int, size: int) -> None:
    """A plain packet with an attachment, a volatile one with, a plain text, a volatile one."""
    target: Any = io.to(whom) if whom else socket
    for number in range(0, count, 2):
        target.emit("plain", number, bytes([number % 256]) * size)
        target.volatile.emit("volatile", number, bytes([number % 256]) * size)
        target.emit("plain", number + 1, "x" * size)
        target.volatile.emit("volatile", number + 1, "x" * size)
        done[socket.id] = number + 2


@io.on("one volatile")
def one_volatile(socket: Socket) -> None:
    socket.volatile.emit("volatile", "again", b"again")


def tell(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = json.dumps(done).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


app = WSGIApp(io, tell)
