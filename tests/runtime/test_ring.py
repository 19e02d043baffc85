"""io_uring itself: what the kernel is asked, and what it answers."""

from __future__ import annotations

import errno
import gc
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from socketio_sync.runtime.ring import NOT_NOW
from socketio_sync.runtime.ring import READ_SIZE
from socketio_sync.runtime.ring import SIZE
from socketio_sync.runtime.ring import ReceiveRing
from socketio_sync.runtime.ring import SendRing
from socketio_sync.runtime.rings import CROWD
from socketio_sync.runtime.rings import Rings
from tests.support.channels import fill
from tests.support.io_uring import needs_io_uring

Sockets = list[tuple[socket.socket, socket.socket]]


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    sockets = [socket.socketpair() for _ in range(40)]
    for pair in sockets:
        for sock in pair:
            sock.setblocking(False)
    yield sockets
    for pair in sockets:
        for sock in pair:
            sock.close()


@needs_io_uring
class TestRings:
    def test_each_send_and_each_read_is_one_sockets(self, sockets: Sockets) -> None:
        sender, receiver = SendRing(), ReceiveRing(len(sockets))
        fds = [theirs.fileno() for _, theirs in sockets]
        for turn in range(3 * SIZE):  # round and round, from every place
            count = turn % len(sockets) + 1
            ours = [ours.fileno() for ours, _ in sockets[:count]]
            pieces = [b"%d," % (turn * number) for number in range(count)]
            assert sender.send_to_each(ours, pieces) == [len(piece) for piece in pieces]
            assert receiver.receive(fds) == pieces + [NOT_NOW] * (len(sockets) - count)
            assert sender.send_to_all(ours, b"same") == [4] * count
            assert receiver.receive(fds[:count]) == [b"same"] * count

    def test_as_many_as_it_takes(self, sockets: Sockets) -> None:
        ours, theirs = sockets[0]
        ring = SendRing()
        for _ in range(5):
            assert ring.send_to_all([ours.fileno()] * SIZE, b"ab") == [2] * SIZE
            assert theirs.recv(2 * SIZE + 1) == b"ab" * SIZE
            assert ring.send_to_all([], b"ab") == []
            assert ring.send_to_each([ours.fileno()] * SIZE, [b"%03d" % number for number in range(SIZE)]) == [3] * SIZE
            assert theirs.recv(3 * SIZE + 1) == b"".join(b"%03d" % number for number in range(SIZE))

    def test_errors_are_their_numbers_and_the_others_go_on(self, sockets: Sockets) -> None:
        (well, _), (full, _), (ended, _), (gone, left) = sockets[:4]
        fill(full)
        ended.shutdown(socket.SHUT_WR)
        left.close()
        fds = [-1, full.fileno(), well.fileno(), ended.fileno(), gone.fileno(), well.fileno()]
        expected = [-errno.EBADF, NOT_NOW, 1, -errno.EPIPE, -errno.EPIPE, 1]
        ring = SendRing()
        assert ring.send_to_all(fds, b"x") == expected
        assert ring.send_to_each(fds, [b"x"] * 6) == expected

    def test_the_end_and_errors_of_what_is_read(self, sockets: Sockets) -> None:
        (quiet, _), (ended, left), (talks, other) = sockets[:3]
        left.close()
        other.send(b"x" * (READ_SIZE + 1))
        fds = [quiet.fileno(), ended.fileno(), -1, talks.fileno()]
        ring = ReceiveRing(4)
        assert ring.receive(fds) == [NOT_NOW, b"", -errno.EBADF, b"x" * READ_SIZE]
        assert ring.receive([talks.fileno()]) == [b"x"]

    def test_a_reset(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            theirs = socket.create_connection(server.getsockname())
            ours, _ = server.accept()
        with ours:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            theirs.close()
            assert ReceiveRing(CROWD).receive([ours.fileno()]) == [-errno.ECONNRESET]
            assert SendRing().send_to_all([ours.fileno()], b"x") == [-errno.EPIPE]

    def test_nothing_of_one_that_is_gone_stays(self) -> None:
        SendRing(), ReceiveRing(CROWD)
        gc.collect()
        before = psutil.Process().num_fds()
        for _ in range(10):
            SendRing(), ReceiveRing(CROWD)
        gc.collect()
        assert psutil.Process().num_fds() == before

    def test_a_ring_is_kept_for_the_next(self) -> None:
        rings = Rings(True)
        first, second = rings.take(), rings.take()
        assert first is not None
        assert second is not None
        assert first is not second
        rings.give(first)
        assert rings.take() is first
        assert rings.receiver() is rings.receiver() is not None

    def test_a_forked_child_has_its_own(self, sockets: Sockets) -> None:
        """The parent's and the child's calls do not meet in the memory that the kernel shares with both."""
        ring = SendRing()
        ours, theirs = sockets[0]
        pid = os.fork()
        if not pid:
            try:
                del ring
                own = SendRing()
                good = all(own.send_to_all([ours.fileno()], b"c") == [1] for _ in range(100))
                os._exit(0 if good else 1)
            finally:
                os._exit(2)
        assert all(ring.send_to_all([ours.fileno()], b"p") == [1] for _ in range(100))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert sorted(theirs.recv(300)) == sorted(b"p" * 100 + b"c" * 100)


def test_none_where_it_is_not_allowed() -> None:
    rings = Rings(False)
    assert rings.take() is None
    assert rings.receiver() is None


WITHOUT = """
import logging, resource, sys
from socketio_sync.runtime.rings import Rings
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
{how}
rings = Rings(True)
print(rings.take(), rings.receiver(), rings.take())
"""


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("sys.modules['ctypes'] = None", "import of ctypes halted"),
        ("sys.platform = 'freebsd14'", "io_uring is Linux's"),
        ("resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))", "Too many open files"),
    ],
)
def test_where_there_is_none_that_is_said_once(how: str, why: str) -> None:
    if "RLIMIT" in how and Rings(True).take() is None:
        pytest.skip("this system has no io_uring, or forbids it")
    how = "import ctypes\nfrom socketio_sync.runtime import ring\n" + how if "RLIMIT" in how else how
    code = WITHOUT.format(how=how)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.count("io_uring is not used") == 1
    assert why in out
    assert out.endswith("None None None\n")
