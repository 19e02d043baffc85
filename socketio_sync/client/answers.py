"""The server's answer to one event, waited for or called back; and our answers to the server's events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Context
from functools import partial
from operator import length_hint
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import Packet

if TYPE_CHECKING:
    from socketio_sync.client.life import Life
    from socketio_sync.runtime.timer_wheel import Timer

log = logging.getLogger("socketio_sync.client")

Callback = Callable[..., Any]


class Answer:
    """Settled once, by whoever is first: the server's answer, the time, the loss of the connection.

    Args:
        on_settled: called with the answer, without a lock; must not block.

    Attributes:
        error: why there is none, or None.
        args: what the server answered.
    """

    __slots__ = ("_on_settled", "_turns", "args", "error", "timer")

    def __init__(self, on_settled: Callable[[Answer], object]) -> None:
        self._on_settled = on_settled
        self._turns = iter((True,))  # taking from an iterator is atomic
        self.error: Exception | None = None
        self.args: tuple[Any, ...] = ()
        self.timer: Timer | None = None

    def settle(self, args: tuple[Any, ...], error: Exception | None = None) -> bool:
        """Give the answer or the error. False: it has one."""
        if next(self._turns, None) is None:
            return False
        self.args = args
        self.error = error
        if self.timer is not None:
            self.timer.cancel()
        self._on_settled(self)
        return True

    @property
    def settled(self) -> bool:
        """Whether it has an answer or an error."""
        return not length_hint(self._turns)

    @property
    def value(self) -> Any:
        """What ``emit_with_ack`` returns: nothing as None, one argument as it is, several as a tuple."""
        return self.args[0] if len(self.args) == 1 else self.args or None


def call_back(
    life: Life, event: str, callback: Callback | None, error_callback: Callback | None
) -> Callable[[Answer], None]:
    """What tells the user of an answer: one of the two functions is called, in a task of its own."""

    def settled(answer: Answer) -> None:
        fn, args = (callback, answer.args) if answer.error is None else (error_callback, (answer.error,))
        if fn is not None:
            life.runtime.submit(partial(_call, life, event, fn, args), f"callback of {event!r}")

    return settled


def _call(life: Life, event: str, fn: Callback, args: tuple[Any, ...]) -> None:
    try:
        Context().run(fn, *args)
    except life.runtime.failures:
        log.exception("a callback of %r failed (%r)", event, life)


class ClientAck:
    """The answer to one event of the server, for a handler with the parameter ``ack``; see ``Ack``.

    Attributes:
        wanted: whether the server asked for one.
    """

    __slots__ = ("_id", "_life", "_turns", "wanted")

    def __init__(self, life: Life, id: int | None) -> None:
        self.wanted = id is not None
        self._life = life
        self._id = id
        self._turns = iter((True,))

    def __call__(self, *args: Any) -> bool:
        """Answer with these arguments, the first time only. Returns whether that was sent."""
        if self._id is None:
            return False
        encoded = self._life.encode(Packet(ACK, self._life.nsp, args, self._id))
        return next(self._turns, None) is not None and self._life.send_answer(encoded)

    def __repr__(self) -> str:
        state = "open" if length_hint(self._turns) else "answered"
        return f"<ClientAck {state}{'' if self.wanted else ', not wanted'}>"
