"""The server of ``app.py`` for web servers in processes of their own."""

from __future__ import annotations

from socketio_sync import Server
from socketio_sync import WSGIApp
from tests.client.app import make_app

io = Server(cors_allowed_origins="*", max_http_buffer_size=30_000_000)
make_app(io)
app = WSGIApp(io)
