"""What the pollers report: over epoll, and over a selector where a system has no epoll."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from socketio_sync.runtime import poller as pollers
from socketio_sync.runtime.poller import READ
from socketio_sync.runtime.poller import WRITE
from socketio_sync.runtime.poller import Poller


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
