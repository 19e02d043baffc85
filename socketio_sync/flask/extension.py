"""SocketIO: the extension itself, one for an application or, with ``init_app``, for several."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import flask

from socketio_sync.flask.context import EventContext
from socketio_sync.flask.context import current
from socketio_sync.flask.errors import Reason
from socketio_sync.flask.events import Events
from socketio_sync.flask.options import server_options
from socketio_sync.flask.routing import ANY
from socketio_sync.flask.routing import RoutedServer
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
from socketio_sync.runtime import native
from socketio_sync.runtime.base import Task
from socketio_sync.server.server import Server
from socketio_sync.server.socket import Socket
from socketio_sync.wsgi.app import WSGIApp


class SocketIO(Events):
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
        super().__init__()
        self.manage_session = True
        self.server_options: dict[str, Any] = {}
        self._server: RoutedServer | None = None
        self._wants_gevent = False
        self._web_server = WebServer()
        if app is not None or kwargs.get("message_queue"):
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
        wants_gevent = given.get("async_mode") == "gevent"
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
        self._wants_gevent = wants_gevent
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
        """What it runs on, or would if it began now, "threading" or "gevent"."""
        engine = self.server.engine
        name = engine.runtime.name if engine.started else engine.options.runtime
        if name == "auto":
            name = "gevent" if self._wants_gevent or native.patched("socket") else "threads"
        return "gevent" if name == "gevent" else "threading"

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
            event: as for ``emit``.
            *args: likewise.
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
        self._web_server.run(self.server, app, host, port, kwargs, gevent=self._wants_gevent)

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

    def watched(self) -> Watch:
        """For the test client: what the handlers do, from now on."""
        if self._watch is None:
            self._watch = Watch()
        self._watch.begin(self.server)
        return self._watch


def _own_sid() -> str:
    asking = current()
    if asking is None:
        raise RuntimeError("include_self=False leaves out the client whose event is handled: none is handled here")
    return asking.socket.id
