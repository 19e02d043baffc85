"""``connect`` on a terminal: a line that is typed is sent, what comes is printed above it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

import click

from socketio_sync import Client
from socketio_sync import ConnectError
from socketio_sync import DisconnectDetails
from socketio_sync import SocketIOError
from socketio_sync.cli.lines import parse_typed
from socketio_sync.cli.lines import readable
from socketio_sync.cli.lines import told

try:
    from readline import get_line_buffer  # its import is what gives input() a history and arrow keys
except ImportError:

    def get_line_buffer() -> str:
        return ""


_PROMPT = "> "
# What the client still has to tell when it is closed for good comes in so many seconds.
_GRACE = 0.3


class Terminal:
    """Talks with a person.

    Args:
        ack: ask for an answer to each event; None: likewise, but do not complain if none comes.
    """

    def __init__(self, client: Client, ack: bool | None) -> None:
        self._client = client
        self._ack = ack
        self._lock = threading.Lock()  # one line at a time
        self._prompting = False
        self._closed = False
        self._leaving = threading.Event()

    def run(self, url: str) -> int:
        """Until Ctrl-D, Ctrl-C, or the end of the connection; returns the exit code."""
        client = self._client
        client.on_any(lambda event, *args: self._came(event, args))
        client.on("disconnect", self._disconnected)
        client.on("connect_error", self._failed)
        try:
            client.connect()
            self._say(self._state("connected"))
            client.on("connect", lambda: self._say(self._state("connected again")))
            threading.Thread(target=self._watch, daemon=True).start()
            self._converse()
        except ConnectError as error:
            click.echo(f"Error: {url}: {told(error)}", err=True)
            return 1
        except (EOFError, KeyboardInterrupt):
            click.echo()
        finally:
            # Nothing that comes now shall draw a prompt, and a second Ctrl-C must not stop the goodbye.
            self._prompting = False
            self._leaving.set()
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            client.off("disconnect")
            client.disconnect()
        return 1 if self._closed else 0

    def _state(self, what: str) -> str:
        namespace = "" if self._client.nsp == "/" else f" to {self._client.nsp}"
        return click.style(f"* {what}{namespace} as {self._client.id}", fg="green")

    # -- what is typed -------------------------------------------------------------------------------------------------

    def _converse(self) -> None:
        click.echo("  A line is an event and its arguments: say \"hello\" 3 {\"to\": \"all\"}. Ctrl-D ends.")
        while True:
            self._prompting = True
            line = input(_PROMPT)
            self._prompting = False
            if line.strip():
                self._send(line)

    def _send(self, line: str) -> None:
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

    # -- what comes, in other threads ----------------------------------------------------------------------------------

    def _came(self, event: str, args: tuple[Any, ...]) -> None:
        self._say(f"< {click.style(_name(event), fg='cyan', bold=True)} {readable(args)}".rstrip())

    def _answered(self, event: str, answer: tuple[Any, ...]) -> None:
        self._say(f"< {click.style(f'answer to {_name(event)}:', fg='magenta')} {readable(answer) or '(empty)'}")

    def _unanswered(self, event: str, error: Exception) -> None:
        self._say(click.style(f"! no answer to {_name(event)}: {error}", fg="red"))

    def _disconnected(self, reason: str, details: DisconnectDetails | None) -> None:
        again = "; trying again" if self._client.active else ""
        self._say(click.style(f"* disconnected: {reason}{again}", fg="yellow"))

    def _failed(self, error: ConnectError) -> None:
        self._say(click.style(f"* not connected: {told(error)}", fg="yellow"))

    def _watch(self) -> None:
        self._client.wait()
        while not self._leaving.wait(_GRACE):
            self._closed = True
            os.kill(os.getpid(), signal.SIGINT)  # nothing else ends input(), and it misses one that comes too early

    def _say(self, text: str) -> None:
        """Print a line above the one that is being typed."""
        with self._lock:
            over = self._prompting and sys.stdout.isatty()
            click.echo(f"\r\x1b[K{text}" if over else text)
            if over:
                sys.stdout.write(f"{_PROMPT}{get_line_buffer()}")
                sys.stdout.flush()


def _name(event: str) -> str:
    return event if event.isprintable() and " " not in event and event else readable((event,))
