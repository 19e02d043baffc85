"""Which handlers a user registered with a client or a manager, and the methods that register them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any
from typing import TypeVar
from typing import overload

from socketio_sync.handler import Handler
from socketio_sync.handlers import Handlers

Function = TypeVar("Function", bound="Callable[..., Any]")

# How many arguments these bring.
CLIENT_EVENTS = {"connect": 0, "connect_error": 1, "disconnect": 2}
MANAGER_EVENTS = {
    "open": 0,
    "close": 2,
    "error": 1,
    "ping": 0,
    "reconnect_attempt": 1,
    "reconnect": 1,
    "reconnect_error": 1,
    "reconnect_failed": 0,
}

_REFUSED = {
    "connection": "it happens on the server only; use 'connect'",
    "disconnecting": "it happens on the server only; use 'disconnect'",
    "newListener": "it is a name that no server may send",
    "removeListener": "it is a name that no server may send",
    "*": "a handler of every event is registered with on_any",
}


class Listeners(Handlers):
    """The handlers of one client or manager.

    Args:
        own: the events that are not the server's, and how many arguments each brings.
        only: no others exist.
    """

    def __init__(self, own: Mapping[str, int], *, only: bool = False) -> None:
        super().__init__()
        self._own = own
        self._only = only

    def add(self, event: str, function: Callable[..., Any], ordered: bool | None, once: bool) -> None:
        """Register a function. Raises TypeError or ValueError for what cannot be."""
        if not isinstance(event, str):
            raise TypeError(f"an event's name must be a str, got {event!r}; without a name use the decorator event")
        arguments = self._own.get(event)
        if arguments is None and self._only:
            raise ValueError(f"{event!r} cannot fire here; allowed is {', '.join(self._own)}")
        if arguments is None and event in _REFUSED:
            raise ValueError(f"{event!r} cannot fire here: {_REFUSED[event]}")
        handler = Handler.inspect(function, f"on({event!r})", given=arguments, answers=arguments is None)
        self.keep(event, handler, ordered, once)


class OnAndOff:
    """``on``, ``once`` and ``off``. The class that inherits provides ``_listeners``."""

    _listeners: Listeners

    @overload
    def on(self, event: str, handler: Function, *, ordered: bool | None = None) -> Function: ...

    @overload
    def on(
        self, event: str, handler: None = None, *, ordered: bool | None = None
    ) -> Callable[[Function], Function]: ...

    def on(self, event: str, handler: Any = None, *, ordered: bool | None = None) -> Any:
        """Handle an event; a decorator without ``handler``.

        Args:
            event: its name.
            ordered: False lets the handler run beside the others; else they run one at a time, in order.

        Returns:
            The handler, unchanged.

        Raises:
            TypeError: the function cannot be a handler.
            ValueError: the event cannot fire here; the text names what to use.
        """
        return self._register(event, handler, ordered, False)

    @overload
    def once(self, event: str, handler: Function, *, ordered: bool | None = None) -> Function: ...

    @overload
    def once(
        self, event: str, handler: None = None, *, ordered: bool | None = None
    ) -> Callable[[Function], Function]: ...

    def once(self, event: str, handler: Any = None, *, ordered: bool | None = None) -> Any:
        """As ``on``, for the first such event."""
        return self._register(event, handler, ordered, True)

    def off(self, event: str, handler: Callable[..., Any] | None = None) -> None:
        """Forget the latest registration of ``handler``, or all handlers of the event."""
        self._listeners.remove(event, handler)

    def _register(self, event: str, handler: Any, ordered: bool | None, once: bool) -> Any:
        if handler is None:
            if callable(event):
                raise TypeError(f"the decorator needs an event's name, or use event: got the function {event!r}")
            return functools.partial(self._registered, event, ordered, once)
        return self._registered(event, ordered, once, handler)

    def _registered(self, event: str, ordered: bool | None, once: bool, handler: Function) -> Function:
        self._listeners.add(event, handler, ordered, once)
        return handler


class ClientHandlers(OnAndOff):
    """What a client has besides: ``event``, and the handlers of every event."""

    @overload
    def event(self, handler: Function, *, ordered: bool | None = None) -> Function: ...

    @overload
    def event(self, handler: None = None, *, ordered: bool | None = None) -> Callable[[Function], Function]: ...

    def event(self, handler: Any = None, *, ordered: bool | None = None) -> Any:
        """Decorate a handler of the event that is named as the function."""
        if handler is None:
            return functools.partial(self.event, ordered=ordered)
        name = getattr(handler, "__name__", None)
        if name is None or name == "<lambda>":
            raise TypeError(f"event takes the name of a function, {handler!r} has none; use on(name, handler)")
        return self._registered(name, ordered, False, handler)

    def on_any(self, handler: Function) -> Function:
        """Have ``handler(event, *args)`` see every event of the server; it does not answer."""
        self._listeners.add_any(handler)
        return handler

    def prepend_any(self, handler: Function) -> Function:
        """As ``on_any``, before those that are there."""
        self._listeners.add_any(handler, first=True)
        return handler

    def off_any(self, handler: Callable[..., Any] | None = None) -> None:
        """Forget one function registered with ``on_any`` or ``prepend_any``, or all."""
        self._listeners.remove_any(handler)

    def listeners_any(self) -> list[Callable[..., Any]]:
        """The functions that see every event, in their order."""
        return [handler.function for handler in self._listeners.any]

    def on_any_outgoing(self, handler: Function) -> Function:
        """Have ``handler(event, *args)`` see what is emitted, in the thread that emits; acks not."""
        self._listeners.add_any(handler, outgoing=True)
        return handler

    def prepend_any_outgoing(self, handler: Function) -> Function:
        """As ``on_any_outgoing``, before those that are there."""
        self._listeners.add_any(handler, first=True, outgoing=True)
        return handler

    def off_any_outgoing(self, handler: Callable[..., Any] | None = None) -> None:
        """Forget one function registered with ``on_any_outgoing``, or all."""
        self._listeners.remove_any(handler, outgoing=True)

    def listeners_any_outgoing(self) -> list[Callable[..., Any]]:
        """The functions that see everything emitted, in their order."""
        return [handler.function for handler in self._listeners.any_outgoing]
