"""The machine and the programs that figures belong to."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from benchmarks.setup_peers import BUN
from benchmarks.setup_peers import NODE_MODULES
from benchmarks.setup_peers import PEER_PYTHON
from socketio_sync.runtime.rings import Rings


def describe() -> dict[str, str]:
    """A text for each thing that the figures depend on."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"Linux {platform.release()}, {_io_uring()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}, {_build()}",
        "for ours": ", ".join(f"{name} {_version(name)}" for name in ("gevent", "gunicorn", "orjson")),
        "Node": f"{_said('node', '--version')}, socket.io {_npm('socket.io')}, ws {_npm('ws')}",
        "Bun": f"{_said(str(BUN), '--version')}, @socket.io/bun-engine {_npm('@socket.io/bun-engine')}",
        "python-socketio": _peers(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _io_uring() -> str:
    rings = Rings(True)
    return "with io_uring" if rings.take() else f"without io_uring ({rings.trouble})"


def _build() -> str:
    """How the interpreter was compiled: profile-guided (PGO) and link-time optimization make a fifth to a quarter."""
    if sys.base_prefix == "/usr" and Path("/etc/debian_version").exists():
        return "the distribution's package, with PGO and LTO"  # which its build does not leave in the settings
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    pgo = "with" if "--enable-optimizations" in arguments else "without"
    lto = "with" if "--with-lto" in arguments else "without"
    return f"{pgo} PGO, {lto} LTO"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "missing"


def _npm(name: str) -> str:
    try:
        version: str = json.loads((NODE_MODULES / name / "package.json").read_text())["version"]
        return version
    except OSError:
        return "missing"


def _peers() -> str:
    listed = _said(str(PEER_PYTHON), "-m", "pip", "list", "--format", "json", "--disable-pip-version-check")
    if listed == "missing":
        return listed
    versions = {package["name"].lower(): package["version"] for package in json.loads(listed)}
    names = ("python-socketio", "python-engineio", "gevent", "gevent-websocket", "gunicorn", "uvicorn", "uvloop")
    return ", ".join(f"{name} {versions.get(name, 'missing')}" for name in names)
