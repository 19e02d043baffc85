"""A long-polling client's TCP connection that was taken from the web server, and may be kept.

It came through the whole web server once, with the session's id. From then on it is trusted as a WebSocket is: further
requests of the same session on it are read and answered here. Anything else that comes on it, and anything that is not
plain beyond doubt, is left in the kernel's buffer, and the web server gets its connection back. So this is no second
web server: it never waits for the rest of a request, and what it does not know it does not touch.
"""

from __future__ import annotations

import io
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

from socketio_sync.engine.http import GiveBack
from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.protocol import engineio_session as sessions
from socketio_sync.protocol.http_request import read_request

if TYPE_CHECKING:
    from socketio_sync.engine.connection_transports import TransportSide
    from socketio_sync.engine.engine import Engine
    from socketio_sync.engine.polling import AdoptedReply
    from socketio_sync.runtime.channel import Channel

# How long a connection is kept without a request, in seconds: longer than nginx and the clouds' load balancers keep
# theirs (60). Who gives up second never meets a request that is on its way.
IDLE_TIMEOUT = 75.0
# How often an idle one is looked at, in seconds: after an upgrade nobody needs it any more.
LOOK_EVERY = 15.0

# The most of a session's connections that no limit of the web server counts: those that are kept, and those that were
# given back, until that is over. Two are used.
KEPT_PER_CLIENT = 4
# Giving back costs as much as so many requests save by coming on a kept connection. Where clients share connections, or
# send requests in pieces, one is given back before that, and after so many of these nothing is kept for a session.
COST = 2
MISSES = 4

# What the web server gets for a request whose socket was taken.
TAKEN = Response()

# What of a request's environ holds for all requests of its TCP connection to the same path and host.
_LASTING = (
    "HTTP_HOST", "PATH_INFO", "REMOTE_ADDR", "REMOTE_PORT", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT",
    "SERVER_PROTOCOL", "SERVER_SOFTWARE", "wsgi.errors", "wsgi.multiprocess", "wsgi.multithread", "wsgi.run_once",
    "wsgi.url_scheme", "wsgi.version",
)  # fmt: skip


def way_back(engine: Engine, request: Request, connection: TransportSide) -> GiveBack | None:
    """How the TCP connection of a request is given back, if it may be kept: client, server and application must agree.

    Asked before the socket is taken: what cannot be given back must never be kept.
    """
    agreed = (
        engine.can_keep
        and connection.misses < MISSES
        and connection.kept < KEPT_PER_CLIENT
        and engine.runtime.in_io_thread()
        and request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1"
        and (request.header("connection") or "keep-alive").lower() == "keep-alive"
        and request.header("transfer-encoding") is None
        and (request.method == "POST" or (request.header("content-length") or "0") == "0")
    )
    return request.peer.give_back if agreed else None


def take(engine: Engine, request: Request, connection: TransportSide) -> Lane:
    """Take a request's socket; OSError as Lane raises it."""
    return Lane(engine, request, connection, way_back(engine, request, connection))


def answer(engine: Engine, request: Request, connection: TransportSide, response: Response) -> Response:
    """Answer a request, whose body was read, on a connection that is kept from now on, if it can be.

    Returns what is left to the web server.
    """
    give_back = way_back(engine, request, connection)
    if give_back is None:
        return response
    try:
        lane = Lane(engine, request, connection, give_back)
    except OSError:
        return response  # there is no descriptor to take it with
    with connection.lock:
        lane.write(response)
    lane.go_on()
    return TAKEN


class Lane:
    """One connection: a channel's receiver, and the Peer of the requests that it reads.

    Args:
        engine, request, connection: the request with which it comes, and the session.
        give_back: from ``way_back``; None: the first answer is the last.

    Attributes:
        channel: its channel.
        reply: the reply that is parked here, or None.

    Raises:
        OSError: the socket was not taken: no descriptor is left, or the client is gone.
    """

    __slots__ = (
        "_answered", "_busy", "_connection", "_engine", "_give_back", "_lasting", "_path", "_served", "_timer", "_used",
        "channel", "reply",
    )  # fmt: skip

    wanted = 0

    # A Peer without a web server behind it.
    kind: Literal["adopt"] = "adopt"
    is_gevent = False
    server = "socketio_sync"
    threads = None
    upgraded = False
    give_back = None

    def __init__(self, engine: Engine, request: Request, connection: TransportSide, give_back: GiveBack | None) -> None:
        sock, ahead = request.peer.take()
        # What the web server has read too much cannot be given back: the client sends it again, elsewhere.
        self._give_back = None if ahead else give_back
        self._engine = engine
        self._connection = connection
        self._busy = True  # until _next is called for the answer
        self._answered = False
        self.reply: AdoptedReply | None = None
        self.channel: Channel = engine.runtime.open_channel(sock, connection.lock, self)
        self._served = 0
        if self._give_back is not None:
            engine.lanes.add(self)
            with connection.lock:
                connection.kept += 1
            self._path = request.url.partition("?")[0]
            self._lasting = {key: request.environ[key] for key in _LASTING if key in request.environ}
            self._used = engine.runtime.timers.now()
            self._timer: Any = engine.runtime.timers.call_later(LOOK_EVERY, self._look_at_clock)

    # -- answering (any thread) ----------------------------------------------------------------------------------------

    def write(self, response: Response) -> None:
        """Answer the request; the connection's lock is held. ``go_on`` must follow, without it."""
        if not self._engine.can_keep or any([name == "Connection" for name, _ in response.headers]):
            self._give_back = None
        self.reply = None
        self.channel.write(response_bytes(response, self._give_back is not None))
        if self.channel.waiting:
            # The client reads slowly. Its next request must wait until it has all, so the end may come right behind.
            self._give_back = None
        self._answered = True  # last: from now on it may go on

    def go_on(self) -> None:
        """The answer is written: the next request may come, or the end does. Twice is harmless."""
        if self._give_back is None:
            self._stop()
            self.channel.finish()
        elif self._engine.runtime.in_io_thread():
            self._next()
        else:
            self._engine.runtime.call_soon(self._next)

    def park(self, reply: AdoptedReply) -> None:
        """The answer comes later; the connection's lock is held."""
        self.reply = reply
        self._engine.runtime.call_soon(self.channel.look)  # whether the client leaves

    def _next(self) -> None:
        if not self._answered:
            return
        self._busy = self._answered = False
        self._used = self._engine.runtime.timers.now()
        if self._is_over():
            self._part()
        else:
            self.channel.look()

    # -- reading (I/O thread) ------------------------------------------------------------------------------------------

    def on_data(self, data: bytes) -> None:
        """The beginning of the next request is there, and maybe all of it."""
        if self._busy or self._give_back is None:
            return  # it was sent early; it is looked at after the answer
        request = self._read(data)
        if request is None:
            if self._served < COST and not self._is_over():
                self._connection.misses += 1
            self._part()
        else:
            self._busy = True
            self._served += 1
            self._engine.runtime.submit(partial(self._serve, request), "a long-polling request")

    def _read(self, data: bytes) -> Request | None:
        """Take the next request; None, with nothing taken, if it is for the web server."""
        if self._is_over() or not self._engine.can_keep:
            return None
        plain = read_request(data)
        if plain is None or plain.path != self._path:
            return None
        if plain.environ["HTTP_HOST"] != self._lasting.get("HTTP_HOST"):
            return None  # another host may be another application
        request = Request({**self._lasting, **plain.environ, "wsgi.input": io.BytesIO(plain.body)}, self)
        if request.query.get("sid") != self._connection.id or request.query.get("transport") != "polling":
            return None
        return request if self.channel.take(plain.size) else None

    def _is_over(self) -> bool:
        """Whether the session needs no connections for polling any more."""
        session = self._connection.session
        return session.life == sessions.CLOSED or session.transport == sessions.WEBSOCKET

    def _serve(self, request: Request) -> None:
        """A job: requests may wait, as in the web server's threads."""
        try:
            response = self._engine.handle(request)
            if response is not TAKEN:
                with self._connection.lock:
                    self.write(response)
                self.go_on()
        except BaseException:  # there is no web server that would see to it
            self._stop()
            self.channel.abort()
            raise

    def on_drained(self) -> None:
        """Nobody waits for it."""

    def on_lost(self, error: OSError | None) -> None:
        """The client has left: between two requests it may."""
        reply = self.reply  # which another thread may be answering
        if reply is not None:
            self._connection.reply_lost(reply)
        self._stop()

    # -- ends (I/O thread) ---------------------------------------------------------------------------------------------

    def _part(self) -> None:
        """Everything else is the web server's, also to end a connection that nobody uses."""
        give_back = self._give_back
        if self._forget() and give_back is not None:
            self._engine.leave_to_server(partial(give_back, self.channel.release()), self._free_place)

    def _look_at_clock(self) -> None:
        """One timer a connection, that is set again, is cheaper than one a request."""
        runtime = self._engine.runtime
        idle = 0.0 if self._busy else runtime.timers.now() - self._used
        if idle >= IDLE_TIMEOUT or (not self._busy and self._is_over()):
            self._part()
        else:
            self._timer = runtime.timers.call_later(LOOK_EVERY, self._look_at_clock)

    def _stop(self) -> None:
        """No request is read any more. Twice is harmless."""
        if self._forget():
            self._free_place()

    def _forget(self) -> bool:
        """Whether it was kept until now."""
        self.reply = self._give_back = None
        try:
            self._engine.lanes.remove(self)
        except KeyError:
            return False
        self._timer.cancel()
        return True

    def _free_place(self) -> None:
        with self._connection.lock:
            self._connection.kept -= 1

    # -- Peer ----------------------------------------------------------------------------------------------------------

    def take(self) -> tuple[Any, bytes]:
        """It was."""
        raise RuntimeError(f"there is no socket to take from {self.server}, or it was taken")

    def release(self) -> None:
        """No server holds it."""

    def gone(self) -> bool:
        """Its channel tells."""
        return False


def response_bytes(response: Response, keep: bool) -> bytes:
    """A response as we send it ourselves. In HTTP/1.1 a connection is kept unless somebody says otherwise."""
    lines = [f"HTTP/1.1 {response.status}", f"Date: {formatdate(usegmt=True)}"]
    if not keep:
        lines.append("Connection: close")
    lines += [f"{name}: {value}" for name, value in response.headers if name != "Connection"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + response.body
