"""The server program seen from outside, and a Socket.IO client that speaks bytes to it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.programs import Program
from tests.support.programs import missing
from tests.support.programs import node_modules
from tests.support.programs import python
from tests.support.programs import running
from tests.support.timing import scaled
from tests.support.wire import TEXT
from tests.support.wire import Closed
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import fetch
from tests.support.wire import frame
from tests.support.wire import open_websocket
from tests.support.wire import until


def dumps(value: list[Any]) -> str:
    """JSON as JavaScript writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class Promised:
    """The program while it runs."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._clients: list[Client] = []
        self.port = int(program.url.rsplit(":", 1)[1])

    def facts(self) -> dict[str, Any]:
        """What it holds and costs now; see program.py."""
        found: dict[str, Any] = json.loads(fetch(self.port, "/facts").body)
        return found

    def client(self, timeout: float = 10) -> Client:
        """A WebSocket client in the main namespace."""
        self._clients.append(Client(self.port, timeout))
        return self._clients[-1]

    def leave(self) -> None:
        """Close what clients are open, after a test."""
        for client in self._clients:
            client.close()
        self._clients.clear()

    def polling(self) -> Polling:
        """A client on long-polling in the main namespace."""
        client = Polling(self.port).open()
        client.post("40")
        assert client.receive().startswith("40{")
        return client

    def alive(self) -> bool:
        """Whether it answers plain HTTP."""
        return fetch(self.port, "/").body == b"hello"

    def end_of(self, id: str) -> tuple[str, str | None]:
        """Why the socket of this id was disconnected, once it was."""
        reason, details, _ = until(lambda: self.facts()["ended"].get(id))
        return reason, details

    def empty(self) -> None:
        """Wait until it has no client any more."""
        until(lambda: self.facts()["connections"] == 0, timeout=scaled(20))


class Client:
    """A WebSocket with the main namespace joined. Pings are answered whenever it reads.

    Attributes:
        id: of its socket.
        others: what came while an answer was awaited.
    """

    def __init__(self, port: int, timeout: float = 10) -> None:
        self.wire = open_websocket(port)
        self.wire.sock.settimeout(scaled(timeout))
        self.wire.send_text("40")
        self.id: str = json.loads(self.next()[2:])["sid"]
        self.others: list[Any] = []
        self.pings = 0
        self._calls = 0

    def send(self, *texts: str) -> None:
        """Packets in one TCP segment, as far as they fit into one."""
        self.wire.send(b"".join(self.frames(*texts)))

    @staticmethod
    def frames(*texts: str) -> list[bytes]:
        """What goes over the wire for them."""
        return [frame(TEXT, text.encode()) for text in texts]

    def emit(self, event: str, *args: Any) -> None:
        self.send("42" + dumps([event, *args]))

    def call(self, event: str, *args: Any) -> list[Any]:
        """The arguments of the answer to an event; what comes before it is kept in ``others``."""
        self._calls += 1
        self.send(f"42{self._calls}" + dumps([event, *args]))
        return self.answer()

    def answer(self) -> list[Any]:
        """The arguments of the answer to the last call."""
        begin = f"43{self._calls}"
        while True:
            message = self.next()
            if isinstance(message, str) and message.startswith(begin):
                arguments: list[Any] = json.loads(message[len(begin) :])
                return arguments
            self.others.append(message)

    def next(self) -> Any:
        """The next message that is no ping, or the close frame."""
        while self._answered_ping(message := self.wire.receive()):
            pass
        return message

    def listen(self, seconds: float) -> list[Any]:
        """What comes in so many seconds."""
        messages = []
        deadline = time.monotonic() + seconds
        patience = self.wire.sock.gettimeout()
        while (left := deadline - time.monotonic()) > 0:
            self.wire.sock.settimeout(left)
            try:
                message = self.wire.receive()
            except TimeoutError:
                break
            if not self._answered_ping(message):
                messages.append(message)
        self.wire.sock.settimeout(patience)
        return messages

    def _answered_ping(self, message: Any) -> bool:
        if message != "2":
            return False
        self.pings += 1
        self.wire.send_text("3")
        return True

    def event(self) -> list[Any]:
        """The next event, without attachments: its name and arguments."""
        message = self.next()
        assert message.startswith("42"), message
        found: list[Any] = json.loads(message[message.index("[") :])
        return found

    def end(self) -> Closed | None:
        """How the server ends it."""
        try:
            while not isinstance(message := self.next(), Closed):
                pass
        except (EOFError, ConnectionResetError):
            return None
        return message

    def round_trips(self, count: int, pause: float = 0.0) -> list[float]:
        """The seconds that so many calls took, in ascending order."""
        times = []
        for number in range(count):
            begin = time.perf_counter()
            assert self.call("echo", number) == [number]
            times.append(time.perf_counter() - begin)
            if pause:
                time.sleep(pause)
        return sorted(times)

    def close(self) -> None:
        self.wire.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def promising(runtime: str, *, quiet: bool = True, **options: Any) -> Iterator[Promised]:
    """The program on a runtime, with options for its server; ``quiet``: it may log no warning and no error."""
    with running(python("-m", "tests.promises.program", runtime, json.dumps(options))) as program:
        try:
            yield Promised(program)
        except BaseException:
            print(program.output)
            raise
    assert "Traceback" not in program.output, program.output
    if quiet:
        assert "WARNING" not in program.output, program.output
        assert "ERROR" not in program.output, program.output


def run_node(script: str, server: Promised, *arguments: str) -> str:
    """Run official clients, by a script of this folder, to their good end; returns what they print."""
    if shutil.which("node") is None:
        missing("node")
    command = ["node", str(Path(__file__).parent / script), f"http://127.0.0.1:{server.port}", *arguments]
    with running(command, NODE_PATH=str(node_modules())) as clients:
        try:
            code = clients.process.wait(scaled(50))
        except subprocess.TimeoutExpired:
            code = None
    assert code == 0, clients.output
    return clients.output


def small_window(wire: Wire) -> None:
    """Let the kernel keep little of what this end does not read."""
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
