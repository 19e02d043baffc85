"""Private messages across a user's devices: each sees the same, with what was sent, delivered and read.

    python examples/devices/app.py                                  then open http://127.0.0.1:3000 in several windows
    gunicorn -k gevent -b 127.0.0.1:3000 examples.devices.app:app   the same under gunicorn
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from itertools import count
from pathlib import Path

from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync import WSGIApp

PAGE = Path(__file__).with_name("index.html").read_bytes()
USERS = ["Ada", "Bob", "Cleo"]
LONGEST = 2000

# A device that was away for less than two minutes gets what it missed by itself, and `recovered` is true.
io = Server(connection_state_recovery=True, max_http_buffer_size=20_000)
telling = threading.Lock()


class Mail:
    """The messages and how far they got. In memory; yours are in a database.

    A message is read if its id is at most the "read" mark of its recipient for its sender: two numbers for a pair of
    people instead of two states for every message.
    """

    def __init__(self):
        self.ids = count(1)
        self.messages = deque(maxlen=1000)
        self.marks = {}  # (reader, sender): {"delivered": id, "read": id}
        self.lock = threading.Lock()  # handlers of different sockets run at the same time

    def add(self, sender, to, text, key):
        """Store a message once, however often a client sends it again; returns it and whether it is new."""
        with self.lock:
            for known in self.messages:
                if (known["from"], known["key"]) == (sender, key):
                    return known, False
            message = {"id": next(self.ids), "from": sender, "to": to, "text": text, "key": key, "time": time.time()}
            self.messages.append(message)
            return message, True

    def mark(self, reader, sender, state, id):
        """Note that the messages of ``sender`` got so far; returns the marks, or None if that was known."""
        with self.lock:
            marks = self.marks.setdefault((reader, sender), {"delivered": 0, "read": 0})
            if id <= marks[state]:
                return None
            marks["delivered"] = max(marks["delivered"], id)  # what is read is delivered
            marks[state] = id
            return dict(marks)

    def of(self, user):
        """What a device of ``user`` shows: messages, and marks as [reader, sender, marks]."""
        with self.lock:
            messages = [message for message in self.messages if user in (message["from"], message["to"])]
            marks = [[*people, dict(marks)] for people, marks in self.marks.items() if user in people]
        return {"messages": messages, "marks": marks}

    def has(self, id, reader, sender):
        """Whether ``sender`` wrote a message of this id to ``reader``."""
        with self.lock:
            return any((one["id"], one["to"], one["from"]) == (id, reader, sender) for one in self.messages)


mail = Mail()


def devices(*users):
    """The rooms of these users: all their devices are in them."""
    return [f"user:{user}" for user in users]


@io.use
def login(socket):
    """Here everybody is who they say. Yours checks a token (examples/jwt) or a session (examples/django)."""
    user = socket.handshake.auth.get("user")
    if user not in USERS:
        raise ConnectError("Who are you?", {"users": USERS})
    socket.data["user"] = user


@io.on("connection")
def connection(socket):
    user = socket.data["user"]
    socket.join(devices(user))
    if not socket.recovered:
        socket.emit("state", {"users": USERS, **mail.of(user)})
    show_online()


@io.on("disconnect")
def disconnect(socket):
    show_online()


def show_online():
    with telling:  # or, of two who leave at once, the one who counted first may tell last
        io.emit("online", {user: len(io.in_(devices(user)).fetch_sockets()) for user in USERS})


@io.on("send")
def send(socket, to, text, key):
    """``key`` is the client's own: with it a message that is sent again, for its answer was lost, is stored once."""
    if to not in USERS or to == socket.data["user"]:
        return {"error": "There is nobody of that name to write to."}
    if not isinstance(text, str) or not 1 <= len(text.strip()) <= LONGEST:
        return {"error": f"A message has 1 to {LONGEST} characters."}
    if not isinstance(key, str) or len(key) > 40:
        return {"error": "The key is a text of at most 40 characters."}
    message, is_new = mail.add(socket.data["user"], to, text.strip(), key)
    if is_new:
        io.to(devices(socket.data["user"], to)).emit("message", message)
    return {"message": message}


@io.on("mark")
def mark(socket, sender, state, id):
    """A device has got, or its user has read, the messages of ``sender`` up to ``id``."""
    reader = socket.data["user"]
    if state not in ("delivered", "read") or not isinstance(id, int) or not mail.has(id, reader, sender):
        return {"error": "There is nothing to mark."}
    marks = mail.mark(reader, sender, state, id)
    if marks is not None:
        io.to(devices(reader, sender)).emit("marks", reader, sender, marks)  # all devices of both


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
