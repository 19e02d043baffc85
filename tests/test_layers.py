"""Who may import whom: the two tables below are the architecture, and this test walks every file to hold them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "socketio_sync"
ROOT = Path(__file__).parent.parent / PACKAGE

# A module imports only from strictly lower ranks or from its own folder; parts of one rank never import each other.
RANKS = {
    "exceptions": 0,
    "config": 0,
    "debug": 0,
    "instruments": 0,
    "handler": 1,
    "protocol": 1,
    "runtime": 1,
    "handlers": 2,
    "parsers": 2,
    "engine": 2,
    "adapters": 2,
    "server": 3,
    "client": 3,
    "wsgi": 4,
    "emitter": 4,
    "testing": 4,
    "flask": 5,
    "admin": 5,
    "__init__": 5,
    "cli": 6,
    "demo": 6,
    "__main__": 7,
}

# Third-party and dangerous imports have one home each.
HOMES = {
    "threading": ["runtime/", "cli/"],
    "_thread": ["runtime/"],
    "queue": ["runtime/", "cli/"],
    "time": ["runtime/", "cli/"],
    "select": ["runtime/", "cli/terminal.py"],
    "selectors": ["runtime/"],
    "concurrent": ["runtime/"],
    "ctypes": ["runtime/ring.py"],
    "mmap": ["runtime/ring.py"],
    "gevent": ["runtime/greenlets.py", "wsgi/serve.py", "wsgi/adopt.py", "cli/serve.py"],
    "greenlet": ["runtime/greenlets.py", "runtime/virtual.py"],
    "geventwebsocket": ["wsgi/adopt.py"],
    "signal": ["flask/web_server.py", "wsgi/gunicorn.py", "wsgi/serve.py", "cli/"],
    "atexit": ["wsgi/shutdown.py", "wsgi/serve.py"],
    "orjson": ["protocol/json_codec.py"],
    "websockets": ["protocol/websocket.py"],
    "msgpack": ["protocol/socketio_msgpack.py", "adapters/"],
    "simple_websocket": [],
    "redis": ["adapters/redis_", "admin/sessions.py"],
    "flask": ["flask/"],
    "werkzeug": ["flask/"],
    "socket": ["client/", "runtime/", "wsgi/", "engine/http.py", "adapters/local_processes.py", "cli/"],
    "ssl": ["client/", "runtime/", "wsgi/", "cli/"],
    "http": ["client/", "wsgi/", "engine/", "cli/probe.py", "cli/deployment.py"],
    "logging": ["adapters/", "admin/", "client/", "engine/", "flask/", "runtime/", "server/", "wsgi/", "[a-z_]+.py"],
    "click": ["cli/"],
    "asyncio": [],
    "subprocess": ["cli/reload.py"],
}


def imports(tree: ast.AST, module: list[str]) -> Iterator[tuple[int, str]]:
    """The line and full name of everything imported, relative imports resolved against ``module``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = module[: len(module) - node.level] if node.level else []
            prefix = ".".join(base + ([node.module] if node.module else []))
            if prefix == PACKAGE:
                for alias in node.names:
                    yield node.lineno, f"{prefix}.{alias.name}"
            else:
                yield node.lineno, prefix


def part_of(relative: str) -> str:
    """The row of RANKS that a file belongs to: its folder, or its own name at the top."""
    return relative.split("/")[0].removesuffix(".py")


def target_part(name: str) -> str:
    """The row of RANKS that an import of ours names; a public name out of the package itself is ``__init__``."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in RANKS else "__init__"


def at_home(name: str, relative: str) -> bool:
    """Whether the top-level module ``name`` may be imported in the file ``relative``."""
    homes = HOMES.get(name)
    return homes is None or any(re.match(home, relative) for home in homes)


def violations(source: str, relative: str) -> list[str]:
    """What the file ``relative`` (its path in the package) imports in its text ``source`` and may not: a line each."""
    module = [PACKAGE, *relative.removesuffix(".py").split("/")]
    own = part_of(relative)
    found = []
    for line, name in imports(ast.parse(source), module):
        top = name.split(".")[0]
        if top != PACKAGE:
            if not at_home(top, relative):
                found.append(f"{relative}:{line} imports {name}, whose home is {HOMES[top]}")
            continue
        other = target_part(name)
        if other != own and RANKS[other] >= RANKS[own]:
            found.append(f"{relative}:{line} imports {name}: rank {RANKS[other]} from rank {RANKS[own]}")
    return found


FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


@pytest.mark.parametrize("relative", FILES)
def test_every_file_imports_only_what_its_layer_may(relative: str) -> None:
    assert part_of(relative) in RANKS, "give the new part a rank"
    assert violations((ROOT / relative).read_text(), relative) == []


@pytest.mark.parametrize(
    ("relative", "source"),
    [
        ("protocol/acks.py", "import time"),
        ("protocol/acks.py", "from logging import getLogger"),
        ("protocol/acks.py", "from socketio_sync.runtime.mailbox import Mailbox"),
        ("protocol/acks.py", "from ..runtime import mailbox"),
        ("runtime/mailbox.py", "from socketio_sync.protocol import acks"),
        ("runtime/mailbox.py", "import gevent"),
        ("engine/engine.py", "from socketio_sync.adapters.adapter import Adapter"),
        ("engine/engine.py", "def late():\n    import threading"),
        ("adapters/adapter.py", "import socketio_sync.engine.engine"),
        ("server/server.py", "from socketio_sync import WSGIApp"),
        ("server/server.py", "from socketio_sync.wsgi.app import WSGIApp"),
        ("server/server.py", "from .. import wsgi"),
        ("server/server.py", "import concurrent.futures"),
        ("server/server.py", "import orjson"),
        ("exceptions.py", "from socketio_sync import config"),
        ("wsgi/app.py", "import signal"),
        ("wsgi/app.py", "import asyncio"),
    ],
)
def test_a_planted_violation_is_found(relative: str, source: str) -> None:
    assert len(violations(source, relative)) == 1


@pytest.mark.parametrize(
    ("relative", "source"),
    [
        ("protocol/acks.py", "from socketio_sync.exceptions import ProtocolError\nfrom .engineio_packet import encode"),
        ("protocol/json_codec.py", "import json\nimport orjson"),
        ("runtime/greenlets.py", "import gevent.event\nimport threading\nimport logging"),
        ("server/server.py", "from socketio_sync.engine.engine import Engine\nfrom ..adapters import adapter"),
        ("wsgi/serve.py", "import signal\nimport gevent"),
        ("__init__.py", "from socketio_sync.wsgi.app import WSGIApp\nfrom .server.server import Server"),
        ("emitter.py", "import logging"),
    ],
)
def test_a_legal_import_passes(relative: str, source: str) -> None:
    assert violations(source, relative) == []


def test_the_tables_name_only_what_can_exist() -> None:
    homes = [home for row in HOMES.values() for home in row if home.endswith("/")]
    assert {home.rstrip("/") for home in homes} <= set(RANKS)
