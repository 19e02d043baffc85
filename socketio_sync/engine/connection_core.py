"""What a connection is beneath its transports: the session, the one lock that guards it, sending, time and the end.

Everything follows one recipe: lock; decide; unlock; act. What must happen after the lock is released (waking a thread,
closing a descriptor, telling the layer above) is collected in ``_acts`` while it is held.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from functools import partial
from itertools import compress
from itertools import repeat
from operator import attrgetter
from operator import is_
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.engine.handler import NOBODY
from socketio_sync.exceptions import DisconnectDetails
from socketio_sync.exceptions import without_frames
from socketio_sync.protocol import engineio_packet as packets
from socketio_sync.protocol import engineio_session as sessions
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.runtime.channel import NO_CHANNEL

if TYPE_CHECKING:
    from socketio_sync.engine.engine import Engine
    from socketio_sync.engine.events import UserEvents
    from socketio_sync.engine.handler import Receiver
    from socketio_sync.engine.http import Request
    from socketio_sync.engine.polling import PayloadFormat
    from socketio_sync.engine.polling import Reply
    from socketio_sync.engine.upgrade import Upgrade
    from socketio_sync.engine.websocket import WebSocketTransport
    from socketio_sync.runtime.channel import Channel
    from socketio_sync.runtime.events import Event
    from socketio_sync.runtime.native import NativeLock

log = logging.getLogger("socketio_sync.engine")

PING_PACKET = EncodedPacket([""], type=packets.PING, compress=False)
NOOP_PACKET = EncodedPacket([""], type=packets.NOOP, compress=False)
CLOSE_PACKET = EncodedPacket([""], type=packets.CLOSE, compress=False)

# How long a closing polling session waits for a GET to carry its close packet, in seconds (engine.io, polling.ts).
CLOSE_TIMEOUT = 30.0

plain_frames = EncodedPacket.websocket_frames  # not attrgetter: a call of Python by Python costs half
plain_frames_v3 = attrgetter("websocket_v3")


class _HotConnection:
    """What sending needs of each connection, in one cache line: the slots of a base come first in memory.

    With thousands of clients every further line that a delivery touches costs as much as a hundred instructions.
    """

    __slots__ = ("_channel", "_frames", "lock", "plain_channel")

    lock: NativeLock
    plain_channel: Channel


class ConnectionCore(_HotConnection):
    """State of one connection, and what can happen to it on any transport; see Connection."""

    __slots__ = (
        "__weakref__",
        "_acts",
        "_arrival",
        "_close_timer",
        "_drain_waiters",
        "_early_end",
        "_get",
        "_pauses",
        "_post",
        "_timer",
        "_timer_at",
        "_upgrade",
        "engine",
        "environ",
        "events",
        "format",
        "id",
        "kept",
        "misses",
        "posting",
        "protocol",
        "query",
        "receiver",
        "remote_address",
        "runtime",
        "session",
        "websocket",
    )

    receiver: Receiver

    def __init__(self, engine: Engine, id: str, request: Request, transport: str, format: PayloadFormat) -> None:
        options = engine.options
        self.engine = engine
        self.id = id
        self.protocol = format.protocol
        self.format = format
        self.remote_address = request.remote_address
        self.query = request.query
        self.environ = reduced_environ(request.environ, options.keep_environ)
        self.runtime = engine.runtime
        # Guards the session, what is parked and the write side of every channel of this connection, so that no frame
        # lands inside another. Held for a few lines and non-blocking sends, never over user code; and nothing under it
        # may want another connection's, which can be the same.
        self.lock = self.runtime.shared_lock()
        now = self.runtime.timers.now()
        self.session = sessions.Session(self.protocol, transport, options.ping_interval, options.ping_timeout, now)
        self.websocket: WebSocketTransport | None = None  # what carries the session
        self._channel: Channel | None = None
        # For who sends to many: the channel where that takes a packet's ``websocket_frames``, else NO_CHANNEL.
        self.plain_channel = NO_CHANNEL
        self._frames: Callable[[EncodedPacket], bytes] = plain_frames if self.protocol == 4 else plain_frames_v3
        self._upgrade: Upgrade | None = None
        self._get: Reply | None = None
        self._post: Reply | None = None
        self.posting = False
        self.kept = self.misses = 0  # of its TCP connections, see lanes.py
        self._acts: list[Callable[[], object]] = []
        self._early_end: tuple[str, DisconnectDetails | None] | None = None
        self._pauses = 0
        self._drain_waiters: list[Event] = []
        self.events: UserEvents | None = None  # the user's own listeners
        self._arrival: Event | None = None
        self._close_timer: Any = None
        self._timer_at = self.session.deadline
        self._timer: Any = self.runtime.timers.call_later(self._timer_at - now, self._on_deadline)
    @property
    def buffered(self) -> int:
        """Bytes that wait for this client because it does not read fast enough."""
        channel = self._channel
        return (channel.waiting if channel is not None else 0) + self.session.queued

    @property
    def writable(self) -> bool:
        """Whether a packet sent now would leave at once (what ``volatile`` asks)."""
        channel = self._channel
        return not channel.waiting if channel is not None else self._get is not None

    def close(self, reason: str = "forced close", discard: bool = False) -> None:
        """Close the connection from this side, after what was sent before (or at once with ``discard``)."""
        with self.lock:
            if self.session.life != sessions.OPEN and not (discard and self.session.life == sessions.CLOSING):
                return
            if self.websocket is None and self._get is None and not discard:
                # Long-polling between two GETs: the next one carries the close packet.
                self.session.life = sessions.CLOSING
                self._close_timer = self.runtime.timers.call_later(CLOSE_TIMEOUT, self._close_unpolled, reason)
            else:
                self.end_locked(reason, None)
        self.act()

    # -- for the layer above -----------------------------------------------------------------------------------------

    def send_packet(self, packet: EncodedPacket, volatile: bool = False) -> bool:
        """Send a packet, or keep it for a transport that cannot take it now; any thread, never blocks.

        Returns False if it was dropped: the connection is closing, or it is volatile and something waits already.
        """
        if self._frames is not plain_frames and self._channel is not None:
            self._frames(packet)  # to compress may take long, and others share the lock; the packet keeps the result
        with self.lock:
            channel = self._channel
            if channel is not None and not channel.waiting:
                channel.write(self._frames(packet))
                return True
            sent = self._send_locked(packet, volatile)
        self.act()
        return sent

    def uncork(self) -> None:
        """Send what was gathered for it; the end of a connection does so, too."""
        with self.lock:
            if self._channel is not None:
                self._channel.uncork()

    def send_packets(self, batch: list[EncodedPacket]) -> bool:
        """Send packets with nothing between them."""
        if self._frames is not plain_frames and self._channel is not None:
            for packet in batch:
                self._frames(packet)  # as in send_packet
        with self.lock:
            sent = all([self._send_locked(packet, False, flush=False) for packet in batch])
            if self._get is not None and self.session.queue:
                self.answer_get_locked()
        self.act()
        return sent

    def fail(self, reason: str, description: str | None = None, error: BaseException | None = None) -> None:
        """End the connection at once because of what the peer did; ``reason`` is the reference's string."""
        with self.lock:
            self.end_locked(reason, DisconnectDetails(description, error=without_frames(error)))
        self.act()

    def input_failed(self, error: Exception) -> None:
        """In the I/O thread: taking its input has failed, by a fault of the program's."""
        if (channel := self._channel) is not None:
            channel.failed(error)
        else:  # it has ended meanwhile
            log.error("a receiver failed: %r", self, exc_info=error)

    def pause_reading(self) -> None:
        """Read no more from this client until ``resume_reading`` was called as often; its heartbeat deadline rests."""
        with self.lock:
            self._pauses += 1
            if self._channel is not None:
                self._channel.pause()

    def resume_reading(self) -> None:
        """Undo one ``pause_reading``."""
        with self.lock:
            self._pauses -= 1
            if self._pauses:
                return
            self.session.grant(self.runtime.timers.now(), self.session.ping_timeout)
            if self._channel is not None:
                self._channel.resume()
            post, self._post = self._post, None
            if post is not None:
                post.answer_ok()
                self._acts.append(post.finish)
        self.act()

    @property
    def is_admitted(self) -> bool:
        """Whether the layer above has taken it over, and may be told of its end."""
        return hasattr(self, "receiver")

    def admitted(self, receiver: Receiver) -> None:
        """The layer above has taken it over; its handlers may run already, and may have closed it."""
        with self.lock:
            self.receiver = receiver
            self.judge_plain_locked()
            early_end = self._early_end
        if early_end is not None:
            self._ended(*early_end)

    def judge_plain_locked(self) -> None:
        """To be called when this may have changed: whether a short message needs nothing but to be handed on.

        The end of the session says no by itself.
        """
        if self.websocket is not None:
            plain = self.is_admitted and not self.session.awaiting_pong and self.events is None
            self.websocket.plain_receiver = self.receiver if plain else None

    @property
    def reading_paused(self) -> bool:
        """Whether some mailbox of this client is full."""
        return self._pauses > 0

    # -- time --------------------------------------------------------------------------------------------------------

    def _on_deadline(self) -> None:
        """The timer fired (I/O thread). Its deadline may have moved meanwhile: then it is only set again."""
        now = self.runtime.timers.now()
        session = self.session
        if session.expects_sign and now >= session.deadline and (channel := self._channel) is not None:
            # After a stall the pong may lie unread in the kernel: look before judging.
            channel.read_now()
        with self.lock:
            if self._pauses and session.expects_sign:
                session.grant(now, session.ping_timeout)
            due = session.tick(now)
            if due == sessions.TIMED_OUT:
                self.end_locked("ping timeout", None)
            else:
                if due == sessions.PING_DUE:
                    self._send_locked(PING_PACKET, False)
                    self.judge_plain_locked()
                self._rearm_locked(now)
        self.act()

    def is_alive(self) -> bool:
        """Whether the session goes on, brought up to date for a request: what its client sent before counts before it.

        The heartbeat is judged too: the timer may be about to fire.
        """
        if (upgrade := self._upgrade) is not None:
            upgrade.catch_up()
        with self.lock:
            if not self._pauses and self.session.is_overdue(self.runtime.timers.now()):
                self.end_locked("ping timeout", None)
            alive = self.is_admitted and self.session.life != sessions.CLOSED
        self.act()
        return alive

    def grant_time(self, seconds: float) -> None:
        """Do not judge the heartbeat sooner than in so many seconds."""
        with self.lock:
            if self.session.expects_sign:
                self.session.grant(self.runtime.timers.now(), seconds)

    def ping_now(self) -> None:
        """Send an extra ping (any thread: the watchdog, while the hub is stalled), so that the client does not give up.

        It asks for nothing: the session's own heartbeat goes on when the stall is over.
        """
        with self.lock:
            if self.protocol == 4:
                self._send_locked(PING_PACKET, True)
        self.act()

    def _rearm_locked(self, now: float) -> None:
        if self.session.life == sessions.CLOSED:
            return
        self._timer.cancel()
        self._timer_at = self.session.deadline
        if self.session.awaiting_pong:  # it will come, and then the next ping is due: one timer a heartbeat is enough
            self._timer_at = min(self._timer_at, now + self.session.ping_interval)
        self._timer = self.runtime.timers.call_later(max(0.0, self._timer_at - now), self._on_deadline)

    # -- sending, with the lock held -----------------------------------------------------------------------------------

    def _send_locked(self, packet: EncodedPacket, volatile: bool, flush: bool = True) -> bool:
        session = self.session
        if session.life != sessions.OPEN:
            return False
        limit = self.engine.options.max_send_buffer
        channel = self._channel
        if channel is not None:
            if channel.waiting:
                if volatile:
                    return False
                if channel.waiting > limit:
                    self._overflow_locked(limit)
                    return False
            channel.write(self._frames(packet))
            return True
        if volatile and (self._get is None or session.queue):
            return False
        if session.queued > limit:
            self._overflow_locked(limit)
            return False
        session.enqueue(packet)
        if flush and self._get is not None:
            self.answer_get_locked()
        return True

    def _overflow_locked(self, limit: int) -> None:
        text = f"the client does not read: more than max_send_buffer ({limit} bytes) waits for it"
        self.end_locked("transport error", DisconnectDetails(text), abort=True)

    def answer_get_locked(self, *extra: EncodedPacket) -> None:
        """Answer the parked GET with what is queued, up to the announced size, and ``extra``."""
        reply, self._get = self._get, None
        if reply is None:
            return
        reply.answer(self.format.encode([*self.session.take(self.engine.options.max_http_buffer_size), *extra]))
        self._acts.append(reply.finish)
        self._wake_drained_locked()

    def _wake_drained_locked(self) -> None:
        if self._drain_waiters and not self.buffered:
            self._acts.extend(event.set for event in self._drain_waiters)
            self._drain_waiters.clear()

    def drained(self) -> None:
        """The channel has written all that waited (I/O thread)."""
        with self.lock:
            self._wake_drained_locked()
        self.act()

    def act(self) -> None:
        """Do, without the lock, what was decided under it."""
        while self._acts:
            with self.lock:
                acts, self._acts = self._acts, []
            for act in acts:
                act()

    # -- the end -------------------------------------------------------------------------------------------------------

    def end_locked(
        self,
        reason: str,
        details: DisconnectDetails | None,
        *,
        abort: bool = False,
        last: EncodedPacket = CLOSE_PACKET,
    ) -> None:
        """The only way out: free everything, then tell the engine and the layer above, once."""
        session = self.session
        if session.life == sessions.CLOSED:
            return
        session.life = sessions.CLOSED
        self._timer.cancel()
        if self._close_timer is not None:
            self._close_timer.cancel()
        if self._get is not None:
            self.answer_get_locked(last)
        if self._post is not None:
            post, self._post = self._post, None
            post.answer_ok()
            self._acts.append(post.finish)
        session.queue.clear()
        session.queued = 0
        if self._upgrade is not None:
            self._acts.append(self._upgrade.lost)
        if self.websocket is not None:
            self.websocket.plain_receiver = None
            self._acts.append(self.websocket.abort if abort else partial(self.websocket.end, None))
        self._channel = self.websocket = None
        self.plain_channel = NO_CHANNEL
        self._acts.extend(event.set for event in self._drain_waiters)
        self._drain_waiters.clear()
        self._acts.append(partial(self._ended, reason, details))

    def _close_unpolled(self, reason: str) -> None:
        with self.lock:
            self.end_locked(reason, None)
        self.act()

    def discard(self) -> None:
        """Forget a connection that was never admitted."""
        with self.lock:
            self.session.life = sessions.CLOSED
            self._timer.cancel()
        self.engine.forget(self)

    def _ended(self, reason: str, details: DisconnectDetails | None) -> None:
        with self.lock:
            if not self.is_admitted:
                self._early_end = (reason, details)
                return
        self.engine.forget(self)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%r closed: %s %r", self, reason, details)
        receiver, self.receiver = self.receiver, NOBODY
        receiver.on_close(reason, details)
        if self.events is not None:
            self.events.post("close", reason, details)


def reduced_environ(environ: dict[str, Any], keep: tuple[str, ...]) -> dict[str, Any]:
    """What outlives the request: its strings, and what ``keep_environ`` names; the server's own objects are let go."""
    is_str = map(is_, map(type, environ.values()), repeat(str))  # without a loop in Python, for all who connect
    kept: dict[str, Any] = dict(compress(environ.items(), is_str))
    kept["wsgi.input"] = io.BytesIO()
    for key in keep:
        if key in environ:
            kept[key] = environ[key]
    return kept
