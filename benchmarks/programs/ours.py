"""socketio_sync: under gunicorn ``benchmarks.programs.ours:app``; by itself, with a port, on gevent's pywsgi."""

from __future__ import annotations

import os
import sys

from socketio_sync import Server
from socketio_sync import Socket
from socketio_sync import WSGIApp

io = Server(
    max_http_buffer_size=4_000_000,
    ping_interval=float(os.environ.get("PING_INTERVAL", 25)),
    io_uring=os.environ.get("IO_URING") != "0",
)
app = WSGIApp(io)


@io.on("echo")
def echo(socket: Socket, payload: object) -> object:
    return payload


@io.on("bcast")
def bcast(socket: Socket, payload: object) -> None:
    io.emit("bcast", payload)


@io.on("say")
def say(socket: Socket, room: str, payload: object) -> None:
    io.to(room).emit("bcast", payload)


@io.on("join")
def join(socket: Socket, rooms: list[str]) -> int:
    socket.join(rooms)
    return len(rooms)


@io.on("leave")
def leave(socket: Socket, rooms: list[str]) -> int:
    socket.leave(rooms)
    return len(rooms)


@io.on("sink")
def sink(socket: Socket, *payload: object) -> None:
    pass


def serve(port: int) -> None:
    """On gevent's web server, until killed."""
    from gevent.pywsgi import WSGIServer

    WSGIServer(("127.0.0.1", port), app, log=None, backlog=4096).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
