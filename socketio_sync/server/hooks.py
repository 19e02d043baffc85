"""What users register on a server or namespace besides handlers of events, and the methods to do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar
from typing import overload

from socketio_sync.runtime.lazy_lock import LazyLock
from socketio_sync.server.broadcast_operator import BroadcastMethods
from socketio_sync.server.listeners import REFUSED_BY_SERVER_SIDE
from socketio_sync.server.listeners import Handler
from socketio_sync.server.listeners import Listeners
from socketio_sync.server.listeners import NamespaceHandlers
from socketio_sync.server.listeners import validate_middleware

if TYPE_CHECKING:
    from socketio_sync.server.socket import Socket

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
Middleware = TypeVar("Middleware", bound="Callable[[Socket], None]")

# Methods of an object given to ``register`` that are no event's handler, but this decorator's.
_HOOK_METHODS = ("on_any", "on_error", "on_session_expired", "on_new_namespace")

_NEED_MORE = {
    "on_server_side": "its event; use on_server_side(event, obj.method)",
    "on_any_outgoing": "its socket; use socket.on_any_outgoing(obj.method)",
}


class Hooks:
    """Everything registered on one namespace. What is looked up are tuples that are replaced and never changed."""

    _lock = LazyLock()

    def __init__(self) -> None:
        self.listeners = Listeners(takes_socket=True)
        self.server_side = Listeners(takes_socket=False, refused=REFUSED_BY_SERVER_SIDE)
        self.middlewares: tuple[Handler, ...] = ()
        self.errors: tuple[Handler, ...] = ()
        self.expired: tuple[Handler, ...] = ()

    def add(self, kind: str, handler: Handler) -> None:
        """Append to the tuple of that name."""
        with self._lock:
            setattr(self, kind, (*getattr(self, kind), handler))

    def begin_anew(self) -> None:
        """In a forked child: a thread of the parent may hold the locks for ever. What is registered stays."""
        for held in (self, self.listeners, self.server_side):
            held.__dict__.pop("_lock", None)


class HookMethods(BroadcastMethods, NamespaceHandlers):
    """The methods that Server, Namespace and ParentNamespace share.

    Args:
        hooks: where they register.
        errors: where ``on_error`` registers; a server has one of its own for all its namespaces.
    """

    def __init__(self, hooks: Hooks, errors: Hooks) -> None:
        self.hooks = hooks
        self._error_hooks = errors
        self._listeners = hooks.listeners

    def use(self, middleware: Middleware) -> Middleware:
        """Ask ``middleware(socket)`` before a client is accepted; raising ConnectError refuses it.

        They run in the order of registration. Whatever else one raises or returns refuses, too, and is logged as a bug.

        Raises:
            TypeError: it needs more than the socket; there is no ``next``.
        """
        self.hooks.add("middlewares", validate_middleware(middleware))
        return middleware

    def on_error(self, handler: AnyFunction) -> AnyFunction:
        """Have ``handler(error, socket, event, args)`` told what a handler, middleware or callback raised.

        What it returns, unless None, answers the event if nothing else did. ``socket`` and ``event`` are None where
        there is none.
        """
        self._error_hooks.add("errors", Handler.inspect(handler, "on_error", given=4))
        return handler

    @overload
    def on_server_side(self, event: str, handler: AnyFunction) -> AnyFunction: ...

    @overload
    def on_server_side(self, event: str, handler: None = None) -> Callable[[AnyFunction], AnyFunction]: ...

    def on_server_side(self, event: str, handler: Any = None) -> Any:
        """Handle what another server sent with ``server_side_emit``; no client can. A decorator without ``handler``.

        The value that it returns answers ``server_side_emit_with_ack``.

        Raises:
            ValueError: the name of a life-cycle event.
        """
        if handler is None:
            return lambda function: self.on_server_side(event, function)
        self.hooks.server_side.add(event, handler)
        return handler

    def on_session_expired(self, handler: AnyFunction) -> AnyFunction:
        """Have ``handler(session)`` told that a kept session ran out: its client is gone for good.

        The session has ``id``, ``rooms``, ``data`` and ``reason``.
        """
        self.hooks.add("expired", Handler.inspect(handler, "on_session_expired", given=1))
        return handler

    def register(self, obj: Any) -> None:
        """Register an object's methods: ``on_chat(socket, ...)`` handles "chat", ``on_error`` and the like the hooks.

        Raises:
            TypeError: it is a class: its methods need an object.
            ValueError: it has no method whose name begins with ``on_``, or one of a hook that needs more than a name.
        """
        if isinstance(obj, type):
            raise TypeError(f"register takes an object, got the class {obj.__name__}: make one of it, {obj.__name__}()")
        names = [name for name in dir(obj) if name.startswith("on_") and callable(getattr(obj, name))]
        if not names:
            raise ValueError(f"{obj!r} has no method whose name begins with on_")
        for name in names:
            method = getattr(obj, name)
            if name in _NEED_MORE:
                raise ValueError(f"{obj!r} has a method {name}, which cannot be told {_NEED_MORE[name]}: rename it")
            if name in _HOOK_METHODS:
                hook = getattr(self, name, None)
                if hook is None:
                    raise ValueError(f"{name} is a hook of the server: register the object there")
                hook(method)
            else:
                self.on(name.removeprefix("on_"), method)
