"""A Server in this process behind a real web server on a real port, on either runtime, in a thread of its own.

So a test sees both ends: what the client sends, and what the handlers get.
"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from socketio_sync import Server
from socketio_sync import WSGIApp
from socketio_sync.wsgi.threaded_server import ThreadedServer
from tests.support.timing import scaled
from tests.support.wire import TIMEOUT

RUNTIMES = ["gevent", "threads"]


class Served:
    """A Server that is being served.

    Attributes:
        io: the Server.
        port, url: where.
    """

    def __init__(self, io: Server, port: int) -> None:
        self.io = io
        self.port = port
        self.url = f"http://127.0.0.1:{port}"


@contextmanager
def served(runtime: str, **options: Any) -> Iterator[Served]:
    """Serve ``Server(**options)``: gevent's server in a hub of its own, or the package's small one on threads."""
    io = Server(runtime=runtime, **options)
    started: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
    thread = threading.Thread(target=_serve, args=(io, started), daemon=True)
    thread.start()
    port, leave = started.get(timeout=TIMEOUT)
    try:
        yield Served(io, port)
    finally:
        leave.set()
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def _serve(io: Server, started: queue.SimpleQueue[tuple[int, Any]]) -> None:
    if io.options.runtime == "threads":
        _serve_on_threads(io, started)
        return
    import gevent

    hub = gevent.get_hub()
    with io.listening() as listening:
        leave = io.engine.runtime.event()
        started.put((listening.port, leave))
        leave.wait()
        io.close(timeout=scaled(5))
    hub.destroy(destroy_loop=True)


def _serve_on_threads(io: Server, started: queue.SimpleQueue[tuple[int, Any]]) -> None:
    """As ``listening`` does, but it looks more often whether it shall end: a test starts many of them."""
    listener = socket.create_server(("127.0.0.1", 0))
    with ThreadedServer(listener, WSGIApp(io), None) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        leave = threading.Event()
        started.put((listener.getsockname()[1], leave))
        leave.wait()
        io.close(timeout=scaled(5))
        server.shutdown()
        serving.join()
