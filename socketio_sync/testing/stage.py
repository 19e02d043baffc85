"""The stage of a test: one server, on a virtual clock for as long as some TestClient uses it."""

from __future__ import annotations

from socketio_sync.adapters.packet_log import Offset
from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.virtual import VirtualRuntime
from socketio_sync.server.server import Server

_stages: dict[Server, Stage] = {}

# Where the wall clock of the last stage stood. It never goes back, since a server may remember a time.
_latest = 0.0


class Stage:
    """A server and what its test clients share.

    Attributes:
        runtime: runs the server and the clients' handlers.
        errors: what those handlers raised, until it is raised in the test.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.runtime = VirtualRuntime(wall_time=max(Runtime.wall_time(), _latest))
        self.errors: list[Exception] = []
        self._members: list[object] = []
        self._began = _milliseconds(self.runtime)

    @classmethod
    def enter(cls, server: Server, member: object) -> Stage:
        """The server's stage, built for the first member; ``leave`` must follow.

        Raises:
            RuntimeError: the server runs in real time already.
        """
        stage = _stages.get(server)
        if stage is None:
            if server.engine.started:
                raise RuntimeError(
                    f"{server!r} runs in real time already ({server.engine.runtime.name}): it listened, had clients, or"
                    " began a background task before this TestClient; give the test a server of its own"
                )
            stage = cls(server)
            server.engine.start(runtime=stage.runtime)
            _stages[server] = stage
        if member not in stage._members:
            stage._members.append(member)
        return stage

    def leave(self, member: object) -> None:
        """A member needs it no more. With the last one everything ends, and the server is as before."""
        if member in self._members:
            self._members.remove(member)
            if not self._members:
                self._end()

    def settle(self) -> None:
        """Run everything that can run now; then raise the first error of a client's handler.

        In a handler nothing happens: it is being run, and what it causes comes after it.
        """
        if self.runtime.is_driver():
            self.runtime.run_until_idle()
            self.raise_error()

    def advance(self, seconds: float) -> None:
        """Turn the clock and run what is due on the way; then as ``settle``."""
        self.runtime.advance(seconds)
        self.raise_error()

    def raise_error(self) -> None:
        """Raise the first error of a client's handler, if there is one."""
        if self.errors:
            error = self.errors[0]
            self.errors.clear()
            raise error

    def is_offset(self, text: str) -> bool:
        """Whether this is what connection state recovery puts behind an event's arguments."""
        offset = Offset.parse(text)
        return offset is not None and self._began <= offset.milliseconds <= _milliseconds(self.runtime)

    def _end(self) -> None:
        global _latest
        engine = self.server.engine
        try:
            for connection in list(engine.connections.values()):
                connection.close("transport close", discard=True)
            self.runtime.abandon()
        finally:
            _latest = max(_latest, self.runtime.wall_time())
            del _stages[self.server]
            self.server.begin_anew()
            engine.begin_anew()


def _milliseconds(runtime: Runtime) -> int:
    return int(runtime.wall_time() * 1000)
