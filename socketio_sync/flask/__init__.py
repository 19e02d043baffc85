"""For those who come from Flask-SocketIO: its names, signatures and behaviour on this package's server.

    from socketio_sync.flask import SocketIO, emit, join_room      # was: from flask_socketio import ...

``SocketIO(app).server`` is the whole Server, for everything that Flask-SocketIO does not have.
"""

from __future__ import annotations

try:
    import flask  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "flask":
        raise
    text = "socketio_sync.flask needs Flask: pip install 'socketio_sync[flask]'"
    raise ModuleNotFoundError(text, name="flask") from None

from socketio_sync.flask.errors import ConnectionRefusedError
from socketio_sync.flask.extension import SocketIO
from socketio_sync.flask.functions import call
from socketio_sync.flask.functions import close_room
from socketio_sync.flask.functions import disconnect
from socketio_sync.flask.functions import emit
from socketio_sync.flask.functions import join_room
from socketio_sync.flask.functions import leave_room
from socketio_sync.flask.functions import rooms
from socketio_sync.flask.functions import send
from socketio_sync.flask.namespace import Namespace
from socketio_sync.flask.test_client import SocketIOTestClient

__all__ = [
    "ConnectionRefusedError",
    "Namespace",
    "SocketIO",
    "SocketIOTestClient",
    "call",
    "close_room",
    "disconnect",
    "emit",
    "join_room",
    "leave_room",
    "rooms",
    "send",
]
