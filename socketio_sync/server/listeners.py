"""Which handlers a user registered with a server, a namespace or a socket, and the methods that register them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any
from typing import Concatenate
from typing import TypeVar
from typing import overload

from socketio_sync.handler import Handler as Handler
from socketio_sync.handler import validate_middleware as validate_middleware
from socketio_sync.handlers import Handlers

if TYPE_CHECKING:
    from socketio_sync.server.socket import Socket

Function = TypeVar("Function", bound="Callable[..., Any]")
SocketFunction = TypeVar("SocketFunction", bound="Callable[Concatenate[Socket, ...], Any]")

# How many arguments these bring, besides the socket that a namespace's handlers get.
LIFE_CYCLE = {"connection": 0, "connect": 0, "disconnecting": 2, "disconnect": 2}

_NEVER = {
    "connect_error": "it happens on the client only; raise ConnectError in a middleware to cause it",
    "newListener": "it is a name that no client may send",
    "removeListener": "it is a name that no client may send",
    "*": "a handler of every event is registered with on_any",
}
# The names that cannot fire on each, with what to use instead.
REFUSED_BY_NAMESPACE = {**_NEVER, "new_namespace": "use Server.on_new_namespace"}
REFUSED_BY_SOCKET = {**_NEVER, "connect": "use on('connection') of the server or namespace"}
REFUSED_BY_SERVER_SIDE = {
    name: "no server can send a life-cycle event to another" for name in ("connect", "connection", "new_namespace")
}


class Listeners(Handlers):
    """The handlers of a namespace or of one socket.

    Args:
        takes_socket: a namespace's, called with the socket first; else a socket's.
        refused: names that cannot fire here and what to use instead; None for those of a namespace or socket.
    """

    _special = LIFE_CYCLE

    def __init__(self, takes_socket: bool, refused: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.takes_socket = takes_socket
        self._extra = 1 - takes_socket
        self._refused = refused if refused is not None else REFUSED_BY_NAMESPACE if takes_socket else REFUSED_BY_SOCKET

    def add(self, event: str, function: Callable[..., Any], *, ordered: bool | None = None, once: bool = False) -> None:
        """Register a function for an event.

        Raises:
            TypeError: the event is no str, or the function cannot be a handler.
            ValueError: the event cannot fire here.
        """
        self.keep(event, self._inspected(event, function), ordered, once)

    def _inspected(self, event: str, function: Callable[..., Any]) -> Handler:
        if not isinstance(event, str):
            raise TypeError(f"an event's name must be a str, got {event!r}; without a name use the decorator event")
        if event in self._refused:
            raise ValueError(f"{event!r} cannot fire here: {self._refused[event]}")
        arguments = LIFE_CYCLE.get(event)
        if arguments is None or (event == "connection" and not self.takes_socket):  # a client may call an event so
            return Handler.inspect(function, f"on({event!r})", answers=True)
        return Handler.inspect(function, f"on({event!r})", given=arguments + self.takes_socket)


class _CatchAll:
    """What the public on/off methods of servers, namespaces and sockets share. They provide ``_listeners``."""

    __slots__ = ()

    _listeners: Listeners

    def off(self, event: str, handler: Callable[..., Any] | None = None) -> None:
        """Forget the latest registration of ``handler``, or all handlers of the event; unknown ones are no error."""
        self._listeners.remove(event, handler)

    def off_any(self, handler: Callable[..., Any] | None = None) -> None:
        """Forget one function registered with ``on_any`` or ``prepend_any``, or all."""
        self._listeners.remove_any(handler)

    def listeners_any(self) -> list[Callable[..., Any]]:
        """The functions that see every event, in their order."""
        return [handler.function for handler in self._listeners.any]


class NamespaceHandlers(_CatchAll):
    """``on`` and its family for a Server, Namespace or ParentNamespace: handlers get the socket first.

    The class that inherits provides ``_listeners``, a ``Listeners(takes_socket=True)``.
    """

    @overload
    def on(self, event: str, handler: SocketFunction, *, ordered: bool | None = None) -> SocketFunction: ...

    @overload
    def on(
        self, event: str, handler: None = None, *, ordered: bool | None = None
    ) -> Callable[[SocketFunction], SocketFunction]: ...

    def on(self, event: str, handler: Any = None, *, ordered: bool | None = None) -> Any:
        """Handle an event of any client of the namespace; a decorator without ``handler``.

        Args:
            event: its name; "connection", "disconnecting" and "disconnect" are the life cycle.
            ordered: False lets it run beside the socket's other events; None means the server's ``ordered_events``.

        Returns:
            The handler, unchanged.

        Raises:
            TypeError: the function cannot be a handler.
            ValueError: the event cannot fire here; the text names what to use.
        """
        return _register(self._listeners, event, handler, ordered, False)

    @overload
    def once(self, event: str, handler: SocketFunction, *, ordered: bool | None = None) -> SocketFunction: ...

    @overload
    def once(
        self, event: str, handler: None = None, *, ordered: bool | None = None
    ) -> Callable[[SocketFunction], SocketFunction]: ...

    def once(self, event: str, handler: Any = None, *, ordered: bool | None = None) -> Any:
        """As ``on``, for the first such event of any socket."""
        return _register(self._listeners, event, handler, ordered, True)

    @overload
    def event(self, handler: SocketFunction, *, ordered: bool | None = None) -> SocketFunction: ...

    @overload
    def event(
        self, handler: None = None, *, ordered: bool | None = None
    ) -> Callable[[SocketFunction], SocketFunction]: ...

    def event(self, handler: Any = None, *, ordered: bool | None = None) -> Any:
        """Decorate a handler of the event that is named as the function: ``@io.event`` or ``@io.event(ordered=False)``.

        Raises:
            TypeError: the function has no name, or cannot be a handler.
            ValueError: the event cannot fire here; the text names what to use.
        """
        return _register_by_name(self._listeners, handler, ordered)

    def on_any(self, handler: SocketFunction) -> SocketFunction:
        """Have ``handler(socket, event, *args)`` see every client event, before middleware; it does not answer."""
        self._listeners.add_any(handler)
        return handler

    def prepend_any(self, handler: SocketFunction) -> SocketFunction:
        """As ``on_any``, before those that are there."""
        self._listeners.add_any(handler, first=True)
        return handler


class SocketHandlers(_CatchAll):
    """``on`` and its family for a Socket: handlers get what the client sent.

    The class that inherits provides ``_listeners``, a ``Listeners(takes_socket=False)``, and ``has_outgoing``.
    """

    __slots__ = ()

    has_outgoing: bool

    @overload
    def on(self, event: str, handler: Function, *, ordered: bool | None = None) -> Function: ...

    @overload
    def on(
        self, event: str, handler: None = None, *, ordered: bool | None = None
    ) -> Callable[[Function], Function]: ...

    def on(self, event: str, handler: Any = None, *, ordered: bool | None = None) -> Any:
        """Handle an event of this client; a decorator without ``handler``. See ``Namespace.on``."""
        return _register(self._listeners, event, handler, ordered, False)

    @overload
    def once(self, event: str, handler: Function, *, ordered: bool | None = None) -> Function: ...

    @overload
    def once(
        self, event: str, handler: None = None, *, ordered: bool | None = None
    ) -> Callable[[Function], Function]: ...

    def once(self, event: str, handler: Any = None, *, ordered: bool | None = None) -> Any:
        """As ``on``, for the first such event."""
        return _register(self._listeners, event, handler, ordered, True)

    @overload
    def event(self, handler: Function, *, ordered: bool | None = None) -> Function: ...

    @overload
    def event(self, handler: None = None, *, ordered: bool | None = None) -> Callable[[Function], Function]: ...

    def event(self, handler: Any = None, *, ordered: bool | None = None) -> Any:
        """Decorate a handler of the event that is named as the function. See ``Namespace.event``."""
        return _register_by_name(self._listeners, handler, ordered)

    def on_any(self, handler: Function) -> Function:
        """Have ``handler(event, *args)`` see every event of this client, before middleware; it does not answer."""
        self._listeners.add_any(handler)
        return handler

    def prepend_any(self, handler: Function) -> Function:
        """As ``on_any``, before those that are there."""
        self._listeners.add_any(handler, first=True)
        return handler

    def on_any_outgoing(self, handler: Function) -> Function:
        """Have ``handler(event, *args)`` see what is emitted to this socket, broadcasts too, acks not."""
        self._see_outgoing(handler, first=False)
        return handler

    def prepend_any_outgoing(self, handler: Function) -> Function:
        """As ``on_any_outgoing``, before those that are there."""
        self._see_outgoing(handler, first=True)
        return handler

    def _see_outgoing(self, handler: Callable[..., Any], first: bool) -> None:
        self.has_outgoing = True  # type: ignore[misc]  # a slot of the class that inherits
        self._listeners.add_any(handler, first=first, outgoing=True)

    def off_any_outgoing(self, handler: Callable[..., Any] | None = None) -> None:
        """Forget one function registered with ``on_any_outgoing``, or all."""
        self._listeners.remove_any(handler, outgoing=True)

    def listeners_any_outgoing(self) -> list[Callable[..., Any]]:
        """The functions that see everything emitted to this socket, in their order."""
        return [handler.function for handler in self._listeners.any_outgoing]


def _register(listeners: Listeners, event: str, handler: Any, ordered: bool | None, once: bool) -> Any:
    if handler is None:
        if callable(event):
            raise TypeError(f"the decorator needs an event's name, or use event: got the function {event!r}")
        return functools.partial(_registered, listeners, event, ordered, once)
    return _registered(listeners, event, ordered, once, handler)


def _registered(listeners: Listeners, event: str, ordered: bool | None, once: bool, handler: Function) -> Function:
    listeners.add(event, handler, ordered=ordered, once=once)
    return handler


def _register_by_name(listeners: Listeners, handler: Any, ordered: bool | None) -> Any:
    if handler is None:
        return functools.partial(_register_by_name, listeners, ordered=ordered)
    name = getattr(handler, "__name__", None)
    if name is None or name == "<lambda>":
        raise TypeError(f"event takes the name of a function, {handler!r} has none; use on(name, handler)")
    return _registered(listeners, name, ordered, False, handler)
