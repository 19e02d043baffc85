"""io_uring itself: what the kernel is asked, and what it answers."""

from __future__ import annotations

import errno
import gc
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from socketio_sync.runtime.ring import NOT_NOW
from socketio_sync.runtime.ring import READ_SIZE
from socketio_sync.runtime.ring import SIZE
from socketio_sync.runtime.ring import ReceiveRing
from socketio_sync.runtime.ring import SendRing
from socketio_sync.runtime.rings import CROWD
from socketio_sync.runtime.rings import MOST
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


def to_all(ring: SendRing, fds: list[int], data: bytes) -> list[int]:
    ring.send_to_all(fds, data)
    return ring.results()


def to_each(ring: SendRing, fds: list[int], pieces: list[bytes]) -> list[int]:
    ring.send_to_each(fds, pieces)
    return ring.results()


def receive(ring: ReceiveRing, fds: list[int]) -> list[bytes | int]:
    ring.receive(fds)
    return ring.received()


@needs_io_uring
class TestRings:
    def test_each_send_and_each_read_is_one_sockets(self, sockets: Sockets) -> None:
        sender, receiver = SendRing(), ReceiveRing(len(sockets))
        fds = [theirs.fileno() for _, theirs in sockets]
        for turn in range(3 * SIZE):  # round and round, from every place
            count = turn % len(sockets) + 1
            ours = [ours.fileno() for ours, _ in sockets[:count]]
            pieces = [b"%d," % (turn * number) for number in range(count)]
            assert to_each(sender, ours, pieces) == [len(piece) for piece in pieces]
            assert receive(receiver, fds) == pieces + [NOT_NOW] * (len(sockets) - count)
            assert to_all(sender, ours, b"same") == [4] * count
            assert receive(receiver, fds[:count]) == [b"same"] * count

    def test_as_many_as_it_takes(self, sockets: Sockets) -> None:
        ours, theirs = sockets[0]
        ring = SendRing()
        for _ in range(5):
            assert to_all(ring, [ours.fileno()] * SIZE, b"ab") == [2] * SIZE
            assert theirs.recv(2 * SIZE + 1) == b"ab" * SIZE
            assert to_all(ring, [], b"ab") == []
            assert to_each(ring, [ours.fileno()] * SIZE, [b"%03d" % number for number in range(SIZE)]) == [3] * SIZE
            assert theirs.recv(3 * SIZE + 1) == b"".join(b"%03d" % number for number in range(SIZE))

    def test_errors_are_their_numbers_and_the_others_go_on(self, sockets: Sockets) -> None:
        (well, _), (full, _), (ended, _), (gone, left) = sockets[:4]
        fill(full)
        ended.shutdown(socket.SHUT_WR)
        left.close()
        fds = [well.fileno(), full.fileno(), well.fileno(), ended.fileno(), gone.fileno(), well.fileno()]
        expected = [1, NOT_NOW, 1, -errno.EPIPE, -errno.EPIPE, 1]
        ring = SendRing()
        assert to_all(ring, fds, b"x") == expected
        assert to_each(ring, fds, [b"x"] * 6) == expected

    def test_the_end_and_errors_of_what_is_read(self, sockets: Sockets) -> None:
        (quiet, _), (ended, left), (talks, other) = sockets[:3]
        left.close()
        other.send(b"x" * (READ_SIZE + 1))
        fds = [talks.fileno(), quiet.fileno(), ended.fileno(), talks.fileno()]
        ring = ReceiveRing(4)
        assert receive(ring, fds) == [b"x" * READ_SIZE, NOT_NOW, b"", b"x"]
        assert receive(ring, fds[1:3]) == [NOT_NOW, b""]
        other.send(b"x")
        assert receive(ring, [talks.fileno()]) == [b"x"]

    def test_a_reset(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            theirs = socket.create_connection(server.getsockname())
            ours, _ = server.accept()
        with ours:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            theirs.close()
            assert receive(ReceiveRing(CROWD), [ours.fileno()]) == [-errno.ECONNRESET]
            assert to_all(SendRing(), [ours.fileno()], b"x") == [-errno.EPIPE]

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
        taken = [rings.take() for _ in range(MOST)]
        assert None not in taken
        assert len({*map(id, taken)}) == MOST
        assert rings.take() is None
        assert rings.trouble is None
        for ring in taken:
            assert ring is not None
            rings.give(ring)
        assert {*map(id, taken)} == {id(rings.take()) for _ in range(MOST)}
        assert rings.receiver() is rings.receiver() is not None

    def test_a_kernel_that_answers_in_another_order(self, sockets: Sockets) -> None:
        """Some (5.9 to 6.1) post what failed at once, and the others at the end."""

        class Reordering(SendRing):
            def _wrapped(self, column: Any, head: int, count: int) -> list[int]:
                values = super()._wrapped(column, head, count)
                return values[1::2] + values[::2]

        ring = Reordering()
        pieces = [b"x" * size for size in range(1, 10)]
        assert to_each(ring, [ours.fileno() for ours, _ in sockets[:9]], pieces) == [*range(1, 10)]

    def test_nothing_is_left_for_the_next_by_one_that_was_interrupted(self, sockets: Sockets) -> None:
        ours, theirs = sockets[0]
        for ring in SendRing(), ReceiveRing(4):
            fds = [ours.fileno()] * 3
            real, ring._syscall = ring._syscall, interrupt
            if isinstance(ring, SendRing):
                with pytest.raises(KeyboardInterrupt):
                    ring.send_to_all(fds, b"lost")
            else:
                with pytest.raises(KeyboardInterrupt):
                    ring.receive(fds)
            assert ring.results() == [NOT_NOW] * 3
            assert ring.results() == []
            ring._syscall = real
            assert ring.trouble is None
        theirs.send(b"new")
        assert receive(ring, [ours.fileno()]) == [b"new"]
        with pytest.raises(BlockingIOError):
            theirs.recv(10)

    def test_results_that_an_interrupt_kept_from_being_looked_at(self, sockets: Sockets) -> None:
        ours, theirs = sockets[0]
        ring = SendRing()
        ring.send_to_all([ours.fileno()] * 3, b"sent")
        assert ring.results() == [4] * 3
        ring.send_to_all([ours.fileno()], b"once")
        assert ring.results() == [4]
        assert theirs.recv(100) == b"sent" * 3 + b"once"

    def test_a_kernel_that_refuses(self, sockets: Sockets) -> None:
        """Nobody asks it again; what was to be sent is not known to be sent."""
        rings = Rings(True)
        ring, receiver = rings.take(), rings.receiver()
        assert ring is not None
        assert receiver is not None
        fds = [ours.fileno() for ours, _ in sockets[:5]]
        with open(os.devnull) as other:
            os.dup2(other.fileno(), ring._fd)
        assert to_all(ring, fds, b"x") == [NOT_NOW] * 5
        assert receive(receiver, fds) == [NOT_NOW] * 5
        assert receiver.trouble is None
        os.dup2(ring._fd, receiver._fd)
        assert receive(receiver, fds) == [NOT_NOW] * 5
        assert ring.trouble is not None
        assert receiver.trouble is not None
        rings.give(ring)
        assert rings.take() is None
        assert rings.receiver() is None
        assert isinstance(rings.trouble, OSError)

    def test_no_hub_and_no_descriptor_in_a_patched_process(self) -> None:
        code = """
import gevent.monkey; gevent.monkey.patch_all()
import gc, os, gevent._hub_local
from socketio_sync.runtime import native
from socketio_sync.runtime.ring import SendRing, ReceiveRing
seen = []
def make():
    SendRing(), ReceiveRing(8)
    seen.append(gevent._hub_local.get_hub_if_exists())
gate = native.new_lock()
gate.acquire()
def run():
    make()
    gc.collect()
    before = os.listdir("/proc/self/fd")
    make()
    gc.collect()
    seen.append(len(os.listdir("/proc/self/fd")) - len(before))
    gate.release()
native.start_thread(run, "test")
gate.acquire()
print(seen)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[None, None, 0]\n"

    def test_a_forked_child_has_its_own(self, sockets: Sockets) -> None:
        """The parent's and the child's calls do not meet in the memory that the kernel shares with both."""
        ring = SendRing()
        ours, theirs = sockets[0]
        pid = os.fork()
        if not pid:
            try:
                del ring
                own = SendRing()
                good = all(to_all(own, [ours.fileno()], b"c") == [1] for _ in range(100))
                os._exit(0 if good else 1)
            finally:
                os._exit(2)
        assert all(to_all(ring, [ours.fileno()], b"p") == [1] for _ in range(100))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert sorted(theirs.recv(300)) == sorted(b"p" * 100 + b"c" * 100)


def test_none_where_it_is_not_allowed() -> None:
    rings = Rings(False)
    assert rings.take() is None
    assert rings.receiver() is None


def interrupt(*args: object) -> int:
    raise KeyboardInterrupt


WITHOUT = """
import resource, sys
{before}
from socketio_sync.runtime.rings import Rings
{how}
rings = Rings(True)
print(rings.take(), rings.receiver(), rings.take(), rings.trouble)
"""


@pytest.mark.parametrize(
    ("before", "how", "why"),
    [
        ("sys.modules['ctypes'] = None", "", "import of ctypes halted"),
        ("", "sys.platform = 'freebsd14'", "io_uring is Linux's"),
        ("", "sys.implementation.name = 'pypy'", "used from CPython"),
        ("import ctypes; ctypes.CDLL = None", "", "not callable"),
    ],
)
def test_where_there_is_none(before: str, how: str, why: str) -> None:
    code = WITHOUT.format(before=before, how=how)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.startswith("None None None ")
    assert why in out


@needs_io_uring
def test_want_of_descriptors_is_a_trouble_that_passes() -> None:
    how = "limits = resource.getrlimit(resource.RLIMIT_NOFILE)\n"
    how += "resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))"
    code = WITHOUT.format(before="", how=how)
    code += "resource.setrlimit(resource.RLIMIT_NOFILE, limits)\nprint(rings.take())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert out[0].startswith("None None None ")
    assert "Too many open files" in out[0]
    assert "SendRing" in out[1]
