"""How a socket joins its namespace: find it, recover or begin a session, ask the middlewares, accept or refuse.

It all happens in the first job of the socket's mailbox: the user's functions in it may block.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from socketio_sync.engine.ids import new_id
from socketio_sync.exceptions import ConnectError
from socketio_sync.exceptions import TransportError
from socketio_sync.server.dispatch import invoke
from socketio_sync.server.dispatch import report

if TYPE_CHECKING:
    from socketio_sync.adapters.adapter import Session
    from socketio_sync.protocol.engineio_packet import EncodedPacket
    from socketio_sync.server.namespace import Namespace
    from socketio_sync.server.socket_life import SocketLife

log = logging.getLogger("socketio_sync.server")

INTERNAL_ERROR = "internal error"


def join_namespace(socket: SocketLife) -> bool:
    """Accept the socket, or refuse it and tell the client; False if it was refused or has gone meanwhile."""
    nsp: Namespace | None = None
    session: Session | None = None
    try:
        nsp = socket.server.enter(socket.name, socket.auth)
        socket.enter(nsp)
        session = _begin_session(socket, nsp)
        if session is None or not _skips_middlewares(socket):
            _ask_middlewares(socket, nsp)
    except BaseException as error:
        if nsp is not None and session is not None:
            nsp.adapter.persist_session(session)
        if socket.close("server namespace disconnect", by_client=False):
            socket.client.refuse(socket.name, as_refusal(error), by_middleware=nsp is not None)
        if isinstance(error, socket.conn.runtime.failures):
            return False
        raise
    return _accept(socket, nsp, session)


def as_refusal(error: BaseException) -> ConnectError:
    """What the client is told: only what was meant for it."""
    if isinstance(error, ConnectError) and not isinstance(error, TransportError):
        return error
    return ConnectError(INTERNAL_ERROR)


def _begin_session(socket: SocketLife, nsp: Namespace) -> Session | None:
    """Give the socket its id, new or that of the session that the client comes back to."""
    protocol_3 = socket.conn.protocol == 3
    if socket.server.options.connection_state_recovery is None or protocol_3:
        # A client of protocol 3 knows its id without being told: the session's, in a namespace with the name before it.
        id = new_id() if not protocol_3 else socket.conn.id if nsp.name == "/" else f"{nsp.name}#{socket.conn.id}"
        socket.open(id, None)
        return None
    session = _claim_session(socket, nsp)
    if session is None:
        socket.open(new_id(), new_id())
        return None
    socket.open(session.id, session.pid)
    socket.data = session.data
    socket.position = session.position
    socket.recovered = True
    return session


def _claim_session(socket: SocketLife, nsp: Namespace) -> Session | None:
    pid = socket.auth.get("pid")
    offset = socket.auth.get("offset")
    if not isinstance(pid, str) or not (offset is None or isinstance(offset, str)):
        return None
    live = nsp.socket_of(pid)
    if live is not None:
        # The client is back before its old connection was found dead.
        live.close("transport close")
        live.conn.close("transport close", discard=True)
    try:
        return nsp.adapter.restore_session(pid, offset)
    except Exception:  # the bus of a cluster; the client begins anew
        log.exception("the session of a client could not be looked up in %r", nsp)
        return None


def _skips_middlewares(socket: SocketLife) -> bool:
    recovery = socket.server.options.connection_state_recovery
    return recovery is not None and recovery.skip_middlewares


def _ask_middlewares(socket: SocketLife, nsp: Namespace) -> None:
    """Run them in order until one raises."""
    for handler in nsp.all_middlewares():
        if socket.gone:
            return
        try:
            result = invoke(socket, "connection", handler.call, (socket,))
            if result is not None:
                raise TypeError(
                    f"a middleware returns None or raises ConnectError, {handler.function!r} returned {result!r}"
                )
        except nsp.runtime.failures as error:
            if as_refusal(error) is not error:
                report(nsp, error, socket, "connection", ())
            raise


def _accept(socket: SocketLife, nsp: Namespace, session: Session | None) -> bool:
    """Make it visible, then send the reply; broadcasts that find it before are held back behind the reply."""
    missed: list[EncodedPacket] = []

    def appear(packets: list[EncodedPacket]) -> None:
        nsp.add(socket)
        missed.extend(packets)

    adapter = nsp.adapter
    if session is not None:
        adapter.recover(session, appear)
    else:
        socket.position = adapter.position()
        adapter.add_all(socket.id, (socket.id,))
        appear([])
    if socket.accept():
        # The reference's order: what was missed goes before the reply (socket.io, socket.ts, constructor).
        socket.release([*missed, socket.client.connect_packet(socket)])
        return True
    rooms = nsp.remove(socket)
    if session is not None:
        session.rooms = rooms
        adapter.persist_session(session)
    return False
