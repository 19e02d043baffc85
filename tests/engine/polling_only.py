"""An engine that echoes, for a web server that gives no access to its sockets."""

from __future__ import annotations

from socketio_sync.engine.connection import Connection
from socketio_sync.engine.engine import Engine
from socketio_sync.wsgi.app import WSGIApp
from tests.support.debug import application

engine = Engine(max_held_requests=2)


@engine.on("connection")
def connected(connection: Connection) -> None:
    connection.on("message", connection.send)


app = WSGIApp(engine, application)
