"""A small namespace with sockets in memory: real parser, acks and runtime, and a list where the network would be."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

from socketio_sync.adapters.adapter import Adapter
from socketio_sync.adapters.adapter import BroadcastOptions
from socketio_sync.exceptions import DisconnectedError
from socketio_sync.protocol.acks import PendingAck
from socketio_sync.protocol.acks import PendingAcks
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.protocol.socketio_parser import DefaultParser
from socketio_sync.server.broadcast_operator import EVERYBODY
from socketio_sync.server.broadcast_operator import BroadcastMethods
from socketio_sync.server.broadcast_operator import SocketMethods
from socketio_sync.server.listeners import Listeners
from socketio_sync.server.listeners import SocketHandlers


class MemorySocket(SocketMethods, SocketHandlers):
    """A connected socket whose client is a list of what it received."""

    def __init__(self, nsp: MemoryNamespace, id: str, *, protocol: int = 4, max_pending_acks: int = 1000) -> None:
        self.nsp = nsp
        self.id = id
        self.data: dict[str, Any] = {}
        self.handshake = SimpleNamespace(address="10.0.0.1")
        self.conn = SimpleNamespace(protocol=protocol)
        self.accepted = True
        self.busy = False  # something waits to be sent: volatile packets are dropped
        self.sent: list[EncodedPacket] = []
        self.closed: bool | None = None  # what disconnect was told
        self.position = nsp.adapter.position()
        self._acks = PendingAcks(max_pending_acks)
        self._listeners = Listeners(takes_socket=False)

    # What the adapter and the operators need

    has_outgoing = False

    def notify_outgoing(self, args: tuple[Any, ...]) -> None:
        for handler in self._listeners.any_outgoing:
            handler.call(args)

    def log_sent(self, encoded: EncodedPacket) -> None:
        pass

    def send_encoded(self, encoded: EncodedPacket, volatile: bool = False) -> bool:
        if self.id not in self.nsp.sockets or (volatile and self.busy):
            return False
        self.sent.append(encoded)
        return True

    def expect_ack(self, ack_id: int, callback: Any, on_gone: Any) -> None:
        if not self._acks.add(ack_id, PendingAck(callback, on_gone)):
            on_gone()

    def drop_ack(self, ack_id: int) -> None:
        self._acks.take(ack_id)

    def disconnect(self, close: bool = False) -> None:
        self.closed = close
        self.leave_namespace()

    def check_can_wait(self) -> None:
        if not self.accepted:
            raise RuntimeError("not accepted yet")

    def disconnected_error(self) -> DisconnectedError:
        return DisconnectedError("transport close")

    def _target(self) -> tuple[Any, BroadcastOptions]:
        return self, EVERYBODY

    # What its client does and sees

    @property
    def received(self) -> list[Packet]:
        decoder = DefaultParser().decoder()
        packets = [decoder.add(message) for encoded in self.sent for message in encoded.messages]
        return [packet for packet in packets if packet is not None]

    @property
    def events(self) -> list[list[Any]]:
        return [packet.data for packet in self.received]

    @property
    def pending(self) -> int:
        return len(self._acks)

    def answer(self, *args: Any, index: int = -1) -> None:
        """Acknowledge the last packet, or that of another index."""
        id = self.received[index].id
        assert id is not None
        entry = self._acks.take(id)
        if entry is not None:
            entry.on_answer(args)

    def leave_namespace(self) -> None:
        """The client is gone."""
        if self.nsp.sockets.pop(self.id, None) is not None:
            self.nsp.adapter.remove_all(self.id)
            for entry in self._acks.close():
                entry.on_gone()


class MemoryNamespace(BroadcastMethods):
    """A namespace, with what its adapter and the operators need of it."""

    def __init__(self, runtime: Any, *, name: str = "/", adapter: Any = Adapter, encode: Any = None) -> None:
        self.name = name
        self.started = True
        self.runtime = runtime
        self.server = SimpleNamespace(options=SimpleNamespace(ack_timeout=20))
        self.sockets: dict[str, MemorySocket] = {}
        self.find = lambda ids: [self.sockets[id] for id in ids if id in self.sockets]
        self.expired: list[Any] = []
        self.callbacks: list[tuple[Any, ...]] = []  # (socket, event) of each
        self._parser = DefaultParser(encode)
        self._ack_ids = itertools.count()
        self.adapter = adapter(self)

    def connect(self, id: str, *rooms: str, **options: Any) -> MemorySocket:
        """A new client, in these rooms."""
        socket = MemorySocket(self, id, **options)
        self.sockets[id] = socket
        self.adapter.add_all(id, (id, *rooms))
        return socket

    def encode(self, packet: Packet, compress: bool = True) -> EncodedPacket:
        return EncodedPacket(self._parser.encode(packet), compress=compress)

    def send_to_all(
        self, sockets: list[MemorySocket], encoded: EncodedPacket, volatile: bool = False, quiet: bool = False
    ) -> None:
        for socket in sockets:
            socket.send_encoded(encoded, volatile)

    def next_ack_id(self) -> int:
        return next(self._ack_ids)

    def session_expired(self, session: Any) -> None:
        self.expired.append(session)

    def run_callback(self, fn: Any, *args: Any, socket: Any = None, event: str | None = None) -> None:
        self.callbacks.append((socket, event))
        self.runtime.submit(lambda: fn(*args))

    def _target(self) -> tuple[Any, BroadcastOptions]:
        return self, EVERYBODY
