"""The functions that know the client whose event is handled: ``emit`` answers it, ``join_room`` lets it join."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import flask

from socketio_sync.flask import sending
from socketio_sync.flask.context import current
from socketio_sync.flask.sending import CALL_OPTIONS
from socketio_sync.flask.sending import EMIT_OPTIONS
from socketio_sync.flask.sending import check_options

if TYPE_CHECKING:
    from socketio_sync.flask.extension import SocketIO
    from socketio_sync.server.server import Server

_EMIT = (*EMIT_OPTIONS, "broadcast")
_SEND = (*_EMIT, "json")


def emit(event: str, *args: Any, **kwargs: Any) -> None:
    """Send an event to the client whose event is handled.

    Args:
        event: its name.
        *args: the data; a tuple is several arguments, None is none.
        namespace: another one than the client's.
        to, room: send to this room, this client, or a list of them instead.
        broadcast: send to all clients of the namespace instead.
        include_self: False leaves the client out.
        skip_sid: leaves this client out, or these.
        callback: called with the answer of each client that answers.
        ignore_queue: reach only clients of this server.

    Raises:
        RuntimeError: no event is handled here; use ``socketio.emit``.
        TypeError, ValueError: an unknown option, or something that cannot be sent; the text has its path.
    """
    check_options("emit", kwargs, _EMIT)
    _extension("emit").emit(event, *args, **_addressed("emit", kwargs))


def send(message: Any, **kwargs: Any) -> None:
    """Send the event "message", or "json" with ``json=True``; otherwise as ``emit``."""
    check_options("send", kwargs, _SEND)
    _extension("send").send(message, **_addressed("send", kwargs))


def call(event: str, *args: Any, **kwargs: Any) -> Any:
    """Send an event to the client whose event is handled, and wait for its answer.

    Args:
        event: as for ``emit``.
        *args: likewise.
        namespace: another one than the client's.
        to, room: ask this client instead.
        timeout: seconds to wait, 60 unless told otherwise.
        ignore_queue: for compatibility.

    Returns:
        None if the answer has no argument, the value if one, a tuple if several.

    Raises:
        AckTimeout: a TimeoutError; the answer did not come in time.
        DisconnectedError: the client is gone, or left before it answered.
        RuntimeError: no event is handled here, or the client is not accepted yet.
    """
    check_options("call", kwargs, CALL_OPTIONS)
    return _extension("call").call(event, *args, **_addressed("call", kwargs))


def join_room(room: Any, sid: str | None = None, namespace: str | None = None) -> None:
    """Let the client, or the one with this ``sid``, join a room or a list of rooms.

    In a connect handler it takes effect when the client is accepted.

    Raises:
        ValueError: the room is another client's sid, whose messages it would get.
        LimitError: it would be in more than ``max_rooms``.
    """
    server, sid, namespace = _who("join_room", sid, namespace)
    sending.join(server, sid, room, namespace)


def leave_room(room: Any, sid: str | None = None, namespace: str | None = None) -> None:
    """Let the client, or the one with this ``sid``, leave a room or a list of rooms."""
    server, sid, namespace = _who("leave_room", sid, namespace)
    sending.leave(server, sid, room, namespace)


def close_room(room: Any, namespace: str | None = None) -> None:
    """Let everybody leave a room."""
    if namespace is None:
        namespace = _request("close_room").namespace
    _extension("close_room").close_room(room, namespace)


def rooms(sid: str | None = None, namespace: str | None = None) -> list[str]:
    """The rooms of the client, or of the one with this ``sid``; one of them is its sid. [] if it is gone."""
    server, sid, namespace = _who("rooms", sid, namespace)
    return sending.rooms_of(server, sid, namespace)


def disconnect(sid: str | None = None, namespace: str | None = None, silent: bool = False) -> None:
    """Disconnect the client, or the one with this ``sid``, from the namespace.

    Args:
        silent: for compatibility; it does nothing.
    """
    server, sid, namespace = _who("disconnect", sid, namespace)
    sending.disconnect(server, sid, namespace)


def _extension(name: str) -> SocketIO:
    """The SocketIO of the current application."""
    asking = current()
    if asking is not None:
        return asking.extension
    if not flask.has_app_context():
        raise RuntimeError(
            f"{name}() is for handlers of events: there is no client and no application here;"
            f" use socketio.{name}(), or socketio.server"
        )
    extension: SocketIO | None = flask.current_app.extensions.get("socketio")
    if extension is None:
        raise RuntimeError(f"{name}(): the application {flask.current_app.name!r} has no SocketIO; SocketIO(app)?")
    return extension


def _request(name: str) -> Any:
    """The request of the client whose event is handled."""
    if not flask.has_request_context() or not hasattr(flask.request, "sid"):
        raise RuntimeError(
            f"{name}() is about the client whose event is handled, and none is handled here;"
            " say which by sid= or to= and namespace=, or use the methods of the SocketIO"
        )
    return flask.request


def _who(name: str, sid: str | None, namespace: str | None) -> tuple[Server, str, str]:
    sid = sid or _request(name).sid
    namespace = namespace or _request(name).namespace
    asking = current()
    server = _extension(name).server if asking is None else asking.socket.server
    return server, str(sid), str(namespace)


def _addressed(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options with the client's namespace and, unless they address somebody, the client."""
    options = dict(options)
    broadcast = options.pop("broadcast", False)
    if "namespace" not in options:
        options["namespace"] = _request(name).namespace
    if options.get("to") is None and options.get("room") is None and not broadcast:
        options["to"] = _request(name).sid
    return options
