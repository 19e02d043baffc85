"""A Socket.IO server that each web server of the table runs for the tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from socketio_sync import Server
from socketio_sync import WSGIApp
from tests.support import debug

io = Server(cors_allowed_origins="*", ping_interval=1, ping_timeout=5)
ended: list[str] = []


@io.on("echo")
def echo(socket: Any, *args: Any) -> Any:
    return args


@io.on("push")
def push(socket: Any, size: int, pieces: int) -> None:
    for number in range(pieces):
        socket.emit("piece", number, bytes([number % 256]) * size)


@io.on("leave")
def leave(socket: Any, close: bool) -> None:
    socket.disconnect(close)


@io.on("slow")
def slow(socket: Any, seconds: float) -> str:
    io.sleep(seconds)
    print("slow handler done", flush=True)
    return "done"


@io.on("disconnect")
def gone(socket: Any, reason: str, details: Any) -> None:
    ended.append(reason)
    print(f"disconnected {reason.replace('error', 'fault')}", flush=True)  # in one piece: others write, too


def plain(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """``/sessions``: who is connected, and the reasons why others are not any more."""
    if environ["PATH_INFO"] != "/sessions":
        return debug.application(environ, start_response)
    found = {"connections": io.engine.clients_count, "sockets": len(io.sockets), "ended": ended}
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


app = WSGIApp(io, plain)
