"""The TLS channel against a real TLS peer, which runs in a thread of its own."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest
import trustme

from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.many_channels import send_gathered
from socketio_sync.runtime.many_channels import write_to_all
from socketio_sync.runtime.rings import FEW
from socketio_sync.runtime.rings import Rings
from socketio_sync.runtime.tls_channel import TLSChannel
from tests.support.channels import Pair
from tests.support.channels import Recorder
from tests.support.channels import receive_exactly
from tests.support.timing import scaled

BIG = bytes(range(256)) * 16_384  # 4 MB


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


class TLSPair:
    """A channel over the server's end, and the client's end as a blocking TLS socket for use in threads."""

    def __init__(self, runtime: Runtime, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
        ours, theirs = socket.socketpair()
        theirs.settimeout(scaled(10))
        self.runtime = runtime
        self.peer: Any = None
        shaker = Thread(target=self._shake, args=(contexts[1], theirs))
        shaker.start()
        tls = contexts[0].wrap_socket(ours, server_side=True)
        shaker.join()
        tls.setblocking(False)
        self.recorder = Recorder(runtime)
        self.lock = runtime.lock()
        self.channel = runtime.open_channel(tls, self.lock, self.recorder)

    def _shake(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        self.peer = context.wrap_socket(sock, server_hostname="localhost")

    def write(self, data: bytes) -> None:
        with self.lock:
            self.channel.write(data)

    def aside(self, fn: Callable[..., Any], *args: Any) -> Any:
        """The result of a blocking call, made in a thread while the runtime goes on."""
        results: list[Any] = []
        ended = self.runtime.event()

        def call() -> None:
            try:
                results.append(fn(*args))
            finally:
                ended.set()

        Thread(target=call, daemon=True).start()
        assert ended.wait(scaled(20))
        return results[0]

    def exchange(self, data: bytes, size: int) -> bytes:
        """Send and receive at once, in one thread: a TLS object must not be used by two."""
        self.peer.setblocking(False)
        rest = memoryview(data)
        received = bytearray()
        while rest or len(received) < size:
            readable, writable = True, bool(rest)
            with suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                received += self.peer.recv(65536)
                readable = False
            with suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if rest:
                    rest = rest[self.peer.send(rest[:65536]) :]
                    writable = False
            if readable and (writable or (not rest and len(received) < size)):
                select.select([self.peer], [self.peer] if rest else [], [], scaled(10))
        return bytes(received)

    def receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (chunk := self.peer.recv(size - len(data))):
            data += chunk
        return data


@pytest.fixture
def pair(runtime: Runtime, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[TLSPair]:
    pair = TLSPair(runtime, contexts)
    assert isinstance(pair.channel, TLSChannel)
    yield pair
    pair.channel.abort()
    pair.peer.close()


def test_an_echo(pair: TLSPair) -> None:
    pair.channel.start(b"ahead ")
    pair.aside(pair.peer.send, b"of all")
    assert pair.recorder.wait_for(12) == b"ahead of all"
    pair.write(b"answer")
    assert pair.aside(pair.receive, 6) == b"answer"


def test_decrypted_bytes_are_taken_though_the_socket_is_silent(pair: TLSPair) -> None:
    pair.recorder.wanted = 1  # one record of 1,000 bytes, read byte by byte
    pair.channel.start()
    pair.aside(pair.peer.send, b"r" * 1000)
    assert pair.recorder.wait_for(1000) == b"r" * 1000


def test_the_last_word(pair: TLSPair) -> None:
    pair.channel.start()
    with pair.lock:
        pair.channel.write_last(b"bye")
        pair.channel.finish()
    assert pair.aside(pair.receive, 100) == b"bye"


def test_after_a_pause_decrypted_bytes_come(pair: TLSPair) -> None:
    original = pair.recorder.on_data

    def on_data(data: bytes) -> None:
        pair.channel.pause()
        original(data)

    pair.recorder.on_data = on_data
    pair.recorder.wanted = 1
    pair.channel.start()
    pair.aside(pair.peer.send, b"abc")
    for text in (b"a", b"ab", b"abc"):
        assert pair.recorder.wait_for(len(text)) == text
        pair.channel.resume()


def test_a_large_write_is_kept_and_sent(pair: TLSPair) -> None:
    pair.channel.start()
    pair.write(BIG)
    assert pair.channel.waiting > 0
    pair.write(b"the end")
    assert pair.aside(pair.receive, len(BIG) + 7) == BIG + b"the end"
    assert pair.recorder.drained.wait(scaled(5))
    assert pair.channel.waiting == 0


def test_what_a_broadcast_begins_is_ended_before_anything_else(pair: TLSPair) -> None:
    # OpenSSL holds a record that the socket did not take, and takes the next bytes for that one's.
    pair.channel.start()
    news = bytes(range(250)) * 100
    count = 0
    while not pair.channel.waiting:
        assert write_to_all(Rings(True), [pair.lock], iter([pair.channel]), news) == []
        count += 1
    pair.write(b"x" * 30_000)
    assert write_to_all(Rings(True), [pair.lock], iter([pair.channel]), news) == [0]
    expected = news * count + b"x" * 30_000
    assert pair.aside(pair.receive, len(expected)) == expected


def test_tls_is_never_sent_to_past_openssl(pair: TLSPair) -> None:
    plain = [Pair(pair.runtime) for _ in range(FEW)]
    locks, channels = [pair.lock for pair in plain], [pair.channel for pair in plain]
    rings = Rings(True)
    others = write_to_all(rings, [*locks, pair.lock], iter([*channels, pair.channel]), b"news")
    assert others == ([] if rings.take() is None else [FEW])  # io_uring would send it as it is
    for _ in others:
        pair.write(b"news")
    assert pair.aside(pair.receive, 4) == b"news"
    for channel in [*channels, pair.channel]:
        channel.corked = [b"more"]
    send_gathered(rings, [*channels, pair.channel])
    assert pair.aside(pair.receive, 4) == b"more"
    for other in plain:
        assert receive_exactly(other.peer, 8) == b"newsmore"
        other.close()


def test_both_directions_at_once(pair: TLSPair) -> None:
    pair.channel.start()
    for start in range(0, len(BIG), 100_000):
        pair.write(BIG[start : start + 100_000])
    assert pair.aside(pair.exchange, BIG, len(BIG)) == BIG
    assert pair.recorder.wait_for(len(BIG)) == BIG


def test_the_end_is_no_error(pair: TLSPair) -> None:
    pair.channel.start()
    pair.aside(pair.peer.send, b"bye")
    pair.peer.close()
    assert pair.recorder.lost.wait(scaled(5))
    assert pair.recorder.calls == ["data", "lost"]
    assert pair.recorder.error is None


def test_the_end_with_a_goodbye_is_no_error(pair: TLSPair) -> None:
    pair.channel.start()

    def say_goodbye() -> None:
        with suppress(OSError):  # nobody owes it an answer
            pair.peer.unwrap()

    Thread(target=say_goodbye, daemon=True).start()
    assert pair.recorder.lost.wait(scaled(5))
    assert pair.recorder.error is None


def test_finish_flushes_and_says_goodbye(pair: TLSPair) -> None:
    closed = pair.runtime.event()
    pair.channel.on_closed = closed.set
    pair.channel.start()
    pair.write(BIG)
    pair.channel.finish(scaled(5))
    assert pair.aside(pair.receive, len(BIG) + 1) == BIG
    pair.peer.close()
    assert closed.wait(scaled(5))
    assert pair.recorder.calls == []
