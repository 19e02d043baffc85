"""ParentNamespace: the namespaces that a pattern or a function lets clients make."""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any
from typing import NoReturn

from socketio_sync.adapters.adapter import AckCollector
from socketio_sync.adapters.adapter import Adapter
from socketio_sync.adapters.adapter import BroadcastOptions
from socketio_sync.handler import Handler
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.server.live_mapping import LiveMapping
from socketio_sync.server.namespace import BaseNamespace
from socketio_sync.server.namespace import Namespace

if TYPE_CHECKING:
    from socketio_sync.server.server import Server

# A pattern that surely begins with a letter: no choice between several, and the letter is not optional.
_NEVER_A_NAME = re.compile(r"\^?\w(?![?*{])[^|]*", re.DOTALL)

Check = Callable[[str, dict[str, Any]], bool]


class ParentNamespace(BaseNamespace):
    """Handlers and middlewares for all namespaces that clients make under it; sending reaches all of them.

    Attributes:
        children: the namespaces made so far, by name; read-only.
    """

    def __init__(self, server: Server, name: str, match: re.Pattern[str] | Check) -> None:
        super().__init__(server, name)
        self._pattern: re.Pattern[str] | None = None
        if isinstance(match, re.Pattern):
            self._pattern = match
            _check_pattern(match)
        elif callable(match):
            self._check = Handler.inspect(match, "of", given=2)
        else:
            raise TypeError(f"of() takes a name, a compiled pattern or a function(name, auth), not {match!r}")
        self._children: dict[str, Namespace] = {}
        self.children = LiveMapping(self._children)
        self.adapter = _ChildrenAdapter(self)

    def allows(self, name: str, auth: dict[str, Any] | None) -> bool:
        """Whether a client may make this namespace; ``auth`` is None when the server itself does.

        Raises:
            ConnectError: the function refuses it with reasons.
            TypeError: the function returned neither True nor False.
        """
        if self._pattern is not None:
            # fullmatch, because "$" would let "/org-1\\n" in.
            return self._pattern.fullmatch(name) is not None
        if auth is None:
            return False
        allowed = self._check.call((name, auth))
        if not isinstance(allowed, bool):
            raise TypeError(f"the function {self._check.function!r} must return True or False, not {allowed!r}")
        return allowed

    def adopt_locked(self, child: Namespace) -> None:
        """A child was made (the server's registry lock is held)."""
        self._children[child.name] = child

    def disown_locked(self, child: Namespace) -> None:
        """A child is gone (the server's registry lock is held)."""
        self._children.pop(child.name, None)

    def fetch_sockets(self) -> NoReturn:
        """Not possible: other servers may have other children.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("fetch_sockets() is not possible on a parent namespace; ask its children")

    def __repr__(self) -> str:
        return f"<ParentNamespace {self.name!r} children={len(self._children)}>"


def _check_pattern(pattern: re.Pattern[str]) -> None:
    if not isinstance(pattern.pattern, str):
        raise TypeError("a namespace's pattern must be one of str, not of bytes")
    if _NEVER_A_NAME.fullmatch(pattern.pattern):
        raise ValueError(f"no namespace matches {pattern.pattern!r}: their names begin with /")


class _ChildrenAdapter(Adapter):
    """Does everything in each child."""

    def __init__(self, nsp: Any) -> None:
        super().__init__(nsp)
        self.nsp: Any = nsp

    def _adapters(self) -> list[Adapter]:
        return [child.adapter for child in self.nsp.children.values()]

    def broadcast(self, packet: Packet, options: BroadcastOptions) -> None:
        for child in self.nsp.children.values():
            child.adapter.broadcast(Packet(packet.type, child.name, list(packet.data)), options)

    def broadcast_with_ack(
        self, packet: Packet, options: BroadcastOptions, collector: AckCollector
    ) -> Callable[[], None]:
        children = list(self.nsp.children.values())
        merged = _MergedCollector(collector, self.nsp.runtime.lock())
        servers = [1 if options.local else child.adapter.server_count() for child in children]
        merged.missing = sum(servers) + 1
        cancels = [
            child.adapter.broadcast_with_ack(Packet(packet.type, child.name, list(packet.data)), options, merged)
            for child in children
        ]
        merged.expect(0)

        def cancel() -> None:
            for each in cancels:
                each()

        return cancel

    def add_sockets(self, options: BroadcastOptions, rooms: Iterable[str]) -> None:
        for adapter in self._adapters():
            adapter.add_sockets(options, rooms)

    def remove_sockets(self, options: BroadcastOptions, rooms: Iterable[str]) -> None:
        for adapter in self._adapters():
            adapter.remove_sockets(options, rooms)

    def disconnect_sockets(self, options: BroadcastOptions, close: bool) -> None:
        for adapter in self._adapters():
            adapter.disconnect_sockets(options, close)


class _MergedCollector:
    """Tells a collector of one broadcast what several broadcasts tell: the number of clients once, when all is sent."""

    def __init__(self, collector: AckCollector, lock: Any) -> None:
        self.missing = 0
        self.answer = collector.answer
        self.gone = collector.gone
        self._collector = collector
        self._lock = lock
        self._clients = 0

    def expect(self, clients: int) -> None:
        with self._lock:
            self._clients += clients
            self.missing -= 1
            complete = self.missing == 0
        if complete:
            self._collector.expect(self._clients)
