"""ClientConnection: one Engine.IO connection seen from Socket.IO; what upstream calls Client."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import quote

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol import socketio_mux
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.plain import plain_event
from socketio_sync.protocol.socketio_mux import DELIVER
from socketio_sync.protocol.socketio_mux import Mux
from socketio_sync.protocol.socketio_packet import CONNECT
from socketio_sync.protocol.socketio_packet import CONNECT_ERROR
from socketio_sync.protocol.socketio_packet import DISCONNECT
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.protocol.socketio_packet import shown
from socketio_sync.protocol.socketio_parser import DefaultParser
from socketio_sync.server.socket import Socket

if TYPE_CHECKING:
    from socketio_sync.engine.connection import Connection
    from socketio_sync.engine.handler import Receiver
    from socketio_sync.exceptions import ConnectError
    from socketio_sync.exceptions import DisconnectDetails
    from socketio_sync.server.server import Server
    from socketio_sync.server.socket_life import SocketLife

log = logging.getLogger("socketio_sync.server")

# Ended namespaces are remembered by name: the names must not be a way to fill the memory.
_MAX_NAME_LENGTH = 1024
# What a URL's path may contain as it is (the URL standard, "path percent-encode set"); % as it may be encoded already.
_URL_PATH_SAFE = "/-._~!$&'()*+,;=:@%[]|\\^"


def on_messages(messages: Iterator[tuple[Receiver, bytes]]) -> None:
    """As ``ClientConnection.on_message`` of each, which stands behind the digit of its packet's type.

    Measured: this runs for every message. Most are plain events, and go into the mailbox of their socket as they are.
    """
    debug = log.isEnabledFor(logging.DEBUG)
    for client, packet in messages:
        if client.__class__ is not ClientConnection:
            client.on_message(packet[1:].decode())
            continue
        try:
            if (
                not debug and (socket := client.plain_socket) is not None and not client._size
                and not socket.chain[0].any_loose and (len(socket.chain) == 1 or not socket._any_loose)
                and (event := plain_event(packet)) is not None
            ):  # fmt: skip
                socket._mailbox.post(event, len(packet))
            else:
                client.on_message(packet[1:].decode())
        except Exception as error:
            client.connection.input_failed(error)


class ClientConnection:
    """Decodes what comes, and gives each packet to the socket of its namespace. The Receiver of a Connection.

    ``on_message`` runs in the I/O thread or a request's, for one message at a time; the rest in any thread.
    """

    __slots__ = (
        "_closed",
        "_connect_timer",
        "_decoder",
        "_mux",
        "_protocol",
        "_size",
        "_unfinished",
        "connection",
        "plain_socket",
        "server",
        "sockets",
    )

    def __init__(self, server: Server, connection: Connection) -> None:
        options = server.options
        self.server = server
        self.connection = connection
        self._protocol = connection.protocol
        # By namespace; also those that are not accepted yet. Changed under the connection's lock.
        self.sockets: dict[str, Socket] = {}
        # That of "/", while it takes events, if plain_event does what the parser does. Changed under the same lock.
        self.plain_socket: SocketLife | None = None
        self._mux = Mux(options.max_namespaces)
        self._decoder = server.parser.decoder(options.max_attachments)
        # Bytes that came of a packet whose attachments are being received; else 0.
        self._size = 0
        self._closed = False
        # Sockets whose last handler has not returned: what max_namespaces limits, lest reconnecting pile up work.
        self._unfinished = 0
        self._connect_timer = connection.runtime.timers.call_later(options.connect_timeout, self._check_joined)
        if self._protocol == 3:
            self._join("/", {})

    @property
    def closed(self) -> bool:
        """Whether its sockets were told that the connection has ended."""
        return self._closed

    # -- inward ------------------------------------------------------------------------------------------------------

    def on_message(self, data: str | bytes) -> None:
        """A message of the client: a packet, or a part of one."""
        size = self._size + len(data)
        try:
            packet = self._decoder.add(data)
            if packet is not None and packet.type == EVENT and (socket := self.sockets.get(packet.nsp)) is not None:
                self._size = 0  # the short way of most messages: the namespace is joined, or this socket were not here
                if log.isEnabledFor(logging.DEBUG):
                    log.debug("received from %s: %r", self.connection, packet)
                socket.receive_event(packet, size)
                return
            if packet is None:
                self._size = size
                self._check_waiting()
                return
            auth = packet.data if self._protocol == 4 else _split_namespace(packet)
            action = self._mux.receive(packet.type, packet.nsp)
        except ProtocolError as error:
            self._decoder.reset()
            self.connection.fail("forced close", error.reason, error)
            return
        self._size = 0
        if log.isEnabledFor(logging.DEBUG):
            log.debug("received from %s: %r", self.connection, packet)
        socket = self.sockets.get(packet.nsp)
        if action is DELIVER and socket is not None:
            socket.receive_event(packet, size)
        elif action is socketio_mux.JOIN:
            self._join(packet.nsp, auth or {})
        elif socket is None:
            pass  # ended by the server a moment ago
        elif action is socketio_mux.ANSWER:
            socket.receive_ack(packet, size)
        elif action is socketio_mux.LEAVE:
            socket.close("client namespace disconnect")

    def on_close(self, reason: str, details: DisconnectDetails | None) -> None:
        """The connection has ended. It may have ended in the midst of a broadcast, with an adapter's lock held."""
        self.connection.runtime.call_soon(self._close_sockets, reason, details)

    def _check_waiting(self) -> None:
        """No attachment is kept for a packet that would be refused (CVE-2026-48804)."""
        waiting = self._decoder.waiting
        if waiting is not None:
            name = waiting.nsp if self._protocol == 4 else _path(waiting.nsp)
            self._mux.receive(waiting.type, name)

    def _close_sockets(self, reason: str, details: DisconnectDetails | None) -> None:
        with self.connection.lock:
            self._closed = True
        self._connect_timer.cancel()
        self._decoder.reset()
        for socket in list(self.sockets.values()):
            socket.close(reason, details)

    def _check_joined(self) -> None:
        if not self._mux.ever_joined:
            log.debug("%r joined no namespace within connect_timeout", self.connection)
            self.connection.close("forced close")

    # -- namespaces --------------------------------------------------------------------------------------------------

    def _join(self, name: str, auth: dict[str, Any]) -> None:
        """CONNECT: reserve the place, and let a worker do the rest."""
        if len(name) > _MAX_NAME_LENGTH:
            self.connection.fail("forced close", f"the name of a namespace has {len(name)} characters")
            return
        with self.connection.lock:
            if self._closed:
                return
            room = self._unfinished < self.server.options.max_namespaces
            if room:
                self._unfinished += 1
                self._mux.join(name)
                self.sockets[name] = socket = Socket(self, name, auth)
            else:
                self._mux.ended(name)
        if room:
            socket.start()
        else:
            log.debug("%r is refused the namespace %r: max_namespaces is reached", self.connection, name)
            self.send(Packet(CONNECT_ERROR, name, {"message": "too many namespaces"}))

    def accepted_locked(self, name: str) -> None:
        """The socket of this namespace is accepted (the connection's lock is held)."""
        self._mux.accepted(name)
        self._connect_timer.cancel()

    def ready_locked(self, socket: SocketLife) -> None:
        """The socket of this namespace takes events from now on (the connection's lock is held)."""
        if socket.name == "/" and self.server.parser.__class__ is DefaultParser:
            self.plain_socket = socket

    def left_locked(self, socket: SocketLife, by_client: bool) -> None:
        """The socket is closed or refused: its place is free (the connection's lock is held)."""
        name = socket.name
        if self.plain_socket is socket:
            self.plain_socket = None
        if self.sockets.get(name) is socket:
            del self.sockets[name]
            if by_client:
                self._mux.left(name)
            else:
                self._mux.ended(name)

    def finished(self) -> None:
        """A socket has run its last handler."""
        with self.connection.lock:
            self._unfinished -= 1

    def disconnect(self) -> None:
        """Leave all namespaces, then close the connection."""
        sockets = list(self.sockets.values())
        for socket in sockets:
            socket.disconnect()
        # One is being accepted at the moment: its DISCONNECT waits behind its CONNECT, and the close behind both.
        if not any([socket.closes_behind_release() for socket in sockets]):
            self.connection.close("forced close")

    # -- outward -----------------------------------------------------------------------------------------------------

    def connect_packet(self, socket: SocketLife) -> EncodedPacket:
        """The answer to an accepted CONNECT."""
        data = None
        if self._protocol == 4:
            data = {"sid": socket.id} if socket.pid is None else {"sid": socket.id, "pid": socket.pid}
        return self._encode(Packet(CONNECT, socket.name, data))

    def refuse(self, name: str, error: ConnectError, *, by_middleware: bool) -> None:
        """Send CONNECT_ERROR; in protocol 3 a middleware's is no object, but the data or else the message."""
        data: Any
        if by_middleware and self._protocol == 3:
            data = error.message if error.data is None else error.data
        else:
            data = {"message": error.message} if error.data is None else {"message": error.message, "data": error.data}
        try:
            self.send(Packet(CONNECT_ERROR, name, data))
        except (TypeError, ValueError):
            log.exception("the data of %r cannot be sent: it is left out", error)
            self.send(Packet(CONNECT_ERROR, name, {"message": error.message}))

    def send_disconnect(self, socket: SocketLife) -> None:
        """Tell the client that this server has ended a namespace, behind what is held back for the socket."""
        packet = Packet(DISCONNECT, socket.name)
        if not socket.hold_last(self._encode(packet)):
            self.send(packet)

    def send(self, packet: Packet) -> None:
        """Send a packet that is not for a socket."""
        encoded = self._encode(packet)
        log_sent(self, encoded)
        self.connection.send_packet(encoded)

    def _encode(self, packet: Packet) -> EncodedPacket:
        return EncodedPacket(self.server.parser.encode(packet))

    def __repr__(self) -> str:
        return f"<ClientConnection {self.connection.transport} namespaces={list(self.sockets)}>"


def log_sent(whom: object, encoded: EncodedPacket) -> None:
    """One debug line for a packet."""
    if log.isEnabledFor(logging.DEBUG):
        log.debug("sent to %r: %s", whom, shown(encoded.messages))


def _path(name: str) -> str:
    """The namespace of protocol 3 without its query; as the reference, which reads it as a URL, in percent-encoding."""
    return quote(name.partition("?")[0], _URL_PATH_SAFE)


def _split_namespace(packet: Packet) -> dict[str, Any]:
    """Take the query off a protocol 3 packet's namespace (any packet may have one) and return it."""
    query = packet.nsp.partition("?")[2]
    packet.nsp = _path(packet.nsp)
    return dict(parse_qsl(query, keep_blank_values=True))
