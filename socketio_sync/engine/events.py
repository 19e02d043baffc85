"""The user's own listeners on an engine or a connection, run in a worker, one at a time, in order."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from socketio_sync.runtime.base import Runtime

log = logging.getLogger("socketio_sync.engine")


class UserEvents:
    """Listeners by event name; ``post`` hands an event to them without blocking.

    Args:
        runtime: whose workers run them.
        names: the events that exist.
        label: names the owner in warnings.
        on_full, on_room: called when too much waits, and when half of it is done.
    """

    __slots__ = ("_handlers", "_mailbox", "_names")

    def __init__(
        self,
        runtime: Runtime,
        names: tuple[str, ...],
        label: str,
        on_full: Callable[[], None],
        on_room: Callable[[], None],
    ) -> None:
        self._names = names
        self._handlers: dict[str, tuple[tuple[Callable[..., object], int | None], ...]] = {}
        self._mailbox = Mailbox(runtime, self._run, on_full=on_full, on_room=on_room, label=label)

    def on(self, event: str, handler: Callable[..., object] | None = None) -> Any:
        """Register a handler, or decorate one; returns it. Arguments that it does not take are dropped."""
        if event not in self._names:
            raise ValueError(f"there is no event {event!r}; there are {', '.join(self._names)}")
        if handler is None:
            return lambda function: self.on(event, function)
        if not callable(handler):
            raise TypeError(f"a handler must be callable, not {type(handler).__name__}")
        self._handlers[event] = (*self._handlers.get(event, ()), (handler, _most_arguments(handler)))
        return handler

    def post(self, event: str, *args: Any) -> None:
        """Let the listeners of ``event`` run, after those of earlier events."""
        size = len(args[0]) if event == "message" else 0
        self._mailbox.post((event, args), size)

    def post_call(self, handler: Callable[..., object], *args: Any) -> None:
        """Let one function run in the same order."""
        self._mailbox.post((handler, args))

    def _run(self, item: tuple[str | Callable[..., object], tuple[Any, ...]]) -> None:
        event, args = item
        for handler, most in self._handlers.get(event, ()) if isinstance(event, str) else ((event, None),):
            try:
                handler(*args[:most])
            except Exception:
                log.exception("the handler %r of the event %r failed", handler, event)


def _most_arguments(function: Callable[..., object]) -> int | None:
    """How many positional arguments a function takes, None for any number (and for built-ins that do not tell)."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
