"""Broadcasts numbers to clients that are cut off again and again. ``/start`` begins, ``/facts`` tells.

The variable RECOVERY_HEARTBEAT is the ping interval and the ping timeout, in seconds.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from socketio_sync import Server
from socketio_sync import Socket
from socketio_sync import WSGIApp

HEARTBEAT = float(os.environ.get("RECOVERY_HEARTBEAT", "1"))

logging.basicConfig(level=logging.INFO)
io = Server(ping_interval=HEARTBEAT, ping_timeout=HEARTBEAT, connection_state_recovery=True)
connections: Counter[str] = Counter()
disconnects: Counter[str] = Counter()


@io.on("connection")
def connection(socket: Socket) -> None:
    connections["recovered" if socket.recovered else "new"] += 1
    if not socket.recovered:
        socket.join("everybody")


@io.on("disconnect")
def disconnect(socket: Socket, reason: str) -> None:
    disconnects[reason] += 1


def broadcast(count: int, rate: float) -> None:
    """Numbers to all, by room or not, some with attachments; on schedule."""
    begin = time.monotonic()
    for number in range(count):
        whom = io if number % 2 else io.to("everybody")
        attachments = [bytes([number % 256]) * 300] * 2 if number % 7 == 0 else []
        whom.emit("number", number, "x" * 100, *attachments)
        io.sleep(max(0.0, begin + (number + 1) / rate - time.monotonic()))


def commands(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/start":
        count, rate = environ["QUERY_STRING"].split("&")
        io.start_background_task(broadcast, int(count), float(rate))
    body = json.dumps({"connections": connections, "disconnects": disconnects, "now": len(io.sockets)}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


app = WSGIApp(io, commands)
