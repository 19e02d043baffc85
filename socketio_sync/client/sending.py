"""``emit`` and its family, for a client and for its chains."""

from __future__ import annotations

from typing import Any

from socketio_sync.client.answers import Callback
from socketio_sync.client.answers import call_back
from socketio_sync.client.life import Life
from socketio_sync.client.outbox import Flags
from socketio_sync.config.checks import boolean
from socketio_sync.config.checks import check_duration
from socketio_sync.handler import check_callable


class Sending:
    """What a Client and its chains share. The class that inherits says by ``_target`` where its chain stands."""

    __slots__ = ()

    def _target(self) -> tuple[Life, Flags]:
        raise NotImplementedError

    @property
    def volatile(self) -> ClientOperator:
        """Drop it while there is no connection, or while something waits for the network."""
        life, flags = self._target()
        return ClientOperator(life, flags._replace(volatile=True))

    def compress(self, compress: bool) -> ClientOperator:
        """Whether the transport may compress it."""
        life, flags = self._target()
        return ClientOperator(life, flags._replace(compress=boolean("compress", compress)))

    def timeout(self, seconds: float) -> ClientOperator:
        """How long an answer may take.

        Raises:
            ValueError: not between 0 and 1000 seconds.
        """
        life, flags = self._target()
        return ClientOperator(life, flags._replace(timeout=check_duration("timeout", seconds)))

    def emit(
        self, event: str, *args: Any, callback: Callback | None = None, error_callback: Callback | None = None
    ) -> None:
        """Send an event; never waits for the network. While not connected it is kept and sent later.

        Args:
            event: its name.
            *args: the payloads. They are encoded before this returns, so later changes do no harm.
            callback: asks for an answer; called as ``callback(*answer)``, in a task of its own.
            error_callback: called instead, as ``error_callback(error)``: no answer came in ``timeout()`` (else
                ``ack_timeout``), or before the disconnect.

        Raises:
            TypeError: something that cannot be sent; the text has its path.
            ValueError: likewise, or a reserved name, or more than the server takes.
            LimitError: more than ``max_send_buffer`` bytes wait already.
        """
        life, flags = self._target()
        for name, fn in (("callback", callback), ("error_callback", error_callback)):
            if fn is not None:
                check_callable(fn, name)
        asks = callback is not None or error_callback is not None
        life.outbox.emit(event, args, flags, call_back(life, event, callback, error_callback) if asks else None)

    def send(self, *args: Any, callback: Callback | None = None, error_callback: Callback | None = None) -> None:
        """Emit the event "message"."""
        self.emit("message", *args, callback=callback, error_callback=error_callback)

    def emit_with_ack(self, event: str, *args: Any) -> Any:
        """Send an event and block for the answer: no argument is None, one is itself, several are a tuple.

        While a lost connection is being replaced the event waits for the new one.

        Raises:
            AckTimeout: nothing came in ``timeout()``, else ``ack_timeout``, seconds.
            DisconnectedError: the client is closed, or lost the connection after the event was sent.
            TypeError, ValueError, LimitError: as ``emit``.
        """
        life, flags = self._target()
        return life.outbox.ask(event, args, flags)


class ClientOperator(Sending):
    """A Client with flags for sending: a value to keep and to share."""

    __slots__ = ("_flags", "_life")

    def __init__(self, life: Life, flags: Flags) -> None:
        self._life = life
        self._flags = flags

    def _target(self) -> tuple[Life, Flags]:
        return self._life, self._flags

    def __repr__(self) -> str:
        flags = self._flags
        parts = [" volatile"] if flags.volatile else []
        parts += [] if flags.compress else [" compress=False"]
        parts += [] if flags.timeout is None else [f" timeout={flags.timeout:g}"]
        return f"<ClientOperator {self._life.nsp!r}{''.join(parts)}>"
