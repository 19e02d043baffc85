"""What can be seen of an application without serving it."""

from __future__ import annotations

import ast
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from socketio_sync.cli.findings import Finding
from socketio_sync.cli.findings import fault
from socketio_sync.cli.findings import note
from socketio_sync.cli.findings import ok
from socketio_sync.cli.findings import warning
from socketio_sync.cli.target import Target
from socketio_sync.cli.target import TargetError
from socketio_sync.cli.target import load

# Around Socket.IO these do no harm.
_HARMLESS = ("ProxyFix",)
# nginx and many load balancers cut what is silent for so long, in seconds.
_PROXY_PATIENCE = 60
_BIG = 100 * 2**20


def check_app(spec: str) -> Iterator[Finding]:
    """Import ``module:app`` and look at it."""
    try:
        target = load(spec)
    except TargetError as error:
        what, _, rest = error.message.partition("\n")
        yield fault(what, rest.strip() or "Then ask again.")
        return
    paths = ", ".join(_engine(mount.io).options.path for mount in target.mounts)
    yield ok(f"{spec} has Socket.IO at {paths}")
    yield from _check_layers(target)
    yield from _check_patches()
    for mount in target.mounts:
        options = _engine(mount.io).options
        yield from _check_origins(options)
        yield from _check_limits(options)
        yield from _check_runtime(options)
        yield from _check_workers(mount.io, options)


def _engine(io: Any) -> Any:
    return getattr(io, "engine", io)


def _check_layers(target: Target) -> Iterator[Finding]:
    doubtful = [_name(layer) for layer in target.around if not _is_harmless(layer)]
    if doubtful:
        cure = (
            "What is around can buffer responses, replace the input or start a session for each poll. Put Socket.IO"
            f" outermost: app = WSGIApp(io, {doubtful[0]}(...))."
        )
        yield warning(f"Socket.IO is not outermost: {', '.join(doubtful)} is around it", cure)
    else:
        yield ok("Socket.IO is outermost")


def _is_harmless(layer: Any) -> bool:
    """A framework's own object, whose ``wsgi_app`` was replaced, only calls it; what it holds is no layer either."""
    return hasattr(layer, "wsgi_app") or type(layer).__name__ in _HARMLESS


def _name(layer: Any) -> str:
    return str(getattr(layer, "__qualname__", None) or type(layer).__name__)


def _check_patches() -> Iterator[Finding]:
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("socket"):
        left = [name for name in ("threading", "time", "select", "ssl") if not monkey.is_module_patched(name)]
        if left:
            cure = "gevent.monkey.patch_all() as the first lines of the program, without exceptions."
            yield fault(f"gevent patched socket, but not {', '.join(left)}: a wait there stops everybody", cure)
        else:
            yield ok("gevent patched the process")
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched("socket"):
        yield fault("eventlet patched the process: it is not supported", "Take eventlet out, or gevent in its place.")


def _check_origins(options: Any) -> Iterator[Finding]:
    allowed = options.cors_allowed_origins
    if allowed is None:
        yield ok("pages of the same origin may connect (cors_allowed_origins is not set)")
    elif allowed == "*":
        cure = "Name the origins, if anything but the visitor's own data is to be had: cors_allowed_origins=[...]."
        yield note('pages of every origin may connect: cors_allowed_origins="*"', cure)
    else:
        yield ok(f"pages may connect as cors_allowed_origins says: {allowed!r}")
    if options.cors_credentials and not isinstance(allowed, (str, tuple)):
        cure = "With credentials a page of a wrong origin acts as the visitor: name the origins one by one."
        yield note("cors_credentials is set, and the origins are not a list", cure)


def _check_limits(options: Any) -> Iterator[Finding]:
    if options.ping_interval >= _PROXY_PATIENCE:
        cure = "ping_interval=25, the default, or raise the proxy's limit (nginx: proxy_read_timeout)."
        text = f"ping_interval={options.ping_interval:g}: many proxies cut what is silent for {_PROXY_PATIENCE} s"
        yield warning(text, cure)
    if options.max_http_buffer_size > _BIG:
        cure = "Each client may make the server hold so much: send files in pieces, or by a plain upload."
        yield warning(f"max_http_buffer_size is {options.max_http_buffer_size / 2**20:.0f} MiB", cure)
    if "websocket" not in options.transports:
        yield note("transports has no websocket: each message costs a request")
    elif not options.allow_upgrades and "polling" in options.transports:
        yield note("allow_upgrades is off: clients that begin with polling stay with it")


def _check_runtime(options: Any) -> Iterator[Finding]:
    monkey = sys.modules.get("gevent.monkey")
    patched = monkey is not None and monkey.is_module_patched("socket")
    if options.runtime == "gevent" and not patched:
        cure = "gevent.monkey.patch_all() as the first lines, or gunicorn -k gevent, which does it, or runtime='auto'."
        yield warning("runtime='gevent' without monkey-patching: time.sleep or a query stops everybody", cure)
    elif options.runtime == "auto":
        yield ok(f"runtime='auto': {'gevent' if patched else 'threads, unless the web server patches'}")
    else:
        yield ok(f"runtime={options.runtime!r}")


def _check_workers(io: Any, options: Any) -> Iterator[Finding]:
    workers, where = configured_workers()
    if workers <= 1:
        return
    polling = "polling" in options.transports
    if getattr(options, "adapter", None) is None and hasattr(io, "options"):
        cure = "One worker carries thousands of clients; for more, an adapter lets them share their rooms."
        yield fault(f"{where} asks for several workers, and a broadcast stays in its own", cure)
    if polling:
        cure = (
            "Long-polling needs each client to come back to its worker: a load balancer with sticky sessions in front"
            " of one process each (the option cookie helps it), or transports=('websocket',) here and in the client."
        )
        yield warning("several workers on one port: long-polling clients get 'Session ID unknown'", cure)


def configured_workers() -> tuple[int, str]:
    """How many worker processes gunicorn would start here, and what says so; (1, "") if nothing does."""
    configuration = Path("gunicorn.conf.py")
    found = [_from_arguments(), _from_file(configuration), _from_number(os.environ.get("WEB_CONCURRENCY", ""))]
    names = ["GUNICORN_CMD_ARGS", str(configuration), "WEB_CONCURRENCY"]
    for number, name in zip(found, names, strict=True):
        if number is not None:
            return number, name
    return 1, ""


def _from_arguments() -> int | None:
    words = shlex.split(os.environ.get("GUNICORN_CMD_ARGS", ""))
    found = re.search(r"(?:^| )(?:-w|--workers)[ =]?(\d+)", " ".join(words))
    return int(found.group(1)) if found else None


def _from_file(path: Path) -> int | None:
    """``workers = 4``, if it is written like that: the file is not run."""
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "workers" for t in node.targets):
            # `multiprocessing.cpu_count() * 2 + 1` is the usual one that is no number
            return node.value.value if isinstance(node.value, ast.Constant) and type(node.value.value) is int else 2
    return None


def _from_number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
