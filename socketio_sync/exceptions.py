"""Every exception of the package: local misuse raises Python's own classes, a remote fault one of these."""

from __future__ import annotations

from typing import Any


class SocketIOError(Exception):
    """Base of every error that the other side, or the network, causes."""


class ConnectError(SocketIOError):
    """A connection is refused.

    Raise it in a middleware, in ``allow_request`` or in a namespace check to refuse; a client gets it from ``connect``.

    Args:
        message: the text that the client's ``connect_error`` carries.
        data: anything encodable, carried as ``err.data``.
    """

    def __init__(self, message: str = "", data: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class TransportError(ConnectError, ConnectionError):
    """The server or the bus was not reached, or does not speak Socket.IO.

    ``status`` is the HTTP status of the answer, or None; ``__cause__`` has the original error.
    """

    def __init__(self, message: str = "", data: Any = None, *, status: int | None = None) -> None:
        super().__init__(message, data)
        self.status = status


class DisconnectedError(SocketIOError, ConnectionError):
    """What was waited for cannot come: the socket is gone. ``reason`` and ``details`` say why."""

    def __init__(self, reason: str, details: DisconnectDetails | None = None) -> None:
        super().__init__(f"the socket is disconnected: {reason}")
        self.reason = reason
        self.details = details

    def __reduce__(self) -> Any:
        return (type(self), (self.reason, self.details))


class AckTimeout(SocketIOError, TimeoutError):
    """Acknowledgements did not come in time, or not all. ``responses`` has those that came."""

    def __init__(self, message: str = "operation has timed out", responses: list[Any] | None = None) -> None:
        super().__init__(message)
        self.responses: list[Any] = [] if responses is None else responses


class ArgumentsError(SocketIOError):
    """A client's arguments do not fit the handler; only ever given to ``on_error``."""

    def __init__(self, event: str, handler: Any, message: str) -> None:
        super().__init__(message)
        self.event = event
        self.handler = handler

    def __reduce__(self) -> Any:
        return (type(self), (self.event, self.handler, str(self)))


class LimitError(SocketIOError):
    """A configured limit is reached; ``limit`` is the option's name."""

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit

    def __reduce__(self) -> Any:
        return (type(self), (self.limit, str(self)))


class DisconnectDetails:
    """Why a connection ended, beyond the reason string.

    Attributes:
        description: a sentence, for example ``"max_send_buffer exceeded"``, or None.
        code: the WebSocket close code or HTTP status, or None.
        error: the exception that was met, or None.
    """

    __slots__ = ("code", "description", "error")

    def __init__(
        self, description: str | None = None, code: int | None = None, error: BaseException | None = None
    ) -> None:
        self.description = description
        self.code = code
        self.error = error

    def __repr__(self) -> str:
        return f"<DisconnectDetails {self.description!r} code={self.code} error={self.error!r}>"


def without_frames(error: BaseException | None) -> BaseException | None:
    """The same exception for who keeps it: its tracebacks would keep alive what all functions beneath were at."""
    met: list[BaseException] = []
    while error is not None and error not in met:
        met.append(error)
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
    return met[0] if met else None


class ProtocolError(Exception):
    """The peer broke the protocol. Internal: the shell turns it into a close with the reference's reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
