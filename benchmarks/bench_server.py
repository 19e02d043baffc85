"""The server for side-by-side runs: ``python -m benchmarks.bench_server PORT [gevent|threads]``.

It answers three events: ``echo`` (its argument as the ack, or emitted back without one), ``bcast`` (its argument to
everyone) and ``sink`` (nothing), as the same programs for the other servers do.
"""

from __future__ import annotations

import sys

from socketio_sync import Server
from socketio_sync import Socket

io = Server(runtime=sys.argv[2] if len(sys.argv) > 2 else "gevent")


@io.on("echo")
def echo(socket: Socket, payload: object, ack: object) -> None:
    if ack.wanted:  # type: ignore[attr-defined]
        ack(payload)  # type: ignore[operator]
    else:
        socket.emit("echo", payload)


@io.on("bcast")
def bcast(socket: Socket, payload: object) -> None:
    io.emit("bcast", payload)


@io.on("sink")
def sink(socket: Socket, *args: object) -> None:
    pass


if __name__ == "__main__":
    io.listen(int(sys.argv[1]))
