"""A chat with rooms, nicknames, who is typing, and pictures.

    socketio-sync demo                                          then open http://127.0.0.1:3000
    gunicorn -k gevent socketio_sync.demo.chat:app              the same under gunicorn
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync import Socket
from socketio_sync import WSGIApp

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

HERE = Path(__file__).parent
PAGE = (HERE / "index.html").read_bytes()
PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}  # no SVG: it can hold scripts

io = Server(max_http_buffer_size=2_000_000, client_dir=HERE)


def clean(text: Any, longest: int) -> str | None:
    """What a client sent, if it is a text of 1 to ``longest`` characters, without the space around it; else None."""
    text = text.strip() if isinstance(text, str) else ""
    return text if 1 <= len(text) <= longest else None


@io.use
def introduce(socket: Socket) -> None:
    """The page sends nickname and room with every connection, so a reconnected socket is where it was."""
    socket.data["nickname"] = clean(socket.handshake.auth.get("nickname"), 20)
    socket.data["room"] = clean(socket.handshake.auth.get("room"), 20)
    if not socket.data["nickname"] or not socket.data["room"]:
        raise ConnectError("Nickname and room have 1 to 20 characters.")


@io.on("connection")
def arrive(socket: Socket) -> None:
    socket.join(socket.data["room"])
    show_people(socket.data["room"])


@io.on("enter")
def enter(socket: Socket, room: Any) -> Any:
    room = clean(room, 20)
    if not room:
        return {"error": "A room's name has 1 to 20 characters."}
    former, socket.data["room"] = socket.data["room"], room
    socket.leave(former)
    socket.join(room)
    show_people(former)
    show_people(room)


@io.on("say")
def say(socket: Socket, text: Any) -> Any:
    text = clean(text, 2000)
    if not text:
        return {"error": "A message has 1 to 2000 characters."}
    io.to(socket.data["room"]).emit("said", socket.data["nickname"], text)


@io.on("picture")
def picture(socket: Socket, data: Any) -> Any:
    kind = next((kind for start, kind in PICTURES.items() if isinstance(data, bytes) and data.startswith(start)), None)
    if kind is None:
        return {"error": "Only PNG, JPEG and GIF pictures can be shown."}
    io.to(socket.data["room"]).emit("picture", socket.data["nickname"], kind, data)


@io.on("typing")
def typing(socket: Socket) -> None:
    socket.to(socket.data["room"]).volatile.emit("typing", socket.data["nickname"])


@io.on("disconnect")
def leave(socket: Socket) -> None:
    show_people(socket.data["room"])


def show_people(room: str) -> None:
    """Tells everybody in the room who is there."""
    nicknames = sorted(member.data["nickname"] for member in io.in_(room).fetch_sockets())
    io.to(room).emit("people", nicknames)


def page(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """The rest of the site: one page."""
    if environ["PATH_INFO"] != "/":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not found"]
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]


app = WSGIApp(io, page)
