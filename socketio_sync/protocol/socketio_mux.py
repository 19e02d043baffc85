"""Which packet is legal now: the namespaces of one connection as a state machine.

A client may CONNECT to a namespace it has not joined, and send the rest to one it has. Two deviations from the
reference (client.ts), both more lenient: events behind a CONNECT are kept until it is accepted, and what was in flight
when the server refused or ended a namespace is ignored instead of costing the client its whole connection.
"""

from __future__ import annotations

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol import socketio_packet as packets

# What to do with a packet.
JOIN = "join"
DELIVER = "deliver"
ANSWER = "answer"
LEAVE = "leave"
IGNORE = "ignore"

# The states of a namespace; each is what may come in it, and what to do with that.
State = dict[int, str]
UNKNOWN: State = {
    packets.CONNECT: JOIN,
}
CONNECTING: State = {
    packets.EVENT: DELIVER,
    packets.DISCONNECT: LEAVE,
}
CONNECTED: State = {
    packets.EVENT: DELIVER,
    packets.ACK: ANSWER,
    packets.DISCONNECT: LEAVE,
}
ENDED: State = {
    packets.CONNECT: JOIN,
    packets.EVENT: IGNORE,
    packets.ACK: IGNORE,
    packets.DISCONNECT: IGNORE,
}


class Mux:
    """The namespaces of one connection. ``receive`` needs no lock; the caller holds one for the rest.

    Args:
        max_ended: how many ended namespaces are remembered; beyond it the oldest is unknown again.
    """

    __slots__ = ("_max_ended", "_states", "ever_joined")

    def __init__(self, max_ended: int) -> None:
        self._max_ended = max_ended
        self._states: dict[str, State] = {}
        # Whether any namespace was ever accepted: ends the connect timeout.
        self.ever_joined = False

    def receive(self, type: int, name: str) -> str:
        """What to do with a packet of ``type`` for the namespace ``name``.

        Raises:
            ProtocolError: it is illegal now; the connection is to be closed.
        """
        action = self._states.get(name, UNKNOWN).get(type)
        if action is None:
            raise ProtocolError(f"invalid state (packet type: {type})")
        return action

    def join(self, name: str) -> None:
        """Reserve the place of ``name`` as soon as its CONNECT came, so that a second one is illegal at once."""
        self._states[name] = CONNECTING

    def accepted(self, name: str) -> None:
        """The CONNECT for ``name`` was granted."""
        self._states[name] = CONNECTED
        self.ever_joined = True

    def left(self, name: str) -> None:
        """The client left ``name``: it may send nothing more to it but CONNECT."""
        self._states.pop(name, None)

    def ended(self, name: str) -> None:
        """The server refused or ended ``name``: what the client had sent before it knew is to be ignored."""
        states = self._states
        states.pop(name, None)
        ended = [other for other, state in states.items() if state is ENDED]
        if len(ended) >= self._max_ended:
            del states[ended[0]]
        states[name] = ENDED
