"""Bad input from the user's own program: an exception that names what came and what is allowed, where it came from."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from socketio_sync import Engine
from socketio_sync import Server
from socketio_sync import WSGIApp

ROWS: list[tuple[Callable[[Server], Any], type[Exception], str]] = [
    # options
    (lambda io: Server(pingInterval=5), TypeError, "'pingInterval'.*ping_interval"),
    (lambda io: Server(async_mode="gevent"), TypeError, "'async_mode'.*runtime"),
    (lambda io: Server(no_such_option=1), TypeError, "'no_such_option'"),
    (lambda io: Server(ping_interval="25"), TypeError, "ping_interval='25'.*seconds"),
    (lambda io: Server(ping_interval=25_000), ValueError, "ping_interval=25000.*seconds"),
    (lambda io: Server(transports=["websockets"]), ValueError, "transports.*'websockets'.*polling.*websocket"),
    (lambda io: Server(runtime="asyncio"), ValueError, "runtime='asyncio'.*'auto'.*'gevent'.*'threads'"),
    (lambda io: Server(max_send_buffer=0), ValueError, "max_send_buffer=0"),
    (lambda io: Server(cors_allowed_origins="*", cors_credentials=True), ValueError, "cors_credentials.*name them"),
    (lambda io: Server(parser=7), TypeError, "parser=7"),
    (lambda io: Engine(connect_timeout=5), TypeError, "'connect_timeout'"),
    # handlers
    (lambda io: io.on("chat", None) and io.on("chat")(7), TypeError, "7"),
    (lambda io: io.on(5, print), TypeError, "5"),
    (lambda io: io.on("connect_error", lambda socket: None), ValueError, "connect_error"),
    (lambda io: io.on("*", lambda socket: None), ValueError, r"'\*'.*on_any"),
    (lambda io: io.use(lambda socket, next: None), TypeError, "next|two|2"),
    (lambda io: io.on("connection", lambda socket, environ: None), TypeError, "connection"),
    # sending
    (lambda io: io.emit("disconnect"), ValueError, "'disconnect'"),
    (lambda io: io.emit(7), TypeError, "7|int"),
    (lambda io: io.emit("price", {"price": Decimal("1.5")}), TypeError, r"args\[0\]\['price'\]|args\[0\]\[\"price\"\]"),
    (lambda io: io.emit("price", [1, math.nan]), ValueError, r"args\[0\]\[1\].*nan"),
    (lambda io: io.emit("price", [{1, 2}]), TypeError, r"args\[0\]\[0\].*set"),
    (lambda io: io.emit("price", 2**70), (TypeError, ValueError), r"args\[0\]"),
    (lambda io: io.emit("price", print), TypeError, "callback="),
    (lambda io: io.emit("price", *[b"x"] * 11), ValueError, "11.*10|10.*11"),
    (lambda io: io.to(5), TypeError, "5|int"),
    (lambda io: io.to(None), TypeError, "None"),
    (lambda io: io.timeout(5000), ValueError, "5000 s is 83 minutes; durations are seconds"),
    (lambda io: io.timeout("5"), TypeError, "'5'|str"),
    # the rest
    (lambda io: io.of(7), TypeError, "7"),
    (lambda io: io.of(re.compile(b"x")), TypeError, "str.*bytes"),
    (lambda io: WSGIApp(7), TypeError, "int|7"),
    (lambda io: WSGIApp(io, WSGIApp(io)), ValueError, "served already"),
    (lambda io: io.register(5), (TypeError, ValueError), "5|int"),
    (lambda io: io.engine.on("conection", print), ValueError, "'conection'.*connection_error"),
]


@pytest.mark.parametrize(("misuse", "error", "text"), ROWS, ids=lambda value: value if isinstance(value, str) else "")
def test_misuse_is_told_at_once(misuse: Callable[[Server], Any], error: type[Exception], text: str) -> None:
    io = Server()
    with pytest.raises(error) as caught:
        misuse(io)
    assert re.search(text, str(caught.value)), str(caught.value)


def test_a_taken_port_is_the_systems_error() -> None:
    io, other = Server(runtime="threads"), Server(runtime="threads")
    with io.listening() as server, pytest.raises(OSError, match="in use"):
        other.listen(server.port)
    io.close()
    other.close()
