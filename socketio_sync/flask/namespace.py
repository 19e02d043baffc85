"""Class-based namespaces: a method ``on_chat`` handles the event "chat"."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.flask import sending
from socketio_sync.flask.errors import refuses
from socketio_sync.flask.routing import UserHandler
from socketio_sync.flask.routing import namespace_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from socketio_sync.flask.extension import SocketIO


class Namespace:
    """The handlers of a namespace as methods, for ``SocketIO.on_namespace``.

    A method ``error(self, exception)``, if there is one, gets what the handlers raise and no ``on_error`` took; what it
    returns answers the client.

    Args:
        namespace: its name, "/" if left out.
    """

    error: Callable[[Exception], Any]

    def __init__(self, namespace: str | None = None) -> None:
        self.namespace = namespace_name(namespace)
        self.socketio: SocketIO
        self._handlers: dict[str, UserHandler] = {}

    def attach(self, socketio: SocketIO) -> None:
        """For a SocketIO: this namespace is its.

        Raises:
            TypeError: a method cannot be a handler.
        """
        self.socketio = socketio
        for name in dir(type(self)):
            if name.startswith("on_") and callable(getattr(type(self), name)):
                self._handlers[name[3:]] = UserHandler(name[3:], getattr(self, name))

    def trigger_event(self, event: str, *args: Any) -> Any:
        """Call the method of an event; may be overridden, to see all events or to find methods by other rules.

        Args:
            event: its name.
            *args: the client's sid, then what came with the event; for "connect" the environ and the auth, for
                "disconnect" the reason.
        """
        method = getattr(self, f"on_{event}", None)
        if method is None:
            return None
        handler = self._handlers.get(event)
        if handler is None or handler.function != method:
            handler = self._handlers[event] = UserHandler(event, method)
        values = args[1:]
        given = values[1:] if event == "connect" else values
        try:
            return self.socketio._run(handler, event, values, given)
        except Exception as error:
            if not hasattr(self, "error") or refuses(error, event):
                raise
            return self.socketio._mended(event, error, self.error)

    def emit(
        self,
        event: str,
        data: Any = None,
        room: Any = None,
        include_self: bool = True,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
    ) -> None:
        """As ``SocketIO.emit``, in this namespace."""
        self.socketio.emit(
            event,
            data,
            room=room,
            include_self=include_self,
            namespace=namespace or self.namespace,
            callback=callback,
        )

    def send(
        self,
        data: Any,
        room: Any = None,
        include_self: bool = True,
        namespace: str | None = None,
        callback: Callable[..., Any] | None = None,
    ) -> None:
        """As ``SocketIO.send``, in this namespace."""
        self.socketio.send(
            data, room=room, include_self=include_self, namespace=namespace or self.namespace, callback=callback
        )

    def close_room(self, room: Any, namespace: str | None = None) -> None:
        """As ``SocketIO.close_room``, in this namespace."""
        self.socketio.close_room(room, namespace or self.namespace)

    def call(
        self,
        event: str,
        data: Any = None,
        to: Any = None,
        sid: str | None = None,
        namespace: str | None = None,
        timeout: float | None = None,
        ignore_queue: bool = False,
    ) -> Any:
        """As ``SocketIO.call``, in this namespace; ``sid`` is another name of ``to``."""
        return self.socketio.call(
            event, data, to=sid if to is None else to, namespace=namespace or self.namespace, timeout=timeout
        )

    def enter_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Let a client join a room or a list of rooms."""
        sending.join(self.socketio.server, sid, room, namespace or self.namespace)

    def leave_room(self, sid: str, room: Any, namespace: str | None = None) -> None:
        """Let a client leave a room or a list of rooms."""
        sending.leave(self.socketio.server, sid, room, namespace or self.namespace)

    def rooms(self, sid: str, namespace: str | None = None) -> list[str]:
        """The rooms of a client."""
        return sending.rooms_of(self.socketio.server, sid, namespace or self.namespace)

    def disconnect(self, sid: str, namespace: str | None = None) -> None:
        """Disconnect a client."""
        sending.disconnect(self.socketio.server, sid, namespace or self.namespace)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.namespace!r}>"
