"""Socket.IO for synchronous Python: what Node's socket.io 4.8 does, on gevent and on threads, over WSGI.

Where does a received WebSocket frame go?

    engine/websocket.py              bytes from the socket
    protocol/websocket.py            bytes -> messages
    engine/connection_transports.py  session, heartbeat
    server/client_connection.py      message -> packet -> the socket of its namespace

The rest of the way is in the documentation's tour.
"""

from __future__ import annotations

from socketio_sync import adapters as adapters
from socketio_sync import parsers as parsers
from socketio_sync.client import Client
from socketio_sync.client import Manager
from socketio_sync.client import connect
from socketio_sync.engine.connection import Connection
from socketio_sync.engine.engine import Engine
from socketio_sync.exceptions import AckTimeout
from socketio_sync.exceptions import ArgumentsError
from socketio_sync.exceptions import ConnectError
from socketio_sync.exceptions import DisconnectDetails
from socketio_sync.exceptions import DisconnectedError
from socketio_sync.exceptions import LimitError
from socketio_sync.exceptions import SocketIOError
from socketio_sync.exceptions import TransportError
from socketio_sync.runtime.base import Task
from socketio_sync.server.ack import Ack
from socketio_sync.server.broadcast_operator import BroadcastOperator
from socketio_sync.server.broadcast_operator import SocketOperator
from socketio_sync.server.handshake import Handshake
from socketio_sync.server.namespace import Namespace
from socketio_sync.server.parent_namespace import ParentNamespace
from socketio_sync.server.remote_socket import RemoteSocket
from socketio_sync.server.server import Server
from socketio_sync.server.socket import Socket
from socketio_sync.server.socket_life import DisconnectReason
from socketio_sync.wsgi import serve
from socketio_sync.wsgi.app import WSGIApp

# The server may not know the web servers above it: the package tells it how to listen.
Server.web_server = serve

__all__ = [
    "Ack",
    "AckTimeout",
    "ArgumentsError",
    "BroadcastOperator",
    "Client",
    "ConnectError",
    "Connection",
    "DisconnectDetails",
    "DisconnectReason",
    "DisconnectedError",
    "Engine",
    "Handshake",
    "LimitError",
    "Manager",
    "Namespace",
    "ParentNamespace",
    "RemoteSocket",
    "Server",
    "Socket",
    "SocketIOError",
    "SocketOperator",
    "Task",
    "TransportError",
    "WSGIApp",
    "adapters",
    "connect",
    "parsers",
]
