"""Calling the user's functions: each in a fresh context, inside the user's wrappers, with errors told and answers sent.

Everything here runs in a worker, never in the I/O thread, and no lock of ours is held.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import Context
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.exceptions import ArgumentsError
from socketio_sync.protocol.plain import plain_answer
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.server.ack import Ack
from socketio_sync.server.listeners import LIFE_CYCLE
from socketio_sync.server.listeners import Listeners

if TYPE_CHECKING:
    from socketio_sync.server.listeners import Handler
    from socketio_sync.server.namespace import BaseNamespace
    from socketio_sync.server.socket_life import SocketLife

_ONE_VALUE = frozenset((str, dict, list, int, float, bool, bytes))  # what most handlers return: no tuple and not None

_NOBODY = Listeners(takes_socket=True)
_NO_FUNCTION = (int, 1, 0)  # fits no number

log = logging.getLogger("socketio_sync.server")


def invoke(socket: SocketLife | None, event: str | None, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of the user in a fresh contextvars context; what it raises comes through."""
    if socket is None or not socket.server.wrappers:
        return Context().run(function, *args)
    return Context().run(_wrapped, socket, event, function, args)


def _wrapped(socket: SocketLife, event: str | None, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    with ExitStack() as stack:
        for wrapper in socket.server.wrappers:
            stack.enter_context(wrapper.call((socket, event)))
        return function(*args)
    return None  # a wrapper swallowed the exception


def report(
    nsp: BaseNamespace, error: BaseException, socket: SocketLife | None, event: str | None, args: tuple[Any, ...]
) -> Any:
    """Log what a function of the user raised and tell ``on_error``; returns its answer, None if there is none."""
    if not isinstance(error, ArgumentsError):  # those are logged with less noise where they come up
        log.error("a handler of %r failed (%r)", event, nsp if socket is None else socket, exc_info=error)
    answer = None
    for handler in nsp.error_handlers():
        try:
            value = invoke(socket, event, handler.call, (error, socket, event, args))
        except nsp.runtime.failures:
            log.exception("on_error itself failed, called with %r", error)
        else:
            answer = value if answer is None else answer
    return answer


def call_handler(
    socket: SocketLife,
    event: str,
    handler: Handler,
    given: tuple[Any, ...],
    args: tuple[Any, ...],
    ack: Ack | None = None,
) -> tuple[Any, bool]:
    """Call a handler of the user, whose errors are told and stop here.

    Args:
        given: what it is called with.
        args: the arguments of the event, for ``on_error``.

    Returns:
        What it returned and True, or what ``on_error`` returned and False.
    """
    try:
        if not handler.accepts(len(given)):
            raise _arguments_error(socket, event, handler, len(given))
        if socket.server.wrappers:
            return invoke(socket, event, handler.call, given, ack), True
        return Context().run(handler.call, given, ack), True
    except socket.conn.runtime.failures as error:
        return report(socket.nsp, error, socket, event, args), False


def _arguments_error(socket: SocketLife, event: str, handler: Handler, count: int) -> ArgumentsError:
    error = handler.arguments_error(event, count)
    if handler.warned:
        log.debug("%s (%r)", error, socket)
    else:
        handler.warned = True
        log.warning("%s (%r); from now on a debug line", error, socket)
    return error


def run_life_cycle(socket: SocketLife, chain: tuple[Listeners, ...], event: str, *args: Any) -> bool:
    """Call the handlers of an event of ours; whether all went well and none returned False."""
    well = True
    socket.running = event
    for listeners in chain:
        given = (socket, *args) if listeners.takes_socket else args
        for handler in listeners.get(event):
            if listeners.claim(event, handler):
                value, returned = call_handler(socket, event, handler, given, args)
                well = well and returned and value is not False
    return well


def handle_item(socket: SocketLife, item: Any) -> None:
    """What is done with an item of a socket's mailbox: a plain event, another packet, or a job.

    Measured: this runs for every event. Most are plain ones (``protocol/plain.py``) for the only handler of that name,
    whose answer is plain as well: for these the calls stand here, without what few need. When a plain event came,
    nobody wanted to see in the log what comes and goes.
    """
    plain = item.__class__ is tuple
    if plain:
        data, id = item  # the digits of the id
    elif item.__class__ is not Packet:
        item()
        return
    elif socket._ready:
        data, id = list(item.data), item.id  # of a user's parser it may be any sequence, and any id
    else:
        return
    socket.running = event = data[0]
    chain = socket.chain
    listeners = chain[0] if len(chain) == 1 else _whose(chain, event)
    function, least, most = listeners.plain.get(event, _NO_FUNCTION)
    if not least <= len(data) <= most or socket.middlewares or socket.server.wrappers:
        _handle_anyhow(socket, data, int(id) if plain and id is not None else id, chain)
        return
    if listeners.takes_socket:
        data[0] = socket  # in the place of the name: what the handler is called with needs no copy
    else:
        del data[0]
    try:
        if len(data) == 2:  # nearly always; making arguments of a list takes half of the call
            value = Context().run(function, data[0], data[1])
        else:
            value = Context().run(function, *data)
    except socket.conn.runtime.failures as error:
        value = report(socket.nsp, error, socket, event, tuple(data[1:] if listeners.takes_socket else data))
        if id is not None:
            _answer(socket, int(id) if plain else id, event, None, value, False)
        return
    if id is None:
        return
    if plain and value.__class__ in _ONE_VALUE and (frame := plain_answer("/", id, (value,))) is not None:
        if socket.client.plain_socket is not socket or not socket.conn.plain_channel.offer(frame):
            socket.send_frame(frame)  # it has gone meanwhile, or something waits
    else:
        _answer(socket, int(id) if plain else id, event, value, None, True)


def _whose(chain: tuple[Listeners, ...], event: str) -> Listeners:
    """The only ones of a namespace or of a socket that handle an event; ``_NOBODY``: that needs a closer look."""
    if len(chain) != 2 or chain[1].takes_socket or chain[0].any or chain[1].any:
        return _NOBODY
    nsp, own = chain
    if event not in own.named:
        return nsp
    return _NOBODY if nsp.named.get(event) else own


def handle_event(socket: SocketLife, packet: Packet) -> None:
    """Give one event of the client to all who want it, then answer it; for those that run beside the mailbox."""
    socket.running = packet.data[0]
    _handle_anyhow(socket, list(packet.data), packet.id, socket.chain)


def _handle_anyhow(socket: SocketLife, data: list[Any], id: int | None, chain: tuple[Listeners, ...]) -> None:
    """The long way: any handlers, however registered."""
    event = data[0]
    simple = not socket.middlewares and event not in LIFE_CYCLE
    for listeners in chain:
        if listeners.any:
            simple = False
    if not simple:
        chain, data = _detours(socket, data, id, chain)
    server = socket.server
    answer = mended = None
    well = True
    ack: Ack | None = None
    found = False
    for listeners in chain:
        handlers = listeners.named.get(event)
        if handlers is None:
            continue
        found = True
        # The place of the name is the socket's, for those who get it: what the handler is called with needs no copy.
        given = data if listeners.takes_socket else data[1:]
        data[0] = socket
        count = len(given)
        for handler in handlers:
            # A call with too few arguments is none: it does not use up the only one.
            if handler.once and handler.least <= count and not listeners.claim(event, handler):
                continue
            try:
                if handler.least > count:
                    raise _arguments_error(socket, event, handler, count)
                if handler.wants_ack and ack is None:
                    ack = Ack(socket, id)
                if server.wrappers:
                    value = invoke(socket, event, handler.call, tuple(given), ack)
                elif handler.most is not None and handler.most < count:
                    value = Context().run(handler.call, tuple(given), ack)
                elif handler.wants_ack:
                    value = Context().run(handler.function, *given, ack=ack)
                else:
                    value = Context().run(handler.function, *given)
            except socket.conn.runtime.failures as error:
                well = False
                value = report(socket.nsp, error, socket, event, tuple(data[1:]))
                mended = value if mended is None else mended
            else:
                answer = value if answer is None else answer
    if ack is not None:
        if mended is not None:
            _answer_by(ack, socket, event, mended)
    elif found:
        if id is not None:
            _answer(socket, id, event, answer, mended, well)
    elif chain:
        log.debug("nothing handles %r (%r)", event, socket)


def _detours(
    socket: SocketLife, data: list[Any], id: int | None, chain: tuple[Listeners, ...]
) -> tuple[tuple[Listeners, ...], list[Any]]:
    """What few events need: those who see all events, ``socket.use``, and names that are ours.

    Returns:
        Those whose handlers get the event, nobody if it is refused, and its name and arguments.
    """
    event, *args = data
    for listeners in chain:
        for handler in listeners.any:
            given = (socket, event, *args) if listeners.takes_socket else (event, *args)
            call_handler(socket, event, handler, given, tuple(args))
    if socket.middlewares:
        values = list(args)
        try:
            for handler in socket.middlewares:
                invoke(socket, event, handler.call, (event, values))
        except socket.conn.runtime.failures as error:
            mended = report(socket.nsp, error, socket, event, tuple(args))
            if id is not None:
                _answer(socket, id, event, None, mended, False)
            return (), [event]
        args = values
    if event in LIFE_CYCLE:
        # A client may call an event "connection", but not as if it were ours.
        chain = tuple(own for own in chain if event == "connection" and not own.takes_socket)
    return chain, [event, *args]


def _answer(socket: SocketLife, id: int, event: str, answer: Any, mended: Any, well: bool) -> None:
    """Send the answer: a handler's value, else ``on_error``'s, else an empty one, else (something failed) none."""
    value = mended if answer is None else answer
    if value is None and not well:
        return
    try:
        socket.send_answer(id, (value,) if value.__class__ in _ONE_VALUE else _arguments(value))
    except Exception as error:
        _mend(Ack(socket, id), socket, event, error)


def _answer_by(ack: Ack, socket: SocketLife, event: str, value: Any) -> None:
    try:
        ack(*_arguments(value))
    except Exception as error:
        _mend(ack, socket, event, error)


def _arguments(value: Any) -> tuple[Any, ...]:
    """What a returned value answers with: a tuple is several arguments, None is none."""
    return () if value is None else value if isinstance(value, tuple) else (value,)


def _mend(ack: Ack, socket: SocketLife, event: str, error: Exception) -> None:
    """A returned value could not be sent: that is the handler's error, and ``on_error`` may answer instead."""
    value = report(socket.nsp, error, socket, event, ())
    if value is not None:
        try:
            ack(*_arguments(value))
        except Exception:
            log.exception("what on_error returned cannot be sent as an answer to %r", event)


def run_server_side(
    nsp: BaseNamespace,
    chain: tuple[Listeners, ...],
    data: tuple[Any, ...],
    answer: Callable[[tuple[Any, ...]], None] | None,
) -> None:
    """Give what another server sent to the handlers of ``on_server_side``; ``answer`` gets the first value."""
    event, *rest = data
    args = tuple(rest)
    value = None
    for listeners in chain:
        for handler in listeners.get(event):
            try:
                if not handler.accepts(len(args)):
                    raise handler.arguments_error(event, len(args))
                returned = invoke(None, event, handler.call, args)
            except nsp.runtime.failures as error:
                returned = report(nsp, error, None, event, args)
            value = returned if value is None else value
    if answer is not None:
        answer(value if isinstance(value, tuple) else (value,))
