"""The server's half of one Engine.IO session, as data: what may happen next, what is queued, when something is due.

Three small machines (Engine.IO protocol 4, and 3 for old clients):

    life        OPEN -> CLOSING -> CLOSED
    transport   POLLING <-> PROBING -> WEBSOCKET
    heartbeat   RESTING -> AWAITING_PONG -> RESTING   (protocol 3: the client pings, so only a deadline)

No clock, lock or I/O: time is an argument, and the caller holds whatever lock it needs. The heartbeat deadline belongs
to the session, never to a transport, so an upgrade that completes while a pong is due does not lose it.
"""

from __future__ import annotations

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.engineio_packet import EncodedPacket

OPEN = "open"
CLOSING = "closing"
CLOSED = "closed"

POLLING = "polling"
PROBING = "probing"
WEBSOCKET = "websocket"

# What the shell has to do with a received control packet.
IGNORE = "ignore"
ANSWER_PONG = "answer_pong"
CLOSE = "close"
ALIVE = "alive"
WRONG_HEARTBEAT = "invalid heartbeat direction"

# (protocol, type digit) -> action. Messages ("4") take the short way in the shell and are not here.
CONTROL: dict[tuple[int, str], str] = {
    (4, "0"): IGNORE,
    (4, "1"): CLOSE,
    (4, "2"): WRONG_HEARTBEAT,
    (4, "3"): ALIVE,
    (4, "5"): IGNORE,
    (4, "6"): IGNORE,
    (3, "0"): IGNORE,
    (3, "1"): CLOSE,
    (3, "2"): ANSWER_PONG,
    (3, "3"): WRONG_HEARTBEAT,
    (3, "5"): IGNORE,
    (3, "6"): IGNORE,
}

MOVES: dict[tuple[str, str], str] = {
    (POLLING, "probe"): PROBING,
    (PROBING, "probe_lost"): POLLING,
    (PROBING, "upgrade"): WEBSOCKET,
}

# So late, in seconds, the shell's timers may be without the peer's getting more time. Who comes later was held up.
GRAIN = 0.1

# What is due.
NOTHING = ""
PING_DUE = "ping"
TIMED_OUT = "timeout"


class Session:
    """State of one session.

    Args:
        protocol: 4 or 3.
        transport: POLLING or WEBSOCKET, the one it was opened with.
        ping_interval, ping_timeout: seconds.
        now: seconds of the clock that all other methods get.
    """

    __slots__ = (
        "awaiting_pong",
        "deadline",
        "extended",
        "life",
        "ping_interval",
        "ping_timeout",
        "protocol",
        "queue",
        "queued",
        "transport",
    )

    def __init__(self, protocol: int, transport: str, ping_interval: float, ping_timeout: float, now: float) -> None:
        self.protocol = protocol
        self.transport = transport
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.life = OPEN
        self.queue: list[EncodedPacket] = []
        self.queued = 0
        self.awaiting_pong = False
        self.extended = False
        self.deadline = now + ping_interval + (ping_timeout if protocol == 3 else 0)

    # -- transport ---------------------------------------------------------------------------------------------------

    def move(self, verb: str) -> None:
        """Make the transport move ``probe``, ``probe_lost`` or ``upgrade``; an illegal one raises ProtocolError."""
        try:
            self.transport = MOVES[self.transport, verb]
        except KeyError:
            raise ProtocolError(f"illegal {verb} while {self.transport}") from None

    # -- receiving ---------------------------------------------------------------------------------------------------

    def receive(self, type: str, now: float) -> str:
        """Judge a received control packet; returns the action for the shell. Unknown type: ProtocolError."""
        action = CONTROL.get((self.protocol, type))
        if action is None:
            raise ProtocolError("parse error")
        if action is ALIVE and self.awaiting_pong:
            self.awaiting_pong = self.extended = False
            self.deadline = now + self.ping_interval
        elif action is ANSWER_PONG:
            self.deadline = now + self.ping_interval + self.ping_timeout
        return action

    def heard(self, now: float) -> None:
        """A message came while a pong is due: it restarts the wait, once per ping (engine.io 6.6.12)."""
        if not self.extended:
            self.extended = True
            self.deadline = now + self.ping_timeout

    # -- time --------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> str:
        """What is due at ``now``: PING_DUE (and the wait for the pong begins), TIMED_OUT or NOTHING."""
        if self.life == CLOSED or now < self.deadline:
            return NOTHING
        if self.protocol == 3 or self.awaiting_pong:
            return TIMED_OUT
        self.awaiting_pong = True
        self.deadline = max(self.deadline, now - GRAIN) + self.ping_timeout
        return PING_DUE

    @property
    def expects_sign(self) -> bool:
        """Whether the peer is closed at the deadline, not pinged."""
        return self.protocol == 3 or self.awaiting_pong

    def is_overdue(self, now: float) -> bool:
        """Whether the peer's time has just run out, though no timer has said so yet."""
        return self.expects_sign and 0 <= now - self.deadline <= GRAIN

    def grant(self, now: float, seconds: float) -> None:
        """Give a peer that we do not read at the moment so much time at least."""
        self.deadline = max(self.deadline, now + seconds)

    # -- sending -----------------------------------------------------------------------------------------------------

    def enqueue(self, packet: EncodedPacket) -> None:
        """Keep a packet for a transport that cannot take it now."""
        self.queue.append(packet)
        self.queued += packet.size

    def take(self, budget: int | None = None) -> list[EncodedPacket]:
        """Take queued packets, as many as fit into ``budget`` bytes (always at least one), or all."""
        taken = self.queue
        if budget is None:
            self.queue = []
        else:
            count = size = 0
            for packet in taken:
                size += packet.size
                if size > budget and count:
                    break
                count += 1
            self.queue = taken[count:]
            del taken[count:]
        self.queued -= sum([packet.size for packet in taken])
        return taken
