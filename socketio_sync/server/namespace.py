"""Namespace: the sockets of one name, their handlers, rooms and middlewares."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING
from typing import Any
from typing import NoReturn
from typing import cast

from socketio_sync.adapters.adapter import Adapter
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.protocol.socketio_parser import DefaultParser
from socketio_sync.server.broadcast_operator import EVERYBODY
from socketio_sync.server.dispatch import invoke
from socketio_sync.server.dispatch import report
from socketio_sync.server.dispatch import run_server_side
from socketio_sync.server.hooks import HookMethods
from socketio_sync.server.hooks import Hooks
from socketio_sync.server.listeners import Handler
from socketio_sync.server.live_mapping import LiveMapping
from socketio_sync.server.socket_life import send_to_all

if TYPE_CHECKING:
    from socketio_sync.adapters.adapter import Session
    from socketio_sync.runtime.base import Runtime
    from socketio_sync.server.parent_namespace import ParentNamespace
    from socketio_sync.server.server import Server
    from socketio_sync.server.socket import Socket
    from socketio_sync.server.socket_life import SocketLife

log = logging.getLogger("socketio_sync.server")


class BaseNamespace(HookMethods):
    """What a Namespace and a ParentNamespace have in common.

    Attributes:
        server: the Server.
        name: begins with "/".
        adapter: the rooms, and sending to many.
    """

    adapter: Adapter

    def __init__(self, server: Server, name: str) -> None:
        hooks = Hooks()
        super().__init__(hooks, hooks)
        self.server = server
        self.name = name

    @property
    def runtime(self) -> Runtime:
        """For the package: what runs this server's work."""
        return self.server.engine.runtime

    @property
    def started(self) -> bool:
        """For the package: whether the runtime is chosen, which is done when it is first asked for."""
        return self.server.engine.started

    def error_handlers(self) -> tuple[Handler, ...]:
        """The namespace's own go first."""
        return self.hooks.errors + self.server.error_hooks.errors

    def run_callback(
        self, fn: Callable[..., Any], *args: Any, socket: Socket | None = None, event: str | None = None
    ) -> None:
        """Call a callback of the user in a task of its own; what it raises is told to ``on_error``."""
        self.runtime.submit(partial(self._run_callback, fn, args, socket, event), f"callback of {event!r}")

    def _run_callback(
        self, fn: Callable[..., Any], args: tuple[Any, ...], socket: Socket | None, event: str | None
    ) -> None:
        try:
            invoke(socket, event, fn, *args)
        except self.runtime.failures as error:
            report(self, error, socket, event, args)

    def _target(self) -> Any:
        return self, EVERYBODY

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled: its clients live in this process; keep its name")


class Namespace(BaseNamespace):
    """The clients of one namespace; made by ``Server.of``. Every method works from any thread or greenlet."""

    def __init__(self, server: Server, name: str, parent: ParentNamespace | None = None) -> None:
        super().__init__(server, name)
        self.parent = parent
        # What is registered on the parent counts for all its children, whenever it was added.
        own = (self.hooks,) if parent is None else (parent.hooks, self.hooks)
        self._all_hooks = own + server.last_hooks(name)
        self.chain = tuple(hooks.listeners for hooks in self._all_hooks)
        if not server.options.ordered_events:
            self.hooks.listeners.any_loose = True
        self._live: dict[str, Socket] = {}
        self._by_pid: dict[str, SocketLife] = {}
        self._sockets = LiveMapping(self._live)
        self._ack_ids = itertools.count()
        self.has_default_parser = server.parser.__class__ is DefaultParser
        # Sockets that are joining, joined, or running their last handlers. Guarded by the server's registry lock.
        self.population = 0
        self.adapter: Adapter = server.new_adapter(self)

    @property
    def sockets(self) -> Mapping[str, Socket]:
        """The connected sockets of this server by id; read-only, and never changing under an iteration."""
        return self._sockets

    # -- for sockets (any thread) --------------------------------------------------------------------------------------

    def all_middlewares(self) -> list[Handler]:
        """The parent's and its own, in order."""
        return [handler for hooks in self._all_hooks for handler in hooks.middlewares]

    def error_handlers(self) -> tuple[Handler, ...]:
        """Its own, then its parent's, then the server's."""
        parent = () if self.parent is None else self.parent.hooks.errors
        return self.hooks.errors + parent + self.server.error_hooks.errors

    def add(self, socket: SocketLife) -> None:
        """A socket appears; its rooms are the adapter's."""
        self._live[socket.id] = cast("Socket", socket)
        if socket.pid is not None:
            self._by_pid[socket.pid] = socket

    def remove(self, socket: SocketLife) -> frozenset[str]:
        """A socket leaves, and all its rooms; returns those."""
        if self._live.get(socket.id) is socket:
            del self._live[socket.id]
        if socket.pid is not None and self._by_pid.get(socket.pid) is socket:
            del self._by_pid[socket.pid]
        rooms = self.adapter.rooms_of(socket.id)
        self.adapter.remove_all(socket.id)
        return rooms

    def socket_of(self, pid: str) -> SocketLife | None:
        """The connected socket whose session has this secret."""
        return self._by_pid.get(pid)

    # -- for the adapter (LocalSockets) --------------------------------------------------------------------------------

    def find(self, ids: Iterable[str]) -> list[Socket]:
        """The connected sockets with these ids."""
        live = self._live
        return [socket for id in ids if (socket := live.get(id)) is not None]

    def send_to_all(
        self, sockets: list[Socket], encoded: EncodedPacket, volatile: bool = False, quiet: bool = False
    ) -> None:
        """Send a packet to each of these, at once or behind its CONNECT reply. With ``quiet`` nothing is logged."""
        send_to_all(self.runtime, sockets, encoded, volatile, quiet)

    def begin_anew(self) -> None:
        """In a forked child: the parent's clients are the parent's. What the user registered stays."""
        self.hooks.begin_anew()
        self.adapter.begin_anew()
        self._live.clear()
        self._by_pid.clear()
        self.population = 0

    def encode(self, packet: Packet, compress: bool = True) -> EncodedPacket:
        """Encode a packet once for all its recipients.

        Raises:
            TypeError, ValueError: it has something that cannot be sent, or more than ``max_attachments``.
        """
        server = self.server
        messages = server.parser.encode(packet)
        if len(messages) > 1 and len(messages) - 1 > (limit := server.options.max_attachments):
            raise ValueError(f"{len(messages) - 1} attachments in one packet; max_attachments is {limit}")
        return EncodedPacket(messages) if compress else EncodedPacket(messages, compress=False)

    def next_ack_id(self) -> int:
        """One counter for all sockets, so that a broadcast has one id for all its recipients (namespace.ts, _ids)."""
        return next(self._ack_ids)

    def session_expired(self, session: Session) -> None:
        """A kept session ran out (I/O thread)."""
        for hooks in self._all_hooks:
            for handler in hooks.expired:
                self.run_callback(handler.call, (session,), event="session_expired")

    def receive_server_side(
        self, args: tuple[Any, ...], answer: Callable[[tuple[Any, ...]], None] | None = None
    ) -> None:
        """Another server's ``server_side_emit`` came (any thread); ``answer`` is called at most once."""
        listeners = tuple(hooks.server_side for hooks in self._all_hooks)
        self.runtime.submit(partial(run_server_side, self, listeners, args, answer), f"on_server_side {args[0]!r}")

    def __repr__(self) -> str:
        return f"<Namespace {self.name!r} sockets={len(self._live)}>"
