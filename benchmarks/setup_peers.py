"""What the runs need besides this package, made once: the load generator, npm's packages, a virtualenv."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
LOAD_SOURCE = HERE / "load.c"
LOAD = CACHE / f"load-{hashlib.sha256(LOAD_SOURCE.read_bytes()).hexdigest()[:12]}"
NODE_MODULES = HERE / "node_modules"
BUN = NODE_MODULES / ".bin" / "bun"
PEER_PYTHON = CACHE / "peers" / "bin" / "python"
PEER_PACKAGES = [
    "python-socketio",
    "gevent",
    "gevent-websocket",
    "gunicorn[gevent]",
    "simple-websocket",
    "uvicorn",
    "uvloop",
    "websockets",
]


class Unavailable(Exception):
    """Something cannot be had here; the text says what and why."""


def build_load() -> None:
    """Compile the load generator, if its source changed. Several may do so at once."""
    if LOAD.exists():
        return
    CACHE.mkdir(exist_ok=True)
    made = LOAD.with_suffix(f".{os.getpid()}")
    _run("load", ["cc", "-O2", "-o", str(made), str(LOAD_SOURCE)])
    made.rename(LOAD)


def install_node_packages() -> None:
    """socket.io and Bun from npm, as ``package-lock.json`` has them."""
    _once(
        "npm",
        (HERE / "package-lock.json").read_bytes(),
        ["npm", "ci", "--prefix", str(HERE), "--no-audit", "--no-fund", "--loglevel=error"],
    )


def install_python_packages() -> None:
    """python-socketio and its servers from PyPI, apart from our own virtualenv but with the same interpreter."""
    target = CACHE / "peers"
    fingerprint = " ".join([*PEER_PACKAGES, sys.version]).encode()
    _once(
        "pip",
        fingerprint,
        [sys.executable, "-m", "venv", "--clear", str(target)],
        [str(PEER_PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PEER_PACKAGES],
    )


def need_program(name: str) -> None:
    if shutil.which(name) is None:
        raise Unavailable(f"{name} is not installed")


def need_packages(*names: str) -> None:
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise Unavailable(f"{sys.executable} has no {name}: pip install -e '.[benchmark]'")


def _once(name: str, fingerprint: bytes, *commands: list[str]) -> None:
    """Run the commands unless they went well before with the same fingerprint; a failure is remembered for this run."""
    stamp = CACHE / f"{name}.stamp"
    digest = hashlib.sha256(fingerprint).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    if name in _failed:
        raise _failed[name]
    CACHE.mkdir(exist_ok=True)
    stamp.unlink(missing_ok=True)
    try:
        for command in commands:
            _run(name, command)
    except Unavailable as failure:
        _failed[name] = failure
        raise
    stamp.write_text(digest)


_failed: dict[str, Unavailable] = {}


def _run(name: str, command: list[str]) -> None:
    need_program(command[0])
    print(f"setting up {name}: {' '.join(command)}", file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"{Path(command[0]).name} failed: {lines[-1] if lines else done.returncode}")
