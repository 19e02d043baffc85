"""Which channels are ready: over the system's own epoll where there is one, else over what ``selectors`` has."""

from __future__ import annotations

import logging
import selectors
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import Protocol

from . import native
from .channel import READ
from .channel import WRITE
from .channel import Input
from .channel import read_together
from .channel import take_each
from .rings import CROWD
from .rings import FEW
from .rings import Rings

logger = logging.getLogger("socketio_sync.engine")

class Pollable(Protocol):
    """What can be watched; a Channel."""

    fd: int
    interest: int
    """For the poller: READ, WRITE, both or 0; what it is watched for."""

    def on_readable(self) -> object: ...

    def on_writable(self) -> object: ...


class Poller:
    """Calls ``on_readable`` and ``on_writable`` of what is watched. One thread's, but for a fork's child.

    Args:
        take: ``Runtime.take_input``.
        rings: what many channels are read with in one call, where it has any.
    """

    def __init__(self, take: Callable[[Iterator[Input]], object] = take_each, rings: Rings | None = None) -> None:
        self._take = take
        self._rings = rings
        self._epoll: Any = _new_epoll()
        self._watched: dict[int, Pollable] = {}
        self.fileno = self._epoll.fileno
        self.close = self._epoll.close

    def __bool__(self) -> bool:
        """Whether anything is watched."""
        return bool(self._watched)

    def watch(self, channel: Pollable, interest: int) -> None:
        """From now on report what is in ``interest``, and nothing else; 0: let go of the descriptor."""
        before = channel.interest
        if interest == before:
            return
        channel.interest = interest
        fd = channel.fd
        if not before:
            self._epoll.register(fd, interest)
            self._watched[fd] = channel
        elif interest:
            self._epoll.modify(fd, interest)
        else:
            self._epoll.unregister(fd)
            del self._watched[fd]

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        """Wait at most ``timeout`` seconds; what is ready, CROWD at most, is for ``serve``.

        With an error or a hang-up, which are always reported, come other bits than READ and WRITE.
        """
        ready: list[tuple[int, int]] = self._epoll.poll(timeout, CROWD)
        return ready

    def serve(self, ready: list[tuple[int, int]]) -> None:
        """Tell them. A descriptor that was closed meanwhile may be another's now: a call too many does no harm."""
        watched = self._watched
        ring = self._rings.receiver() if self._rings is not None and len(ready) >= FEW else None
        for fd, events in read_together(ring, ready, watched, self._take):
            channel = watched.get(fd)
            if channel is None:
                continue
            try:
                if events == READ:  # nearly always
                    channel.on_readable()
                    continue
                if events != READ and channel.interest & WRITE:
                    channel.on_writable()
                if events != WRITE and channel.interest & READ:
                    channel.on_readable()
            except Exception:
                logger.exception("an I/O call failed: %r", channel)


class WakeUp:
    """Ends a wait of the poller that watches it; ``send`` may be called by any thread."""

    def __init__(self) -> None:
        self._receiver, self._sender = native.wake_pair()
        self.fd: int = self._receiver.fileno()
        self.interest = 0

    def send(self) -> None:
        self._sender.send(b"\0")

    def on_readable(self) -> None:
        self._receiver.recv(4096)

    def on_writable(self) -> None:
        """It is never watched for that."""

    def close(self) -> None:
        self._receiver.close()
        self._sender.close()


def _new_epoll() -> Any:
    """epoll itself, where there is one: ``selectors`` would cost half a microsecond an event."""
    try:
        return native.original("select", "epoll")()
    except AttributeError:
        return _Selector()


class _Selector:
    """The part of ``select.epoll`` that is used, over a selector."""

    def __init__(self) -> None:
        self._selector: Any = native.original("selectors", "DefaultSelector")()
        self.fileno = getattr(self._selector, "fileno", None)
        self.unregister = self._selector.unregister
        self.close = self._selector.close

    def register(self, fd: int, events: int) -> None:
        self._selector.register(fd, _to_selector(events))

    def modify(self, fd: int, events: int) -> None:
        self._selector.modify(fd, _to_selector(events))

    def poll(self, timeout: float, maxevents: int) -> list[tuple[int, int]]:
        ready = self._selector.select(timeout)
        return [(key.fd, _from_selector(events)) for key, events in ready[:maxevents]]


def _to_selector(events: int) -> int:
    return bool(events & READ) * selectors.EVENT_READ | bool(events & WRITE) * selectors.EVENT_WRITE


def _from_selector(events: int) -> int:
    return bool(events & selectors.EVENT_READ) * READ | bool(events & selectors.EVENT_WRITE) * WRITE
