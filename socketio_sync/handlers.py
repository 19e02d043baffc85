"""The handlers that somebody registered, by event: kept under a lock, looked up without one.

Registering is rare; looking up happens for every event: what is found are tuples that are replaced, never changed.
What may be registered under which name, the server and the client say each for themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from collections.abc import Container
from typing import Any

from socketio_sync.handler import Handler
from socketio_sync.runtime.lazy_lock import LazyLock

PlainHandler = tuple[Callable[..., Any], int, int]


class Handlers:
    """The handlers of a namespace, a socket, a client or a manager.

    Attributes:
        named: the handlers by event; see ``get``.
        plain: by event, those of them that are just called: the only one of their event, which asks for nothing
            special, while nobody wants every event. A function, and how many items it needs and takes of an event's
            data, where the name is the first.
        any, any_outgoing: the handlers of every incoming event, and of every outgoing one.
        any_loose: whether a handler was ever registered with ``ordered=False``: nearly never, so events are spared the
            question.
    """

    _lock = LazyLock()  # guards changes
    _special: Container[str] = ()  # events that are never plain
    _extra = 1  # items of an event's data that are no arguments: the name, unless a socket comes in its place

    def __init__(self) -> None:
        self.named: dict[str, tuple[Handler, ...]] = {}
        self.plain: dict[str, PlainHandler] = {}
        self.any: tuple[Handler, ...] = ()
        self.any_outgoing: tuple[Handler, ...] = ()
        self.any_loose = False
        self._plain = self.plain

    def get(self, event: str) -> tuple[Handler, ...]:
        """The handlers of this event in their order. No lock: what is returned is never changed."""
        return self.named.get(event, ())

    def keep(self, event: str, handler: Handler, ordered: bool | None, once: bool) -> None:
        """Add a handler that was found fit for the event. TypeError: ``ordered`` is neither a bool nor None."""
        if ordered is not None and not isinstance(ordered, bool):
            raise TypeError(f"on({event!r}): ordered={ordered!r}: allowed is True, False or None")
        handler.ordered = ordered
        handler.once = once
        if ordered is False:
            self.any_loose = True
        with self._lock:
            self._replace(event, (*self.get(event), handler))

    def remove(self, event: str, function: Callable[..., Any] | None = None) -> None:
        """Forget the latest registration of the function, or all handlers of the event; unknown ones are no error."""
        with self._lock:
            self._replace(event, _without(self.get(event), function))

    def claim(self, event: str, handler: Handler) -> bool:
        """Whether the handler may be called now. Of several threads that ask for one of ``once`` only the first may."""
        if not handler.once:
            return True
        with self._lock:
            handlers = self.get(event)
            self._replace(event, tuple(other for other in handlers if other is not handler))
            return handler in handlers

    def _replace(self, event: str, handlers: tuple[Handler, ...]) -> None:
        if handlers:
            self.named[event] = handlers
        else:
            self.named.pop(event, None)
        if len(handlers) == 1 and not (only := handlers[0]).wants_ack and not only.once and event not in self._special:
            most = sys.maxsize if only.most is None else only.most + self._extra
            self._plain[event] = only.function, only.least + self._extra, most
        else:
            self._plain.pop(event, None)

    def add_any(self, function: Callable[..., Any], *, first: bool = False, outgoing: bool = False) -> None:
        """Register a function for every event, behind or before those there are."""
        name = "any_outgoing" if outgoing else "any"
        handler = Handler.inspect(function, f"on_{name}")
        with self._lock:
            handlers = getattr(self, name)
            self._replace_any(name, (handler, *handlers) if first else (*handlers, handler))

    def remove_any(self, function: Callable[..., Any] | None = None, *, outgoing: bool = False) -> None:
        """Forget one function of every event, or all of them."""
        name = "any_outgoing" if outgoing else "any"
        with self._lock:
            self._replace_any(name, _without(getattr(self, name), function))

    def _replace_any(self, name: str, handlers: tuple[Handler, ...]) -> None:
        setattr(self, name, handlers)
        self.plain = {} if self.any else self._plain


def _without(handlers: tuple[Handler, ...], function: Callable[..., Any] | None) -> tuple[Handler, ...]:
    """All but the last one of this function, as Node's removeListener; none for None."""
    if function is None:
        return ()
    for index in range(len(handlers) - 1, -1, -1):
        if handlers[index].function == function:
            return handlers[:index] + handlers[index + 1 :]
    return handlers
