"""SocketIO: the extension itself, one for an application or, with ``init_app``, for several."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from typing import TypeVar

import flask

from socketio_sync.exceptions import ConnectError
from socketio_sync.flask.context import EventContext
from socketio_sync.flask.context import current
from socketio_sync.flask.context import describe_event
from socketio_sync.flask.errors import ConnectionRefusedError
from socketio_sync.flask.errors import Reason
from socketio_sync.flask.errors import reason_of
from socketio_sync.flask.namespace import Namespace
from socketio_sync.flask.options import server_options
from socketio_sync.flask.routing import ANY
from socketio_sync.flask.routing import RoutedServer
from socketio_sync.flask.routing import Routes
from socketio_sync.flask.routing import UserHandler
from socketio_sync.flask.routing import namespace_name
from socketio_sync.flask.sending import CALL_OPTIONS
from socketio_sync.flask.sending import EMIT_OPTIONS
from socketio_sync.flask.sending import ask
from socketio_sync.flask.sending import check_options
from socketio_sync.flask.sending import deliver
from socketio_sync.flask.sending import payload
from socketio_sync.flask.sending import room_names
from socketio_sync.flask.sending import space
from socketio_sync.flask.test_client import SocketIOTestClient
from socketio_sync.flask.test_client import Watch
from socketio_sync.flask.web_server import WebServer
from socketio_sync.handler import Handler
from socketio_sync.runtime import native
from socketio_sync.runtime.base import Task
from socketio_sync.server.server import Server
from socketio_sync.server.socket import Socket
from socketio_sync.wsgi.app import WSGIApp

Function = TypeVar("Function", bound=Callable[..., Any])


class SocketIO:
    """A Socket.IO server beside a Flask application.

    Args:
        app: the application; without one, ``init_app`` follows.
        manage_session: True gives each client a copy of its session as it was at the handshake, which its handlers
            share and no HTTP request sees. False uses Flask's own, for session interfaces that keep it on the server.
        path, resource: where it is served.
        namespaces: those that clients may join besides the ones with handlers; "*" for all.
        **kwargs: Flask-SocketIO's options, and all of the Server's.

    Attributes:
        reason: why a client was disconnected, as constants.

    Raises:
        TypeError, ValueError: an unknown option, a wrong value, or an application that has a SocketIO there already.
        NotImplementedError: ``message_queue``, which comes with the Redis adapter.
    """

    reason = Reason

    def __init__(self, app: flask.Flask | None = None, **kwargs: Any) -> None:
        self.manage_session = True
        self.server_options: dict[str, Any] = {}
        self.exception_handlers: dict[str, Callable[[Exception], Any]] = {}
        self.default_exception_handler: Callable[[Exception], Any] | None = None
        self._routes = Routes()
        self._server: RoutedServer | None = None
        self._web_server = WebServer()
        self._watch: Watch | None = None
        if app is not None or kwargs.get("message_queue") is not None:
            self.init_app(app, **kwargs)
        else:
            self.server_options.update(kwargs)

    def init_app(self, app: flask.Flask | None, **kwargs: Any) -> None:
        """Serve an application, from now on the one that the methods of this object mean.

        Args:
            app: its ``wsgi_app`` is wrapped.
            **kwargs: options, which count more than the constructor's.

        Raises:
            TypeError, ValueError, NotImplementedError: as the constructor.
        """
        given = {**self.server_options, **kwargs}
        manage_session = given.pop("manage_session", self.manage_session)
        path = given.pop("path", None) or given.pop("resource", None) or "socket.io"
        given.pop("resource", None)
        namespaces = given.pop("namespaces", None)
        options = server_options(given, app or flask.Flask(__name__))
        if app is None or not hasattr(app, "wsgi_app"):
            raise TypeError(f"init_app() needs a Flask application, not {app!r}")
        if namespaces == ANY:
            options.setdefault("cleanup_empty_child_namespaces", True)
        server = RoutedServer(self._routes, self._life_cycle(namespaces), self._handle_event, path=path, **options)
        self._wrap(app, server)
        app.extensions["socketio"] = self
        self.server_options.update(kwargs)
        self.manage_session = manage_session
        self._server = server
        for name in self._routes.namespaces.union([] if namespaces == ANY else map(namespace_name, namespaces or [])):
            server.of(name)
        if namespaces == ANY:
            server.of(re.compile("/.*", re.DOTALL))

    def _wrap(self, app: Any, server: RoutedServer) -> None:
        try:
            app.wsgi_app = WSGIApp(server, app.wsgi_app)
        except ValueError as error:
            raise ValueError(
                f"the application {app.name!r} has a Socket.IO server at {server.options.path!r} already: call"
                " SocketIO(app) or init_app(app) once for each application, or give the second one another path="
            ) from error

        @server.wrap_handlers
        def context(socket: Socket, event: str | None) -> EventContext:
            return EventContext(self, app, socket, event)

        @server.on_error
        def record(error: Exception) -> None:
            if self._watch is not None:
                self._watch.errors.append(error)

    @property
    def server(self) -> Server:
        """The Server, with all its methods.

        Raises:
            RuntimeError: there is no application yet.
        """
        if self._server is None:
            raise RuntimeError("this SocketIO has no application yet: SocketIO(app), or init_app(app), comes first")
        return self._server

    @property
    def async_mode(self) -> str:
        """ "threading" or "gevent": what it runs on, or would if it began now."""
        engine = self.server.engine
        name = engine.runtime.name if engine.started else engine.options.runtime
        if name == "auto":
            name = "gevent" if native.patched("socket") else "threads"
        return "gevent" if name == "gevent" else "threading"

    # -- registering ---------------------------------------------------------------------------------------------------

    def on(self, message: str, namespace: str | None = None) -> Callable[[Function], Function]:
        """Decorate the handler of an event; it replaces an earlier one.

        Args:
            message: the event's name. "connect" is called with the client's auth and "disconnect" with the reason, if
                they take it; "*" is called with the name and the arguments of events that nothing else handles.
            namespace: "/" unless another one is named; "*" for those that have no handler of their own.
        """
        name = namespace_name(namespace)

        def decorator(handler: Function) -> Function:
            self._routes.add(name, message, handler)
            self._open(name)
            return handler

        return decorator

    def on_event(self, message: str, handler: Callable[..., Any], namespace: str | None = None) -> None:
        """Register the handler of an event, as ``on`` does."""
        self.on(message, namespace=namespace)(handler)

    def event(self, *args: Any, **kwargs: Any) -> Any:
        """Decorate the handler of the event that is named as the function; ``namespace`` may be given."""
        if len(args) == 1 and not kwargs and callable(args[0]):
            return self.on(args[0].__name__)(args[0])

        def decorator(handler: Any) -> Any:
            return self.on(handler.__name__, *args, **kwargs)(handler)

        return decorator

    def on_namespace(self, namespace_handler: Namespace) -> None:
        """Register a class-based namespace.

        Raises:
            ValueError: it is no instance of Namespace.
        """
        if not isinstance(namespace_handler, Namespace):
            raise ValueError(f"on_namespace() takes an instance of a subclass of Namespace, not {namespace_handler!r}")
        namespace_handler.socketio = self
        self._routes.classes[namespace_handler.namespace] = namespace_handler
        self._open(namespace_handler.namespace)

    def on_error(self, namespace: str | None = None) -> Callable[[Function], Function]:
        """Decorate ``handler(exception)`` for what the handlers of a namespace raise; what it returns is the answer."""
        name = namespace_name(namespace)

        def decorator(exception_handler: Function) -> Function:
            self.exception_handlers[name] = _checked(exception_handler)
            return exception_handler

        return decorator

    def on_error_default(self, exception_handler: Function) -> Function:
        """Decorate ``handler(exception)`` for the namespaces that have none of their own."""
        self.default_exception_handler = _checked(exception_handler)
        return exception_handler

    def _open(self, name: str) -> None:
        if self._server is not None and name != ANY:
            self._server.of(name)

    # -- sending -------------------------------------------------------------------------------------------------------

    def emit(self, event: str, *args: Any, **kwargs: Any) -> None:
        """Send an event to all clients of a namespace; works anywhere, in any thread.

        Args:
            event: its name.
            *args: the data; a tuple is several arguments, None is none.
            namespace: "/" unless another one is named.
            to, room: only this room, this client, or a list of them.
            include_self: False leaves out the client whose event is handled.
            skip_sid: leaves out this client, or a list of them.
            callback: called with the answer of each client that answers.
            ignore_queue: reach only clients of this server.

        Raises:
            RuntimeError: ``include_self=False`` where no event is handled.
            TypeError, ValueError: an unknown option, or something that cannot be sent; the text has its path.
        """
        check_options("socketio.emit", kwargs, EMIT_OPTIONS)
        to = kwargs.get("to")
        skip = kwargs.get("skip_sid")
        if not kwargs.get("include_self", True) and not skip:
            skip = _own_sid()
        callback = kwargs.get("callback")
        deliver(
            self._server_here(),
            event,
            payload(args),
            namespace=kwargs.get("namespace"),
            to=kwargs.get("room") if to is None else to,
            skip=skip,
            local=bool(kwargs.get("ignore_queue")),
            callback=None if callback is None else self._callback(callback),
        )

    def send(
        self,
        data: Any,
        json: bool = False,
        namespace: str | None = None,
        to: Any = None,
        callback: Callable[..., Any] | None = None,
        include_self: bool = True,
        skip_sid: Any = None,
        **kwargs: Any,
    ) -> None:
        """Send the event "message", or "json" with ``json=True``; otherwise as ``emit``."""
        self.emit(
            "json" if json else "message",
            data,
            namespace=namespace,
            to=to,
            callback=callback,
            include_self=include_self,
            skip_sid=skip_sid,
            **kwargs,
        )

    def call(self, event: str, *args: Any, **kwargs: Any) -> Any:
        """Send an event to one client and wait for its answer.

        Args:
            event, *args: as for ``emit``.
            namespace: "/" unless another one is named.
            to, room: the client's sid.
            timeout: seconds to wait, 60 unless told otherwise.
            ignore_queue: for compatibility.

        Returns:
            None if the answer has no argument, the value if one, a tuple if several.

        Raises:
            AckTimeout: a TimeoutError; the answer did not come in time.
            DisconnectedError: the client is not there, or left before it answered.
            ValueError: no client is named.
        """
        check_options("socketio.call", kwargs, CALL_OPTIONS)
        to = kwargs.get("to")
        to = kwargs.get("room") if to is None else to
        if to is None:
            raise ValueError("call() asks one client: name it by to=; for all of them there is server.emit_with_ack()")
        return ask(
            self._server_here(),
            event,
            payload(args),
            namespace=kwargs.get("namespace"),
            to=to,
            timeout=kwargs.get("timeout"),
        )

    def close_room(self, room: Any, namespace: str | None = None) -> None:
        """Let everybody leave a room."""
        nsp = space(self._server_here(), namespace)
        if nsp is not None:
            nsp.to(room_names(room)).sockets_leave(room_names(room))

    def _server_here(self) -> Server:
        """The server of the client whose event is handled; another ``init_app`` may have come since."""
        asking = current()
        return asking.socket.server if asking is not None and asking.extension is self else self.server

    def _callback(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Call it as a handler of the client whose event is handled now, if there is one."""
        handler = UserHandler("an answer", callback)
        asked = current()

        def answered(*args: Any) -> Any:
            answering = current()
            with ExitStack() as stack:
                if asked is not None and (answering is None or answering.socket is not asked.socket):
                    stack.enter_context(EventContext(self, asked.app, asked.socket, None))
                return handler.call(args) if current() is None else self._run(handler, None, args, args)

        return answered

    # -- called by the server ------------------------------------------------------------------------------------------

    def _life_cycle(self, namespaces: Any) -> dict[str, Callable[..., Any]]:
        """What is called for a client's coming and going."""
        accepted = namespaces is None or namespaces == ANY or "/" in map(namespace_name, namespaces)

        def admit(socket: Socket) -> None:
            if socket.nsp.name == "/" and not accepted and "/" not in self._routes.namespaces:
                raise ConnectError("Invalid namespace")  # the server has it always
            self._connect(socket)

        return {"middleware": admit, "connect": self._come_back, "disconnecting": self._leave}

    def _connect(self, socket: Socket) -> None:
        """Run the connect handler, before the client is accepted.

        Raises:
            ConnectError: it refuses.
        """
        auth = socket.auth or None
        try:
            result = self._dispatch(socket, "connect", (socket.environ, auth), (auth,))
        except builtins.ConnectionRefusedError:
            raise ConnectError("Connection refused by server") from None
        if result is False:
            raise ConnectionRefusedError()

    def _come_back(self, socket: Socket) -> bool | None:
        """Run it for a recovered client too, for which the server may skip what comes before the acceptance."""
        recovery = socket.server.options.connection_state_recovery
        if not socket.recovered or recovery is None or not recovery.skip_middlewares:
            return None
        try:
            self._connect(socket)
        except ConnectError:
            return False
        return None

    def _leave(self, socket: Socket, reason: str, details: Any) -> None:
        """Run the disconnect handler while the client's rooms are known."""
        values = (reason_of(reason),)
        self._dispatch(socket, "disconnect", values, values)

    def _handle_event(self, event: str, socket: Socket, *args: Any) -> Any:
        """Run the handler of a client's event; its value answers."""
        return self._dispatch(socket, event, args, args)

    def _dispatch(self, socket: Socket, event: str, args: tuple[Any, ...], given: tuple[Any, ...]) -> Any:
        """Call what handles an event: ``args`` is what ``request.event`` shows, ``given`` what a function gets."""
        watch = self._watch
        with ExitStack() as stack:
            if watch is not None:
                stack.enter_context(watch)
            route = self._routes.find(socket.nsp.name, event)
            if isinstance(route, Namespace):
                return route.trigger_event(event, socket.id, *args)
            if route is None:
                return None
            if route.message == ANY:
                args = given = (event, *args)
            return self._run(route, route.message, args, given)

    def _run(self, handler: UserHandler, message: str | None, args: tuple[Any, ...], given: tuple[Any, ...]) -> Any:
        """Call a function of the user; what it raises goes to the handler of errors, whose value is the answer then."""
        describe_event(message, args)
        try:
            return handler.call(given)
        except ConnectError:
            raise
        except Exception as error:
            namespace = flask.request.namespace  # type: ignore[attr-defined]
            mend = self.exception_handlers.get(namespace, self.default_exception_handler)
            if mend is None:
                raise
            return self._mended(message, error, mend)

    def _mended(self, message: str | None, error: Exception, mend: Callable[[Exception], Any]) -> Any:
        """What a handler of errors answers. Nobody comes in by an error in a connect handler."""
        value = mend(error)
        if message == "connect":
            raise ConnectError("internal error") from error
        return value

    # -- running -------------------------------------------------------------------------------------------------------

    def run(self, app: flask.Flask, host: str | None = None, port: int | None = None, **kwargs: Any) -> None:
        """Serve the application until Ctrl-C, SIGTERM or ``stop()``, with the web server of this package.

        Args:
            app: the application.
            host: the address, 127.0.0.1 unless told otherwise.
            port: that of SERVER_NAME, or 5000, unless told otherwise.
            debug: Werkzeug's debugger, and the reloader; ``app.debug`` unless told otherwise.
            use_reloader: begin anew when a file changes; as ``debug`` unless told otherwise.
            reloader_options: for Werkzeug's reloader: extra_files, exclude_patterns, interval, reloader_type.
            extra_files: the same as in ``reloader_options``.
            log_output: a line for each request; as ``debug`` unless told otherwise.
            ssl_context: an SSLContext, a tuple of certificate and key, or "adhoc".
            certfile, keyfile: the same as a tuple.
            allow_unsafe_werkzeug: for compatibility: Werkzeug's server is not used.

        Raises:
            OSError: the port is taken.
            TypeError: another option.
        """
        self._web_server.run(self.server, app, host, port, kwargs)

    def stop(self) -> None:
        """End ``run``, from a route, a handler or any thread.

        Raises:
            RuntimeError: it does not run.
        """
        self._web_server.stop()

    def start_background_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        """Run a function in a thread or greenlet of its own; the Task returned has ``join(timeout=None)``."""
        return self.server.start_background_task(target, *args, **kwargs)

    def sleep(self, seconds: float = 0) -> None:
        """Sleep without holding up others, on gevent and on threads."""
        self.server.sleep(seconds)

    def test_client(
        self,
        app: flask.Flask,
        namespace: str | None = None,
        query_string: str | None = None,
        headers: Any = None,
        auth: dict[str, Any] | None = None,
        flask_test_client: Any = None,
    ) -> SocketIOTestClient:
        """A client in the test's own process, connected if it was not refused; see SocketIOTestClient."""
        return SocketIOTestClient(
            app,
            self,
            namespace=namespace,
            query_string=query_string,
            headers=headers,
            auth=auth,
            flask_test_client=flask_test_client,
        )

    def watch(self) -> Watch:
        """For the test client: what its server's handlers do, from now on."""
        if self._watch is None:
            self._watch = Watch()
        return self._watch


def _checked(exception_handler: Function) -> Function:
    if not callable(exception_handler):
        raise ValueError("exception_handler must be callable")
    Handler.inspect(exception_handler, "on_error", given=1)
    return exception_handler


def _own_sid() -> str:
    asking = current()
    if asking is None:
        raise RuntimeError("include_self=False leaves out the client whose event is handled: none is handled here")
    return asking.socket.id
