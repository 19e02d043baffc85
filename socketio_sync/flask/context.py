"""What Flask knows while a function of the user runs: the handshake's request, its session, and which client it is."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

import flask
from flask.sessions import SessionMixin

if TYPE_CHECKING:
    from socketio_sync.flask.extension import SocketIO
    from socketio_sync.server.socket import Socket

_CURRENT = "_socketio_current"
_SAVED = "saved_session"
_RECOVERED = "_flask_session"


class ManagedSession(dict[str, Any], SessionMixin):
    """A client's own copy of the session that its handshake came with; no HTTP request ever sees it."""


class Current(NamedTuple):
    """The client whose event is handled, and the extension and application that handle it."""

    extension: SocketIO
    app: flask.Flask
    socket: Socket


def current() -> Current | None:
    """The client whose event is handled here; None outside of handlers."""
    if not flask.has_request_context():
        return None
    found: Current | None = getattr(flask.request, _CURRENT, None)
    return found


def describe_event(message: str | None, args: tuple[Any, ...]) -> None:
    """Set ``request.event``."""
    request: Any = flask.request
    request.event = {"message": message, "args": args}


class EventContext:
    """A request context around one call for a client.

    The request is the handshake's, with ``sid``, ``namespace`` and ``event``. With ``manage_session`` the session is
    the client's ManagedSession, begun as a copy of Flask's; without, it is Flask's, opened before each call and saved
    after it.
    """

    def __init__(self, extension: SocketIO, app: flask.Flask, socket: Socket, event: str | None) -> None:
        self._extension = extension
        self._app = app
        self._socket = socket
        self._event = event
        self._managed = extension.manage_session
        self._context: Any = None

    def __enter__(self) -> None:
        socket = self._socket
        # A copy, for Werkzeug writes into it, and other events of the client may be reading theirs.
        context: Any = self._app.request_context(dict(socket.environ))
        session = self._kept_session() if self._managed else None
        if session is not None:
            _set_session(context, session)  # Flask opens none where there is one
        context.push()
        self._context = context
        if self._managed and session is None:
            session = socket.environ.setdefault(_SAVED, ManagedSession(_session(context)))
            _set_session(context, session)
            if socket.server.options.connection_state_recovery is not None:
                socket.data[_RECOVERED] = session
        request = context.request
        request.sid = socket.id
        request.namespace = socket.nsp.name
        request.event = {"message": self._event, "args": ()}
        setattr(request, _CURRENT, Current(self._extension, self._app, socket))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None and not self._managed:
                self._save_session()
        finally:
            self._context.pop(error)

    def _kept_session(self) -> ManagedSession | None:
        """The client's session, if this is not its first call; a recovered client goes on with the one it had."""
        socket = self._socket
        session: ManagedSession | None = socket.environ.get(_SAVED)
        if session is None and socket.recovered and _RECOVERED in socket.data:
            session = socket.environ.setdefault(_SAVED, ManagedSession(socket.data[_RECOVERED]))
            socket.data[_RECOVERED] = session
        return session

    def _save_session(self) -> None:
        app = self._app
        session = _session(self._context)
        interface = app.session_interface
        if session.modified and not interface.is_null_session(session):
            interface.save_session(app, session, app.response_class())


def _session(context: Any) -> SessionMixin:
    # Asking for the property ``session`` of Flask 3.1.3 and newer would mark it as accessed.
    session: SessionMixin = context._session if hasattr(context, "_session") else context.session
    return session


def _set_session(context: Any, session: SessionMixin) -> None:
    if hasattr(context, "_session"):
        context._session = session
    else:
        context.session = session
