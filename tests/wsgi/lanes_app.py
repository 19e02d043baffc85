"""Engines that echo, and pages beside them that tell by which connection they were asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from socketio_sync.engine.connection import Connection
from socketio_sync.engine.engine import Engine
from socketio_sync.wsgi.app import WSGIApp
from tests.support import debug

engine = Engine()
careful = Engine("/careful/", max_http_buffer_size=100, cors_allowed_origins="http://good.example", cookie="sid")
watched = Engine("/watched/")
watched.use(lambda environ: None)


def echo(connection: Connection) -> None:
    connection.on("message", connection.send)


for each in (engine, careful, watched):
    each.on("connection", echo)


def pages(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """``/port``: the client's; ``/waiting?SID``: whether a GET waits; ``/slow``: three seconds later; else as debug."""
    path = environ["PATH_INFO"]
    if path == "/port":
        body = environ["REMOTE_PORT"]
    elif path == "/waiting":
        body = str(engine.connections[environ["QUERY_STRING"]].writable)
    elif path == "/slow":
        print("slow page begins", flush=True)
        engine.runtime.sleep(3)
        body = "slow"
    else:
        return debug.application(environ, start_response)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body.encode()]


app = WSGIApp(engine, WSGIApp(careful, WSGIApp(watched, pages)))
