"""Writing to many channels in one go, with io_uring and without."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Barrier
from threading import Thread

import pytest

from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.channel import NO_CHANNEL
from socketio_sync.runtime.channel import Channel
from socketio_sync.runtime.many_channels import LONG
from socketio_sync.runtime.many_channels import WIDTH
from socketio_sync.runtime.many_channels import send_gathered
from socketio_sync.runtime.many_channels import write_to_all
from socketio_sync.runtime.native import NativeLock
from socketio_sync.runtime.rings import FEW
from socketio_sync.runtime.rings import Rings
from tests.support.channels import Pair
from tests.support.channels import fill
from tests.support.channels import receive_exactly
from tests.support.io_uring import needs_io_uring

BIG = bytes(range(256)) * 32_768  # 8 MB, more than any socket buffer


@pytest.fixture(params=[pytest.param(True, id="io_uring", marks=needs_io_uring), pytest.param(False, id="plain")])
def rings(request: pytest.FixtureRequest) -> Rings:
    return Rings(request.param)


@pytest.fixture(params=[1, 3, 100], ids=lambda sharers: f"{sharers} a lock")
def pairs(runtime: Runtime, request: pytest.FixtureRequest) -> Iterator[list[Pair]]:
    locks = [runtime.lock() for _ in range(6)]
    pairs = [Pair(runtime, lock=locks[number // request.param]) for number in range(6)]
    yield pairs
    for pair in pairs:
        pair.close()


def write(rings: Rings, pairs: list[Pair], data: bytes) -> list[int]:
    return write_to_all(rings, [pair.lock for pair in pairs], (pair.channel for pair in pairs), data)


class TestWritingToAll:
    def test_each_gets_it(self, rings: Rings, pairs: list[Pair]) -> None:
        for data in (b"one;", b"two;", b"x" * LONG, b"y" * (LONG + 1)):
            assert write(rings, pairs, data) == []
            assert [receive_exactly(pair.peer, len(data)) for pair in pairs] == [data] * 6
        assert not any(pair.lock.locked() for pair in pairs)

    @pytest.mark.parametrize("count", [0, 1, FEW - 1, FEW, WIDTH, WIDTH + 1, WIDTH + FEW, 3 * WIDTH])
    def test_any_number_of_them(self, runtime: Runtime, rings: Rings, count: int) -> None:
        pairs = [Pair(runtime) for _ in range(count)]
        for number in range(3):
            assert write(rings, pairs, b"%d" % number) == []
        assert [receive_exactly(pair.peer, 3) for pair in pairs] == [b"012"] * count
        for pair in pairs:
            pair.close()

    def test_who_cannot_take_it_at_once_is_left_alone(self, rings: Rings, pairs: list[Pair]) -> None:
        full, closed, corked = pairs[1:4]
        full.channel.start()
        full.write(BIG)
        waiting = full.channel.waiting
        closed.channel.abort()
        with corked.lock:
            corked.channel.cork(b"first;")
        locks = [pair.lock for pair in pairs]
        channels = [pair.channel for pair in pairs]
        channels += [NO_CHANNEL, NO_CHANNEL]
        assert write_to_all(rings, locks + locks[:2], iter(channels), b"x") == [1, 2, 3, 6, 7]
        assert full.channel.waiting == waiting
        assert [receive_exactly(pair.peer, 1) for pair in (pairs[0], *pairs[4:])] == [b"x"] * 3
        corked.write(b"x")
        assert receive_exactly(corked.peer, 7) == b"first;x"

    def test_who_has_left_is_told_so(self, rings: Rings, pairs: list[Pair]) -> None:
        pairs[2].channel.start()
        pairs[2].peer.close()
        for index in write(rings, pairs, b"x"):
            pairs[index].write(b"x")
        assert pairs[2].recorder.lost.wait(5)
        assert [receive_exactly(pair.peer, 1) for pair in pairs[:2] + pairs[3:]] == [b"x"] * 5

    def test_what_a_full_socket_does_not_take_is_kept(self, rings: Rings, pairs: list[Pair]) -> None:
        fill(pairs[2].channel.sock)
        assert write(rings, pairs, b"x") == []
        assert [pair.channel.waiting for pair in pairs] == [0, 0, 1, 0, 0, 0]

    def test_what_the_kernel_takes_a_part_of_is_kept_and_sent(self, rings: Rings, runtime: Runtime) -> None:
        pairs = [Pair(runtime, small_tcp_pair()) for _ in range(6)]
        for pair in pairs:
            pair.channel.start()
        data, count = bytes(range(256)) * (LONG // 256), 0
        while not any(0 < pair.channel.waiting < LONG for pair in pairs):
            for index in write(rings, pairs, data):
                pairs[index].write(data)
            count += 1
        for pair in pairs:
            pair.write(b"the end")
            assert receive_exactly(pair.peer, count * LONG + 7) == data * count + b"the end"
            pair.close()

    def test_all_are_looked_at_under_their_locks(self, rings: Rings, pairs: list[Pair]) -> None:
        held = []

        def looked_at() -> Iterator[Channel]:
            for pair in pairs:
                held.append(pair.lock.locked())
                yield pair.channel

        write_to_all(rings, [pair.lock for pair in pairs], looked_at(), b"x")
        first = [number == 0 or pair.lock is not pairs[number - 1].lock for number, pair in enumerate(pairs)]
        if rings.take() is None:  # the first of those that share a lock is looked at to see which it is
            assert held[1:] == [not alone for alone in first[1:]]
        else:
            assert all(held)

    @needs_io_uring
    def test_nobody_waits_for_a_lock_while_others_are_held(self, pairs: list[Pair]) -> None:
        busy = pairs[0].lock
        with busy:
            others = write(Rings(True), pairs, b"x")
            assert others == [index for index, pair in enumerate(pairs) if pair.lock is busy]
            assert busy.locked()
        assert not any(pair.lock.locked() for pair in pairs)
        for index, pair in enumerate(pairs):
            if index in others:
                pair.write(b"x")
            assert receive_exactly(pair.peer, 1) == b"x"

    def test_threads_that_write_at_once_do_not_cut_into_each_other(self, rings: Rings, pairs: list[Pair]) -> None:
        locks = [pair.lock for pair in pairs]
        width, each, size = 6, 100, 15_000
        channels = [pair.channel for pair in pairs]
        for pair in pairs:
            pair.channel.start()
        barrier = Barrier(width)

        def write(who: int) -> None:
            barrier.wait()
            for _ in range(each):
                piece = b"%d" % who * size
                for index in range(len(pairs)) if who % 2 else write_to_all(rings, locks, iter(channels), piece):
                    pairs[index].write(piece)

        threads = [Thread(target=write, args=(who,)) for who in range(width)]
        for thread in threads:
            thread.start()
        received = [receive_exactly(pair.peer, width * each * size) for pair in pairs]
        for thread in threads:
            thread.join()
        expected = sorted(b"%d" % who * size for who in range(width) for _ in range(each))
        for data in received:
            assert sorted(data[start : start + size] for start in range(0, len(data), size)) == expected

    @needs_io_uring
    def test_an_interrupt_while_the_kernel_works_loses_and_tears_nothing(self, runtime: Runtime) -> None:
        pairs = [Pair(runtime, small_tcp_pair()) for _ in range(6)]
        for pair in pairs:
            pair.channel.start()
        fill(pairs[0].channel.sock)
        data = b"x" * LONG
        with pytest.raises(KeyboardInterrupt):
            write(interrupted_rings(before=False), pairs, data)
        assert not any(pair.lock.locked() for pair in pairs)
        assert pairs[0].channel.waiting == LONG
        for pair in pairs[1:]:
            pair.write(b"the end")
            assert receive_exactly(pair.peer, LONG + 7) == data + b"the end"
        for pair in pairs:
            pair.close()


def interrupted_rings(before: bool) -> Rings:
    """Rings of which the first is met by Ctrl-C, before the kernel has done anything or when it has done all."""
    rings = Rings(True)
    ring = rings.take()
    assert ring is not None
    ask = ring._syscall

    def interrupted(*args: object) -> int:
        if not before:
            ask(*args)
        raise KeyboardInterrupt

    ring._syscall = interrupted
    rings.give(ring)
    return rings


class TestSendingWhatWasGathered:
    def test_each_gets_his_own(self, rings: Rings, pairs: list[Pair]) -> None:
        for pair, pieces in zip(pairs, ([b"a"], [b"b", b"c"], [], [b"d" * 4096] * 9, [b"e"], [b"f"]), strict=True):
            pair.channel.corked = list(pieces)
        send_gathered(rings, [pair.channel for pair in pairs])
        for pair, data in zip(pairs, (b"a", b"bc", b"", b"d" * 36_864, b"e", b"f"), strict=True):
            assert pair.channel.corked is None
            pair.write(b".")
            assert receive_exactly(pair.peer, len(data) + 1) == data + b"."

    def test_who_comes_twice_or_is_closed_or_full(self, rings: Rings, pairs: list[Pair]) -> None:
        for pair in pairs:
            pair.channel.corked = [b"x"]
        pairs[1].channel.abort()
        fill(pairs[2].channel.sock)
        send_gathered(rings, [pair.channel for pair in [*pairs, *pairs]])
        assert [pair.channel.waiting for pair in pairs] == [0, 0, 1, 0, 0, 0]
        assert [receive_exactly(pair.peer, 1) for pair in (pairs[0], *pairs[3:])] == [b"x"] * 4

    @needs_io_uring
    def test_who_is_being_written_to_comes_last(self, pairs: list[Pair]) -> None:
        for pair in pairs:
            pair.channel.corked = [b"x"]
        busy = pairs[0].lock
        free = [pair for pair in pairs if pair.lock is not busy]
        busy.acquire()
        sender = Thread(target=send_gathered, args=(Rings(True), [pair.channel for pair in pairs]))
        sender.start()
        for pair in free:
            assert receive_exactly(pair.peer, 1) == b"x"
        if free:
            assert pairs[0].channel.corked == [b"x"]
        busy.release()
        sender.join()
        for pair in pairs:
            if pair not in free:
                assert receive_exactly(pair.peer, 1) == b"x"

    @needs_io_uring
    @pytest.mark.parametrize("before", [True, False])
    def test_after_an_interrupt_each_gets_it_once(self, runtime: Runtime, pairs: list[Pair], before: bool) -> None:
        runtime.rings = interrupted_rings(before)
        for pair in pairs:
            pair.channel.corked = [b"x"]
            runtime.gathered.append(pair.channel)
        with pytest.raises(KeyboardInterrupt):
            runtime.send_gathered()
        runtime.send_gathered()
        assert runtime.gathered == []
        for pair in pairs:
            pair.write(b".")
            assert receive_exactly(pair.peer, 2) == b"x."

    def test_threads_that_gather_write_and_send_at_once(self, rings: Rings, pairs: list[Pair]) -> None:
        """Nothing is lost, and what one thread writes keeps its order."""
        width, each = 4, 300
        barrier = Barrier(width)

        def gather(lock: NativeLock, channel: Channel, data: bytes) -> None:
            with lock:
                if channel.corked is None:
                    channel.corked = []
                channel.corked.append(data)

        def run(who: int) -> None:
            barrier.wait()
            for number in range(each):
                for pair in pairs:
                    if who % 2:
                        pair.write(b"%d%04d" % (who, number))
                    else:
                        gather(pair.lock, pair.channel, b"%d%04d" % (who, number))
                if not who % 2:
                    send_gathered(rings, [pair.channel for pair in pairs])

        threads = [Thread(target=run, args=(who,)) for who in range(width)]
        for thread in threads:
            thread.start()
        received = [receive_exactly(pair.peer, width * each * 5) for pair in pairs]
        for thread in threads:
            thread.join()
        for data in received:
            pieces = [data[start : start + 5] for start in range(0, len(data), 5)]
            for who in range(width):
                assert [piece for piece in pieces if piece[0] == ord("0") + who] == [
                    b"%d%04d" % (who, number) for number in range(each)
                ]


def small_tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Sockets that do not take much."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.socket()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        theirs.connect(server.getsockname())
        ours, _ = server.accept()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 30_000)
    return ours, theirs
