"""The client's half of one Engine.IO 4 session, as data: what may happen next, what is queued, when it is over.

    life        OPENING -> OPEN -> CLOSED
    transport   POLLING -> PROBING -> PAUSING -> WEBSOCKET   (a probe that fails goes back to POLLING)

No clock, lock or I/O: time is an argument, and the caller holds whatever lock it needs. The deadline belongs to the
session: every ping of the server moves it, whichever transport brought it.
"""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import Any

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.json_codec import loads

OPENING = "opening"
OPEN = "open"
CLOSED = "closed"

POLLING = "polling"
PROBING = "probing"
PAUSING = "pausing"
WEBSOCKET = "websocket"

# What the shell has to do with a received control packet.
OPENED = "opened"
IGNORE = "ignore"
ANSWER_PONG = "answer_pong"
CLOSE = "close"

# (life, type digit) -> action. Messages ("4") take the short way in the shell and are not here.
CONTROL: dict[tuple[str, str], str] = {
    (OPENING, "0"): OPENED,
    (OPEN, "0"): IGNORE,
    (OPEN, "1"): CLOSE,
    (OPEN, "2"): ANSWER_PONG,
    (OPEN, "3"): IGNORE,
    (OPEN, "5"): IGNORE,
    (OPEN, "6"): IGNORE,
}

MOVES: dict[tuple[str, str], str] = {
    (POLLING, "probe"): PROBING,
    (PROBING, "pause"): PAUSING,
    (PROBING, "probe_lost"): POLLING,
    (PAUSING, "probe_lost"): POLLING,
    (PAUSING, "upgrade"): WEBSOCKET,
}


class ClientSession:
    """State of one session.

    Args:
        transport: POLLING or WEBSOCKET, the one it is opened with.

    Attributes:
        sid, upgrades, max_payload: what the server said when it opened the session; None is no limit.
        deadline: when the server counts as gone; infinite until the session is open.
        queue: packets that no transport has taken yet, ``queued`` is their size.
    """

    __slots__ = ("_patience", "deadline", "life", "max_payload", "queue", "queued", "sid", "transport", "upgrades")

    def __init__(self, transport: str) -> None:
        self.transport = transport
        self.life = OPENING
        self.sid = ""
        self.upgrades: tuple[str, ...] = ()
        self.max_payload: int | None = None
        self.deadline = float("inf")
        self.queue: deque[EncodedPacket] = deque()
        self.queued = 0
        self._patience = 0.0

    def move(self, verb: str) -> None:
        """Make the transport move ``probe``, ``pause``, ``upgrade`` or ``probe_lost``; else raise ProtocolError."""
        try:
            self.transport = MOVES[self.transport, verb]
        except KeyError:
            raise ProtocolError(f"illegal {verb} while {self.transport}") from None

    def receive(self, type: str, data: str, now: float) -> str:
        """Judge a received control packet; returns the action for the shell.

        Raises:
            ProtocolError: no packet is legal here, or the handshake is none.
        """
        action = CONTROL.get((self.life, type))
        if action is None:
            raise ProtocolError("parse error")
        if action is OPENED:
            self._open(data, now)
        elif action is ANSWER_PONG:
            self.deadline = now + self._patience
        return action

    def grant(self, now: float) -> None:
        """Give a server that is not read at the moment as much time as after a ping."""
        self.deadline = now + self._patience

    def _open(self, data: str, now: float) -> None:
        handshake = loads(data)
        if not isinstance(handshake, dict) or not isinstance(handshake.get("sid"), str):
            raise ProtocolError("invalid handshake")
        upgrades = handshake.get("upgrades", [])
        if not isinstance(upgrades, list):
            raise ProtocolError("invalid handshake")
        self._patience = (_milliseconds(handshake, "pingInterval") + _milliseconds(handshake, "pingTimeout")) / 1000
        limit = handshake.get("maxPayload")
        self.max_payload = limit if type(limit) is int and limit > 0 else None
        self.sid = handshake["sid"]
        self.upgrades = tuple(upgrades)
        self.life = OPEN
        self.deadline = now + self._patience

    # -- sending -----------------------------------------------------------------------------------------------------

    def oversize(self, packet: EncodedPacket) -> int:
        """The bytes of the packet's largest message, if that is more than the server takes; else 0."""
        limit = self.max_payload
        if limit is None or packet.size * 4 <= limit:  # no character has more than four bytes
            return 0
        largest = max(map(self._wire_size, packet.messages))
        return largest if largest > limit else 0

    def _wire_size(self, message: str | bytes) -> int:
        if isinstance(message, str):
            return len(message.encode()) + 1
        return len(message) if self.transport == WEBSOCKET else 1 + 4 * ceil(len(message) / 3)

    def enqueue(self, packet: EncodedPacket) -> None:
        """Keep a packet until a transport can take it."""
        self.queue.append(packet)
        self.queued += packet.size

    def take(self) -> list[EncodedPacket]:
        """Take all that is queued."""
        taken = list(self.queue)
        self.queue.clear()
        self.queued = 0
        return taken


def _milliseconds(handshake: dict[str, Any], name: str) -> float:
    value = handshake.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        raise ProtocolError("invalid handshake")
    return value


def split_bodies(packets: list[EncodedPacket], limit: int | None) -> list[list[str]]:
    """The bodies, each a list of packets in their polling form, that carry these within ``limit`` bytes each.

    A single packet over the limit gets a body of its own: the server will say what it thinks of it.
    """
    bodies: list[list[str]] = []
    left = 0.0
    for text in (text for packet in packets for text in packet.polling):
        size = len(text.encode()) + 1  # with its separator
        if size > left or not bodies:
            bodies.append([])
            left = float("inf") if limit is None else limit + 1
        bodies[-1].append(text)
        left -= size
    return bodies
