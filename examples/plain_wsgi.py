"""Beside any WSGI application, and a task of its own that tells all clients the time.

    gunicorn -k gevent -b 127.0.0.1:3000 examples.plain_wsgi:app
    python examples/plain_wsgi.py
"""

from __future__ import annotations

import os
from datetime import datetime
from datetime import timezone

from socketio_sync import Server
from socketio_sync import WSGIApp

io = Server()
ticking = []


def site(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"an ordinary page"]


def tick():
    while True:
        io.emit("time", datetime.now(timezone.utc))  # a datetime travels as ISO 8601
        io.sleep(1)


@io.on("connection")
def connection(socket):
    if not ticking:  # started by the first client, so in the worker process that serves it
        ticking.append(io.start_background_task(tick))


app = WSGIApp(io, site)

if __name__ == "__main__":
    io.listen(int(os.environ.get("PORT", "3000")), wsgi_app=site)
