"""``connect`` without a terminal: JSON lines in and out, and an exit code."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import click

from socketio_sync import Client
from socketio_sync import ConnectError
from socketio_sync import DisconnectDetails
from socketio_sync import LimitError
from socketio_sync import TransportError
from socketio_sync.cli.lines import parse_json
from socketio_sync.cli.lines import to_json
from socketio_sync.cli.lines import told

OK, LOST, WRONG, LATE = 0, 1, 2, 3
_INTERRUPTED = 130

# So many lines are read ahead of what is sent.
_AHEAD = 100
# How long is waited for room in a full buffer, in seconds.
_PAUSE = 0.02
# What the client still has to tell when it is closed for good comes in so many seconds.
_GRACE = 0.3
# How long what came already may take to be told at the end, in seconds.
_PATIENCE = 5.0
# The longest single wait, in seconds.
_SLICE = 0.5


class Script:
    """Sends what the standard input has, prints what comes.

    All that happens is put into one queue, and the main thread acts on it: it alone prints and sends.

    Args:
        ack: ask for an answer to each event.
        until: the events of which the first ends it.
        wait: how long to stay after the end of the input, in seconds.
        timeout: of ``until``, in seconds; None: no end.
    """

    def __init__(
        self, client: Client, *, ack: bool, until: tuple[str, ...], wait: float, timeout: float | None
    ) -> None:
        self._client = client
        self._ack = ack
        self._until = until
        self._wait = wait
        self._timeout = timeout
        self._news: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._room = threading.Semaphore(_AHEAD)
        self._lines = 0
        self._pending = 0  # answers
        self._late = False
        self._eof = False
        self._started = False
        self._connects = 0
        self._down = False
        self._closed = False
        # When the time for it is over, and what that means; None: no end.
        self._end: tuple[float, int] | None = None

    def run(self, url: str) -> int:
        """Until its end; returns the exit code."""
        client = self._client
        client.on_any(lambda *event: self._news.put(("event", event)))
        client.on("disconnect", self._disconnected)
        client.on("connect_error", self._failed)
        client.on("connect", self._connected)
        try:
            try:
                client.connect()
            except ConnectError as error:
                click.echo(f"Error: {url}: {told(error)}", err=True)
                return LOST
            self._started, self._down = True, False
            for work in (self._read, self._watch):
                threading.Thread(target=work, daemon=True).start()
            code = self._act()
            self._print_the_rest()
            return code
        except KeyboardInterrupt:
            return _INTERRUPTED
        except BrokenPipeError:
            # Who reads has had enough. Python would complain when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        finally:
            client.disconnect()

    # -- in other threads ----------------------------------------------------------------------------------------------

    def _disconnected(self, reason: str, details: DisconnectDetails | None) -> None:
        self._news.put(("disconnect", reason))

    def _connected(self) -> None:
        if self._connects:
            self._news.put(("connect", None))
        self._connects += 1

    def _failed(self, error: ConnectError) -> None:
        if self._started:
            self._news.put(("error", error))
        elif isinstance(error, TransportError) and not self._down:  # connect() tries again, and raises the last one
            self._down = True
            click.echo(f"not connected yet: {told(error)}", err=True)

    def _read(self) -> None:
        for line in _input_lines():
            self._room.acquire()
            self._news.put(("line", line))
        self._news.put(("eof", None))

    def _watch(self) -> None:
        self._client.wait()
        self._news.put(("closed", None))

    # -- in the main thread --------------------------------------------------------------------------------------------

    def _act(self) -> int:
        if self._until and self._timeout is not None:
            self._end = time.monotonic() + self._timeout, LATE
        while True:
            left = _SLICE if self._end is None else max(self._end[0] - time.monotonic(), 0)
            try:
                # In slices: the kernel may give Ctrl-C to another thread, which does not wake this one.
                kind, value = self._news.get(timeout=min(left, _SLICE))
            except queue.Empty:
                if self._end is None or left > _SLICE:
                    continue
                return LATE if self._late else self._end[1]
            code = getattr(self, f"_on_{kind}")(value)
            if code is not None:
                return int(code)

    def _print_the_rest(self) -> None:
        """Answers overtake events: print those that came, up to the disconnect, which is behind them."""
        if self._until or self._down or not self._client.connected:
            return
        self._client.disconnect()
        end = time.monotonic() + _PATIENCE
        kind = ""
        while kind != "disconnect":
            try:
                kind, value = self._news.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                return
            if kind == "event":
                _print(to_json(value))

    def _on_event(self, event: tuple[Any, ...]) -> int | None:
        _print(to_json(event))
        if event[0] not in self._until:
            return None
        return LATE if self._late else OK

    def _on_line(self, line: str) -> int | None:
        self._room.release()
        self._lines += 1
        if not line.strip():
            return None
        try:
            event, args = parse_json(line)
            self._emit(event, args)
        except (TypeError, ValueError) as error:
            click.echo(f"Error: line {self._lines}: {error}", err=True)
            return WRONG
        return None

    def _emit(self, event: str, args: list[Any]) -> None:
        asks: dict[str, Any] = {}
        if self._ack:
            asks["callback"] = lambda *answer: self._news.put(("answer", (event, answer)))
            asks["error_callback"] = lambda error: self._news.put(("unanswered", (event, error)))
            self._pending += 1
        while self._client.active:
            try:
                return self._client.emit(event, *args, **asks)
            except LimitError:
                time.sleep(_PAUSE)

    def _on_answer(self, value: tuple[str, tuple[Any, ...]]) -> None:
        event, answer = value
        _print(to_json({"ack": answer, "of": event}))
        self._answered()

    def _on_unanswered(self, value: tuple[str, Exception]) -> None:
        event, error = value
        click.echo(f"Error: no answer to {event}: {error}", err=True)
        self._late = True
        self._answered()

    def _answered(self) -> None:
        self._pending -= 1
        self._prepare_end()

    def _on_eof(self, _: None) -> None:
        self._eof = True
        self._prepare_end()

    def _prepare_end(self) -> None:
        """Nothing is to be sent any more, no answer is to come, and no event."""
        if self._eof and not self._pending and not self._until:
            self._end = time.monotonic() + self._wait, OK

    def _on_disconnect(self, reason: str) -> int | None:
        self._down = True
        again = "" if self._closed or not self._client.active else "; trying again"
        click.echo(f"disconnected: {reason}{again}", err=True)
        return LOST if self._closed else None

    def _on_error(self, error: ConnectError) -> None:
        click.echo(f"not connected: {told(error)}", err=True)

    def _on_connect(self, _: None) -> None:
        self._down = False
        click.echo(f"connected again as {self._client.id}", err=True)

    def _on_closed(self, _: None) -> None:
        """For good; what came before is told first."""
        self._closed = True
        if self._down:
            self._end = time.monotonic() + _GRACE, LOST


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _input_lines() -> Iterator[str]:
    """The standard input; not through ``sys.stdin``, whose lock a thread that reads would take to the grave."""
    rest = b""
    while True:
        try:
            data = os.read(0, 65536)
        except OSError:  # it was closed before we began
            data = b""
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
        if not data:
            if rest:
                yield rest.decode("utf-8", "replace")
            return
