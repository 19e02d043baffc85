"""``connect`` on a terminal: a line that is typed is sent, what comes is printed above it."""

from __future__ import annotations

import codecs
import os
import queue
import select
import shutil
import signal
import sys
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from socketio_sync import Client
from socketio_sync import ConnectError
from socketio_sync import DisconnectDetails
from socketio_sync import SocketIOError
from socketio_sync.cli.editor import Editor
from socketio_sync.cli.lines import parse_typed
from socketio_sync.cli.lines import readable
from socketio_sync.cli.lines import told

_HELP = '  A line is an event and its arguments: say "hello" 3 {"to": "all"}. Ctrl-D ends.'
# What the client still has to tell when it is closed for good comes in so many seconds.
_GRACE = 0.3


class Terminal:
    """Talks with a person.

    The main thread alone reads and draws; what other threads have to say waits in a queue, and a pipe wakes it.

    Args:
        ack: ask for an answer to each event; None: likewise, but do not complain if none comes.
    """

    def __init__(self, client: Client, ack: bool | None) -> None:
        self._client = client
        self._ack = ack
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._waking, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._conversing = False
        self._closed = False
        self._connects = 0

    def run(self, url: str) -> int:
        """Until Ctrl-D, Ctrl-C, or the end of the connection; returns the exit code."""
        client = self._client
        client.on_any(lambda event, *args: self._came(event, args))
        client.on("disconnect", self._disconnected)
        client.on("connect_error", self._failed)
        client.on("connect", self._connected)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # lest the terminal stays as we changed it
        try:
            client.connect()
            threading.Thread(target=self._watch, daemon=True).start()
            with _keys_unseen():
                self._converse()
        except ConnectError as error:
            click.echo(f"Error: {url}: {told(error)}", err=True)
            return 1
        except KeyboardInterrupt:
            pass
        finally:
            self._conversing = False
            client.off("disconnect")
            client.disconnect()
        return 1 if self._closed else 0

    # -- in the main thread --------------------------------------------------------------------------------------------

    def _converse(self) -> None:
        editor = Editor()
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._conversing = True
        while not editor.left and not self._closed:
            _draw(editor.look(shutil.get_terminal_size().columns))
            ready, _, _ = select.select([0, self._waking], [], [])
            if 0 in ready:
                typed = os.read(0, 4096)
                lines = editor.feed(decode(typed) if typed else "\x03")  # the terminal itself may go
                for line in lines:
                    _draw(f"\r\x1b[K> {line}\n")
                    self._send(line)
            if self._waking in ready:
                os.read(self._waking, 4096)
            self._print_what_was_said()
        _draw("\r\x1b[K")

    def _print_what_was_said(self) -> None:
        if not self._said.empty():
            _draw("\r\x1b[K")
        while not self._said.empty():
            click.echo(self._said.get())

    def _send(self, line: str) -> None:
        if not line.strip():
            return
        try:
            event, args = parse_typed(line)
            asks: dict[str, Any] = {}
            if self._ack is not False:
                asks["callback"] = lambda *answer: self._answered(event, answer)
            if self._ack is True:
                asks["error_callback"] = lambda error: self._unanswered(event, error)
            self._client.emit(event, *args, **asks)
        except (TypeError, ValueError, SocketIOError) as error:
            self._say(click.style(f"! {error}", fg="red"))

    # -- in other threads ----------------------------------------------------------------------------------------------

    def _came(self, event: str, args: tuple[Any, ...]) -> None:
        self._say(f"< {click.style(_name(event), fg='cyan', bold=True)} {readable(args)}".rstrip())

    def _answered(self, event: str, answer: tuple[Any, ...]) -> None:
        self._say(f"< {click.style(f'answer to {_name(event)}:', fg='magenta')} {readable(answer) or '(empty)'}")

    def _unanswered(self, event: str, error: Exception) -> None:
        self._say(click.style(f"! no answer to {_name(event)}: {error}", fg="red"))

    def _connected(self) -> None:
        again = " again" if self._connects else ""
        namespace = "" if self._client.nsp == "/" else f" to {self._client.nsp}"
        self._say(click.style(f"* connected{again}{namespace} as {self._client.id}", fg="green"))
        if not self._connects:
            self._say(_HELP)
        self._connects += 1

    def _disconnected(self, reason: str, details: DisconnectDetails | None) -> None:
        again = "; trying again" if self._client.active else ""
        self._say(click.style(f"* disconnected: {reason}{again}", fg="yellow"))

    def _failed(self, error: ConnectError) -> None:
        self._say(click.style(f"* not connected: {told(error)}", fg="yellow"))

    def _watch(self) -> None:
        self._client.wait()
        if self._conversing:
            time.sleep(_GRACE)
            self._closed = True
            os.write(self._wake, b".")

    def _say(self, text: str) -> None:
        """Have a line printed above the one that is being typed."""
        if not self._connects and self._client.active and not self._client.connected:
            click.echo(text)  # the main thread is in connect()
            return
        self._said.put(text)
        try:
            os.write(self._wake, b".")
        except BlockingIOError:
            pass  # it is awake


@contextmanager
def _keys_unseen() -> Iterator[None]:
    """Each key comes at once and is not shown by the terminal; Ctrl-C is a key."""
    before = termios.tcgetattr(0)
    changed = termios.tcgetattr(0)
    changed[3] &= ~(termios.ECHO | termios.ICANON)
    changed[6][termios.VINTR] = b"\x00"
    termios.tcsetattr(0, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def _draw(text: str) -> None:
    """On the terminal; not on the standard output, which may be a file."""
    sys.stdout.flush()
    if sys.stderr.isatty():
        sys.stderr.write(text)
        sys.stderr.flush()


def _name(event: str) -> str:
    return event if event.isprintable() and " " not in event and event else readable((event,))
