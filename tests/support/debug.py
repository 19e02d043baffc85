"""What is open and running in a server process, for the tests that look for left-overs."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections.abc import Iterable
from typing import Any


def state() -> dict[str, Any]:
    """Descriptors (their targets), threads (names) and greenlets that live now."""
    gc.collect()
    descriptors = []
    for name in os.listdir("/proc/self/fd"):
        try:
            descriptors.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            pass  # the directory's own
    found: dict[str, Any] = {
        "pid": os.getpid(),
        "descriptors": sorted(descriptors),
        "sockets": sum(target.startswith("socket:") for target in descriptors),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "greenlets": 0,
    }
    if "gevent" in sys.modules:
        import greenlet

        found["greenlets"] = sum(
            isinstance(item, greenlet.greenlet) and not item.dead and bool(item) for item in gc.get_objects()
        )
    return found


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """``/debug`` gives the state, everything else a greeting."""
    body = json.dumps(state()).encode() if environ["PATH_INFO"] == "/debug" else b"hello"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
