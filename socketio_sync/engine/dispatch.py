"""One HTTP request becomes exactly one of: open, poll, post, upgrade, preflight, or an error of Engine.IO's table."""

from __future__ import annotations

import logging
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING

from socketio_sync.engine import cors
from socketio_sync.engine import polling
from socketio_sync.engine import websocket
from socketio_sync.engine.connection import Connection
from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.engine.http import Unavailable
from socketio_sync.exceptions import ConnectError
from socketio_sync.protocol import engineio_session as sessions
from socketio_sync.protocol.engineio_handshake import BAD_HANDSHAKE_METHOD
from socketio_sync.protocol.engineio_handshake import BAD_REQUEST
from socketio_sync.protocol.engineio_handshake import FORBIDDEN
from socketio_sync.protocol.engineio_handshake import UNKNOWN_SID
from socketio_sync.protocol.engineio_handshake import UNKNOWN_TRANSPORT
from socketio_sync.protocol.engineio_handshake import UNSUPPORTED_PROTOCOL_VERSION
from socketio_sync.protocol.engineio_handshake import EngineError
from socketio_sync.protocol.engineio_handshake import parse_revision
from socketio_sync.protocol.engineio_packet import OPEN
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.websocket import close_frame
from socketio_sync.protocol.websocket_handshake import HandshakeError
from socketio_sync.protocol.websocket_handshake import check_handshake

if TYPE_CHECKING:
    from socketio_sync.engine.engine import Engine

log = logging.getLogger("socketio_sync.engine")

UNAVAILABLE = "503 Service Unavailable"


def dispatch(engine: Engine, request: Request) -> Response:
    """Answer one request; user code of the handshake (middlewares, ``allow_request``) runs here, in its thread."""
    upgrade = is_upgrade(request)
    origin = _judge_origin(engine, request)
    headers = [] if origin else cors.response_headers(engine.options, request)
    try:
        if request.method == "OPTIONS" and request.header("access-control-request-method") and not origin:
            return cors.preflight(engine.options, request)
        engine.run_middlewares(request)
        connection = verify(engine, request, upgrade, origin)
        if upgrade:
            return _websocket(engine, request, connection, headers)
        return _http(engine, request, connection, headers)
    except EngineError as error:
        engine.report(error, request)
        return rejection(request, error, upgrade, headers)
    except Unavailable as reason:
        return _plain(request, UNAVAILABLE, str(reason), headers)
    except HandshakeError as error:
        status = f"{error.status} {HTTPStatus(error.status).phrase}"
        return _plain(request, status, error.reason, [*headers, *error.headers])


def _judge_origin(engine: Engine, request: Request) -> EngineError | None:
    """The error that a request's Origin deserves, if it deserves one."""
    origin = request.header("origin")
    if not cors.origin_is_legal(origin):
        return EngineError(BAD_REQUEST, {"name": "INVALID_ORIGIN", "origin": origin})
    if not cors.origin_is_allowed(engine.options, request):
        log.warning("refused a request of the origin %r: see the option cors_allowed_origins", origin)
        return EngineError(FORBIDDEN, {"message": "origin not allowed", "origin": origin})
    return None


def is_upgrade(request: Request) -> bool:
    """Whether a request asks for a WebSocket (RFC 6455, 4.2.1)."""
    if request.peer.upgraded:
        return True
    upgrade = request.header("upgrade")
    return upgrade is not None and upgrade.lower() == "websocket" and request.method == "GET"


def verify(engine: Engine, request: Request, upgrade: bool, origin: EngineError | None) -> Connection | None:
    """Check a request in the reference's order; returns its session, or None for a handshake that is allowed.

    Raises:
        EngineError: what the client is told.
    """
    query = request.query
    transport = query.get("transport", "")
    if transport not in engine.options.transports:
        raise EngineError(UNKNOWN_TRANSPORT, {"transport": transport})
    if origin is not None:
        raise origin
    sid = query.get("sid")
    if sid is not None:
        return _verify_session(engine, request, sid, transport, upgrade)
    if request.method != "GET":
        raise EngineError(BAD_HANDSHAKE_METHOD, {"method": request.method})
    if transport == "websocket" and not upgrade:
        raise EngineError(BAD_REQUEST, {"name": "TRANSPORT_HANDSHAKE_ERROR"})
    _verify_allowed(engine, request)
    revision = parse_revision(query)
    if revision == 3 and not engine.options.allow_eio3:
        raise EngineError(UNSUPPORTED_PROTOCOL_VERSION, {"protocol": revision})
    return None


def _verify_session(engine: Engine, request: Request, sid: str, transport: str, upgrade: bool) -> Connection:
    connection = engine.connections.get(sid)
    if connection is None or not connection.is_alive():
        raise EngineError(UNKNOWN_SID, {"sid": sid})
    if not upgrade and transport != connection.transport:
        context = {"name": "TRANSPORT_MISMATCH", "transport": transport, "previousTransport": connection.transport}
        raise EngineError(BAD_REQUEST, context)
    revision = parse_revision(request.query)
    if revision != connection.protocol:
        raise EngineError(
            BAD_REQUEST,
            {"name": "PROTOCOL_MISMATCH", "protocol": revision, "previousProtocol": connection.protocol},
        )
    if upgrade and transport == "websocket" and not engine.options.allow_upgrades:
        raise EngineError(BAD_REQUEST, {"name": "TRANSPORT_MISMATCH", "transport": transport})
    return connection


def _verify_allowed(engine: Engine, request: Request) -> None:
    allow = engine.options.allow_request
    if allow is None:
        return
    message = "Forbidden"
    try:
        allowed = allow(request.environ)
        if allowed is True:
            return
        if allowed is not False:
            log.error("allow_request must return True or False, not %r: the request is refused", allowed)
            message = "internal error"
    except ConnectError as error:
        message = error.message or message
    except Exception:
        log.exception("allow_request failed: the request is refused")
        message = "internal error"
    raise EngineError(FORBIDDEN, {"message": message}, message)


# -- plain HTTP --------------------------------------------------------------------------------------------------------


def _http(engine: Engine, request: Request, connection: Connection | None, headers: list[tuple[str, str]]) -> Response:
    if connection is None:
        return _open_polling(engine, request, headers)
    if connection.transport != "polling":
        raise EngineError(BAD_REQUEST, {"name": "TRANSPORT_HANDSHAKE_ERROR"})
    handle = {"GET": polling.handle_get, "POST": polling.handle_post}.get(request.method)
    if handle is None:
        return Response("500 Internal Server Error", [*headers, ("Content-Length", "0")])
    return handle(engine, request, connection, engine.response_headers(request, headers))


def _newcomer(engine: Engine, request: Request, transport: str, format: polling.PayloadFormat) -> Connection:
    engine.check_room()
    connection = Connection(engine, engine.new_sid(request), request, transport, format)
    try:
        engine.enter(connection)
    except (Unavailable, EngineError):
        connection.discard()
        raise
    return connection


def _open_polling(engine: Engine, request: Request, headers: list[tuple[str, str]]) -> Response:
    query = request.query
    format = polling.PayloadFormat(parse_revision(query), bool(query.get("b64")), query.get("j"))
    connection = _newcomer(engine, request, sessions.POLLING, format)
    upgrades = ["websocket"] if _can_upgrade(engine, request) else []
    open_packet = engine.open_packet(connection, upgrades)
    headers = engine.response_headers(request, headers + engine.cookie_headers(connection), initial=True)
    engine.warn_of_processes(request)
    encoded = format.encode([open_packet])
    engine.admit(connection)
    return polling.payload_response(engine, headers, request.header("accept-encoding"), encoded)


def _can_upgrade(engine: Engine, request: Request) -> bool:
    options = engine.options
    return options.allow_upgrades and "websocket" in options.transports and request.peer.kind != "none"


# -- WebSocket ---------------------------------------------------------------------------------------------------------


def _websocket(
    engine: Engine, request: Request, connection: Connection | None, headers: list[tuple[str, str]]
) -> Response:
    peer = request.peer
    if peer.kind == "none":
        text = f"{peer.server} gives no access to its sockets: WebSockets do not work here, long-polling does"
        return _plain(request, "400 Bad Request", text, headers)
    if not peer.upgraded:
        check_handshake(request.method, request.header)
    refused = request.query.get("transport") != "websocket"
    try:
        if connection is None:
            return _open_websocket(engine, request, headers, refused)
        return _upgrade(engine, request, connection, headers, refused)
    except OSError:
        log.debug("the client left during its WebSocket handshake", exc_info=True)
        return Response()


def _upgrade(
    engine: Engine, request: Request, connection: Connection, headers: list[tuple[str, str]], refused: bool
) -> Response:
    def begin(transport: websocket.WebSocketTransport) -> bool:
        return not refused and connection.begin_upgrade(transport)

    return websocket.connect(engine, request, connection, engine.response_headers(request, headers), begin)


def _open_websocket(engine: Engine, request: Request, headers: list[tuple[str, str]], refused: bool) -> Response:
    format = polling.PayloadFormat(parse_revision(request.query), bool(request.query.get("b64")), None)
    connection = _newcomer(engine, request, sessions.WEBSOCKET, format)
    headers = engine.response_headers(request, headers + engine.cookie_headers(connection), initial=True)

    def begin(transport: websocket.WebSocketTransport) -> bool:
        if refused:
            return False
        connection.attach(transport)
        connection.send_packet(engine.open_packet(connection, []))
        engine.admit(connection)
        return True

    try:
        return websocket.connect(engine, request, connection, headers, begin)
    finally:
        if not connection.is_admitted:
            connection.discard()


# -- errors ------------------------------------------------------------------------------------------------------------


def rejection(request: Request, error: EngineError, upgrade: bool, headers: list[tuple[str, str]]) -> Response:
    """The reference's answers: JSON, or for an upgrade always 400 with the text."""
    if upgrade:
        return _plain(request, "400 Bad Request", error.message, headers)
    body = error.json.encode("utf-8")
    return Response(
        error.status, [*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body
    )


def _plain(request: Request, status: str, text: str, headers: list[tuple[str, str]]) -> Response:
    if request.peer.upgraded:
        return _refuse_upgraded(request, text)
    body = text.encode("utf-8")
    extra = [("Connection", "close"), ("Content-Type", "text/html"), ("Content-Length", str(len(body)))]
    return Response(status, [*headers, *extra], body)


def _refuse_upgraded(request: Request, text: str) -> Response:
    """The server has sent its 101 before we were asked: all that is left is a close frame."""
    try:
        sock, _ = request.peer.take()
        with closing(sock):
            sock.send(close_frame(1008, text))
    except OSError:
        pass  # the client has gone by itself
    return Response(websocket.SWITCHING)


def open_packet_of(text: str) -> EncodedPacket:
    """The open packet as the queue takes it."""
    return EncodedPacket([text], type=OPEN, compress=False)
