"""Notices that the process is ending, without signal handlers or configuration, and closes the server in time.

A web server that ends just drops its connections, those that we took from it too. Seen here are: gunicorn's worker,
which turns its ``alive`` off for every kind of stop (TERM, HUP, INT, QUIT, --max-requests, --reload) and then waits
for requests that hold a thread; mod_wsgi's process, which tells those who ask before it waits for the same; and the end
of the interpreter, for every server that leaves by its normal way out.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import weakref
from typing import Any

from socketio_sync.wsgi.gunicorn import gunicorn_worker

log = logging.getLogger("socketio_sync.server")

# How often gunicorn's worker is looked at, in seconds.
_TICK = 0.2
# So many looks without a client, and it is left alone until the next request.
_QUIET_TICKS = 300
# How long handlers are awaited, in seconds; the same as Server.close's default.
_CLOSE_TIMEOUT = 5.0


class HostWatch:
    """Closes one server when its host ends.

    Args:
        io: the Server or Engine to close.
        engine: its Engine.
    """

    def __init__(self, io: Any, engine: Any) -> None:
        self._io = weakref.ref(io)
        self._engine = weakref.ref(engine)
        self._pid = 0
        self._watching = False
        self._quiet = 0
        self._runtime: Any = None
        self._closing: Any = None  # the task that closes
        self._grace = 0.0  # how long gunicorn's requests may take then, in seconds

    def request_came(self, engine: Any, gevent_socket: bool) -> None:
        """To be called before each request is handled; cheap."""
        self._quiet = 0
        if self._pid != os.getpid():  # the first one in this process; a forked child begins anew
            self._pid = os.getpid()
            self._watching = False
            atexit.register(self._at_exit)
            subscribe = getattr(sys.modules.get("mod_wsgi"), "subscribe_shutdown", None)
            if subscribe is not None:
                subscribe(self._host_stops)
        if not self._watching and gunicorn_worker() is not None:
            self._watching = True
            self._runtime = engine.start(gevent_socket)
            self._runtime.timers.call_later(_TICK, self._look)

    def _look(self) -> None:
        engine = self._engine()
        worker = gunicorn_worker()
        if engine is None or worker is None:
            return
        if not worker.alive:
            self._grace = worker.cfg.graceful_timeout
            self._closing = self._runtime.spawn(self._close_gunicorn, engine)
            return
        self._quiet = 0 if engine.clients_count else self._quiet + 1
        if self._quiet < _QUIET_TICKS:
            self._runtime.timers.call_later(_TICK, self._look)
        else:
            self._watching = False

    def _close_gunicorn(self, engine: Any) -> None:
        """Close, and await the requests on connections that gunicorn got back: it does not count them."""
        end = self._runtime.now() + self._grace
        self._close(min(_CLOSE_TIMEOUT, self._grace))
        for task in list(engine.left_to_server):
            task.join(max(0.0, end - self._runtime.now()))

    def _host_stops(self, *_: Any, **__: Any) -> None:
        """mod_wsgi's callback, with facts about the event."""
        self._close(_CLOSE_TIMEOUT)

    def _close(self, timeout: float) -> None:
        io = self._io()
        engine = self._engine()
        if io is not None and engine is not None and not engine.closing:
            log.info("the web server is ending: closing %r", io)
            io.close(timeout=timeout)

    def _at_exit(self) -> None:
        if self._pid != os.getpid():
            return
        if self._closing is not None:
            self._closing.join(max(_CLOSE_TIMEOUT, self._grace))
        else:
            self._close(_CLOSE_TIMEOUT)
