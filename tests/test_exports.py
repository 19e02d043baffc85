"""What the package exports: the names of the public API, and nothing by accident."""

from __future__ import annotations

import subprocess
import sys
import types

import socketio_sync

NAMES = {
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
}


def test_all_is_what_is_promised():
    assert set(socketio_sync.__all__) == NAMES
    assert socketio_sync.__all__ == sorted(socketio_sync.__all__)
    for name in NAMES:
        assert hasattr(socketio_sync, name)


def test_there_is_nothing_besides_but_the_packages_own_parts():
    besides = {name for name in vars(socketio_sync) if not name.startswith("_")} - NAMES
    assert {
        name
        for name in besides
        if not isinstance(vars(socketio_sync)[name], types.ModuleType) and name != "annotations"
    } == set()


def test_every_class_has_a_docstring():
    for name in NAMES - {"DisconnectReason"}:  # a Literal can have none
        assert getattr(socketio_sync, name).__doc__, name


def test_importing_brings_in_no_server_and_patches_nothing():
    # gunicorn --preload imports the application before gevent patches the process.
    script = (
        "import sys, socketio_sync; "
        "unwanted = {'gevent', 'msgpack', 'flask', 'redis', 'geventwebsocket', 'gunicorn'} & set(sys.modules); "
        "io = socketio_sync.Server(); io.of('/a'); "
        "unwanted |= {'gevent'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(unwanted)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
