"""What the servers of these tests do."""

from __future__ import annotations

from typing import Any

from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync import Socket


def make_app(io: Server) -> None:
    """Register the handlers."""

    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.emit("hello", dict(socket.handshake.auth))

    @io.on("echo")
    def echo(socket: Socket, *args: Any) -> tuple[Any, ...]:
        return args

    @io.on("push")
    def push(socket: Socket, event: str, count: int) -> None:
        for number in range(count):
            socket.emit(event, number)

    @io.on("ask")
    def ask(socket: Socket, *args: Any) -> Any:
        return socket.timeout(5).emit_with_ack("question", *args)

    @io.on("never")
    def never(socket: Socket, ack: Any) -> None:
        """It takes over the answer, and gives none."""

    @io.on("kick")
    def kick(socket: Socket, close: bool = False) -> None:
        socket.disconnect(close)

    @io.on("cut")
    def cut(socket: Socket) -> None:
        socket.conn.close()

    @io.on("transport")
    def transport(socket: Socket) -> str:
        return socket.conn.transport

    @io.on("request")
    def request(socket: Socket) -> Any:
        return {"query": dict(socket.handshake.query), "headers": dict(socket.handshake.headers)}

    io.of("/other").on("connection", lambda socket: socket.emit("in other"))
    secret = io.of("/secret")

    @secret.use
    def check(socket: Socket) -> None:
        if socket.handshake.auth.get("token") != "secret":
            raise ConnectError("not authorized", {"why": "token"})

    slow = io.of("/slow")

    @slow.use
    def wait(socket: Socket) -> None:
        io.sleep(0.3)
