"""One connection after the other to one server: the first, those that replace a lost one, and who shares them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.client.address import Address
from socketio_sync.client.address import ServerURL
from socketio_sync.client.backoff import Backoff
from socketio_sync.client.engine_client import EngineClient
from socketio_sync.client.listeners import MANAGER_EVENTS
from socketio_sync.client.listeners import Listeners
from socketio_sync.client.options import ManagerOptions
from socketio_sync.exceptions import DisconnectDetails
from socketio_sync.exceptions import ProtocolError
from socketio_sync.exceptions import TransportError
from socketio_sync.parsers import default
from socketio_sync.protocol.engineio_client_session import OPEN
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.runtime import choose
from socketio_sync.runtime import native
from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.lazy_lock import LazyLock
from socketio_sync.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from socketio_sync.client.life import Life
    from socketio_sync.runtime.events import Event

log = logging.getLogger("socketio_sync.client")

MAX_ATTACHMENTS = 10
"""Of one packet from the server: what the official clients take."""

HANDLER_THREADS = 100_000
"""No limit: a client's handlers run one at a time, and none may wait for those of another client."""


def run(job: Callable[[], object]) -> None:
    """What a mailbox of calls does with each."""
    job()


# All clients of a process that run on threads: one thread reads for all of them.
_on_threads: dict[str, Runtime] = {}


def _choose_runtime(name: str) -> Runtime:
    runtime = choose(name, handler_threads=HANDLER_THREADS)
    return runtime if runtime.name == "gevent" else _on_threads.setdefault(runtime.name, runtime)


def _check_patched(module: str, runtime: str) -> None:
    """Connecting waits for sockets in the way of the standard library: that has to be the runtime's way."""
    if runtime == "gevent" and not native.patched(module):
        raise RuntimeError(
            f"a Client on gevent needs the module {module} patched: call gevent.monkey.patch_all() first thing in the "
            'program, or use runtime="threads"'
        )
    if runtime == "threads" and native.patched(module):
        raise RuntimeError(f'gevent has patched the module {module}: use runtime="gevent", or leave it at "auto"')


class Connector:
    """What the clients of one Manager share.

    Attributes:
        lock: guards the connection and the state of every client.
        listeners: of the manager's own events.
        open: whether the connection stands.
    """

    lock = LazyLock()

    def __init__(self, url: ServerURL, options: ManagerOptions) -> None:
        self.url = url
        self.options = options
        self.parser = options.parser or default
        self.listeners = Listeners(MANAGER_EVENTS, only=True)
        self.open = False
        self.engine: EngineClient | None = None
        self._lives: dict[str, Life] = {}
        self._active: set[Life] = set()
        self._running: Event | None = None  # the connecting task; setting it ends that
        self._decoder = self.parser.decoder(MAX_ATTACHMENTS)
        self._received = 0
        self._full = 0  # mailboxes that take no more
        self._websocket_worked = False
        self._runtime: Runtime | None = None
        self._mailbox: Mailbox[Callable[[], object]] | None = None

    @property
    def runtime(self) -> Runtime:
        """The concurrency that this process has; chosen when it is first needed.

        Raises:
            RuntimeError: sockets do not wait in the way of the runtime that was asked for.
        """
        if self._runtime is None:
            runtime = _choose_runtime(self.options.runtime)
            for module in ("socket", "ssl") if self.url.secure else ("socket",):
                _check_patched(module, runtime.name)
            with self.lock:
                if self._runtime is None:
                    self._mailbox = Mailbox(runtime, run, label="a Manager's events")
                    self._runtime = runtime
        return self._runtime

    def tell(self, event: str, *args: Any) -> None:
        """Have the handlers of one of the manager's events called."""
        for handler in self.listeners.get(event):
            if self.listeners.claim(event, handler):
                assert self._mailbox is not None
                self._mailbox.post(partial(Context().run, handler.call, args))

    # -- who shares it -------------------------------------------------------------------------------------------------

    def add(self, life: Life) -> None:
        """Let a client of another namespace in. Raises ValueError if that has one."""
        with self.lock:
            if life.nsp in self._lives:
                raise ValueError(f"this manager has a client for {life.nsp!r} already")
            self._lives[life.nsp] = life

    def enlist(self, life: Life) -> Callable[[], object]:
        """Under the lock: a client wants to be connected. Returns what to do about it, without the lock."""
        self._active.add(life)
        if self.open:
            return life.join
        if self._running is not None:
            return int
        token = self._running = self.runtime.event()
        return partial(self.runtime.spawn, self._run, token, False)

    def dismiss(self, life: Life) -> Callable[[], Callable[[float], object]]:
        """Under the lock: a client has ended. Returns what ends, without the lock, a connection nobody needs any more.

        That returns a function that waits until it has ended, so many seconds at most.
        """
        self._active.discard(life)
        if self._active:
            return _leave_nothing
        engine, self.engine = self.engine, None
        running, self._running = self._running, None
        self.open = False
        if running is not None:
            running.set()  # here: the task that connects gives us its engine under the lock, or not at all
        return _leave_nothing if engine is None else partial(engine.leave, "forced close")

    # -- connecting, in a task -----------------------------------------------------------------------------------------

    def _run(self, token: Event, again: bool) -> None:
        try:
            self._connect(token, again)
        except Exception as error:
            log.exception("connecting failed")
            self._give_up(token, TransportError(f"internal error: {error!r}"))

    def _connect(self, token: Event, again: bool) -> None:
        """Open a connection; after a failure, or from the start if ``again``, wait and try again until ``token``."""
        options = self.options
        backoff = Backoff(options.reconnection_delay, options.reconnection_delay_max, options.randomization_factor)
        attempt = 0
        while True:
            if again:
                if token.wait(backoff.delay()):
                    return
                attempt += 1
                self.tell("reconnect_attempt", attempt)
            error = self._open_once(token, attempt)
            if error is None:
                return
            log.debug("not connected: %s", error)
            self._tell_failure(error, again)
            if not options.reconnection:
                self._give_up(token, error)
                return
            if attempt == options.reconnection_attempts:
                self.tell("reconnect_failed")
                self._give_up(token, error)
                return
            again = True

    def _open_once(self, token: Event, attempt: int) -> TransportError | None:
        """One attempt. Returns why it failed, or None if it did not, or nobody wants it any more."""
        first = self._websocket_worked
        self._websocket_worked = False
        address = Address(self.url, self.options)
        engine = EngineClient(self.runtime, self.lock, address, self.options, self, websocket_first=first)
        with self.lock:
            if token.is_set():
                return None
            self.engine = engine
        error = None
        try:
            engine.open()
        except TransportError as caught:
            error = caught
        with self.lock:
            wanted = not token.is_set()
            self.open = wanted and error is None and engine.session.life == OPEN
            if self.open:
                self._running = None
                self._decoder.reset()
                lives = list(self._active)
            full = self._full
        if not wanted:
            engine.abort()
            return None
        if not self.open:
            return error or TransportError("transport close: the server closed the connection at once")
        if full:
            engine.pause()
        self.tell("open")
        if attempt:
            self.tell("reconnect", attempt)
        for life in lives:
            life.join()
        return None

    def _tell_failure(self, error: TransportError, again: bool) -> None:
        self.tell("error", error)
        if again:
            self.tell("reconnect_error", error)
        with self.lock:
            lives = list(self._active)
        for life in lives:
            life.failed(error)

    def _give_up(self, token: Event, error: TransportError) -> None:
        with self.lock:
            if self._running is not token:
                return
            self._running = None
            lives = list(self._active)
        for life in lives:
            life.give_up(error)

    # -- the engine's handler ------------------------------------------------------------------------------------------

    def on_message(self, engine: EngineClient, data: str | bytes) -> None:
        """A Socket.IO packet, or a part of one."""
        if engine is not self.engine:
            return
        self._received += len(data)
        try:
            packet: Packet | None = self._decoder.add(data)
        except ProtocolError as error:
            self._decoder.reset()
            engine.close("parse error", DisconnectDetails(error.reason, error=error))
            return
        if packet is None:
            return
        size, self._received = self._received, 0
        if log.isEnabledFor(logging.DEBUG):
            log.debug("received %r", packet)
        life = self._lives.get(packet.nsp)
        if life is not None:
            life.on_packet(packet, size)

    def on_ping(self) -> None:
        """The server is alive."""
        self.tell("ping")

    def on_close(self, engine: EngineClient, reason: str, details: DisconnectDetails | None) -> None:
        """A connection is lost, or was left."""
        token = None
        with self.lock:
            # One that nobody wants any more was taken out before; one that is just opening will see it by itself.
            current = engine is self.engine and self.open
            if current:
                self.engine = None
                self.open = False
                self._websocket_worked = self._is_worth_remembering(engine, reason)
                if self._active and self.options.reconnection:
                    token = self._running = self.runtime.event()
            lives = list(self._active)
        self._received = 0
        log.debug("the connection to %s ended: %s %r", self.url.origin, reason, details)
        self.tell("close", reason, details)
        if not current:
            return
        for life in lives:
            life.lost(reason, details)
        if token is not None:
            self.runtime.spawn(self._run, token, True)
        else:
            for life in lives:
                life.give_up(None)

    def _is_worth_remembering(self, engine: EngineClient, reason: str) -> bool:
        options = self.options
        wanted = options.remember_upgrade and options.upgrade and "websocket" in options.transports
        return wanted and engine.transport == "websocket" and reason != "transport error"

    # -- for the clients -----------------------------------------------------------------------------------------------

    def send(self, packet: EncodedPacket, volatile: bool = False) -> bool:
        """Under the lock: send a packet. False: it was dropped."""
        return self.engine is not None and self.engine.send(packet, volatile=volatile)

    @property
    def waiting(self) -> int:
        """Bytes that wait to be sent."""
        return 0 if self.engine is None else self.engine.waiting

    def pause(self) -> None:
        """A client's mailbox is full: read no more."""
        self._count_full(1)

    def resume(self) -> None:
        """It has room again."""
        self._count_full(-1)

    def _count_full(self, change: int) -> None:
        with self.lock:
            before, self._full = self._full, self._full + change
            engine = self.engine if self.open else None  # one that is being opened will look by itself
        if engine is not None and not before:
            engine.pause()
        elif engine is not None and not self._full:
            engine.resume()


def _leave_nothing() -> Callable[[float], object]:
    return int
