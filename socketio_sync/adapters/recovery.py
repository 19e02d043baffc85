"""Connection state recovery: a client that was away for a while finds its id, rooms, data and what it has missed.

Every event that asks for no answer and is not volatile gets an offset as its last argument and is kept in the
namespace's log. A client that comes back names the last offset it has, and gets what was sent to its rooms behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from socketio_sync.adapters.adapter import NOBODY
from socketio_sync.adapters.adapter import Adapter
from socketio_sync.adapters.adapter import BroadcastOptions
from socketio_sync.adapters.adapter import LocalSocket
from socketio_sync.adapters.adapter import LocalSockets
from socketio_sync.adapters.adapter import Session
from socketio_sync.adapters.adapter import notify_outgoing
from socketio_sync.adapters.packet_log import LoggedPacket
from socketio_sync.adapters.packet_log import Offset
from socketio_sync.adapters.packet_log import PacketLog
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.runtime.lazy_lock import LazyLock

if TYPE_CHECKING:
    from socketio_sync.runtime.timer_wheel import Timer


# What a kept session costs, without what the user put into its data, in bytes; and so many are kept in any case.
SESSION_SIZE = 2048
FEW_SESSIONS = 1000


class RecoverableAdapter(Adapter):
    """The in-memory adapter that keeps sessions and what they miss.

    One lock is held while a packet is logged and handed to its recipients, and while a session is taken up again: so
    every client gets the packets in the order of their offsets, and none twice or never. Lock order: this one, the
    index's, a connection's.

    Args:
        nsp: the namespace.
        max_disconnection_duration: seconds for which a session is kept.
        max_buffer: bytes of packets that are kept at most; a client that would need one dropped before begins anew. The
            same again bounds the sessions: beyond it the oldest ends.
        heartbeat: seconds after which a dead connection is surely noticed; packets are kept for so much longer.
    """

    _order = LazyLock()

    def __init__(
        self,
        nsp: LocalSockets,
        *,
        max_disconnection_duration: float = 120,
        max_buffer: int = 64 * 2**20,
        heartbeat: float = 45,
    ) -> None:
        super().__init__(nsp)
        self._duration = max_disconnection_duration
        self._log = PacketLog(max_disconnection_duration + heartbeat, max_buffer)
        self._max_sessions = max(FEW_SESSIONS, max_buffer // SESSION_SIZE)
        self._sessions: dict[str, tuple[Session, Timer]] = {}  # by pid
        self._claimed: dict[str, Session] = {}  # those being taken up again, by the socket's id
        self._offset = Offset(0, 0)  # the last one that was given out
        self._sweep: Timer | None = None

    # Sending

    def broadcast(self, packet: Packet, options: BroadcastOptions) -> None:
        """As in Adapter; with an offset, and kept for who is away, if it is an event without ack and not volatile."""
        if _is_kept(packet, options):
            self._log_and_send(packet, options, lambda: self._selected(options))
        else:
            super().broadcast(packet, options)

    def send_to(self, socket: LocalSocket, packet: Packet, options: BroadcastOptions) -> None:
        """As in Adapter, in the same stream as the broadcasts: also while the socket is away."""
        if not _is_kept(packet, options) or _is_old(socket):
            super().send_to(socket, packet, options)
            return

        def recipients() -> list[LocalSocket]:
            # Its log takes it along when it is accepted; what is sent before would come twice.
            return [] if socket.id in self._claimed else [socket]

        alone = BroadcastOptions(rooms=frozenset((socket.id,)), compress=options.compress)
        self._log_and_send(packet, alone, recipients)

    def _log_and_send(
        self, packet: Packet, options: BroadcastOptions, recipients: Callable[[], list[LocalSocket]]
    ) -> None:
        if not self.nsp.started:
            # Neither clients nor sessions: all that is left to do is to refuse what cannot be sent.
            self.nsp.encode(packet, options.compress)
            return
        runtime = self.nsp.runtime
        ahead = 0
        while True:
            started = runtime.now()
            with self._order:
                offset = self._offset.next(int(runtime.wall_time() * 1000) + ahead)
                if not ahead:
                    self._offset = offset
            # Encoding may run the user's code, so not under the lock. Who was overtaken meanwhile does it again.
            data = [*packet.data, str(offset)]
            encoded = self.nsp.encode(Packet(EVENT, packet.nsp, data), options.compress)
            with self._order:
                if offset > self._log.last:
                    self._offset = max(self._offset, offset)
                    self._log_locked(offset, encoded, options)
                    sockets = recipients()
                    # A lock is held, so nothing may be logged.
                    self.nsp.send_to_all([socket for socket in sockets if not _is_old(socket)], encoded, quiet=True)
                    break
            # With an offset of the near future, which the others do not reach meanwhile: there may be no end of them.
            ahead = max(2 * ahead, int((runtime.now() - started) * 2000) + 1)
        old = []
        for socket in sockets:
            if _is_old(socket):
                old.append(socket)
            else:
                socket.log_sent(encoded)
        if old:  # they cannot recover, and do not expect an offset
            self.nsp.send_to_all(old, self.nsp.encode(packet, options.compress))
        notify_outgoing(sockets, packet)

    def _log_locked(self, offset: Offset, encoded: EncodedPacket, options: BroadcastOptions) -> None:
        now = self.nsp.runtime.timers.now()
        # A copy, because the other soon holds its wire forms as well.
        kept = EncodedPacket(encoded.messages, compress=encoded.compress)
        logged = self._log.append(offset, kept, now, options.rooms, options.except_)
        for session in self._claimed.values():
            if logged.is_for(session.rooms):
                session.missed.append(kept)
        if self._sweep is None:
            self._sweep_later_locked(self._log.drop_old(now), now)

    # Sessions

    def position(self) -> int:
        """How many packets were logged; what has a greater position comes later."""
        return self._log.position

    def persist_session(self, session: Session) -> None:
        """Keep a session until its time is over; one that was claimed before keeps the end that it had."""
        timers = self.nsp.runtime.timers
        now = timers.now()
        if session.ends is None:
            session.ends = now + self._duration
        with self._order:
            self._claimed.pop(session.id, None)
            session.missed.clear()
            timer = timers.call_later(session.ends - now, self._expire, session)
            self._sessions[session.pid] = (session, timer)
            oldest = next(iter(self._sessions.values())) if len(self._sessions) > self._max_sessions else None
        if oldest is not None:
            oldest[1].cancel()
            self._expire(oldest[0])

    def restore_session(self, pid: str, offset: str | None) -> Session | None:
        """Claim a kept session. One whose packets are not all there any more is over: its client begins anew."""
        with self._order:
            session, timer = self._sessions.pop(pid, (None, None))
            if session is None or timer is None:
                return None
            timer.cancel()
            if self._collect_locked(session, offset):
                self._claimed[session.id] = session
                return session
        self.nsp.session_expired(session)
        return None

    def recover(self, session: Session, accept: Callable[[list[EncodedPacket]], None]) -> None:
        """As in Adapter. What was sent since the claim is among the missed packets."""
        with self._order:
            self._claimed.pop(session.id, None)
            self.add_all(session.id, session.rooms)
            missed, session.missed = session.missed, []
            accept(missed)

    def _collect_locked(self, session: Session, offset: str | None) -> bool:
        """Find what a session has missed; False if something of it may be lost."""
        self._log.drop_old(self.nsp.runtime.timers.now())
        start = session.position if offset is None else self._log.find(offset)
        if start is None or not self._log.reaches_back_to(start):
            return False
        session.missed = [
            packet.encoded
            for packet in self._log.since(start if offset is not None else 0)
            if packet.is_for(session.rooms) and (packet.position > session.position or _is_own(packet, session))
        ]
        return True

    def _expire(self, session: Session) -> None:
        """In the I/O thread, when a session's time is over."""
        with self._order:
            if self._sessions.get(session.pid, (None,))[0] is not session:
                return  # claimed at the last moment
            del self._sessions[session.pid]
        self.nsp.session_expired(session)

    # The log

    def _sweep_later_locked(self, time: float | None, now: float) -> None:
        """Look after old packets again at ``time``; busy namespaces do so at each packet, this is for quiet ones."""
        self._sweep = None
        if time is not None:
            self._sweep = self.nsp.runtime.timers.call_later(max(time - now, 1.0), self._drop_old)

    def _drop_old(self) -> None:
        with self._order:
            if self._sweep is not None:
                now = self.nsp.runtime.timers.now()
                self._sweep_later_locked(self._log.drop_old(now), now)

    def begin_anew(self) -> None:
        """As in Adapter; the sessions and packets that were kept go, too."""
        super().begin_anew()
        self.__dict__.pop("_order", None)
        self.close()

    def close(self) -> None:
        """Forget all sessions and packets."""
        super().close()
        with self._order:
            for _, timer in self._sessions.values():
                timer.cancel()
            self._sessions.clear()
            self._claimed.clear()
            self._log.clear()
            if self._sweep is not None:
                self._sweep.cancel()
                self._sweep = None


def _is_kept(packet: Packet, options: BroadcastOptions) -> bool:
    return packet.type == EVENT and packet.id is None and not options.volatile and options.rooms != NOBODY


def _is_own(packet: LoggedPacket, session: Session) -> bool:
    """Whether it was for this socket alone: that may have been sent before it was accepted."""
    return packet.rooms == frozenset((session.id,))


def _is_old(socket: LocalSocket) -> bool:
    """Whether its client speaks protocol 3."""
    return socket.conn.protocol == 3
