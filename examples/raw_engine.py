"""Engine.IO alone: messages over long-polling and WebSocket, without events, namespaces and rooms.

    python examples/raw_engine.py        its client is the npm package engine.io-client
"""

from __future__ import annotations

import os
from contextlib import suppress
from wsgiref.simple_server import make_server

from socketio_sync import Engine
from socketio_sync import WSGIApp

engine = Engine(cors_allowed_origins="*")


@engine.on("connection")
def connection(conn):
    conn.send("welcome")

    @conn.on("message")
    def message(data):
        conn.send(data)  # str comes back as str, bytes as bytes

    @conn.on("close")
    def close(reason, details):
        print(f"{engine.clients_count} connections are left: {reason}")


app = WSGIApp(engine)

if __name__ == "__main__":
    with make_server("127.0.0.1", int(os.environ.get("PORT", "3000")), app) as server, suppress(KeyboardInterrupt):
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
