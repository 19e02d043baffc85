"""What this Python can do: its build, the packages and whether they fit, the web servers, the runtime."""

from __future__ import annotations

import platform
import re
import resource
import ssl
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata

from socketio_sync.cli.findings import Finding
from socketio_sync.cli.findings import fault
from socketio_sync.cli.findings import note
from socketio_sync.cli.findings import ok
from socketio_sync.cli.findings import warning
from socketio_sync.runtime.rings import Rings

# Distributions of web servers: what runs them, and whether our WebSockets work there. The tests of the servers hold it.
WEB_SERVERS = {
    "gunicorn": ("gunicorn -k gevent, gthread or sync", True),
    "gevent": ("gevent.pywsgi.WSGIServer", True),
    "gevent-websocket": ("its handler, and its gunicorn worker", True),
    "Werkzeug": ("flask run", True),
    "Django": ("manage.py runserver", True),
    "cheroot": ("cheroot.wsgi.Server", True),
    "uWSGI": ("uwsgi --http-socket", True),
    "pyuwsgi": ("uwsgi --http-socket", True),
    "waitress": ("waitress-serve", False),
    "mod_wsgi": ("mod_wsgi-express", False),
}
# Others that people try, and what is to be said.
_UNSUITABLE = {
    "eventlet": "it is being abandoned by its authors; gevent does what it did",
    "uvicorn": "it serves ASGI, and this is WSGI; take one of the above",
    "hypercorn": "it serves ASGI, and this is WSGI; take one of the above",
    "daphne": "it serves ASGI, and this is WSGI; take one of the above",
}

# Extras of our own development.
_OURS = {"test", "lint", "docs", "benchmark"}
# Fewer open files than this are fewer clients than people expect.
_FEW_FILES = 4096


def check_python() -> Iterator[Finding]:
    """The interpreter and its limits."""
    build = platform.python_implementation()
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        build += ", free-threaded"
    if hasattr(sys, "gettotalrefcount"):
        build += ", debug build"
    yield ok(f"Python {platform.python_version()} ({build}) on {platform.system()}, {ssl.OPENSSL_VERSION}")
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < _FEW_FILES:
        cure = f"ulimit -n {most if most != resource.RLIM_INFINITY else 65536}, or LimitNOFILE= in the systemd unit."
        yield warning(f"{files} open files are allowed: each client needs one", cure)
    else:
        yield ok(f"{'any number of' if files == resource.RLIM_INFINITY else files} open files are allowed")


def check_packages() -> Iterator[Finding]:
    """Ours and those we need; then the extras."""
    try:
        version = metadata.version("socketio_sync")
        requirements = metadata.requires("socketio_sync") or []
    except metadata.PackageNotFoundError:
        yield warning("socketio_sync is run from its source: what it needs is not checked", "pip install -e .")
        return
    yield ok(f"socketio_sync {version}")
    for requirement in requirements:
        name, least, extra = parse_requirement(requirement)
        if extra not in _OURS:
            yield check_requirement(name, least, extra)


def parse_requirement(requirement: str) -> tuple[str, str, str]:
    """The name, the least version ("" for any) and the extra ("" for none) of a line of the package's metadata."""
    name = re.match(r"[\w.-]+", requirement)
    least = re.search(r">=\s*([\w.]+)", requirement.partition(";")[0])
    extra = re.search(r"""extra\s*==\s*['"]([\w-]+)['"]""", requirement)
    return name.group() if name else requirement, least.group(1) if least else "", extra.group(1) if extra else ""


def check_requirement(name: str, least: str, extra: str) -> Finding:
    """Whether a package is there and new enough."""
    version = _version(name)
    wanted = f"{name}>={least}" if least else name
    install = f"pip install 'socketio_sync[{extra}]'" if extra else f"pip install '{wanted}'"
    if version is None:
        if extra:
            return note(f"{name} is not installed, for the extra {extra}", install)
        return fault(f"{name} is not installed", install)
    if least and _numbers(version) < _numbers(least):
        return fault(f"{name} {version} is too old: at least {least} is needed", f"pip install '{wanted}'")
    return ok(f"{name} {version}")


def check_servers() -> Iterator[Finding]:
    """The web servers that are installed."""
    yield ok("socketio-sync serve, io.listen(): WebSocket and long-polling")
    missing = []
    for name, (how, websocket) in WEB_SERVERS.items():
        version = _version(name)
        if version is None:
            missing.append(name)
        elif websocket:
            yield ok(f"{name} {version} ({how}): WebSocket and long-polling")
        else:
            yield note(f"{name} {version} ({how}): long-polling only, its sockets cannot be reached")
    for name, what in _UNSUITABLE.items():
        if _version(name) is not None:
            yield note(f"{name} {_version(name)}: {what}")
    yield note(f"not installed: {', '.join(missing)}")


def check_runtime() -> Iterator[Finding]:
    """What would be chosen here, and whether the process is patched already."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("socket"):
        yield ok("this process is monkey-patched: the runtime is gevent")
    else:
        yield ok("this process is not monkey-patched: the runtime is threads")
        yield note("under gunicorn -k gevent, serve --runtime gevent and after gevent.monkey.patch_all() it is gevent")
    rings = Rings(True)
    if rings.receiver() is not None and rings.take() is not None:
        yield ok("io_uring: many clients are read from, or sent to, in one call to the kernel")
    else:
        yield note(f"io_uring cannot be had, which would save a tenth to a quarter of the CPU time: {rings.trouble}")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.split("+")[0])[:3]]
