"""Server: the namespaces of one Socket.IO server, above its engine; what a user builds first."""

from __future__ import annotations

import logging
import os
import re
import weakref
from collections.abc import Callable
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar
from typing import NoReturn
from typing import TypeVar
from typing import overload

from socketio_sync import debug
from socketio_sync.adapters.adapter import Adapter
from socketio_sync.adapters.recovery import RecoverableAdapter
from socketio_sync.config import ServerOptions
from socketio_sync.engine.engine import Engine
from socketio_sync.exceptions import ConnectError
from socketio_sync.handler import Handler
from socketio_sync.handler import check_callable
from socketio_sync.protocol.socketio_parser import DefaultParser
from socketio_sync.runtime.lazy_lock import LazyLock
from socketio_sync.server.broadcast_operator import EVERYBODY
from socketio_sync.server.client_connection import ClientConnection
from socketio_sync.server.client_connection import on_messages
from socketio_sync.server.dispatch import invoke
from socketio_sync.server.dispatch import report
from socketio_sync.server.hooks import HookMethods
from socketio_sync.server.hooks import Hooks
from socketio_sync.server.live_mapping import LiveMapping
from socketio_sync.server.namespace import Namespace
from socketio_sync.server.parent_namespace import Check
from socketio_sync.server.parent_namespace import ParentNamespace

if TYPE_CHECKING:
    from socketio_sync.adapters.adapter import BroadcastOptions
    from socketio_sync.engine.connection import Connection
    from socketio_sync.runtime.base import Task
    from socketio_sync.server.socket import Socket

log = logging.getLogger("socketio_sync.server")

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
Wrapper = TypeVar("Wrapper", bound=Callable[..., AbstractContextManager[Any]])

SHUTTING_DOWN = "server shutting down"


class Server(HookMethods):
    """A Socket.IO server.

    On it, what every Namespace has means the namespace "/"; ``on_error`` means all namespaces. Building one starts
    nothing: build, fork, monkey-patch, serve.

    Args:
        **options: keywords; the reference has a page of them.

    Attributes:
        options: all of them, frozen.
        engine: the Engine.IO server beneath.
        adapter: of the namespace "/".

    Raises:
        TypeError: an unknown option, or one of the wrong type.
        ValueError: an option with a wrong value.
    """

    # How ``listen`` and ``listening`` serve. The package sets it: what is below the web servers cannot import them.
    web_server: ClassVar[Any] = None

    _registry = LazyLock()  # guards which namespaces there are and who is in them

    def __init__(self, **options: Any) -> None:
        debug.enable_from_environment()
        self.options = ServerOptions.from_kwargs(options)
        self.parser: Any = self.options.parser if self.options.parser is not None else DefaultParser()
        self.engine = Engine(handler=_Connections(self), config=self.options)
        self.error_hooks = Hooks()
        self.wrappers: tuple[Handler, ...] = ()
        self._new_namespace: tuple[Handler, ...] = ()
        self._namespaces: dict[str, Namespace] = {}
        self._parents: tuple[ParentNamespace, ...] = ()
        self._closed = False
        self._root = self._namespaces["/"] = Namespace(self, "/")
        super().__init__(self._root.hooks, self.error_hooks)
        _servers.add(self)

    # -- namespaces --------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of the namespace that the server stands for: "/"."""
        return self._root.name

    @property
    def server(self) -> Server:
        """The server itself, as every namespace has it."""
        return self

    @property
    def sockets(self) -> Mapping[str, Socket]:
        """The connected sockets of the namespace "/" by id; read-only."""
        return self._root.sockets

    @property
    def adapter(self) -> Adapter:
        """The adapter of the namespace "/"."""
        return self._root.adapter

    @property
    def namespaces(self) -> Mapping[str, Namespace]:
        """All namespaces by name, without parents; read-only."""
        return LiveMapping(self._namespaces)

    @overload
    def of(self, namespace: str) -> Namespace: ...

    @overload
    def of(self, namespace: re.Pattern[str] | Check) -> ParentNamespace: ...

    def of(self, namespace: str | re.Pattern[str] | Check) -> Namespace | ParentNamespace:
        """The namespace of this name, made on first use; "chat" is "/chat".

        A compiled pattern (which must match the whole name), or a function ``(name, auth) -> bool`` that may raise
        ConnectError, lets clients make namespaces: what is registered on the ParentNamespace returned serves them all.

        Raises:
            TypeError: anything else, a pattern of bytes, or a function that cannot be called so.
            ValueError: a pattern that no name can match.
        """
        if isinstance(namespace, str):
            return self._get_or_make("/" + namespace.removeprefix("/"))
        with self._registry:
            parent = ParentNamespace(self, f"/_{len(self._parents)}", namespace)
            self._parents = (*self._parents, parent)
        return parent

    def _get_or_make(self, name: str) -> Namespace:
        nsp = self._namespaces.get(name)
        if nsp is not None:
            return nsp
        parent = next((parent for parent in self._parents if parent.allows(name, None)), None)
        return self._make(name, parent)

    def _make(self, name: str, parent: ParentNamespace | None) -> Namespace:
        made = Namespace(self, name, parent)  # an adapter is made by the user's function: not under the lock
        with self._registry:
            nsp = self._namespaces.setdefault(name, made)
            if nsp is made and parent is not None:
                parent.adopt_locked(nsp)
        if nsp is not made:
            made.adapter.close()
            return nsp
        for handler in self._new_namespace:
            try:
                invoke(None, "new_namespace", handler.call, (nsp,))
            except Exception as error:
                report(nsp, error, None, "new_namespace", (nsp,))
        return nsp

    def enter(self, name: str, auth: dict[str, Any]) -> Namespace:
        """For a socket: the namespace that it joins, made if a parent lets it; ``leave`` must follow.

        Raises:
            ConnectError: there is none, or its function refuses.
        """
        while True:
            with self._registry:
                nsp = self._namespaces.get(name)
                if nsp is not None:
                    nsp.population += 1
                    return nsp
            self._make(name, self._ask_parents(name, auth))

    def leave(self, nsp: Namespace) -> None:
        """For a socket: it has left for good. An empty child goes with it, if that was asked for."""
        with self._registry:
            nsp.population -= 1
            parent = nsp.parent
            if nsp.population or parent is None or not self.options.cleanup_empty_child_namespaces:
                return
            self._namespaces.pop(nsp.name, None)
            parent.disown_locked(nsp)
        nsp.adapter.close()

    def _ask_parents(self, name: str, auth: dict[str, Any]) -> ParentNamespace:
        for parent in self._parents:
            try:
                if parent.allows(name, auth):
                    return parent
            except ConnectError:
                raise
            except Exception as error:
                report(parent, error, None, "connection", (name, auth))
                raise
        raise ConnectError("Invalid namespace")

    def new_adapter(self, nsp: Namespace) -> Adapter:
        """For a namespace: its adapter, as the options say."""
        if self.options.adapter is not None:
            adapter = self.options.adapter(nsp)
            if not isinstance(adapter, Adapter):
                raise TypeError(f"the adapter factory must return an adapters.Adapter, got {adapter!r}")
            return adapter
        recovery = self.options.connection_state_recovery
        if recovery is None:
            return Adapter(nsp)
        return RecoverableAdapter(
            nsp,
            max_disconnection_duration=recovery.max_disconnection_duration,
            max_buffer=recovery.max_buffer,
            heartbeat=self.options.ping_interval + self.options.ping_timeout,
        )

    def last_hooks(self, name: str) -> tuple[Hooks, ...]:
        """For a namespace that is being made: hooks that come after all others; for a server with rules of its own."""
        return ()

    # -- hooks that only a server has --------------------------------------------------------------------------------

    def on_new_namespace(self, handler: AnyFunction) -> AnyFunction:
        """Have ``handler(nsp)`` told of every namespace but "/" when it is made."""
        found = Handler.inspect(handler, "on_new_namespace", given=1)
        with self._registry:
            self._new_namespace = (*self._new_namespace, found)
        return handler

    def wrap_handlers(self, wrapper: Wrapper) -> Wrapper:
        """Enter ``wrapper(socket, event)`` around each call of a handler, middleware or ack callback of a socket.

        It returns a context manager, as a function with ``contextlib.contextmanager`` does. For request contexts and
        database sessions; the first one registered is the outermost.
        """
        found = Handler.inspect(wrapper, "wrap_handlers", given=2)
        with self._registry:
            self.wrappers = (*self.wrappers, found)
        return wrapper

    # -- running -----------------------------------------------------------------------------------------------------

    def listen(self, port: int, host: str = "127.0.0.1", *, wsgi_app: Any = None, ssl_context: Any = None) -> None:
        """Serve until Ctrl-C, SIGTERM (in the main thread) or ``close()``; blocks.

        Args:
            port: 0 takes a free one.
            host: the address to listen on.
            wsgi_app: gets the requests that are not Socket.IO's.
            ssl_context: serves https with it.

        Raises:
            OSError: the port is taken.
        """
        self.web_server.listen(self, port, host, wsgi_app=wsgi_app, ssl_context=ssl_context)

    def listening(
        self, port: int = 0, host: str = "127.0.0.1", *, wsgi_app: Any = None, ssl_context: Any = None
    ) -> AbstractContextManager[Any]:
        """Serve in the background inside a ``with`` block, which gets an object with ``url`` and ``port``.

        The arguments, and what is raised, are those of ``listen``. The server itself stays open afterwards.
        """
        serving: AbstractContextManager[Any] = self.web_server.listening(
            self, port, host, wsgi_app=wsgi_app, ssl_context=ssl_context
        )
        return serving

    def start_background_task(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Task:
        """Run a function in a greenlet or thread of its own. What it raises is logged.

        Returns:
            A Task, whose ``join(timeout=None)`` waits and whose ``done`` tells.

        Raises:
            TypeError: it is no function, or an ``async def``, which nobody would run.
        """
        check_callable(fn, "start_background_task")
        return self.engine.runtime.spawn(fn, *args, **kwargs)

    def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds without holding up others, on gevent and on threads."""
        self.engine.runtime.sleep(seconds)

    def close(self, timeout: float = 5) -> None:
        """End the server; twice is harmless.

        Newcomers are refused with 503. Every ``disconnect`` handler gets the reason "server shutting down"; clients get
        close frames but no DISCONNECT packet, so that they reconnect.

        Args:
            timeout: seconds to wait for handlers.
        """
        with self._registry:
            first, self._closed = not self._closed, True
        if not first or not self.engine.started:
            self.engine.closing = True
            return
        runtime = self.engine.runtime
        deadline = runtime.now() + timeout
        self.engine.closing = True
        connections = list(self.engine.connections.values())
        receivers = [connection.receiver for connection in connections if connection.is_admitted]
        clients = [receiver for receiver in receivers if isinstance(receiver, ClientConnection)]
        for connection in connections:
            connection.close(SHUTTING_DOWN, discard=True)
        # Their sockets are closed in the I/O thread, mostly in its next round; later if another thread is just acting
        # for a connection, and does what was decided here.
        self._wait_round(timeout)
        while not all([client.closed for client in clients]) and runtime.now() < deadline:
            runtime.sleep(0.001)
        self._wait_round(max(0.0, deadline - runtime.now()))
        runtime.wait_idle(max(0.0, deadline - runtime.now()))
        for nsp in self.namespaces.values():
            nsp.adapter.close()
        self.engine.close(SHUTTING_DOWN, max(0.0, deadline - runtime.now()))

    def _wait_round(self, timeout: float) -> None:
        """Wait until the I/O thread has done what it was asked for before."""
        done = self.engine.runtime.event()
        self.engine.runtime.call_soon(done.set)
        done.wait(timeout)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def begin_anew(self) -> None:
        """In a forked child, and after a test: no lock that a thread of the parent held, and no clients."""
        self.__dict__.pop("_registry", None)
        for hooks in (self.error_hooks, *(parent.hooks for parent in self._parents)):
            hooks.begin_anew()
        for nsp in self._namespaces.values():
            nsp.begin_anew()

    def _target(self) -> tuple[Namespace, BroadcastOptions]:
        return self._root, EVERYBODY

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Server cannot be pickled: its clients live in this process")

    def __repr__(self) -> str:
        return f"<Server {self.options.path!r} namespaces={len(self._namespaces)} clients={self.engine.clients_count}>"


_servers: weakref.WeakSet[Server] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for server in list(_servers):
        server.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


class _Connections:
    """What the engine tells of new connections (EngineHandler)."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def on_connection(self, connection: Connection) -> ClientConnection:
        return ClientConnection(self._server, connection)

    on_messages = staticmethod(on_messages)
