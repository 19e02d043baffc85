"""A server whose page says how many polls have come in so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from socketio_sync import Server
from socketio_sync import WSGIApp

io = Server()
polls: list[str] = []


def site(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = str(len(polls)).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


served = WSGIApp(io, site)


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "GET" and "sid=" in environ["QUERY_STRING"]:
        polls.append(environ["QUERY_STRING"])
    return served(environ, start_response)
