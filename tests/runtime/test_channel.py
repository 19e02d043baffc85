from __future__ import annotations

import errno
import logging
import socket
import struct
import sys
from threading import Barrier
from threading import Thread
from typing import Any

import psutil
import pytest

from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.channel import MAX_READ_SIZE
from tests.support.channels import Pair
from tests.support.channels import packets
from tests.support.channels import receive_exactly
from tests.support.timing import scaled

BIG = bytes(range(256)) * 32_768  # 8 MB, more than any socket buffer


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    return ours, theirs


def settle(runtime: Runtime) -> None:
    """Wait until the I/O thread has looked at everything that is there now."""
    for _ in range(3):
        turned = runtime.event()
        runtime.call_soon(turned.set)
        assert turned.wait(scaled(5))


def say_goodbye(pair: Pair) -> None:
    """The last word and the end, in the I/O thread, as a transport does it."""

    def say() -> None:
        with pair.lock:
            pair.channel.write_last(b"bye")
            pair.channel.finish()

    pair.runtime.call_soon(say)


class TestReading:
    def test_initial_bytes_come_first(self, pair: Pair) -> None:
        pair.peer.send(b" world")
        pair.channel.start(b"hello")
        assert pair.recorder.wait_for(11) == b"hello world"
        assert pair.recorder.chunks[0] == 5

    def test_nothing_is_read_before_start(self, pair: Pair) -> None:
        pair.peer.send(b"early")
        settle(pair.runtime)
        assert pair.recorder.calls == []
        pair.channel.start()
        assert pair.recorder.wait_for(5) == b"early"

    def test_an_echo(self, pair: Pair) -> None:
        pair.channel.start()
        for number in range(100):
            message = b"%d;" % number * 10
            pair.peer.send(message)
            pair.recorder.wait_for(len(message))
            pair.write(pair.recorder.data)
            pair.recorder.data = b""
            assert receive_exactly(pair.peer, len(message)) == message

    def test_wanted_is_how_much_is_read_up_to_a_limit(self, pair: Pair) -> None:
        pair.peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_READ_SIZE)
        pair.channel.start()
        for wanted, largest in [(0, 16_384), (7, 7), (50_000, 50_000), (10**9, MAX_READ_SIZE)]:
            pair.recorder.wanted = wanted
            pair.recorder.chunks.clear()
            pair.recorder.data = b""
            pair.peer.sendall(b"x" * 100_000)
            pair.recorder.wait_for(100_000)
            assert max(pair.recorder.chunks) <= largest

    def test_eof_is_reported_once_after_the_data(self, pair: Pair) -> None:
        pair.channel.start()
        pair.peer.sendall(b"bye")
        pair.peer.close()
        assert pair.recorder.lost.wait(scaled(5))
        settle(pair.runtime)
        assert pair.recorder.calls == ["data", "lost"]
        assert pair.recorder.error is None
        assert pair.channel.closed
        assert pair.channel.sock.fileno() == -1
        pair.write(b"too late")

    def test_a_reset_is_an_error(self, runtime: Runtime) -> None:
        pair = Pair(runtime, tcp_pair())
        pair.channel.start()
        pair.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        pair.peer.close()
        assert pair.recorder.lost.wait(scaled(5))
        assert pair.recorder.error is not None
        assert pair.recorder.error.errno == errno.ECONNRESET

    def test_pause_and_resume(self, pair: Pair) -> None:
        pair.channel.start()
        pair.peer.send(b"1")
        pair.recorder.wait_for(1)
        pair.channel.pause()
        pair.peer.send(b"2")
        settle(pair.runtime)
        assert pair.recorder.data == b"1"
        pair.channel.resume()
        assert pair.recorder.wait_for(2) == b"12"

    def test_pause_from_the_receiver_holds_at_once(self, pair: Pair) -> None:
        original = pair.recorder.on_data

        def on_data(data: bytes) -> None:
            pair.channel.pause()
            original(data)

        pair.recorder.on_data = on_data
        pair.recorder.wanted = 1
        pair.peer.send(b"abc")
        pair.channel.start()
        for text in (b"a", b"ab", b"abc"):
            assert pair.recorder.wait_for(len(text)) == text
            settle(pair.runtime)
            assert pair.recorder.data == text
            pair.channel.resume()

    def test_read_now_reads_what_is_there(self, pair: Pair) -> None:
        pair.channel.start()
        settle(pair.runtime)
        seen: list[bytes] = []

        def look() -> None:
            pair.peer.send(b"pong")
            pair.channel.read_now()
            seen.append(pair.recorder.data)
            pair.channel.read_now()  # nothing is there: no harm

        pair.runtime.call_soon(look)
        settle(pair.runtime)
        assert seen == [b"pong"]

    def test_a_failing_receiver_loses_its_connection_only(self, pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
        other = Pair(pair.runtime)
        pair.recorder.on_data = lambda data: 1 / 0
        pair.channel.start()
        other.channel.start()
        pair.peer.send(b"x")
        assert pair.recorder.lost.wait(scaled(5))
        assert "ZeroDivisionError" in caplog.text
        other.peer.send(b"y")
        assert other.recorder.wait_for(1) == b"y"
        other.close()

    def test_many_connections_at_once(self, runtime: Runtime) -> None:
        pairs = [Pair(runtime) for _ in range(200)]
        for pair in pairs:
            pair.channel.start()
        for number, pair in enumerate(pairs):
            pair.peer.send(b"%d" % number)
        for number, pair in enumerate(pairs):
            text = b"%d" % number
            assert pair.recorder.wait_for(len(text)) == text
        for pair in pairs:
            pair.peer.close()
        for pair in pairs:
            assert pair.recorder.lost.wait(scaled(5))


class TestWatchingForTheEnd:
    def test_the_end_is_reported(self, pair: Pair) -> None:
        pair.look()
        settle(pair.runtime)
        assert pair.recorder.calls == []
        pair.peer.close()
        assert pair.recorder.lost.wait(scaled(5))
        assert pair.recorder.calls == ["lost"]

    def test_input_is_shown_once_and_stays_where_it_is(self, pair: Pair) -> None:
        pair.look()
        pair.peer.send(b"next request")
        assert pair.recorder.wait_for(12) == b"next request"
        pair.peer.send(b" and one more")
        settle(pair.runtime)
        settle(pair.runtime)
        assert pair.recorder.calls == ["data"]
        pair.channel.start()
        assert pair.recorder.wait_for(37) == b"next requestnext request and one more"

    def test_what_is_taken_is_not_shown_again(self, pair: Pair) -> None:
        pair.look()
        pair.peer.send(b"one two")
        assert pair.recorder.wait_for(7) == b"one two"
        pair.runtime.call_soon(pair.channel.take, 4)
        pair.look()
        assert pair.recorder.wait_for(10) == b"one twotwo"

    def test_a_socket_that_is_let_go_is_as_it_was(self, pair: Pair) -> None:
        pair.look()
        pair.peer.send(b"for somebody else")
        assert pair.recorder.wait_for(17)
        released: list[socket.socket] = []
        pair.runtime.call_soon(lambda: released.append(pair.channel.release()))
        settle(pair.runtime)
        assert pair.channel.closed
        assert pair.channel not in pair.runtime.channels
        with released[0] as sock:
            assert sock.recv(100) == b"for somebody else"
            sock.send(b"thanks")
            assert receive_exactly(pair.peer, 6) == b"thanks"
        pair.write(b"nobody sends that")
        assert pair.recorder.calls == ["data"]

    def test_an_answer_can_be_written_and_finished(self, pair: Pair) -> None:
        pair.look()
        pair.write(b"HTTP/1.1 200 OK\r\n\r\n")
        pair.channel.finish()
        assert receive_exactly(pair.peer, 100) == b"HTTP/1.1 200 OK\r\n\r\n"
        pair.peer.close()
        settle(pair.runtime)
        assert pair.recorder.calls == []


class TestWriting:
    def test_what_the_kernel_does_not_take_is_kept_and_sent(self, pair: Pair) -> None:
        pair.channel.start()
        pair.write(BIG)
        assert 0 < pair.channel.waiting < len(BIG)
        pair.write(b"the end")
        assert receive_exactly(pair.peer, len(BIG) + 7) == BIG + b"the end"
        assert pair.recorder.drained.wait(scaled(5))
        assert pair.channel.waiting == 0
        assert pair.recorder.calls == ["drained"]
        pair.write(b"direct again")
        assert receive_exactly(pair.peer, 12) == b"direct again"

    def test_many_small_writes_in_a_backlog_keep_their_order(self, pair: Pair) -> None:
        pair.channel.start()
        texts = [b"%06d;" % number * 20 for number in range(20_000)]
        for text in texts:
            pair.write(text)
        assert pair.channel.waiting > 0
        expected = b"".join(texts)
        assert receive_exactly(pair.peer, len(expected)) == expected

    def test_threads_that_write_at_once_do_not_cut_into_each_other(self, pair: Pair) -> None:
        width, each, size = 6, 300, 3000
        pair.channel.start()
        barrier = Barrier(width)

        def write(who: int) -> None:
            barrier.wait()
            for _ in range(each):
                pair.write(b"%d" % who * size)

        threads = [Thread(target=write, args=(who,)) for who in range(width)]
        for thread in threads:
            thread.start()
        data = receive_exactly(pair.peer, width * each * size)
        for thread in threads:
            thread.join()
        assert len(data) == width * each * size
        counts = dict.fromkeys(range(width), 0)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            assert piece == piece[:1] * size
            counts[int(piece[:1])] += 1
        assert set(counts.values()) == {each}

    def test_a_failed_write_is_a_loss_after_the_last_words(self, runtime: Runtime) -> None:
        pair = Pair(runtime)
        pair.channel.start()
        settle(runtime)

        def peer_says_goodbye_and_is_gone() -> None:
            pair.peer.send(b"41")
            pair.peer.close()
            pair.write(b"x")  # EPIPE, before its goodbye was read

        runtime.call_soon(peer_says_goodbye_and_is_gone)
        assert pair.recorder.lost.wait(scaled(5))
        assert pair.recorder.data == b"41"
        assert pair.recorder.calls == ["data", "lost"]
        assert pair.recorder.error is None, "the end was read, so it is not a fault"

    def test_a_failed_write_while_paused_is_an_error(self, runtime: Runtime) -> None:
        pair = Pair(runtime)
        pair.channel.start()
        pair.channel.pause()
        settle(runtime)
        pair.peer.close()
        pair.write(b"x")
        assert pair.recorder.lost.wait(scaled(5))
        assert isinstance(pair.recorder.error, BrokenPipeError)
        assert pair.channel.waiting == 0
        pair.write(b"too late")


class TestKeepingBack:
    def test_the_next_write_takes_it_along(self, runtime: Runtime) -> None:
        pair = packets(runtime)
        for data in (b"a", b"b", b"c" * 5000):
            with pair.lock:
                pair.channel.cork(b"first")
            pair.offer(data)
            pair.offer(b"second")
            with pair.lock:
                pair.channel.uncork()
            assert [pair.peer.recv(10_000) for _ in range(2)] == [b"first" + data, b"second"]
        pair.close()

    def test_uncork_sends_it(self, pair: Pair) -> None:
        with pair.lock:
            pair.channel.cork(b"a")
            pair.channel.uncork()
            pair.channel.uncork()
        pair.offer(b"b")
        assert receive_exactly(pair.peer, 2) == b"ab"

    def test_a_closed_channel_forgets_it(self, pair: Pair) -> None:
        with pair.lock:
            pair.channel.cork(b"a")
        pair.channel.abort()
        with pair.lock:
            pair.channel.uncork()
        assert receive_exactly(pair.peer, 1) == b""

    def test_it_comes_behind_what_waits(self, pair: Pair) -> None:
        pair.write(BIG)
        with pair.lock:
            pair.channel.cork(b"end")
            pair.channel.uncork()
        assert receive_exactly(pair.peer, len(BIG) + 3) == BIG + b"end"


class TestEnds:
    def test_finish_flushes_and_waits_for_the_other_side(self, runtime: Runtime) -> None:
        pair = Pair(runtime)
        pair.channel.start()
        pair.write(BIG)
        pair.channel.finish(scaled(5))
        assert pair.channel.closed
        pair.write(b"nothing more")
        pair.peer.sendall(b"what nobody wants to hear")
        assert receive_exactly(pair.peer, len(BIG) + 100) == BIG
        assert pair.channel.sock.fileno() >= 0, "it lingers for the other side's end"
        closed = runtime.event()
        pair.channel.on_closed = closed.set
        pair.peer.close()
        assert closed.wait(scaled(5))
        assert pair.channel.sock.fileno() == -1
        assert pair.recorder.calls == []

    def test_finish_gives_up_on_a_side_that_never_ends(self, pair: Pair) -> None:
        closed = pair.runtime.event()
        pair.channel.on_closed = closed.set
        pair.channel.start()
        began = pair.runtime.now()
        pair.channel.finish(0.1)
        assert closed.wait(scaled(5))
        assert pair.runtime.now() - began >= 0.1

    def test_finish_gives_up_on_a_side_that_takes_nothing(self, pair: Pair) -> None:
        closed = pair.runtime.event()
        pair.channel.on_closed = closed.set
        pair.write(BIG)
        pair.channel.finish(0.1)
        assert closed.wait(scaled(5))
        assert pair.channel.waiting == 0

    def test_finish_is_patient_with_a_slow_side(self, pair: Pair) -> None:
        pair.write(BIG)
        pair.channel.finish(0.2)
        received = 0
        while chunk := pair.peer.recv(200_000):
            received += len(chunk)
            pair.runtime.sleep(0.02)
        assert received == len(BIG)

    def test_the_last_word_behind_what_is_kept_back(self, pair: Pair) -> None:
        with pair.lock:
            pair.channel.cork(b"head, ")
        say_goodbye(pair)
        assert receive_exactly(pair.peer, 100) == b"head, bye"

    def test_the_last_word_behind_a_backlog(self, pair: Pair) -> None:
        pair.write(BIG)
        say_goodbye(pair)
        assert receive_exactly(pair.peer, len(BIG) + 100) == BIG + b"bye"

    @pytest.mark.parametrize("room", [0, 2])
    def test_the_last_word_to_a_side_that_takes_less(self, pair: Pair, room: int) -> None:
        sock = pair.channel.sock

        class FullSocket:
            """The kernel takes ``room`` bytes at the first try."""

            tried = False

            def send(self, data: bytes, *flags: int) -> int:
                if self.tried:
                    return int(sock.send(data))
                self.tried = True
                if not room:
                    raise BlockingIOError(errno.EAGAIN, "full")
                return int(sock.send(data[:room]))

            def __getattr__(self, name: str) -> Any:
                return getattr(sock, name)

        pair.channel.sock = FullSocket()
        say_goodbye(pair)
        assert receive_exactly(pair.peer, 100) == b"bye"

    def test_the_last_word_to_a_side_that_is_gone(self, runtime: Runtime) -> None:
        pair = Pair(runtime, tcp_pair())
        closed = runtime.event()
        pair.channel.on_closed = closed.set
        pair.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        pair.peer.close()
        say_goodbye(pair)
        assert closed.wait(scaled(5))

    def test_no_last_word_behind_the_end(self, pair: Pair) -> None:
        with pair.lock:
            pair.channel.finish()
            pair.channel.write_last(b"bye")
        assert receive_exactly(pair.peer, 100) == b""

    @pytest.mark.skipif(sys.platform != "linux", reason="only there the end can wait for the data")
    def test_the_last_word_and_the_end_are_one_segment(self, runtime: Runtime) -> None:
        pair = Pair(runtime, tcp_pair())

        def segments() -> int:
            info = pair.peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 144)
            return int(struct.unpack_from("I", info, 140)[0])  # tcpi_segs_in, include/uapi/linux/tcp.h

        before = segments()
        say_goodbye(pair)
        assert receive_exactly(pair.peer, 100) == b"bye"
        assert segments() == before + 1
        pair.close()

    def test_abort_closes_at_once_and_silently(self, pair: Pair) -> None:
        pair.channel.start()
        pair.write(BIG)
        pair.channel.abort()
        assert pair.channel.closed
        received = len(receive_exactly(pair.peer, len(BIG)))
        assert received < len(BIG)
        settle(pair.runtime)
        assert pair.recorder.calls == []
        pair.channel.abort()
        pair.channel.finish()
        settle(pair.runtime)

    def test_abort_with_the_lock_held(self, pair: Pair) -> None:
        with pair.lock:
            pair.channel.write(b"last")
            pair.channel.abort()
        assert receive_exactly(pair.peer, 10) == b"last"

    def test_abort_from_the_receiver(self, pair: Pair) -> None:
        pair.recorder.on_data = lambda data: pair.channel.abort()
        pair.channel.start(b"one")
        assert receive_exactly(pair.peer, 1) == b""
        assert pair.recorder.calls == []

    def test_on_closed_comes_after_a_loss_too(self, pair: Pair) -> None:
        closed = pair.runtime.event()
        pair.channel.on_closed = closed.set
        pair.channel.start()
        pair.peer.close()
        assert closed.wait(scaled(5))

    def test_no_descriptor_is_left(self, runtime: Runtime) -> None:
        Pair(runtime).close()
        settle(runtime)
        runtime.rings.receiver()  # it stays
        before = psutil.Process().num_fds()
        for number in range(100):
            pair = Pair(runtime)
            pair.channel.start()
            pair.write(b"hello")
            [pair.channel.abort, pair.channel.finish, pair.peer.close][number % 3]()
            pair.peer.close()
        settle(runtime)
        while runtime.channels:
            runtime.sleep(0.001)
        assert psutil.Process().num_fds() <= before

    def test_threads_that_write_abort_and_finish_at_once(
        self, runtime: Runtime, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.ERROR)
        for number in range(30):
            pair = Pair(runtime)
            pair.channel.start()
            barrier = Barrier(4)

            def act(*steps: Any, barrier: Barrier = barrier) -> None:
                barrier.wait()
                for step in steps:
                    step()

            def write(pair: Pair = pair) -> None:
                pair.write(b"x" * 50_000)

            end = pair.channel.abort if number % 2 else pair.channel.finish
            threads = [
                Thread(target=act, args=steps)
                for steps in [(write,) * 20, (pair.peer.close,), (end, end), (pair.channel.pause, pair.channel.resume)]
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        while runtime.channels:
            runtime.sleep(0.001)
        assert caplog.text == ""
