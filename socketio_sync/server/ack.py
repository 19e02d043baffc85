"""Ack: what a handler with a parameter ``ack`` answers with."""

from __future__ import annotations

from operator import length_hint
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import Packet

if TYPE_CHECKING:
    from socketio_sync.server.socket_life import SocketLife


class Ack:
    """The answer to one event, to be given now or later, from any thread.

    Attributes:
        wanted: whether the client asked for an answer; if not, calling does nothing.
    """

    __slots__ = ("_id", "_socket", "_turns", "wanted")

    def __init__(self, socket: SocketLife, id: int | None) -> None:
        self.wanted = id is not None
        self._socket = socket
        self._id = id
        # Taking from an iterator is atomic: of several threads that answer, one gets the turn.
        self._turns = iter((True,))

    def __call__(self, *args: Any) -> bool:
        """Answer with these arguments; the first call only.

        Returns:
            True if the answer was sent; False if one was already, the client asked for none, or the socket is gone.

        Raises:
            TypeError, ValueError: an argument cannot be sent; nothing was, and another call may answer.
        """
        if self._id is None:
            return False
        socket = self._socket
        nsp = socket.nsp
        encoded = nsp.encode(Packet(ACK, nsp.name, args, self._id))
        if next(self._turns, None) is None:
            return False
        return socket.send_encoded(encoded)

    def __repr__(self) -> str:
        return f"<Ack {'open' if length_hint(self._turns) else 'answered'}{'' if self.wanted else ', not wanted'}>"
