"""Somebody else's client, python-socketio's, as the tests of examples use it."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import socketio

from tests.support.timing import scaled


class Visitor(socketio.Client):
    """What arrives waits in an inbox."""

    def __init__(self, session: requests.Session) -> None:
        super().__init__(reconnection=False, http_session=session)
        self.inbox: queue.Queue[tuple[Any, ...]] = queue.Queue()

    def next(self, event: str, patience: float = 10) -> tuple[Any, ...]:
        """The arguments of the next ``event``; others are skipped."""
        while True:
            name, *args = self.inbox.get(timeout=scaled(patience))
            if name == event:
                return tuple(args)


@contextmanager
def visiting(url: str, nsp: str = "/", **options: Any) -> Iterator[Visitor]:
    """A connected Visitor; its sockets are closed afterwards, which the client leaves to the garbage collector."""
    with requests.Session() as session:
        visitor = Visitor(session)
        visitor.on("*", lambda *event: visitor.inbox.put(event), namespace=nsp)
        try:
            visitor.connect(url, namespaces=[nsp], **options)
            yield visitor
        finally:
            websocket = visitor.eio.ws
            visitor.disconnect()
            if websocket is not None:
                websocket.shutdown()
