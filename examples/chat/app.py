"""A chat with rooms, nicknames, who is typing, and pictures.

    python examples/chat/app.py                                  then open http://127.0.0.1:3000
    gunicorn -k gevent -b 127.0.0.1:3000 examples.chat.app:app   the same under gunicorn
"""

from __future__ import annotations

import os
from pathlib import Path

from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync import WSGIApp

PAGE = Path(__file__).with_name("index.html").read_bytes()
PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}  # no SVG: it can hold scripts

io = Server(max_http_buffer_size=2_000_000)


def clean(text, longest):
    """What a client sent, if it is a text of 1 to ``longest`` characters, without the space around it; else None."""
    text = text.strip() if isinstance(text, str) else ""
    return text if 1 <= len(text) <= longest else None


@io.use
def introduce(socket):
    """The page sends nickname and room with every connection, so a reconnected socket is where it was."""
    socket.data["nickname"] = clean(socket.handshake.auth.get("nickname"), 20)
    socket.data["room"] = clean(socket.handshake.auth.get("room"), 20)
    if not socket.data["nickname"] or not socket.data["room"]:
        raise ConnectError("Nickname and room have 1 to 20 characters.")


@io.on("connection")
def arrive(socket):
    socket.join(socket.data["room"])
    show_people(socket.data["room"])


@io.on("enter")
def enter(socket, room):
    room = clean(room, 20)
    if not room:
        return {"error": "A room's name has 1 to 20 characters."}
    former, socket.data["room"] = socket.data["room"], room
    socket.leave(former)
    socket.join(room)
    show_people(former)
    show_people(room)


@io.on("say")
def say(socket, text):
    text = clean(text, 2000)
    if not text:
        return {"error": "A message has 1 to 2000 characters."}
    io.to(socket.data["room"]).emit("said", socket.data["nickname"], text)


@io.on("picture")
def picture(socket, data):
    kind = next((kind for start, kind in PICTURES.items() if isinstance(data, bytes) and data.startswith(start)), None)
    if kind is None:
        return {"error": "Only PNG, JPEG and GIF pictures can be shown."}
    io.to(socket.data["room"]).emit("picture", socket.data["nickname"], kind, data)


@io.on("typing")
def typing(socket):
    socket.to(socket.data["room"]).volatile.emit("typing", socket.data["nickname"])


@io.on("disconnect")
def leave(socket):
    show_people(socket.data["room"])


def show_people(room):
    """Tells everybody in the room who is there."""
    nicknames = sorted(member.data["nickname"] for member in io.in_(room).fetch_sockets())
    io.to(room).emit("people", nicknames)


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
