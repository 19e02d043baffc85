"""Engine: the sessions of one server by their ids, one way in (``admit``) and one way out (``forget``)."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from typing import Any
from typing import TypeVar
from typing import overload
from wsgiref.headers import Headers

from socketio_sync.config import EngineOptions
from socketio_sync.engine.connection import Connection
from socketio_sync.engine.connection_core import ConnectionCore
from socketio_sync.engine.dispatch import dispatch
from socketio_sync.engine.dispatch import open_packet_of
from socketio_sync.engine.handler import NOBODY
from socketio_sync.engine.handler import EngineHandler
from socketio_sync.engine.handler import Receiver
from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.engine.http import Unavailable
from socketio_sync.engine.ids import new_id
from socketio_sync.engine.lanes import Lane
from socketio_sync.engine.polling import HeldRequests
from socketio_sync.engine.websocket import messages
from socketio_sync.exceptions import ConnectError
from socketio_sync.handler import Handler
from socketio_sync.handler import validate_middleware
from socketio_sync.protocol.engineio_handshake import BAD_REQUEST
from socketio_sync.protocol.engineio_handshake import EngineError
from socketio_sync.protocol.engineio_handshake import open_packet
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.runtime import choose
from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.base import Task
from socketio_sync.runtime.channel import Input
from socketio_sync.runtime.lazy_lock import LazyLock

log = logging.getLogger("socketio_sync.engine")

Function = TypeVar("Function", bound=Callable[..., Any])
Middleware = TypeVar("Middleware", bound=Callable[[dict[str, Any]], None])

# What a client has at least after a stall for a sign of life to be read, in seconds: a POST has to be accepted first.
AFTER_STALL = 1.0

# With how many arguments each is called.
HOOKS = {"connection_error": 1, "initial_headers": 2, "headers": 2}

# The most asked question of the field (python-engineio and Flask-SocketIO: "Invalid session" with gunicorn -w N).
SEVERAL_PROCESSES = (
    "%s runs several worker processes, and each knows only its own clients: a long-polling client whose requests"
    " reach another one gets 'Session ID unknown', and a broadcast stays in its process. What works now: one worker"
    " (it carries thousands of clients); or transports=('websocket',) here and in the client; or a load balancer with"
    " sticky sessions (see the option cookie)."
)


class Engine:
    """An Engine.IO server; on its own (``WSGIApp(Engine())``) or beneath a Socket.IO Server (``io.engine``).

    Args:
        path: where it is served.
        handler: for the Server: itself; None lets ``on("connection")`` and the connections' own ``on`` serve it.
        config: for the Server: all options ready made.
        **options: keywords; the reference has a page of them.
    """

    _lock = LazyLock()  # guards the choice of the runtime and who is in, and nothing that blocks

    def __init__(
        self,
        path: str = "/engine.io/",
        *,
        handler: EngineHandler | None = None,
        config: EngineOptions | None = None,
        **options: Any,
    ) -> None:
        self.options = config if config is not None else EngineOptions.from_kwargs({"path": path, **options})
        self.connections: dict[str, Connection] = {}
        self.closing = False
        self.held: HeldRequests
        self._handler: EngineHandler = handler if handler is not None else _RawHandler(self)
        self._on_messages: Callable[..., None] | None = getattr(handler, "on_messages", None)
        self._runtime: Runtime | None = None
        self._middlewares: tuple[Handler, ...] = ()
        self._hooks: dict[str, tuple[Handler, ...]] = {}
        self.connection_handlers: tuple[Handler, ...] = ()
        self.lanes: set[Lane] = set()
        self.left_to_server: set[Task] = set()
        self._last_stall_ping = 0.0
        self._warned_of_processes = False

    # -- for users ---------------------------------------------------------------------------------------------------

    @property
    def clients_count(self) -> int:
        """How many clients are connected to this process."""
        return len(self.connections)

    def use(self, middleware: Middleware) -> Middleware:
        """Run ``middleware(environ)`` for every request; raising ConnectError refuses it with 400, code 3."""
        inspected = validate_middleware(middleware)
        with self._lock:
            self._middlewares = (*self._middlewares, inspected)
        return middleware

    @overload
    def on(self, event: str, handler: Function) -> Function: ...

    @overload
    def on(self, event: str, handler: None = None) -> Callable[[Function], Function]: ...

    def on(self, event: str, handler: Any = None) -> Any:
        """Listen; a decorator without ``handler``.

        ``"connection_error"`` gets ``(info)`` with code, message, context and environ; ``"initial_headers"`` and
        ``"headers"`` get ``(headers, environ)`` and may change the wsgiref Headers; ``"connection"`` gets each new
        Connection of a raw engine.
        """
        if handler is None:
            return lambda function: self.on(event, function)
        inspected = Handler.inspect(handler, f"on({event!r})", given=HOOKS.get(event, 1))
        with self._lock:
            if event == "connection" and isinstance(self._handler, _RawHandler):
                self.connection_handlers = (*self.connection_handlers, inspected)
            elif event in HOOKS:
                self._hooks[event] = (*self._hooks.get(event, ()), inspected)
            else:
                raise ValueError(f"an engine has no event {event!r}; it has {', '.join(HOOKS)}")
        return handler

    def close(self, reason: str = "server shutting down", timeout: float = 5) -> None:
        """End every connection with a close frame, refuse newcomers with 503, wait ``timeout`` seconds for handlers."""
        self.closing = True
        runtime = self._runtime
        if runtime is None:
            return
        for connection in list(self.connections.values()):
            connection.close(reason, discard=True)
        runtime.wait_idle(timeout)
        runtime.stop()

    # -- the runtime -------------------------------------------------------------------------------------------------

    @property
    def runtime(self) -> Runtime:
        """Threads or gevent, chosen when first needed, never at import (gunicorn --preload patches later)."""
        return self._runtime if self._runtime is not None else self.start()

    @property
    def started(self) -> bool:
        """Whether the runtime is chosen."""
        return self._runtime is not None

    def start(self, gevent_socket: bool | None = None, *, runtime: Runtime | None = None) -> Runtime:
        """Choose the runtime, if it is not chosen yet.

        Args:
            gevent_socket: whether the request that needs it came on a gevent socket; None: no request does.
            runtime: take this one.
        """
        with self._lock:
            if self._runtime is None:
                if runtime is None:
                    options = self.options
                    runtime = choose(
                        options.runtime,
                        gevent_socket,
                        handler_threads=options.handler_threads,
                        io_uring=options.io_uring,
                    )
                self.held = HeldRequests(runtime.lock())
                runtime.on_stall = self._stalled
                if self._on_messages is not None:
                    runtime.take_input = partial(_take_input, self._on_messages)
                self._runtime = runtime
                _started.add(self)
            return self._runtime

    def begin_anew(self) -> None:
        """Be as before the start: in a forked child, since the parent's clients are the parent's, and after a test."""
        self._runtime = None
        self.connections = {}
        self.lanes, self.left_to_server = set(), set()
        self.__dict__.pop("_lock", None)

    def _stalled(self, lag: float) -> None:
        """The stall is over (I/O thread, before any deadline is judged): what clients sent meanwhile may be unread."""
        suspect = f" ({self.runtime.stall_suspect})" if self.runtime.stall_suspect else ""
        log.warning("nothing was read for %.1f s: a handler keeps the CPU%s; all deadlines were moved", lag, suspect)
        for connection in list(self.connections.values()):
            connection.grant_time(AFTER_STALL)

    def _ping_all(self, stalled: float) -> None:
        """The hub is stalled for so many seconds (native thread): keep the clients from giving up.

        They do so ping_interval + ping_timeout after the last ping, which may be ping_interval ago when the stall
        begins, and the next may come ping_interval after it: so there is one every quarter of ping_timeout.
        """
        now = self.runtime.now()
        if min(stalled, now - self._last_stall_ping) < self.options.ping_timeout / 4:
            return
        self._last_stall_ping = now
        for connection in list(self.connections.values()):
            connection.ping_now()

    # -- requests ----------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """Answer a request under our path (the contract with ``wsgi/``)."""
        if self._runtime is None:
            self.start(request.peer.is_gevent)
        return dispatch(self, request)

    @property
    def can_keep(self) -> bool:
        """Whether long-polling requests may be answered without the web server: the user asks to see none of them."""
        seen = self._middlewares or "headers" in self._hooks or callable(self.options.cors_allowed_origins)
        return not seen and not self.closing

    def leave_to_server(self, serve: Callable[[], object], over: Callable[[], object]) -> None:
        """Let the web server serve a connection that was kept, until it is ``over``.

        Who ends the process waits for ``left_to_server``.
        """

        def run() -> None:
            try:
                serve()
            finally:
                self.left_to_server.discard(task)
                over()

        task = self.runtime.spawn(run)
        self.left_to_server.add(task)

    def run_middlewares(self, request: Request) -> None:
        """EngineError(3) if one refuses."""
        for middleware in self._middlewares:
            try:
                result = middleware.call((request.environ,))
                if result is None:
                    continue
                log.error("the engine middleware %r must return None, not %r: refused", middleware.function, result)
            except ConnectError:
                pass
            except Exception:
                log.exception("the engine middleware %r failed: the request is refused", middleware.function)
            raise EngineError(BAD_REQUEST, {"name": "MIDDLEWARE_FAILURE"})

    def report(self, error: EngineError, request: Request) -> None:
        """Tell the ``connection_error`` hooks."""
        if log.isEnabledFor(logging.DEBUG):
            log.debug("refused %s %s: %s %s", request.method, request.path, error.message, error.context)
        for hook in self._hooks.get("connection_error", ()):
            _call_hook(hook, ConnectionErrorInfo(error, request.environ))

    def response_headers(
        self, request: Request, headers: list[tuple[str, str]], initial: bool = False
    ) -> list[tuple[str, str]]:
        """The headers of a 200 or 101, after the hooks had their say."""
        agent = request.header("user-agent")
        if agent is not None and (";MSIE" in agent or "Trident/" in agent):
            headers = [*headers, ("X-XSS-Protection", "0")]
        if not self._hooks:
            return headers
        editable = Headers(list(headers))
        for event in ("initial_headers", "headers") if initial else ("headers",):
            for hook in self._hooks.get(event, ()):
                _call_hook(hook, editable, request.environ)
        return editable.items()

    def cookie_headers(self, connection: Connection) -> list[tuple[str, str]]:
        """Set-Cookie with the session id, where the option asks for it (on both transports)."""
        cookie = self.options.cookie
        return [] if cookie is None else [("Set-Cookie", cookie.header(connection.id))]

    def check_room(self) -> None:
        """Unavailable, if no newcomer is taken now."""
        if self.closing:
            raise Unavailable("the server is shutting down")
        limit = self.options.max_connections
        if limit is not None and len(self.connections) >= limit:
            raise Unavailable(f"no more than {limit} connections")

    def new_sid(self, request: Request) -> str:
        """A fresh session id; the user's ``generate_id`` may make it."""
        make = self.options.generate_id
        if make is None:
            return new_id()
        try:
            sid: object = make(request.environ)
            if not isinstance(sid, str) or not sid or sid in self.connections:
                raise ValueError(f"generate_id must return a new non-empty str, not {sid!r}")
        except Exception as error:
            log.exception("generate_id failed: the handshake is refused")
            raise EngineError(BAD_REQUEST, {"name": "ID_GENERATION_ERROR", "error": error}) from None
        return sid

    def open_packet(self, connection: Connection, upgrades: list[str]) -> EncodedPacket:
        """The packet that begins a session."""
        options = self.options
        return open_packet_of(
            open_packet(
                connection.id, upgrades, options.ping_interval, options.ping_timeout, options.max_http_buffer_size
            )
        )

    def warn_of_processes(self, request: Request) -> None:
        """Say once what long-polling needs where several processes serve it (PEP 3333, ``wsgi.multiprocess``)."""
        if not self._warned_of_processes and request.environ.get("wsgi.multiprocess"):
            self._warned_of_processes = True
            log.warning(SEVERAL_PROCESSES, request.peer.server)

    def enter(self, connection: Connection) -> None:
        """The only way in: count a newcomer, who is not admitted yet. Unavailable or EngineError if that cannot be."""
        with self._lock:
            self.check_room()
            if connection.id in self.connections:
                raise EngineError(BAD_REQUEST, {"name": "ID_GENERATION_ERROR"})
            self.connections[connection.id] = connection
            if len(self.connections) == 1:
                connection.runtime.watch(self._ping_all)

    def admit(self, connection: Connection) -> None:
        """Hand a newcomer over to the layer above."""
        connection.admitted(self._handler.on_connection(connection))
        if self.closing:
            connection.close("server shutting down", discard=True)

    def forget(self, connection: ConnectionCore) -> None:
        """The only way out; called by the connection's end. Twice is harmless."""
        with self._lock:
            if self.connections.get(connection.id) is not connection:
                return
            del self.connections[connection.id]
            if not self.connections:
                connection.runtime.unwatch()

    def __reduce__(self) -> Any:
        raise TypeError("an Engine cannot be pickled: its connections live in this process")

    def __repr__(self) -> str:
        return f"<Engine {self.options.path!r} clients={len(self.connections)}>"


class ConnectionErrorInfo:
    """Why a handshake or request was refused: ``code``, ``message``, ``context`` of Engine.IO, and the ``environ``."""

    __slots__ = ("code", "context", "environ", "message")

    def __init__(self, error: EngineError, environ: dict[str, Any]) -> None:
        self.code = error.code
        self.message = error.message
        self.context = error.context
        self.environ = environ

    def __repr__(self) -> str:
        return f"<ConnectionErrorInfo {self.code} {self.message!r} {self.context!r}>"


class _RawHandler:
    """Engine.IO on its own: connections tell the user's ``on`` handlers themselves."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def on_connection(self, connection: Connection) -> Receiver:
        events = connection.user_events()
        for handler in self._engine.connection_handlers:
            events.post_call(handler, connection)
        return NOBODY


def _take_input(on_messages: Callable[[Iterator[tuple[Receiver, bytes]]], None], came: Iterator[Input]) -> None:
    """What was read for many sockets in one go."""
    on_messages(messages(came))


def _call_hook(hook: Handler, *args: Any) -> None:
    try:
        hook.call(args)
    except Exception:
        log.exception("the engine hook %r failed", hook.function)


_started: weakref.WeakSet[Engine] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for engine in list(_started):
        engine.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
