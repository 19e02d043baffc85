"""Ack: what a handler with a parameter ``ack`` answers with."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from socketio_sync.server.socket_life import SocketLife


class Ack:
    """The answer to one event, to be given now or later, from any thread."""

    __slots__ = ("_id", "_socket", "_turns")

    def __init__(self, socket: SocketLife, id: int | None) -> None:
        self._socket = socket
        self._id = id
        # Taking from a list is atomic: of several threads that answer, one gets the turn.
        self._turns = [True]

    @property
    def wanted(self) -> bool:
        """Whether the client asked for an answer; if not, calling does nothing."""
        return self._id is not None

    def __call__(self, *args: Any) -> bool:
        """Answer with these arguments; the first call only.

        Returns:
            True if the answer was sent; False if one was already, the client asked for none, or the socket is gone.

        Raises:
            TypeError, ValueError: an argument cannot be sent; nothing was, and another call may answer.
        """
        if self._id is None:
            return False
        return self._socket.send_answer(self._id, args, self._turns)

    def __repr__(self) -> str:
        return f"<Ack {'open' if self._turns else 'answered'}{'' if self.wanted else ', not wanted'}>"
