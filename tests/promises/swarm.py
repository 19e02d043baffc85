"""Many clients in one thread."""

from __future__ import annotations

import selectors
import struct
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence

from tests.support.wire import CLOSE
from tests.support.wire import TEXT
from tests.support.wire import Wire
from tests.support.wire import frame
from tests.support.wire import open_websocket
from tests.support.wire import until


class Member:
    """One WebSocket client of a swarm.

    Attributes:
        texts: how many text messages came, without pings.
        pings: how many pings came.
        longest: the longest time between two pings in seconds, the first counted from the beginning. A client gives up
            after ping_interval + ping_timeout of it.
        lost: the server ended it.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.texts = 0
        self.pings = 0
        self.longest = 0.0
        self._last_ping = time.monotonic()
        self.joined = False
        self.lost = False
        self._buffer = bytearray(wire.buffer)
        wire.buffer = b""
        wire.sock.setblocking(False)

    def send(self, text: str) -> None:
        """A short packet; the kernel takes it whole."""
        self.wire.sock.send(frame(TEXT, text.encode()))

    def read(self, on_text: Callable[[Member, str], None] | None) -> None:
        """Handle what has come."""
        try:
            data = self.wire.sock.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        self.lost = self.lost or not data
        self._buffer += data
        while (found := self._next_frame()) is not None:
            opcode, payload = found
            if opcode == CLOSE:
                self.lost = True
            elif payload == b"2":
                self._ping()
            elif opcode == TEXT:
                self._text(payload.decode(), on_text)

    def _ping(self) -> None:
        now = time.monotonic()
        self.pings += 1
        self.longest = max(self.longest, now - self._last_ping)
        self._last_ping = now
        self.send("3")

    def _text(self, text: str, on_text: Callable[[Member, str], None] | None) -> None:
        if not self.joined:
            assert text.startswith("40{"), text
            self.joined = True
            return
        self.texts += 1
        if on_text is not None:
            on_text(self, text)

    def _next_frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, begin = buffer[1] & 0x7F, 2
        if size >= 126:
            format, begin = ("!H", 4) if size == 126 else ("!Q", 10)
            if len(buffer) < begin:
                return None
            (size,) = struct.unpack_from(format, buffer, 2)
        if len(buffer) < begin + size:
            return None
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[begin : begin + size])
        del buffer[: begin + size]
        return opcode, payload


class Swarm:
    """So many clients of the main namespace, in a thread of their own, which answers pings.

    Args:
        on_text: called there with each text message that is no ping and not the answer to CONNECT.
    """

    def __init__(self, port: int, count: int, on_text: Callable[[Member, str], None] | None = None) -> None:
        self.members: list[Member] = []
        self._on_text = on_text
        self._leaving = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        try:
            for _ in range(count):
                self._add(Member(open_websocket(port)))
            until(lambda: all(member.joined for member in self.members))
        except BaseException:
            self.close()
            raise

    def _add(self, member: Member) -> None:
        self.members.append(member)
        member.send("40")
        self._selector.register(member.wire.sock, selectors.EVENT_READ, member)

    @property
    def lost(self) -> Sequence[Member]:
        """Those that the server has ended."""
        return [member for member in self.members if member.lost]

    def _run(self) -> None:
        while not self._leaving.is_set():
            for key, _ in self._selector.select(0.05):
                member = key.data
                member.read(self._on_text)
                if member.lost:
                    self._selector.unregister(member.wire.sock)

    def close(self) -> None:
        """Leave without a goodbye."""
        self._leaving.set()
        self._thread.join()
        self._selector.close()
        for member in self.members:
            member.wire.close()

    def __enter__(self) -> Swarm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def chatter(member: Member, text: str) -> None:
    """On an answer, ask again."""
    member.send('420["echo","chatter"]')


def answer(member: Member, text: str) -> None:
    """Answer an event that asks, with its ack id."""
    digits = text[2 : text.index("[")]
    if text.startswith("42") and digits:
        member.send(f"43{digits}[{digits}]")
