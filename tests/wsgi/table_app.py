"""What the table of web servers is measured with: events come back, and the page says how the client can be reached."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from socketio_sync import Server
from socketio_sync import WSGIApp
from socketio_sync.wsgi.adopt import find_peer

io = Server()


@io.on("echo")
def echo(socket: Any, *args: Any) -> Any:
    return args


def site(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = find_peer(environ).kind.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


app = WSGIApp(io, site)
