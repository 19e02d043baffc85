"""Calling the user's functions: each in a fresh context, in a worker, without a lock; and sending what they return."""

from __future__ import annotations

import logging
from contextvars import Context
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.client.answers import ClientAck
from socketio_sync.handler import Handler
from socketio_sync.protocol.socketio_packet import Packet

if TYPE_CHECKING:
    from socketio_sync.client.life import Life

log = logging.getLogger("socketio_sync.client")


def handle_event(life: Life, packet: Packet) -> None:
    """Give one event of the server to all who want it, then answer it; without a handler it goes to the inbox."""
    event, *values = packet.data
    args = tuple(values)
    for handler in life.listeners.any:
        _call(life, event, handler, (event, *args))
    handlers = life.listeners.get(event)
    if not handlers and life.inbox is not None:
        life.inbox.put((event, *args))
    ack: ClientAck | None = None
    answer = None
    well = True
    for handler in handlers:
        if not handler.accepts(len(args)):
            _tell_arguments(life, event, handler, len(args))
            well = False
            continue
        if not life.listeners.claim(event, handler):
            continue
        if handler.wants_ack and ack is None:
            ack = ClientAck(life, packet.id)
        value, returned = _call(life, event, handler, args, ack)
        answer = value if answer is None else answer
        well = well and returned
    if handlers and ack is None and packet.id is not None and (well or answer is not None):
        _answer(life, event, packet.id, answer)


def handle_own(life: Life, event: str, *args: Any) -> None:
    """Call the handlers of "connect", "connect_error" or "disconnect"."""
    for handler in life.listeners.get(event):
        if life.listeners.claim(event, handler):
            _call(life, event, handler, args)


def _call(
    life: Life, event: str, handler: Handler, args: tuple[Any, ...], ack: ClientAck | None = None
) -> tuple[Any, bool]:
    """What a handler returned, and whether it did."""
    try:
        return Context().run(handler.call, args, ack), True
    except life.runtime.failures:
        log.exception("a handler of %r failed (%r)", event, life)
        return None, False


def _tell_arguments(life: Life, event: str, handler: Handler, count: int) -> None:
    error = handler.arguments_error(event, count)
    log.log(logging.DEBUG if handler.warned else logging.WARNING, "%s (%r)", error, life)
    handler.warned = True


def _answer(life: Life, event: str, id: int, value: Any) -> None:
    args = () if value is None else value if isinstance(value, tuple) else (value,)
    try:
        ClientAck(life, id)(*args)
    except (TypeError, ValueError):
        log.exception("what a handler of %r returned cannot be sent (%r)", event, life)
