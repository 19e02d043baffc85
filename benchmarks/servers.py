"""The servers that are compared: how each is started, and what it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

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


def _program(*command: str | Path) -> Callable[[int], list[str]]:
    return lambda port: [*map(str, command), str(port)]


def _gunicorn(python: str | Path, *options: str) -> Callable[[int], list[str]]:
    common = f"--worker-connections {CONNECTIONS} --backlog 4096 --keep-alive 60 --log-level error".split()
    return lambda port: [str(python), "-m", "gunicorn", "-b", f"127.0.0.1:{port}", *common, *options]


def _ours() -> None:
    setup_peers.need_packages("gevent", "gunicorn")


def _node() -> None:
    setup_peers.need_program("node")
    setup_peers.install_node_packages()


def _bun() -> None:
    setup_peers.install_node_packages()
    if not BUN.exists():
        raise setup_peers.Unavailable("npm has no Bun for this machine")


def _pysio() -> None:
    setup_peers.install_python_packages()


_OURS = "benchmarks.programs.ours:app"
_THEIRS = ["--chdir", str(PROGRAMS), "python_socketio:app"]

SERVERS = [
    Server("ours", "ours, gunicorn gevent", _gunicorn(sys.executable, "-k", "gevent", _OURS), _ours),
    Server(
        "ours-plain",
        "ours, gunicorn gevent, no io_uring",
        _gunicorn(sys.executable, "-k", "gevent", _OURS),
        _ours,
        {"IO_URING": "0"},
    ),
    Server("ours-pywsgi", "ours, pywsgi", _program(sys.executable, "-m", "benchmarks.programs.ours"), _ours),
    Server(
        "ours-threads",
        "ours, gunicorn gthread, 2 threads",
        _gunicorn(sys.executable, "-k", "gthread", "--threads", "2", _OURS),
        _ours,
    ),
    Server("node", "Node", _program("node", PROGRAMS / "node_server.js"), _node),
    Server("bun", "Bun", _program(BUN, PROGRAMS / "bun_server.js"), _bun),
    Server("pysio-gevent", "python-socketio, pywsgi", _program(PEER_PYTHON, PROGRAMS / "python_socketio.py"), _pysio),
    Server(
        "pysio-gunicorn",
        "python-socketio, gunicorn gevent",
        _gunicorn(PEER_PYTHON, "-k", "gevent", *_THEIRS),
        _pysio,
    ),
    Server(
        "pysio-threads",
        "python-socketio, gunicorn gthread",
        _gunicorn(PEER_PYTHON, "-k", "gthread", "--threads", "200", *_THEIRS),
        _pysio,
        {"ASYNC_MODE": "threading"},
    ),
    Server(
        "pysio-uvicorn",
        "python-socketio, uvicorn uvloop",
        _program(PEER_PYTHON, PROGRAMS / "python_socketio_asgi.py"),
        _pysio,
    ),
]
BY_NAME = {server.name: server for server in SERVERS}
