"""The concurrency seam: threads or gevent behind one set of verbs (``base.Runtime``)."""

from __future__ import annotations

import logging

from . import native
from .base import Runtime

logger = logging.getLogger("socketio_sync.server")


def choose(
    name: str, gevent_socket: bool | None = None, *, handler_threads: int = 64, io_uring: bool = True
) -> Runtime:
    """Make the runtime for ``name``; to be called when the first thing is to run, never at import.

    Args:
        name: "gevent", "threads", or "auto": gevent if the request came on a gevent socket or if the process is
            monkey-patched.
        gevent_socket: whether the request that asks came on a gevent socket; None: no request asks.
        handler_threads: how many jobs may run at once, with threads.
        io_uring: use Linux's io_uring where it can be had.

    Raises:
        ModuleNotFoundError: gevent is asked for and not installed.
        RuntimeError: gevent is asked for, and the request came to a thread without it.
    """
    if name == "auto":
        name, reason = _judge(gevent_socket)
    else:
        reason = "as configured"
    logger.info("runtime: %s (%s)", name, reason)
    if name == "gevent":
        from .greenlets import GeventRuntime
        from .greenlets import in_greenlet

        if gevent_socket is False and not in_greenlet() and not native.patched("socket"):
            raise RuntimeError(
                "runtime=\"gevent\", but this web server is not gevent's, so nothing would ever be read: use gunicorn "
                '-k gevent, gevent.pywsgi or io.listen(), or runtime="auto"'
            )
        return GeventRuntime(io_uring)
    if name == "threads":
        from .threads import ThreadRuntime

        return ThreadRuntime(handler_threads, io_uring)
    raise ValueError(f'runtime must be "auto", "gevent" or "threads", not {name!r}')


def _judge(gevent_socket: bool | None) -> tuple[str, str]:
    if gevent_socket:
        return "gevent", "the first request came on a gevent socket"
    if native.patched("socket"):
        return "gevent", "the process is monkey-patched"
    if gevent_socket is None:
        return "threads", "the process is not monkey-patched"
    return "threads", "the first request came on a plain socket, the process is not monkey-patched"
