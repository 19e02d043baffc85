"""A lock that exists from its first use on."""

from __future__ import annotations

from .native import NativeLock
from .native import new_lock


class LazyLock:
    """Descriptor: each instance gets its native lock when it is first needed.

    Building an object then makes no lock, so that it can be built before gevent patches, and before a fork. The
    instances need a ``__dict__``; ``dict.setdefault`` is atomic, so two threads get the same lock.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> NativeLock:
        lock: NativeLock = instance.__dict__.setdefault(self._name, new_lock())
        return lock
