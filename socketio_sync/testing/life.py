"""The client's half of Socket.IO: what a TestClient sends and gets, over one wire after the other."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.adapters.adapter import BroadcastOptions
from socketio_sync.exceptions import ConnectError
from socketio_sync.exceptions import DisconnectedError
from socketio_sync.exceptions import TransportError
from socketio_sync.protocol.acks import PendingAck
from socketio_sync.protocol.acks import PendingAcks
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import CONNECT
from socketio_sync.protocol.socketio_packet import CONNECT_ERROR
from socketio_sync.protocol.socketio_packet import DISCONNECT
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.runtime.mailbox import Mailbox
from socketio_sync.server.answers import SocketAnswer
from socketio_sync.server.listeners import Handler
from socketio_sync.server.listeners import Listeners
from socketio_sync.server.targets import event_packet
from socketio_sync.testing.answers import Callback
from socketio_sync.testing.answers import ClientAck
from socketio_sync.testing.answers import Emission

if TYPE_CHECKING:
    from socketio_sync.runtime.base import Runtime
    from socketio_sync.runtime.events import Event
    from socketio_sync.server.server import Server
    from socketio_sync.testing.stage import Stage
    from socketio_sync.testing.wires import Wire

ACK_TIMEOUT = 20.0
"""Seconds that a wait for an answer takes at most, unless ``timeout()`` says another: the client's default."""

_REFUSED = {
    "connection": "it happens on the server only; use 'connect'",
    "disconnecting": "it happens on the server only; use 'disconnect'",
    "newListener": "it is a name that no server may send",
    "removeListener": "it is a name that no server may send",
    "*": "a handler of every event is registered with on_any",
}

class Life:
    """A client's socket of one namespace. It outlives its connections.

    Attributes:
        name: of the namespace.
        listeners: the client's handlers.
        inbox: the events that had no handler.
        connected, id, recovered: what the last CONNECT reply said, if the connection lives.
        reason: why the last connection ended.
        outcome: set when a connection is accepted, refused or lost; None without a stage.
        refusal: why it was not accepted.
    """

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.listeners = Listeners(takes_socket=False, refused=_REFUSED)
        self.inbox: list[tuple[Any, ...]] = []
        self.connected = False
        self.id: str | None = None
        self.recovered = False
        self.reason = "not connected"
        self.stage: Stage | None = None
        self.outcome: Event
        self.refusal: ConnectError | None = None
        self._mailbox: Mailbox[Callable[[], object]]
        self._wire: Wire | None = None
        self._decoder: Any = None
        self._hello: EncodedPacket | None = None
        self._pid: str | None = None
        self._offset: str | None = None
        self._acks = self._no_acks()
        self._ack_ids = itertools.count()
        self._early: list[Packet] = []  # events that came before the CONNECT reply
        self._kept: list[Emission] = []  # what was emitted while there was no connection

    def enter(self, stage: Stage) -> None:
        """Live on this stage from now on."""
        if self.stage is not stage:
            self.stage = stage
            self._mailbox = Mailbox(stage.runtime, _run, label=f"a TestClient of {self.name!r}")

    def settle(self) -> None:
        """Let everything happen that can."""
        if self.stage is not None:
            self.stage.settle()

    @property
    def runtime(self) -> Runtime:
        """The stage's."""
        assert self.stage is not None
        return self.stage.runtime

    def _no_acks(self) -> PendingAcks:
        return PendingAcks(self.server.options.max_pending_acks)

    # -- the connection ------------------------------------------------------------------------------------------------

    def begin(self, wire: Wire, auth: dict[str, Any]) -> None:
        """Take a wire that was not opened yet; ``outcome`` will be set.

        Raises:
            TypeError, ValueError: ``auth`` cannot be sent.
        """
        assert self.stage is not None
        recovery = {} if self._pid is None else {"pid": self._pid, "offset": self._offset}
        auth = {name: value for name, value in recovery.items() if value is not None} | auth
        self._hello = self._encode(Packet(CONNECT, self.name, auth or None))
        self._decoder = self.server.parser.decoder(self.server.options.max_attachments)
        self._early.clear()
        self.refusal = None
        self.outcome = self.stage.runtime.event()
        self._wire = wire

    def give_up(self, error: ConnectError) -> None:
        """It is not accepted."""
        self._wire = None
        self.refusal = error
        self._post_hook("connect_error", error)
        self.outcome.set()

    def leave(self) -> None:
        """Say goodbye."""
        wire = self._wire
        if wire is not None:
            wire.send(self._encode(Packet(DISCONNECT, self.name)))
            wire.close()
            self._lost("io client disconnect")

    def cut(self, silent: bool) -> None:
        """Be gone without a goodbye. The client notices by what it does not hear."""
        wire = self._wire
        if wire is not None:
            wire.cut(silent)
            self._lost("ping timeout" if silent else "transport close")

    def _lost(self, reason: str) -> None:
        """The connection is over."""
        self._wire = None
        was_connected, self.connected = self.connected, False
        self.id = None
        self.reason = reason
        acks, self._acks = self._acks, self._no_acks()
        for entry in acks.close():
            entry.on_gone()
        if was_connected:
            self._post_hook("disconnect", reason, None)
        else:
            self.give_up(TransportError(f"the connection ended before it was accepted: {reason}"))

    # -- inward, in the I/O thread: the wire's owner -------------------------------------------------------------------

    def on_open(self) -> None:
        """Ask for the namespace."""
        assert self._hello is not None
        self.send(self._hello)

    def on_message(self, data: str | bytes) -> None:
        """A packet came, or a part of one."""
        packet = self._decoder.add(data)
        if packet is None or packet.nsp != self.name or self._wire is None:
            return
        if packet.type == EVENT:
            self._take_offset(packet)
            if self.connected:
                self._post_event(packet)
            else:
                self._early.append(packet)
        elif packet.type == ACK:
            entry = self._acks.take(packet.id)
            if entry is not None:
                entry.on_answer(tuple(packet.data))
        elif packet.type == CONNECT:
            self._accepted(packet.data)
        elif packet.type == CONNECT_ERROR:
            self._refused(packet.data)
        elif packet.type == DISCONNECT:
            self._wire.close()
            self._lost("io server disconnect")

    def on_close(self, reason: str) -> None:
        """The server, or a fault, ended the connection."""
        if self._wire is not None:
            self._lost(reason)

    def _accepted(self, data: dict[str, Any]) -> None:
        pid = data.get("pid")
        self.id = data["sid"]
        self.recovered = pid is not None and pid == self._pid
        if not self.recovered:
            self._offset = None
        self._pid = pid
        self.connected = True
        for packet in self._early:  # what was missed comes before the reply
            self._post_event(packet)
        self._early.clear()
        kept, self._kept = self._kept, []
        for emission in kept:
            emission.send()
        self._post_hook("connect")
        self.outcome.set()

    def _refused(self, data: Any) -> None:
        wire = self._wire
        if wire is not None:
            wire.close()
        if isinstance(data, dict):
            self.give_up(ConnectError(data.get("message", ""), data.get("data")))
        else:
            self.give_up(ConnectError(str(data)))

    def _take_offset(self, packet: Packet) -> None:
        """Remember how far the stream of recoverable packets came; no test wants to see the offset."""
        last = packet.data[-1]
        if self._pid is None or packet.id is not None or len(packet.data) < 2 or not isinstance(last, str):
            return
        if self.stage is not None and self.stage.is_offset(last):
            self._offset = packet.data.pop()

    # -- handlers, in workers ------------------------------------------------------------------------------------------

    def _post_event(self, packet: Packet) -> None:
        self._mailbox.post(partial(self._handle, packet))

    def _post_hook(self, event: str, *args: Any) -> None:
        self._mailbox.post(partial(self._run_handlers, event, args, None))

    def _handle(self, packet: Packet) -> None:
        event, *values = packet.data
        args = tuple(values)
        for handler in self.listeners.any:
            self._call(event, handler, (event, *args), None)
        if not self._run_handlers(event, args, packet.id):
            self.inbox.append((event, *args))

    def _run_handlers(self, event: str, args: tuple[Any, ...], id: int | None) -> bool:
        """Call the handlers of an event and answer it. False: it has none."""
        handlers = self.listeners.get(event)
        ack: ClientAck | None = None
        answer = None
        well = True
        for handler in handlers:
            if not self.listeners.claim(event, handler):
                continue
            if handler.wants_ack and ack is None:
                ack = ClientAck(self, id)
            value, returned = self._call(event, handler, args, ack)
            answer = value if answer is None else answer
            well = well and returned
        if handlers and ack is None and id is not None and (well or answer is not None):
            values = answer if isinstance(answer, tuple) else () if answer is None else (answer,)
            self.answer(id, values)
        return bool(handlers)

    def _call(self, event: str, handler: Handler, args: tuple[Any, ...], ack: ClientAck | None) -> tuple[Any, bool]:
        """What a handler returned, and whether it did. What it raises is raised in the test."""
        if not handler.accepts(len(args)):
            self._stage_errors.append(handler.arguments_error(event, len(args)))
            return None, False
        return self._guard(handler.call, args, ack)

    def _guard(self, fn: Callback, *args: Any) -> tuple[Any, bool]:
        try:
            return fn(*args), True
        except Exception as error:
            self._stage_errors.append(error)
            return None, False

    @property
    def _stage_errors(self) -> list[Exception]:
        assert self.stage is not None
        return self.stage.errors

    # -- outward -------------------------------------------------------------------------------------------------------

    def emit(
        self,
        event: str,
        args: tuple[Any, ...],
        options: BroadcastOptions,
        callback: Callback | None,
        error_callback: Callback | None,
    ) -> None:
        """Send an event, or keep it until there is a connection. One of the callbacks is told of the answer."""
        packet = event_packet(self.name, event, args)
        if callback is not None or error_callback is not None:
            packet.id = next(self._ack_ids)
        encoded = self._encode(packet, options.compress)
        self._notify_outgoing(event, args)
        emission = Emission(self, encoded, packet.id, options.timeout, callback, error_callback)
        if self.connected:
            emission.send()
        elif not options.volatile:
            self._kept.append(emission)

    def emit_with_ack(self, event: str, args: tuple[Any, ...], options: BroadcastOptions) -> Any:
        """Send an event and wait for the answer; the clock is turned as far as needed."""
        packet = event_packet(self.name, event, args)
        if not self.connected:
            raise self._gone_error()
        packet.id = ack_id = next(self._ack_ids)
        encoded = self._encode(packet, options.compress)
        self._notify_outgoing(event, args)
        settled = self.runtime.event()
        answer = self.expect(ack_id, settled.set)
        self.send(encoded)
        if not settled.wait(ACK_TIMEOUT if options.timeout is None else options.timeout) and answer.expire():
            self.drop_ack(ack_id)
        self.settle()
        if answer.error is not None:
            raise answer.error
        return answer.value

    def answer(self, id: int, args: tuple[Any, ...]) -> None:
        """Send the answer to an event."""
        if self.connected:
            self.send(self._encode(Packet(ACK, self.name, args, id)))

    def expect(self, ack_id: int, settled: Callable[[], None]) -> SocketAnswer:
        """Wait for an answer; ``settled`` is called when it came, or when it cannot come any more."""
        answer = SocketAnswer(self.runtime, settled, self._gone_error)
        self._acks.add(ack_id, PendingAck(answer.answer, answer.gone))
        return answer

    def drop_ack(self, ack_id: int) -> None:
        """Wait no longer."""
        self._acks.take(ack_id)

    def run_callback(self, fn: Callback, *args: Any) -> None:
        """Call a function of the test in a task of its own. What it raises is raised in the test."""
        self.runtime.submit(partial(self._guard, fn, *args), "callback of a TestClient")

    def _notify_outgoing(self, event: str, args: tuple[Any, ...]) -> None:
        for handler in self.listeners.any_outgoing:
            handler.call((event, *args))

    def _gone_error(self) -> DisconnectedError:
        return DisconnectedError(self.reason)

    def send(self, encoded: EncodedPacket) -> None:
        """Send a packet; without a connection it is lost."""
        if self._wire is not None:
            self._wire.send(encoded)

    def _encode(self, packet: Packet, compress: bool = True) -> EncodedPacket:
        """Raises ValueError for what the server would not take: it announces a limit."""
        messages = self.server.parser.encode(packet)
        limit = self.server.options.max_http_buffer_size
        for message in messages:
            size = len(message) if isinstance(message, bytes) else len(message.encode()) + 1
            if size > limit:
                raise ValueError(f"a message of {size} bytes: the server takes {limit} (max_http_buffer_size)")
        return EncodedPacket(messages, compress=compress)


def _run(call: Callable[[], object]) -> None:
    call()
