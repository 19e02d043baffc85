"""The servers that are compared: how each is started, and what it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field

from benchmarks import setup_peers
from benchmarks.setup_peers import BUN
from benchmarks.setup_peers import HERE
from benchmarks.setup_peers import PEER_PYTHON

PROGRAMS = HERE / "programs"
CONNECTIONS = 20_000


@dataclass(frozen=True)
class Server:
    """One way to serve.

    Attributes:
        name: on the command line and in the results.
        label: in tables and plots.
        command: what to run, from the port.
        prepare: raises Unavailable if it cannot be had.
        environment: variables for it.
    """

    name: str
    label: str
    command: Callable[[int], list[str]]
    prepare: Callable[[], None]
    environment: dict[str, str] = field(default_factory=dict)


def _gunicorn(python: str, *options: str) -> Callable[[int], list[str]]:
    fixed = ["--worker-connections", str(CONNECTIONS), "--backlog", "4096", "--keep-alive", "60", "--log-level", "error"]
    return lambda port: [python, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", *fixed, *options]


def _ours() -> None:
    setup_peers.need_packages("gevent", "gunicorn")


def _node() -> None:
    setup_peers.need_program("node")
    setup_peers.install_node_packages()


def _bun() -> None:
    setup_peers.install_node_packages()
    if not BUN.exists():
        raise setup_peers.Unavailable("npm has no Bun for this machine")


_OURS = "benchmarks.programs.ours:app"
_THEIRS = ["--chdir", str(PROGRAMS), "python_socketio:app"]
_PYTHON_SOCKETIO = str(PROGRAMS / "python_socketio.py")
_PYTHON_SOCKETIO_ASGI = str(PROGRAMS / "python_socketio_asgi.py")

SERVERS = [
    Server("ours", "ours, gunicorn gevent", _gunicorn(sys.executable, "-k", "gevent", _OURS), _ours),
    Server("ours-pywsgi", "ours, pywsgi", lambda port: [sys.executable, "-m", "benchmarks.programs.ours", str(port)], _ours),
    Server(
        "ours-threads",
        "ours, gunicorn gthread, 2 threads",
        _gunicorn(sys.executable, "-k", "gthread", "--threads", "2", _OURS),
        _ours,
    ),
    Server("node", "Node, socket.io with ws", lambda port: ["node", str(PROGRAMS / "node_server.js"), str(port)], _node),
    Server("bun", "Bun, @socket.io/bun-engine", lambda port: [str(BUN), str(PROGRAMS / "bun_server.js"), str(port)], _bun),
    Server(
        "pysio-gevent",
        "python-socketio, pywsgi",
        lambda port: [str(PEER_PYTHON), _PYTHON_SOCKETIO, str(port)],
        setup_peers.install_python_packages,
    ),
    Server(
        "pysio-gunicorn",
        "python-socketio, gunicorn gevent",
        _gunicorn(str(PEER_PYTHON), "-k", "gevent", *_THEIRS),
        setup_peers.install_python_packages,
    ),
    Server(
        "pysio-threads",
        "python-socketio, gunicorn gthread",
        _gunicorn(str(PEER_PYTHON), "-k", "gthread", "--threads", "200", *_THEIRS),
        setup_peers.install_python_packages,
        {"ASYNC_MODE": "threading"},
    ),
    Server(
        "pysio-uvicorn",
        "python-socketio, uvicorn uvloop",
        lambda port: [str(PEER_PYTHON), _PYTHON_SOCKETIO_ASGI, str(port)],
        setup_peers.install_python_packages,
    ),
]
BY_NAME = {server.name: server for server in SERVERS}
