"""Which handler gets an event: one per namespace and event, "*" for those that have none, then class namespaces."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.handler import Handler
from socketio_sync.server.hooks import Hooks
from socketio_sync.server.listeners import LIFE_CYCLE
from socketio_sync.server.listeners import Listeners
from socketio_sync.server.server import Server

if TYPE_CHECKING:
    from socketio_sync.flask.namespace import Namespace

log = logging.getLogger("socketio_sync.server")

ANY = "*"

_REFUSED = {
    "connection": "the event of a new client is 'connect'",
    "disconnecting": "a client's end is 'disconnect', and its rooms are still there then",
    "connect_error": "it happens on the client only; a connect handler refuses by ConnectionRefusedError",
    "newListener": "it is a name that no client may send",
    "removeListener": "it is a name that no client may send",
}


def namespace_name(namespace: str | None) -> str:
    """A namespace as it is called: None is "/", "chat" is "/chat"."""
    if not isinstance(namespace, (str, type(None))):
        raise TypeError(f"the name of a namespace is a str, not {namespace!r}")
    return ANY if namespace == ANY else "/" + (namespace or "").removeprefix("/")


class UserHandler:
    """A function that the user registered for an event.

    Attributes:
        message: as it was registered; "*" for all.
        function: as it was given.
    """

    def __init__(self, message: str, function: Callable[..., Any]) -> None:
        given = 1 if message in ("connect", "disconnect") else None
        self.message = message
        self.function = function
        if hasattr(function, "__wrapped__"):
            self._handler = _decorated(function, message)
        else:
            self._handler = Handler.inspect(function, f"on({message!r})", given=given)

    def call(self, args: tuple[Any, ...]) -> Any:
        """Call it; what it does not take is left out.

        Raises:
            ArgumentsError: it needs more.
        """
        handler = self._handler
        if handler.accepts(len(args)):
            return handler.call(args)
        error = handler.arguments_error(self.message, len(args))
        log.log(logging.DEBUG if handler.warned else logging.WARNING, "%s", error)
        handler.warned = True
        raise error


def _decorated(function: Any, message: str) -> Handler:
    """A decorator tells the signature of what is inside, to which it may add arguments: so nothing is too few here."""
    inside = Handler.inspect(function, f"on({message!r})")
    own = inspect.signature(function, follow_wrapped=False).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in own):
        return Handler(function, 0, inside.most)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return Handler(function, 0, sum(parameter.kind in kinds for parameter in own))


class Routes:
    """All handlers of a SocketIO, whichever of its servers asks."""

    def __init__(self) -> None:
        self.functions: dict[tuple[str, str], UserHandler] = {}
        self.classes: dict[str, Namespace] = {}

    @property
    def namespaces(self) -> set[str]:
        """The names that something is registered for."""
        return {name for name, _ in self.functions}.union(self.classes) - {ANY}

    def add(self, namespace: str, message: str, function: Callable[..., Any]) -> None:
        """Register a function; it replaces another one of this event.

        Raises:
            TypeError: the event is no str, or the function cannot be a handler.
            ValueError: the event cannot fire.
        """
        if not isinstance(message, str):
            raise TypeError(f"an event's name is a str, not {message!r}; without a name use the decorator event")
        if message in _REFUSED:
            raise ValueError(f"on({message!r}) would never be called: {_REFUSED[message]}")
        self.functions[namespace, message] = UserHandler(message, function)

    def find(self, namespace: str, event: str) -> UserHandler | Namespace | None:
        """What handles an event of a client in this namespace."""
        life = event in ("connect", "disconnect")
        for name in (namespace, ANY):
            found = self.functions.get((name, event))
            if found is None and not life:
                found = self.functions.get((name, ANY))
            if found is not None:
                return found
        return self.classes.get(namespace) or self.classes.get(ANY)


class _Named(dict[str, tuple[Handler, ...]]):
    """A Listeners' table of events whose rows are made when they are asked for, since "*" handles any."""

    def __init__(self, lookup: Callable[[str], tuple[Handler, ...] | None]) -> None:
        super().__init__()
        self._lookup = lookup

    def get(self, event: str, default: Any = None) -> Any:
        """The handlers of an event."""
        found = self._lookup(event)
        return default if found is None else found

    def __missing__(self, event: str) -> tuple[Handler, ...]:
        found = self._lookup(event)
        if found is None:
            raise KeyError(event)
        return found


class RoutedServer(Server):
    """A Server whose namespaces ask these routes behind all that is registered on the server itself.

    Args:
        routes: who handles what.
        life: what to call by the names "connect", "disconnecting" and "middleware", as the server's own hooks are.
        event: called as ``event(name, socket, *args)`` for a client's event that is handled.
        **options: the Server's.
    """

    def __init__(
        self, routes: Routes, life: dict[str, Callable[..., Any]], event: Callable[..., Any], **options: Any
    ) -> None:
        self._routes = routes
        self._life = {name: (Handler(function, 1),) for name, function in life.items()}
        self._on_event = event
        super().__init__(**options)

    def last_hooks(self, name: str) -> tuple[Hooks, ...]:
        """The routes of a namespace."""
        hooks = Hooks()
        hooks.middlewares = self._life["middleware"]
        hooks.listeners = Listeners(takes_socket=True)
        hooks.listeners.named = _Named(partial(self._lookup, name))
        return (hooks,)

    def _lookup(self, namespace: str, event: str) -> tuple[Handler, ...] | None:
        if event in LIFE_CYCLE:
            return self._life.get(event)
        if self._routes.find(namespace, event) is None:
            return None
        return (Handler(partial(self._on_event, event), 1),)
