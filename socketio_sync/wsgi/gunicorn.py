"""gunicorn's worker in this process: whether it ends, and how it serves a connection that it has accepted."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any


def gunicorn_worker() -> Any | None:
    """gunicorn's worker if this is its process: found through one of its own signal handlers."""
    worker = getattr(signal.getsignal(signal.SIGABRT), "__self__", None)
    return worker if hasattr(worker, "alive") and hasattr(worker, "cfg") else None


def gunicorn_handle(sock: Any) -> Callable[[Any, Any], None] | None:
    """What serves a new connection: for the gevent worker itself, on plain HTTP/1.1 with keep-alive.

    All else looks at a connection's beginning, or does not serve it longer than for one request.
    """
    worker = gunicorn_worker()
    module = sys.modules.get("gunicorn.workers.ggevent")
    if worker is None or module is None or type(worker) is not module.GeventWorker or not worker.alive:
        return None
    code = getattr(worker.handle, "__code__", None)
    if code is None or code.co_varnames[: code.co_argcount] != ("self", "listener", "client", "addr"):
        return None
    cfg = worker.cfg
    proxied = getattr(cfg, "proxy_protocol", False) not in (False, "off")
    if cfg.keepalive <= 0 or cfg.is_ssl or proxied or getattr(cfg, "protocol", "http") != "http":
        return None
    if "h2" in getattr(cfg, "http_protocols", ()):
        return None
    listener = _listener_of(worker.sockets, sock)
    return None if listener is None else partial(worker.handle, listener)


def leave_gunicorn(start_response: Any) -> None:
    """Spare gunicorn, if it is that, headers for nobody and the look for a next request: the socket was taken.

    Where a middleware stands between, gunicorn writes and looks, and finds the end of the stream.
    """
    module = sys.modules.get("gunicorn.http.wsgi")
    response = getattr(start_response, "__self__", None)
    if module is not None and isinstance(response, module.Response):
        response.headers_sent = True
        response.force_close()


def _listener_of(listeners: list[Any], sock: Any) -> _Listener | None:
    """The one that a connection came by."""
    ours = sock.getsockname()
    for listener in listeners:
        name = listener.getsockname()
        wild = sock.family == listener.family and name[1:2] == ours[1:2] and name[0] in ("0.0.0.0", "::")
        if name == ours or wild:
            return _Listener(name)
    return None


class _Listener:
    """What gunicorn needs of its listening socket to serve a connection: the name, which a closed one cannot tell."""

    __slots__ = ("_name",)

    def __init__(self, name: Any) -> None:
        self._name = name

    def getsockname(self) -> Any:
        return self._name
