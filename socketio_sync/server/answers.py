"""The answers of clients that are waited for: settled exactly once, by coming, by the clients' leaving, or by time.

The same objects serve those who block and those who gave a callback; only what happens when they are settled differs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any

from socketio_sync.exceptions import AckTimeout

if TYPE_CHECKING:
    from socketio_sync.runtime.base import Runtime
    from socketio_sync.runtime.timer_wheel import Timer


class _Answer:
    """What the two below share. Any thread may settle it, the first one does.

    Args:
        on_settled: called once, without a lock; must not block.

    Attributes:
        error: why there is no (complete) answer, or None.
    """

    __slots__ = ("_lock", "_on_settled", "_settled", "_timer", "error")

    def __init__(self, runtime: Runtime, on_settled: Callable[[], None]) -> None:
        self.error: Exception | None = None
        self._lock = runtime.lock()
        self._on_settled = on_settled
        self._settled = False
        self._timer: Timer | None = None

    def expire(self) -> bool:
        """Time is up. Whether it was not settled before."""
        with self._lock:
            if self._settled:
                return False
            self._settled = True
            self.error = self._timeout()
        self._finish()
        return True

    def expire_after(self, runtime: Runtime, seconds: float, abandon: Callable[[], None]) -> None:
        """Let time be up in so many seconds; ``abandon`` is called if it was not settled before. To be called once."""

        def late() -> None:
            if self.expire():
                abandon()

        if self._settled:
            return
        self._timer = runtime.timers.call_later(seconds, late)
        if self._settled:  # a moment ago, without seeing the timer
            self._timer.cancel()

    def _finish(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._on_settled()

    def _timeout(self) -> AckTimeout:
        return AckTimeout()


class SocketAnswer(_Answer):
    """The answer of one client.

    Args:
        gone_error: makes the error when the client leaves; must not block.

    Attributes:
        args: what it answered.
    """

    __slots__ = ("_gone_error", "args")

    def __init__(self, runtime: Runtime, on_settled: Callable[[], None], gone_error: Callable[[], Exception]) -> None:
        super().__init__(runtime, on_settled)
        self.args: tuple[Any, ...] = ()
        self._gone_error = gone_error

    def answer(self, args: tuple[Any, ...]) -> None:
        """The client has answered."""
        self._settle(args, None)

    def gone(self) -> None:
        """The client has left without an answer."""
        self._settle((), self._gone_error())

    def _settle(self, args: tuple[Any, ...], error: Exception | None) -> None:
        with self._lock:
            if self._settled:
                return
            self._settled = True
            self.args = args
            self.error = error
        self._finish()

    @property
    def value(self) -> Any:
        """What ``emit_with_ack`` returns: nothing as None, one argument as it is, several as a tuple."""
        return self.args[0] if len(self.args) == 1 else self.args or None


class BroadcastAnswers(_Answer):
    """The answers to one broadcast: complete when every server has counted its clients and each answered or left.

    Args:
        servers: how many will call ``expect``.

    Attributes:
        responses: each client's first argument, in the order in which they came.
    """

    __slots__ = ("_clients", "_servers", "responses")

    def __init__(self, runtime: Runtime, on_settled: Callable[[], None], servers: int) -> None:
        super().__init__(runtime, on_settled)
        self.responses: list[Any] = []
        self._servers = servers
        self._clients = 0  # counted and not heard of; below zero when answers come before the count

    def expect(self, clients: int) -> None:
        """One server has sent it to so many clients."""
        self._count(-1, clients)

    def answer(self, args: tuple[Any, ...]) -> None:
        """One client has answered."""
        self._count(0, -1, args[:1] or (None,))

    def gone(self) -> None:
        """One client has left without an answer."""
        self._count(0, -1)

    def _count(self, servers: int, clients: int, response: tuple[Any, ...] = ()) -> None:
        with self._lock:
            if self._settled:
                return
            self._servers += servers
            self._clients += clients
            self.responses.extend(response)
            if self._servers > 0 or self._clients > 0:
                return
            self._settled = True
        self._finish()

    def _timeout(self) -> AckTimeout:
        return AckTimeout(responses=self.responses)
