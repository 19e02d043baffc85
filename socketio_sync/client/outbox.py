"""What a client sends in one namespace: at once, later, again until it is acknowledged; and who waits for answers."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from socketio_sync.client.answers import Answer
from socketio_sync.exceptions import AckTimeout
from socketio_sync.exceptions import DisconnectedError
from socketio_sync.exceptions import LimitError
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import RESERVED_EVENTS
from socketio_sync.protocol.socketio_packet import Packet

if TYPE_CHECKING:
    from socketio_sync.client.life import Life

log = logging.getLogger("socketio_sync.client")


class Flags(NamedTuple):
    """How to send; see the methods of Client."""

    volatile: bool = False
    compress: bool = True
    timeout: float | None = None


class Emission:
    """One event on its way.

    Attributes:
        answer: who waits for the acknowledgement, or None.
        blocking: a thread waits for it, so it must not be kept for another life.
        patience: seconds that an answer may take, each time it is sent.
        tries: how often it was sent; for those that are sent again.
        pending: it is sent, and its acknowledgement is awaited; likewise.
    """

    __slots__ = ("answer", "blocking", "encoded", "event", "id", "patience", "pending", "tries")

    def __init__(
        self,
        event: str,
        encoded: EncodedPacket,
        id: int | None,
        answer: Answer | None,
        patience: float,
        blocking: bool,
    ) -> None:
        self.event = event
        self.encoded = encoded
        self.id = id
        self.answer = answer
        self.patience = patience
        self.blocking = blocking
        self.tries = 0
        self.pending = False


class Outbox:
    """The sending half of a Life. Its state is guarded by the connector's lock; answers are settled without it."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._ids = itertools.count()
        self._acks: dict[int, Answer] = {}
        self._kept: deque[Emission] = deque()
        self._queue: deque[Emission] = deque()  # with retries: one after the other
        self._bytes = 0  # in both

    # -- from the user -------------------------------------------------------------------------------------------------

    def emit(self, event: str, args: tuple[Any, ...], flags: Flags, settled: Callable[[Answer], object] | None) -> None:
        """Send an event, or keep it; ``settled`` is called with the answer.

        Raises:
            TypeError, ValueError: it cannot be sent.
            LimitError: too much waits.
        """
        emission = self._make(event, args, flags, settled, False)
        self._go(emission, flags)
        if emission.answer is not None and not self._retried(flags):
            timer = self._life.runtime.timers.call_later(emission.patience, self._expire, emission, emission.answer)
            emission.answer.timer = timer
            if emission.answer.settled:
                timer.cancel()

    def ask(self, event: str, args: tuple[Any, ...], flags: Flags) -> Any:
        """Send an event and block for the answer.

        Raises:
            AckTimeout, DisconnectedError, and what ``emit`` raises.
        """
        done = self._life.runtime.event()
        emission = self._make(event, args, flags, lambda answer: done.set(), True)
        answer = emission.answer
        assert answer is not None
        self._go(emission, flags)
        seconds = emission.patience * (1 + self._life.options.retries if self._retried(flags) else 1)
        if not done.wait(seconds):
            self._expire(emission, answer)
        if answer.error is not None:
            raise answer.error
        return answer.value

    def _make(
        self,
        event: str,
        args: tuple[Any, ...],
        flags: Flags,
        settled: Callable[[Answer], object] | None,
        blocking: bool,
    ) -> Emission:
        if not isinstance(event, str):
            raise TypeError(f"an event's name must be a str, got {event!r}")
        if event in RESERVED_EVENTS:
            raise ValueError(f"{event!r} is a reserved event name")
        asks = settled is not None or self._retried(flags)
        id = next(self._ids) if asks else None
        encoded = self._life.encode(Packet(EVENT, self._life.nsp, [event, *args], id), flags.compress)
        self._life.notify_outgoing(event, args)
        answer = Answer(settled or _nobody) if asks else None
        return Emission(event, encoded, id, answer, self._patience(flags), blocking)

    def _retried(self, flags: Flags) -> bool:
        return self._life.options.retries > 0 and not flags.volatile

    def _patience(self, flags: Flags) -> float:
        return self._life.options.ack_timeout if flags.timeout is None else flags.timeout

    def _go(self, emission: Emission, flags: Flags) -> None:
        life = self._life
        with life.connector.lock:
            if emission.blocking and not life.active:
                raise life.gone_error()
            self._check_room(flags)
            if self._retried(flags):
                self._queue.append(emission)
                self._bytes += emission.encoded.size
            elif not (life.connected and self._send(emission, flags.volatile)) and not flags.volatile:
                self._kept.append(emission)
                self._bytes += emission.encoded.size
        if self._retried(flags):
            self.retry()

    def _check_room(self, flags: Flags) -> None:
        limit = self._life.options.max_send_buffer
        waiting = self._bytes + self._life.connector.waiting
        if waiting >= limit and not flags.volatile:
            raise LimitError("max_send_buffer", f"{waiting} bytes wait to be sent; allowed are {limit}")

    def _send(self, emission: Emission, volatile: bool = False) -> bool:
        """Under the lock. False: it was not sent; the connection may have ended a moment ago."""
        sent = self._life.connector.send(emission.encoded, volatile)
        if sent and emission.id is not None and emission.answer is not None:
            self._acks[emission.id] = emission.answer
        return sent

    def _expire(self, emission: Emission, answer: Answer) -> None:
        """Its time is up."""
        assert emission.id is not None
        with self._life.connector.lock:
            self._acks.pop(emission.id, None)
            self._forget(self._kept, emission)
            queued = self._forget(self._queue, emission)
        answer.settle((), AckTimeout())
        if queued:
            self.retry()

    def _forget(self, where: deque[Emission], emission: Emission) -> bool:
        if emission not in where:
            return False
        where.remove(emission)
        self._bytes -= emission.encoded.size
        return True

    # -- sent again until acknowledged ---------------------------------------------------------------------------------

    def retry(self) -> None:
        """Send the first of the queue, unless it is on its way."""
        life = self._life
        with life.connector.lock:
            if not (life.connected and self._queue) or self._queue[0].pending:
                return
            emission = self._queue[0]
            emission.pending = True
            emission.tries += 1
            assert emission.id is not None
            attempt = Answer(partial(self._tried, emission))
            self._acks[emission.id] = attempt  # the same id each time: a late answer to the last try is one, too
            life.connector.send(emission.encoded)
        timer = life.runtime.timers.call_later(emission.patience, attempt.settle, (), AckTimeout())
        attempt.timer = timer
        if attempt.settled:
            timer.cancel()

    def _tried(self, emission: Emission, attempt: Answer) -> None:
        with self._life.connector.lock:
            emission.pending = False
            over = attempt.error is None or emission.tries > self._life.options.retries
            if over:
                self._forget(self._queue, emission)
        if over and emission.answer is not None:
            emission.answer.settle(attempt.args, attempt.error)
        self.retry()

    # -- from the server -----------------------------------------------------------------------------------------------

    def acknowledged(self, packet: Packet) -> None:
        """An answer came."""
        with self._life.connector.lock:  # whoever asks registers after he has sent
            answer = self._acks.pop(packet.id, None) if packet.id is not None else None
        if answer is not None:
            answer.settle(tuple(packet.data))

    def flush(self) -> list[Emission]:
        """Under the lock: send what was kept. Returns what the server would not take."""
        refused = []
        while self._kept:
            emission = self._kept[0]
            if self._life.too_large(emission.encoded):
                refused.append(emission)
            elif not self._send(emission):
                break
            self._forget(self._kept, emission)
        return refused

    def refuse(self, emissions: list[Emission]) -> None:
        """Tell of what was kept and is too large."""
        for emission in emissions:
            text = self._life.too_large(emission.encoded)
            log.warning("what was kept of %r cannot be sent: %s", emission.event, text)
            if emission.answer is not None:
                emission.answer.settle((), ValueError(text))

    def lost(self, error: DisconnectedError) -> None:
        """The connection is gone, and with it the answers to what was sent."""
        with self._life.connector.lock:
            acks, self._acks = self._acks, {}
        for answer in acks.values():
            answer.settle((), error)

    def abandon(self, error: DisconnectedError) -> None:
        """The client is closed for good: nobody shall block for another connection."""
        with self._life.connector.lock:
            blocking = [emission for emission in (*self._kept, *self._queue) if emission.blocking]
            for emission in blocking:
                self._forget(self._kept, emission)
                self._forget(self._queue, emission)
        for emission in blocking:
            assert emission.answer is not None
            emission.answer.settle((), error)


def _nobody(answer: Answer) -> None:
    """An event that is sent again until it is acknowledged needs an answer, but nobody may have asked for it."""
