"""A shared whiteboard: everybody draws, sees the others' cursors, and late comers get the picture.

    python examples/whiteboard/app.py                                  then open http://127.0.0.1:3000 in two windows
    gunicorn -k gevent -b 127.0.0.1:3000 examples.whiteboard.app:app   the same under gunicorn
"""

from __future__ import annotations

import os
import random
import re
import threading
from pathlib import Path

from socketio_sync import Server
from socketio_sync import WSGIApp

PAGE = Path(__file__).with_name("index.html").read_bytes()
WIDTH, HEIGHT = 1600, 1000  # the board's own units, whatever the size of a window
MOST_AT_ONCE = 1000  # numbers in one message
MOST = 200_000  # numbers on the board; beyond it the oldest strokes go
NAMES = "Badger Crane Dolphin Falcon Gecko Heron Ibex Jackal Koala Lynx Marten Newt Otter Panda Raven Seal".split()

# A short cut is bridged: what was drawn meanwhile comes by itself. A client's message is small here.
io = Server(connection_state_recovery=True, max_http_buffer_size=20_000)
telling = threading.Lock()


class Board:
    """The strokes in the order they were begun: key -> colour, width, and points as [x, y, x, y, ...]."""

    def __init__(self):
        self.strokes = {}
        self.size = 0

    def draw(self, key, color, width, points):
        """Begin a stroke, or go on with it; returns the keys of those that had to go."""
        self.strokes.setdefault(key, [color, width, []])[2].extend(points)
        self.size += len(points)
        gone = []
        while self.size > MOST:
            gone.append(next(iter(self.strokes)))
            self.erase(gone[-1])
        return gone

    def erase(self, key):
        self.size -= len(self.strokes.pop(key)[2])


board = Board()
# Handlers of different sockets run at the same time. Who changes the board also tells it under this lock (an emit never
# waits for the network), so between the picture that a late comer gets and the strokes after it is no gap or overlap.
lock = threading.Lock()


def is_position(x, y):
    return isinstance(x, int) and isinstance(y, int) and 0 <= x <= WIDTH and 0 <= y <= HEIGHT


def is_stroke(number, color, width, points):
    return (
        isinstance(number, int)
        and isinstance(color, str)
        and re.fullmatch("#[0-9a-f]{6}", color) is not None
        and isinstance(width, int)
        and 1 <= width <= 60
        and isinstance(points, list)
        and 2 <= len(points) <= MOST_AT_ONCE
        and len(points) % 2 == 0
        and all(map(is_position, points[::2], points[1::2]))
    )


@io.on("connection")
def connection(socket):
    if not socket.recovered:
        socket.data["name"] = random.choice(NAMES)
        with lock:
            socket.emit("board", board.strokes)
            socket.join("board")
    show_people()


@io.on("draw")
def draw(socket, number, color, width, points):
    """A piece of a stroke; ``number`` tells which of this client's."""
    if not is_stroke(number, color, width, points):
        return {"error": "This is no stroke."}
    key = f"{socket.id} {number}"
    with lock:
        gone = board.draw(key, color, width, points)
        io.to("board").emit("draw", key, color, width, points)
        if gone:
            io.to("board").emit("erase", gone)


@io.on("undo")
def undo(socket):
    """Erases the last stroke of this client."""
    with lock:
        mine = [key for key in board.strokes if key.startswith(f"{socket.id} ")]
        if mine:
            board.erase(mine[-1])
            io.to("board").emit("erase", mine[-1:])


@io.on("clear")
def clear(socket):
    with lock:
        gone = list(board.strokes)
        for key in gone:
            board.erase(key)
        io.to("board").emit("erase", gone)


@io.on("cursor")
def cursor(socket, x, y):
    if is_position(x, y):
        socket.to("board").volatile.emit("cursor", socket.id, x, y)  # volatile: the next move is as good


@io.on("disconnect")
def leave(socket):
    show_people()


def show_people():
    with telling:  # or, of two who leave at once, the one who looked first may tell last
        io.to("board").emit("people", {person.id: person.data["name"] for person in io.in_("board").fetch_sockets()})


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
