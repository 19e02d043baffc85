"""The user's own listeners on an engine or a connection, run in a worker, one at a time, in order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.handler import Handler
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
        self._handlers: dict[str, tuple[Handler, ...]] = {}
        self._mailbox = Mailbox(runtime, self._run, on_full=on_full, on_room=on_room, label=label)

    def on(self, event: str, handler: Callable[..., object] | None = None) -> Any:
        """Register a handler, or decorate one; returns it. Arguments that it does not take are dropped."""
        if event not in self._names:
            raise ValueError(f"there is no event {event!r}; there are {', '.join(self._names)}")
        if handler is None:
            return lambda function: self.on(event, function)
        inspected = Handler.inspect(handler, f"on({event!r})", given=2 if event == "close" else 1)
        self._handlers[event] = (*self._handlers.get(event, ()), inspected)
        return handler

    def post(self, event: str, *args: Any) -> None:
        """Let the listeners of ``event`` run, after those of earlier events."""
        size = len(args[0]) if event == "message" else 0
        self._mailbox.post((event, args), size)

    def post_call(self, handler: Handler, *args: Any) -> None:
        """Let one function run in the same order."""
        self._mailbox.post((handler, args))

    def _run(self, item: tuple[str | Handler, tuple[Any, ...]]) -> None:
        event, args = item
        for handler in self._handlers.get(event, ()) if isinstance(event, str) else (event,):
            try:
                handler.call(args)
            except Exception:
                log.exception("the handler %r of the event %r failed", handler.function, event)
