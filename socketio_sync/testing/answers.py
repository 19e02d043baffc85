"""A TestClient's side of acknowledgements: the answers it gives, and those it asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.protocol.engineio_packet import EncodedPacket

if TYPE_CHECKING:
    from socketio_sync.server.answers import SocketAnswer
    from socketio_sync.testing.life import Life

Callback = Callable[..., Any]


class ClientAck:
    """The answer to one event of the server, to be given now or later.

    Attributes:
        wanted: whether the server asked for one; if not, calling does nothing.
    """

    __slots__ = ("_answered", "_id", "_life", "wanted")

    def __init__(self, life: Life, id: int | None) -> None:
        self.wanted = id is not None
        self._life = life
        self._id = id
        self._answered = False

    def __call__(self, *args: Any) -> bool:
        """Answer; the first call only. Returns whether this one was it.

        Raises:
            TypeError, ValueError: an argument cannot be sent; another call may answer.
        """
        if self._id is None or self._answered or not self._life.connected:
            return False
        self._life.answer(self._id, args)
        self._answered = True
        self._life.settle()
        return True


class Emission:
    """An event to be sent, now or with the next connection, and who is told of its answer.

    Args:
        life: whose event it is.
        encoded: the packet.
        ack_id: what the packet asks an answer for; None: it asks for none.
        timeout: seconds that the answer may take, None for as long as the connection lasts.
        callback: gets the answer.
        error_callback: gets the error instead.
    """

    __slots__ = ("_ack_id", "_answer", "_callback", "_encoded", "_error_callback", "_life", "_timeout")

    def __init__(
        self,
        life: Life,
        encoded: EncodedPacket,
        ack_id: int | None,
        timeout: float | None,
        callback: Callback | None,
        error_callback: Callback | None,
    ) -> None:
        self._life = life
        self._encoded = encoded
        self._ack_id = ack_id
        self._timeout = timeout
        self._callback = callback
        self._error_callback = error_callback
        self._answer: SocketAnswer

    def send(self) -> None:
        """There is a connection: send it."""
        life, ack_id = self._life, self._ack_id
        if ack_id is not None:
            self._answer = life.expect(ack_id, self._settled)
            if self._timeout is not None:
                self._answer.expire_after(life.runtime, self._timeout, partial(life.drop_ack, ack_id))
        life.send(self._encoded)

    def _settled(self) -> None:
        answer = self._answer
        if answer.error is not None:
            if self._error_callback is not None:
                self._life.run_callback(self._error_callback, answer.error)
        elif self._callback is not None:
            self._life.run_callback(self._callback, *answer.args)
