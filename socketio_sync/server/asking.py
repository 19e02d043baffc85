"""Asking clients for answers: sending what has an ack id, then waiting, or calling back when it is settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.exceptions import DisconnectedError
from socketio_sync.handler import check_callable
from socketio_sync.server.answers import BroadcastAnswers
from socketio_sync.server.answers import SocketAnswer

if TYPE_CHECKING:
    from socketio_sync.adapters.adapter import BroadcastOptions
    from socketio_sync.protocol.socketio_packet import Packet
    from socketio_sync.server.namespace import Namespace
    from socketio_sync.server.socket import Socket


class Reply:
    """The two functions of which one is told how the asking went, in a task of its own, never behind a handler.

    Args:
        nsp, socket, event: what it belongs to; no socket for a broadcast.
        callback: gets the answer.
        error_callback: gets the error instead.
    """

    __slots__ = ("_callback", "_error_callback", "_event", "_nsp", "_socket")

    def __init__(
        self,
        nsp: Namespace,
        socket: Socket | None,
        event: str,
        callback: Callable[..., Any] | None,
        error_callback: Callable[..., Any] | None,
    ) -> None:
        for name, fn in (("callback", callback), ("error_callback", error_callback)):
            if fn is not None:
                check_callable(fn, name)
        self._nsp = nsp
        self._socket = socket
        self._event = event
        self._callback = callback
        self._error_callback = error_callback

    def deliver(self, error: Exception | None, args: tuple[Any, ...]) -> None:
        """Have one of them called; nothing if the one that is meant was not given."""
        fn = self._callback
        if error is not None:
            fn, args = self._error_callback, (error,)
        if fn is not None:
            self._nsp.run_callback(fn, *args, socket=self._socket, event=self._event)


def ask_one(socket: Socket, packet: Packet, options: BroadcastOptions, reply: Reply) -> None:
    """Emit to one socket and tell ``reply`` the answer's arguments; without a timeout it has until the disconnect."""

    def settled() -> None:
        reply.deliver(answer.error, answer.args)

    answer = SocketAnswer(socket.nsp.runtime, settled, socket.disconnected_error)
    ack_id = _send_asking(socket, packet, options, answer)
    if options.timeout is not None:
        answer.expire_after(socket.nsp.runtime, options.timeout, lambda: socket.drop_ack(ack_id))


def wait_for_one(socket: Socket, packet: Packet, options: BroadcastOptions) -> Any:
    """Emit to one socket and return its answer, or raise what came instead."""
    nsp = socket.nsp
    settled = nsp.runtime.event()
    answer = SocketAnswer(nsp.runtime, settled.set, socket.disconnected_error)
    ack_id = _send_asking(socket, packet, options, answer)
    if not settled.wait(_patience(nsp, options)) and answer.expire():
        socket.drop_ack(ack_id)
    if answer.error is not None:
        raise answer.error
    return answer.value


def ask_many(nsp: Namespace, packet: Packet, options: BroadcastOptions, reply: Reply, *, single: bool = False) -> None:
    """Broadcast and tell ``reply`` the list of answers; with ``single``, where one is reached at most, the one."""

    def settled() -> None:
        if not single:
            reply.deliver(answers.error, (answers.responses,))
        elif answers.responses:
            reply.deliver(None, (answers.responses[0],))
        else:
            reply.deliver(answers.error or left_error(), ())

    answers = BroadcastAnswers(nsp.runtime, settled, _servers(nsp, options))
    cancel = nsp.adapter.broadcast_with_ack(packet, options, answers)
    answers.expire_after(nsp.runtime, _patience(nsp, options), cancel)


def wait_for_many(nsp: Namespace, packet: Packet, options: BroadcastOptions) -> list[Any]:
    """Broadcast and return the list of answers; too late raises AckTimeout."""
    settled = nsp.runtime.event()
    answers = BroadcastAnswers(nsp.runtime, settled.set, _servers(nsp, options))
    cancel = nsp.adapter.broadcast_with_ack(packet, options, answers)
    if not settled.wait(_patience(nsp, options)) and answers.expire():
        cancel()
    if answers.error is not None:
        raise answers.error
    return answers.responses


def left_error() -> DisconnectedError:
    """For a copy of a socket: nobody is there to answer."""
    return DisconnectedError("it has left")


def _send_asking(socket: Socket, packet: Packet, options: BroadcastOptions, answer: SocketAnswer) -> int:
    """Send a packet to one socket and have its answer collected; returns the ack id."""
    packet.id = ack_id = socket.nsp.next_ack_id()
    socket.expect_ack(ack_id, answer.answer, answer.gone)
    try:
        socket.nsp.adapter.send_to(socket, packet, options)
    except BaseException:  # it cannot be sent: nobody will answer
        socket.drop_ack(ack_id)
        raise
    return ack_id


def _patience(nsp: Namespace, options: BroadcastOptions) -> float:
    """Seconds to wait for answers."""
    return nsp.server.options.ack_timeout if options.timeout is None else options.timeout


def _servers(nsp: Namespace, options: BroadcastOptions) -> int:
    """How many servers will count their clients; a local broadcast has nobody else to wait for."""
    return 1 if options.local else nsp.adapter.server_count()
