"""How a connect handler refuses, and the reasons of a disconnect, in Flask-SocketIO's words."""

from __future__ import annotations

import builtins
from typing import Any

from socketio_sync.exceptions import ConnectError
from socketio_sync.exceptions import TransportError


class ConnectionRefusedError(ConnectError):
    """Raise it in a connect handler to refuse the client.

    Args:
        *args: nothing; or a message; or a message and data for the client's ``err.data``, several as a list.
    """

    def __init__(self, *args: Any) -> None:
        message = str(args[0]) if args else "Connection rejected by server"
        data = args[1] if len(args) == 2 else list(args[1:]) or None
        super().__init__(message, data)

    @property
    def error_args(self) -> dict[str, Any]:
        """What the client gets."""
        return {"message": self.message} if self.data is None else {"message": self.message, "data": self.data}


def refuses(error: Exception, message: str | None) -> bool:
    """Whether an exception is meant for the client: a ConnectionRefusedError, or while connecting any ConnectError.

    A connection that failed elsewhere, to another server or to a database, refuses nobody.
    """
    if isinstance(error, builtins.ConnectionRefusedError):
        return message == "connect" and error.errno is None
    if isinstance(error, TransportError):
        return False
    return isinstance(error, ConnectionRefusedError) or (message == "connect" and isinstance(error, ConnectError))


class Reason:
    """Why a client was disconnected, as the disconnect handlers are told; others are this package's own words."""

    SERVER_DISCONNECT = "server disconnect"
    CLIENT_DISCONNECT = "client disconnect"
    PING_TIMEOUT = "ping timeout"
    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"


_RENAMED = {
    "server namespace disconnect": Reason.SERVER_DISCONNECT,
    "client namespace disconnect": Reason.CLIENT_DISCONNECT,
}


def reason_of(reason: str) -> str:
    """A reason of ours as Flask-SocketIO calls it."""
    return _RENAMED.get(reason, reason)
