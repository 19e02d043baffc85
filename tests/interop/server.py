"""The server of the scripted sessions: the same behaviour, line by line, as node/reference_server.js.

Usage: python server.py gevent|threads [recovery] [msgpack]; prints its URL and serves until SIGTERM. Or ``app``, for
gunicorn's gevent worker.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from socketio_sync import AckTimeout
from socketio_sync import ConnectError
from socketio_sync import Namespace
from socketio_sync import Server
from socketio_sync import Socket
from socketio_sync import WSGIApp
from socketio_sync import parsers

io = Server(
    allow_eio3=True,
    cors_allowed_origins="*",
    runtime="threads" if "threads" in sys.argv else "gevent",
    connection_state_recovery="recovery" in sys.argv or None,
    parser=parsers.msgpack if "msgpack" in sys.argv else None,
)


def blob(seed: int, length: int) -> bytes:
    return bytes((seed + i) % 256 for i in range(length))


def measure(value: Any) -> Iterator[list[int]]:
    """Lengths and sums of all binary in a value, in the order of their appearance."""
    if isinstance(value, bytes):
        yield [len(value), sum(value) % 65521]
    elif isinstance(value, dict):
        for item in value.values():
            yield from measure(item)
    elif isinstance(value, list):
        for item in value:
            yield from measure(item)


def common(nsp: Namespace) -> None:
    """What every namespace of the sessions answers."""

    @nsp.on("echo")
    def echo(socket: Socket, *args: Any) -> tuple[Any, ...]:
        return args

    @nsp.on("repeat")
    def repeat(socket: Socket, *args: Any) -> None:
        socket.emit("repeat", *args)

    @nsp.on("where")
    def where(socket: Socket) -> str:
        return nsp.name

    @nsp.on("measure")
    def measured(socket: Socket, value: Any) -> list[list[int]]:
        return list(measure(value))

    @nsp.on("give_blob")
    def give_blob(socket: Socket, text: str) -> None:
        value = {"picture": blob(1, 1000), "list": [blob(2, 3), {"deep": blob(3, 300)}], "text": text}
        socket.emit("blob", value, blob(4, 0))

    @nsp.on("ask")
    def ask(socket: Socket, value: Any) -> tuple[Any, ...]:
        answer = socket.emit_with_ack("question", value)
        return ("answered", *answer) if isinstance(answer, tuple) else ("answered", answer)

    @nsp.on("ask_silent")
    def ask_silent(socket: Socket) -> str:
        try:
            socket.timeout(0.2).emit_with_ack("silence")
        except AckTimeout:
            return "timeout"
        return "answer"

    @nsp.on("never")
    def never(socket: Socket, ack: Any) -> None:
        pass

    @nsp.on("count")
    def count(socket: Socket, number: int) -> None:
        socket.emit("counted", number)

    @nsp.on("join")
    def join(socket: Socket, room: str) -> None:
        socket.join(room)

    @nsp.on("leave")
    def leave(socket: Socket, room: str) -> None:
        socket.leave(room)

    @nsp.on("tell")
    def tell(socket: Socket, room: str, payload: Any) -> None:
        socket.to(room).emit("told", payload)

    @nsp.on("all")
    def everybody(socket: Socket, payload: Any) -> None:
        nsp.emit("all", payload)

    @nsp.on("vote")
    def vote(socket: Socket, room: str) -> list[Any]:
        return sorted(nsp.to(room).timeout(2).emit_with_ack("vote"))

    @nsp.on("remember")
    def remember(socket: Socket, value: Any) -> None:
        socket.data["value"] = value

    @nsp.on("recall")
    def recall(socket: Socket) -> tuple[Any, ...]:
        return socket.recovered, socket.data.get("value"), sorted(socket.rooms)

    @nsp.on("tick")
    def tick(socket: Socket, room: str, count: int) -> None:
        io.start_background_task(send_ticks, room, count)

    def send_ticks(room: str, count: int) -> None:
        for number in range(count):
            nsp.to(room).emit("tick", number)
            io.sleep(0.005)

    @nsp.on("kick")
    def kick(socket: Socket, close: bool) -> None:
        socket.disconnect(close)

    @nsp.on("cut")
    def cut(socket: Socket) -> None:
        socket.conn.close()

    @nsp.on("disconnect")
    def gone(socket: Socket, reason: str) -> None:
        io.of("/observe").emit("gone", socket.handshake.query.get("name"), nsp.name, reason)


for name in ("/", "/chat", "/admin"):
    common(io.of(name))
io.of("/observe")


@io.of("/admin").use
def only_with_a_token(socket: Socket) -> None:
    token = socket.handshake.auth.get("token") or socket.handshake.query.get("token")
    if token != "secret":
        raise ConnectError("not authorized", {"code": 401, "token": token})


@io.of("/admin").on("auth")
def auth(socket: Socket) -> dict[str, Any]:
    return dict(socket.handshake.auth)


app = WSGIApp(io)

if __name__ == "__main__":
    io.listen(0)
