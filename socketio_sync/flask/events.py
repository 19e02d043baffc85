"""What a SocketIO does with events: who registered for them, and how they are called."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from contextlib import ExitStack
from contextlib import nullcontext
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar
from typing import cast
from typing import overload

import flask

from socketio_sync.exceptions import ConnectError
from socketio_sync.flask.context import EventContext
from socketio_sync.flask.context import current
from socketio_sync.flask.context import describe_event
from socketio_sync.flask.errors import ConnectionRefusedError
from socketio_sync.flask.errors import reason_of
from socketio_sync.flask.errors import refuses
from socketio_sync.flask.namespace import Namespace
from socketio_sync.flask.routing import ANY
from socketio_sync.flask.routing import Routes
from socketio_sync.flask.routing import UserHandler
from socketio_sync.flask.routing import namespace_name
from socketio_sync.flask.test_client import Watch
from socketio_sync.handler import Handler
from socketio_sync.server.socket import Socket

if TYPE_CHECKING:
    from socketio_sync.flask.extension import SocketIO

Function = TypeVar("Function", bound=Callable[..., Any])


class Events:
    """The half of a SocketIO that registers handlers and calls them.

    Attributes:
        exception_handlers, default_exception_handler: what ``on_error`` and ``on_error_default`` registered.
    """

    def __init__(self) -> None:
        self.exception_handlers: dict[str, Callable[[Exception], Any]] = {}
        self.default_exception_handler: Callable[[Exception], Any] | None = None
        self._routes = Routes()
        self._watch: Watch | None = None

    def _open(self, name: str) -> None:
        """A namespace has a handler: clients may join it."""
        raise NotImplementedError

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

    @overload
    def event(self, handler: Function, /) -> Function: ...

    @overload
    def event(self, namespace: str | None = None) -> Callable[[Function], Function]: ...

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
            TypeError: a method cannot be a handler.
            ValueError: it is no instance of Namespace.
        """
        if not isinstance(namespace_handler, Namespace):
            raise ValueError(f"on_namespace() takes an instance of a subclass of Namespace, not {namespace_handler!r}")
        namespace_handler.attach(cast("SocketIO", self))
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

    def _callback(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Call it as a handler of the client whose event is handled now, if there is one."""
        handler = UserHandler("an answer", callback)
        asked = current()

        def answered(*args: Any) -> Any:
            answering = current()
            with ExitStack() as stack:
                if asked is not None and (answering is None or answering.socket is not asked.socket):
                    stack.enter_context(EventContext(asked.extension, asked.app, asked.socket, None))
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
        except builtins.ConnectionRefusedError as error:
            if not refuses(error, "connect"):
                raise
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
        except ConnectError as error:
            if not refuses(error, "connect"):
                raise
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
        route = self._routes.find(socket.nsp.name, event)
        with self._watch or nullcontext():
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
        except Exception as error:
            namespace = flask.request.namespace  # type: ignore[attr-defined]
            mend = self.exception_handlers.get(namespace, self.default_exception_handler)
            if mend is None or refuses(error, message):
                raise
            return self._mended(message, error, mend)

    def _mended(self, message: str | None, error: Exception, mend: Callable[[Exception], Any]) -> Any:
        """What a handler of errors answers. Nobody comes in by an error in a connect handler."""
        value = mend(error)
        if message == "connect":
            raise ConnectError("internal error") from error
        return value


def _checked(exception_handler: Function) -> Function:
    if not callable(exception_handler):
        raise ValueError("exception_handler must be callable")
    Handler.inspect(exception_handler, "on_error", given=1)
    return exception_handler
