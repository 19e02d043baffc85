"""The system's own primitives, also in a process that gevent has monkey-patched.

gevent may patch after this package was imported (``gunicorn --preload``), so each name is looked up when it is needed,
never at import.
"""

from __future__ import annotations

import _socket
import importlib
import socket
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any
from typing import Protocol
from typing import cast


class NativeLock(Protocol):
    """What ``_thread.allocate_lock`` returns."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...

    def release(self) -> None: ...

    def locked(self) -> bool: ...

    def __enter__(self) -> bool: ...

    def __exit__(self, *exc_info: object) -> None: ...


def original(module: str, name: str) -> Any:
    """The attribute ``name`` of a standard module as it was before any monkey patching."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None:
        return monkey.get_original(module, name)
    return getattr(importlib.import_module(module), name)


def patched(module: str) -> bool:
    """Whether gevent has monkey-patched the standard module of this name."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched(module))


def new_lock() -> NativeLock:
    """A lock that blocks the whole thread; a body under it must neither block nor switch greenlets."""
    return cast(NativeLock, original("_thread", "allocate_lock")())


def start_thread(fn: Callable[[], None], name: str) -> None:
    """Run ``fn`` in a daemon thread of the operating system.

    Raises:
        RuntimeError: no thread can be started (the system's limit, or the interpreter is ending).
    """
    if patched("threading") or patched("_thread"):  # a patched Thread would be a greenlet
        original("_thread", "start_new_thread")(fn, ())
    else:
        threading.Thread(target=fn, name=f"socketio_sync-{name}", daemon=True).start()


def wake_pair() -> tuple[Any, Any]:
    """A connected pair of non-blocking sockets that are never gevent's."""
    pair = getattr(_socket, "socketpair", socket.socketpair)()  # Windows has only socket's
    for end in pair:
        end.setblocking(False)
    return cast("tuple[Any, Any]", pair)


def drop_hub() -> None:
    """Free the hub that patched code may have made in this native thread, which is about to end."""
    hub_local: ModuleType | None = sys.modules.get("gevent._hub_local")
    hub = hub_local.get_hub_if_exists() if hub_local is not None else None
    if hub is not None:
        hub.destroy(destroy_loop=True)
