"""What the pollers report: over epoll, and over a selector where a system has no epoll."""

from __future__ import annotations

import socket
from collections.abc import Callable
from collections.abc import Iterator

import pytest

from socketio_sync.runtime import poller as pollers
from socketio_sync.runtime.channel import READ
from socketio_sync.runtime.channel import WRITE
from socketio_sync.runtime.channel import Input
from socketio_sync.runtime.channel import read_together
from socketio_sync.runtime.channel import take_each
from socketio_sync.runtime.poller import Poller
from socketio_sync.runtime.rings import Rings
from socketio_sync.runtime.threads import ThreadRuntime
from tests.support.channels import Pair
from tests.support.io_uring import needs_io_uring
from tests.support.timing import scaled


class Watched:
    """Remembers what is reported about one end of a socket pair."""

    def __init__(self) -> None:
        self.sock, self.peer = socket.socketpair()
        self.fd = self.sock.fileno()
        self.interest = 0
        self.calls: list[str] = []

    def on_readable(self) -> None:
        self.calls.append("read")

    def on_writable(self) -> None:
        self.calls.append("write")

    def close(self) -> None:
        self.sock.close()
        self.peer.close()


@pytest.fixture(params=["the system's", "a selector"])
def poller(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Poller]:
    if request.param == "a selector":
        monkeypatch.setattr(pollers, "_new_epoll", pollers._Selector)
    poller = Poller()
    yield poller
    poller.close()


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.close()


def reported(poller: Poller, *watched: Watched) -> list[list[str]]:
    """What one look at the descriptors brings."""
    for one in watched:
        one.calls.clear()
    poller.serve(poller.poll(0))
    return [one.calls for one in watched]


def test_only_what_is_asked_for_is_reported(poller: Poller, watched: Watched) -> None:
    assert not poller
    watched.peer.send(b"x")
    poller.watch(watched, READ)
    assert poller
    assert reported(poller, watched) == [["read"]]
    poller.watch(watched, WRITE)
    assert reported(poller, watched) == [["write"]]
    poller.watch(watched, READ + WRITE)
    assert sorted(*reported(poller, watched)) == ["read", "write"]
    poller.watch(watched, 0)
    assert reported(poller, watched) == [[]]
    assert not poller


@pytest.mark.parametrize(("interest", "call"), [(READ, "read"), (WRITE, "write")])
def test_the_end_is_reported_to_whoever_watches(poller: Poller, watched: Watched, interest: int, call: str) -> None:
    poller.watch(watched, interest)
    watched.peer.close()
    assert reported(poller, watched) == [[call]]


def test_one_that_goes_while_others_are_told_is_told_no_more(poller: Poller, watched: Watched) -> None:
    other = Watched()
    for one in (watched, other):
        poller.watch(one, READ)
        one.peer.send(b"x")
    watched.on_readable = lambda: poller.watch(other, 0)  # type: ignore[method-assign]
    other.on_readable = lambda: poller.watch(watched, 0)  # type: ignore[method-assign]
    poller.serve(poller.poll(0))
    assert sorted([watched.interest, other.interest]) == [0, READ]
    other.close()


def test_a_failure_of_one_does_not_concern_the_others(
    poller: Poller, watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    other = Watched()
    for one in (watched, other):
        poller.watch(one, READ)
        one.peer.send(b"x")
    watched.on_readable = lambda: 1 / 0  # type: ignore[method-assign,return-value]
    assert reported(poller, other) == [["read"]]
    assert "an I/O call failed" in caplog.text
    other.close()


class TestReadingInOneCall:
    """Many channels that are ready together are read in one call, where there is io_uring; it shows nowhere."""

    @pytest.fixture(params=[pytest.param(True, id="io_uring", marks=needs_io_uring), pytest.param(False, id="plain")])
    def pairs(self, request: pytest.FixtureRequest) -> Iterator[list[Pair]]:
        runtime = ThreadRuntime(io_uring=request.param)
        pairs = [Pair(runtime) for _ in range(12)]
        for pair in pairs:
            pair.channel.start()
        yield pairs
        for pair in pairs:
            pair.close()
        runtime.stop()

    def together(self, pairs: list[Pair], act: Callable[[Pair], object]) -> None:
        """Act on the other ends of all while the I/O thread does not look."""
        done = pairs[0].runtime.event()

        def all_of_them() -> None:
            for pair in pairs:
                act(pair)
            done.set()

        pairs[0].runtime.call_soon(all_of_them)
        assert done.wait(scaled(5))

    def test_what_comes_for_each(self, pairs: list[Pair]) -> None:
        for turn in range(3):
            self.together(pairs, lambda pair: pair.peer.send(b"%d" % pairs.index(pair)))
            for number, pair in enumerate(pairs):
                assert pair.recorder.wait_for((turn + 1) * len(str(number))) == b"%d" % number * (turn + 1)
        assert (pairs[0].runtime.rings._receiver is not None) == pairs[0].runtime.io_uring  # made when it is used

    def test_long_input(self, pairs: list[Pair]) -> None:
        data = bytes(range(256)) * 400
        self.together(pairs, lambda pair: pair.peer.send(data))
        for pair in pairs:
            assert pair.recorder.wait_for(len(data)) == data

    def test_ends_and_failures(self, pairs: list[Pair], caplog: pytest.LogCaptureFixture) -> None:
        def fail(data: bytes) -> None:
            raise ValueError("as asked for")

        pairs[0].recorder.on_data = fail  # type: ignore[method-assign]
        self.together(pairs, lambda pair: (pair.peer.send(b"last"), pair.peer.close()))
        for pair in pairs:
            assert pair.recorder.lost.wait(scaled(5))
            assert pair.recorder.calls[-1] == "lost"
            assert pair.recorder.calls.count("lost") == 1
        assert [pair.recorder.data for pair in pairs] == [b""] + [b"last"] * 11
        assert "internal error" in str(pairs[0].recorder.error)
        assert caplog.text.count("ValueError: as asked for") == 1

    def test_who_is_ended_by_anothers_input_hears_nothing_more(self, pairs: list[Pair]) -> None:
        first, last = pairs[0], pairs[-1]

        def end_the_others(data: bytes) -> None:
            for pair in pairs[1:]:
                pair.channel.abort()

        first.recorder.on_data = end_the_others  # type: ignore[method-assign]
        self.together(pairs, lambda pair: pair.peer.send(b"x"))
        assert last.peer.recv(1) == b""
        assert last.recorder.calls == []

    def test_who_pauses_or_only_looks_is_not_read(self, pairs: list[Pair]) -> None:
        paused, looks = pairs[0], pairs[1]
        pairs[0].runtime.call_soon(paused.channel.pause)
        pairs[0].runtime.call_soon(looks.channel.look)
        self.together(pairs, lambda pair: pair.peer.send(b"x"))
        for pair in pairs[1:]:
            assert pair.recorder.wait_for(1) == b"x"
        assert paused.recorder.calls == []
        looks.channel.start()
        assert looks.recorder.wait_for(2) == b"xx"  # what was shown was left where it is
        paused.channel.resume()
        assert paused.recorder.wait_for(1) == b"x"

    def test_who_wants_much_gets_it_at_once(self, pairs: list[Pair]) -> None:
        pairs[0].recorder.wanted = 100_000
        self.together(pairs, lambda pair: pair.peer.send(b"x" * 50_000))
        for pair in pairs:
            pair.recorder.wait_for(50_000)
        assert pairs[0].recorder.chunks == [50_000]

    def test_an_interrupt_or_a_failure_takes_nobody_elses_input(self, pairs: list[Pair]) -> None:
        def interrupt(data: bytes) -> None:
            raise KeyboardInterrupt

        def fail(error: OSError | None) -> None:
            raise ValueError("as asked for")

        crowd = pairs[:6]
        crowd[0].recorder.on_data = fail  # type: ignore[assignment, method-assign]
        crowd[0].recorder.on_lost = fail  # type: ignore[method-assign]
        crowd[1].recorder.on_data = interrupt  # type: ignore[method-assign]
        runtime = crowd[0].runtime
        ring = Rings(True).receiver()
        if ring is None:
            pytest.skip("this system has no io_uring, or forbids it")
        done = runtime.event()

        def serve() -> None:
            for pair in crowd:
                pair.peer.send(b"x")
            watched = {pair.channel.fd: pair.channel for pair in crowd}
            with pytest.raises(KeyboardInterrupt):
                read_together(ring, [(fd, READ) for fd in watched], watched, take_each)
            done.set()

        runtime.call_soon(serve)
        assert done.wait(scaled(5))
        for pair in crowd[2:]:
            assert pair.recorder.wait_for(1) == b"x"

    def test_who_cannot_take_it_is_logged_and_each_gets_it_in_order(
        self, pairs: list[Pair], caplog: pytest.LogCaptureFixture
    ) -> None:
        def take(came: Iterator[Input]) -> None:
            for channel, result in came:
                channel.on_read(result)
                if channel is pairs[2].channel:
                    raise ValueError("as asked for")

        runtime = pairs[0].runtime
        assert isinstance(runtime, ThreadRuntime)
        assert runtime._poller is not None
        runtime._poller._take = take
        for turn in range(2):
            self.together(pairs, lambda pair: pair.peer.send(b"ab"[turn : turn + 1]))  # noqa: B023
            for pair in pairs:
                assert pair.recorder.wait_for(turn + 1) == b"ab"[: turn + 1]
        assert "what was read could not be given to" in caplog.text
