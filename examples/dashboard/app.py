"""A live dashboard: the server measures itself twice a second and pushes the figures, the page plots them.

    python examples/dashboard/app.py                                  then open http://127.0.0.1:3000
    gunicorn -k gevent -b 127.0.0.1:3000 examples.dashboard.app:app   the same under gunicorn
"""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

from socketio_sync import Server
from socketio_sync import WSGIApp

PAGE = Path(__file__).with_name("index.html").read_bytes()
PERIOD = 0.5  # seconds between two rows
FIGURES = [  # what the page plots; put your own here and into measure()
    {"title": "Load of the machine", "unit": "", "digits": 2},
    {"title": "CPU of this server", "unit": "%", "digits": 1},
    {"title": "Pages connected", "unit": "", "digits": 0},
]

io = Server()
history = deque(maxlen=120)  # rows: the time, then a value for each figure


def measure():
    """The task that makes the rows."""
    while True:
        start, cpu = time.monotonic(), time.process_time()
        io.sleep(PERIOD)
        busy = (time.process_time() - cpu) / (time.monotonic() - start)
        row = [time.time(), os.getloadavg()[0], 100 * busy, len(io.sockets)]
        history.append(row)
        io.volatile.emit("row", row)  # volatile: who is slow misses a row, and gets the next one in time


@io.once("connection")
def start(socket):
    """With the first client, so in the worker process that serves it, whatever forked it."""
    io.start_background_task(measure)


@io.on("connection")
def connection(socket):
    socket.emit("figures", FIGURES, list(history))  # late comers see the last minute at once


@io.on("round trip")
def round_trip(socket):
    """Nothing to say: the empty answer is what the page measures."""


def page(environ, start_response):
    """The rest of the site: one page."""
    if environ["PATH_INFO"] != "/":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not found"]
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]


app = WSGIApp(io, page)

if __name__ == "__main__":
    io.listen(int(os.environ.get("PORT", "3000")), wsgi_app=page)
