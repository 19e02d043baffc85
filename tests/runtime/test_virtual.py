"""The virtual runtime keeps the contract of the real ones."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable

import pytest

from socketio_sync.runtime.channel import Channel
from socketio_sync.runtime.events import Event
from socketio_sync.runtime.memory_socket import MemorySocket
from socketio_sync.runtime.memory_socket import memory_pair
from socketio_sync.runtime.virtual import VirtualRuntime
from tests.support.channels import Pair
from tests.support.timing import scaled


@pytest.fixture
def runtime() -> VirtualRuntime:
    return VirtualRuntime()


def test_nothing_runs_before_it_is_driven(runtime: VirtualRuntime) -> None:
    ran: list[str] = []
    runtime.submit(lambda: ran.append("job"))
    runtime.call_soon(ran.append, "call")
    runtime.spawn(ran.append, "task")
    assert ran == []
    assert runtime.active_jobs == 1
    runtime.run_until_idle()
    assert ran == ["call", "job", "task"]
    assert runtime.active_jobs == 0


def test_a_job_may_sleep_and_the_clock_does_not_wait(runtime: VirtualRuntime) -> None:
    seen: list[tuple[str, float]] = []

    def job() -> None:
        seen.append(("begin", runtime.now()))
        runtime.sleep(5)
        seen.append(("end", runtime.now()))

    runtime.submit(job, "sleeper")
    runtime.run_until_idle()
    assert seen == [("begin", 1000)]
    assert runtime.job_labels() == ["sleeper"]
    runtime.advance(4.9)
    assert len(seen) == 1
    runtime.advance(0.1)
    assert seen[1][0] == "end"
    assert seen[1][1] == pytest.approx(1005, abs=1e-5)
    assert runtime.wall_time() == pytest.approx(1_700_000_005, abs=1e-3)


def test_jobs_wake_each_other(runtime: VirtualRuntime) -> None:
    event, seen = runtime.event(), []
    runtime.submit(lambda: seen.append(event.wait(10)))
    runtime.submit(lambda: seen.append(event.wait()))
    runtime.run_until_idle()
    runtime.submit(event.set)
    runtime.run_until_idle()
    assert seen == [True, True]
    assert event._waiters == []
    runtime.advance(60)
    assert seen == [True, True]


def test_a_wait_in_a_job_times_out(runtime: VirtualRuntime) -> None:
    seen: list[bool] = []
    runtime.submit(lambda: seen.append(runtime.event().wait(3)))
    runtime.advance(2.99)
    assert seen == []
    runtime.advance(0.01)
    assert seen == [False]


def test_a_wait_of_the_test_drives(runtime: VirtualRuntime) -> None:
    event = runtime.event()
    runtime.timers.call_later(7, event.set)
    assert not event.wait(6)
    assert runtime.now() == pytest.approx(1006, abs=1e-5)
    assert event.wait(6)
    assert runtime.now() == pytest.approx(1007, abs=1e-5)
    with pytest.raises(RuntimeError, match="for ever"):
        runtime.event().wait()


def test_advance_reaches_each_timer_at_its_time(runtime: VirtualRuntime) -> None:
    times: list[float] = []
    for delay in (0.3, 0.1, 2):
        runtime.timers.call_later(delay, lambda: times.append(round(runtime.now() - 1000, 5)))
    runtime.advance(0.3)
    assert times == [0.1, 0.3]
    runtime.advance(5)
    assert times == [0.1, 0.3, 2]


def test_a_stall_is_told(runtime: VirtualRuntime) -> None:
    told: list[tuple[int, str]] = []
    runtime.on_stall = lambda lag: told.append((round(lag), runtime.stall_suspect))
    runtime.timers.call_later(1, print)
    runtime.submit(runtime.event().wait, "chat of /")
    runtime.run_until_idle()
    runtime.stall(10)
    assert told == [(9, "chat of /")]


def test_channels_work_over_real_sockets(runtime: VirtualRuntime) -> None:
    pair = Pair(runtime)
    pair.channel.start(b"a")
    pair.peer.send(b"b")
    runtime.run_until_idle()
    assert pair.recorder.data == b"ab"
    pair.write(b"x" * 10_000_000)
    assert pair.channel.waiting > 0
    received = 0
    while received < 10_000_000:
        received += len(pair.peer.recv(1 << 20))
        runtime.run_until_idle()
    assert pair.recorder.calls[-1] == "drained"
    pair.channel.finish(2)
    runtime.run_until_idle()
    assert pair.peer.recv(1) == b""
    assert pair.channel.fd >= 0
    runtime.advance(2)
    assert pair.channel.fd == -1
    pair.close()
    runtime.stop()


def test_failures_are_logged_and_nothing_stops(runtime: VirtualRuntime, caplog: pytest.LogCaptureFixture) -> None:
    for begin in (runtime.submit, runtime.spawn, runtime.call_soon):
        begin(lambda: 1 / 0)
    runtime.run_until_idle()
    assert caplog.text.count("ZeroDivisionError: ") == 3


def test_wait_idle(runtime: VirtualRuntime) -> None:
    go = runtime.event()
    runtime.submit(lambda: go.wait())
    assert not runtime.wait_idle(1)
    go.set()
    assert runtime.wait_idle(1)


def test_a_handler_cannot_drive(runtime: VirtualRuntime, caplog: pytest.LogCaptureFixture) -> None:
    runtime.submit(lambda: runtime.run_until_idle())
    runtime.run_until_idle()
    assert "cannot drive" in caplog.text


def test_jobs_see_themselves(runtime: VirtualRuntime) -> None:
    seen: list[object] = []

    def job() -> None:
        seen.append((runtime.in_job(), runtime.is_driver(), runtime.in_io_thread(), runtime.job_labels()))
        runtime.spawn(lambda: seen.append((runtime.in_job(), runtime.is_driver(), runtime.in_io_thread())))

    assert (runtime.in_job(), runtime.is_driver(), runtime.in_io_thread()) == (False, True, True)
    runtime.submit(job, "label")
    runtime.run_until_idle()
    assert seen == [(True, False, False, ["label"]), (False, False, False)]


def test_a_sleep_of_nothing_lets_the_others_run(runtime: VirtualRuntime) -> None:
    seen: list[str] = []

    def job(name: str) -> None:
        for n in range(2):
            seen.append(f"{name}{n}")
            runtime.sleep(0)

    runtime.submit(lambda: job("a"))
    runtime.submit(lambda: job("b"))
    runtime.sleep(0)
    assert seen == []
    runtime.run_until_idle()
    assert seen == ["a0", "b0", "a1", "b1"]


def test_what_never_comes_to_rest_is_stopped(runtime: VirtualRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socketio_sync.runtime.virtual._ENDLESS", 100)

    def again() -> None:
        runtime.submit(again)

    runtime.submit(again)
    with pytest.raises(RuntimeError, match="no end"):
        runtime.run_until_idle()


def test_a_wait_beside_an_endless_heartbeat_ends(runtime: VirtualRuntime) -> None:
    def beat() -> None:
        runtime.timers.call_later(25, beat)

    beat()
    with pytest.raises(RuntimeError, match="for ever"):
        runtime.event().wait()


def test_what_is_not_an_error_reaches_the_test(runtime: VirtualRuntime) -> None:
    class Stop(BaseException):
        pass

    def job() -> None:
        raise Stop

    seen: list[int] = []
    runtime.submit(job)
    runtime.submit(lambda: seen.append(1))
    with pytest.raises(Stop):
        runtime.run_until_idle()
    assert runtime.active_jobs == 1
    runtime.run_until_idle()
    assert seen == [1]


def test_abandoning_ends_what_waits(runtime: VirtualRuntime) -> None:
    seen: list[str] = []

    def stubborn() -> None:
        for _ in range(3):
            try:
                runtime.sleep(100)
            except BaseException as error:
                seen.append(type(error).__name__)
        seen.append("end")

    def queued() -> None:
        seen.append("queued")
        runtime.event().wait()
        seen.append("never")

    runtime.submit(stubborn)
    runtime.spawn(queued)
    runtime.run_until_idle()
    runtime.submit(queued)
    runtime.abandon()
    assert seen == ["queued", "queued", *["GreenletExit"] * 3, "end"]
    assert runtime.active_jobs == 0
    assert runtime.job_labels() == []


# Other threads


def in_thread(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_threads_may_submit_and_only_the_owner_runs(runtime: VirtualRuntime) -> None:
    seen: list[object] = []

    def foreign() -> None:
        runtime.submit(lambda: seen.append(threading.get_ident()))
        runtime.call_soon(lambda: seen.append(threading.get_ident()))
        seen.append((runtime.is_driver(), runtime.in_io_thread()))
        try:
            runtime.run_until_idle()
        except RuntimeError as error:
            seen.append(str(error))

    in_thread(foreign).join()
    assert seen[0] == (False, False)
    assert "only the thread" in str(seen[1])
    runtime.run_until_idle()
    assert seen[2:] == [threading.get_ident()] * 2


def test_threads_wait_in_virtual_time(runtime: VirtualRuntime) -> None:
    event = runtime.event()
    seen: list[object] = []

    def foreign() -> None:
        seen.append(runtime.event().wait(5))
        seen.append(event.wait(1000))
        runtime.sleep(1)
        seen.append("slept")

    thread = in_thread(foreign)
    while not runtime.timers:
        time.sleep(0.001)
    runtime.advance(4.9)
    assert seen == []
    runtime.advance(0.1)
    event.set()
    while thread.is_alive():
        runtime.advance(0.01)
    assert seen == [False, True, "slept"]


def test_a_thread_wakes_a_job_once(runtime: VirtualRuntime) -> None:
    """Set and time-out at the same moment must not wake it twice: the second would end a later wait."""
    for _ in range(200):
        event = runtime.event()
        waits: list[float] = []

        def job(event: Event = event, waits: list[float] = waits) -> None:
            event.wait(1)
            begin = runtime.now()
            runtime.event().wait(1)
            waits.append(runtime.now() - begin)

        runtime.submit(job)
        runtime.run_until_idle()
        thread = in_thread(event.set)
        runtime.advance(1)
        thread.join()
        runtime.advance(1)
        assert waits == [pytest.approx(1, abs=1e-5)]


def test_abandoning_lets_threads_go(runtime: VirtualRuntime) -> None:
    seen: list[bool] = []

    def foreign() -> None:
        seen.append(runtime.event().wait())
        seen.append(runtime.event().wait())

    thread = in_thread(foreign)
    while not runtime._sleepers:
        time.sleep(0.001)
    runtime.abandon()
    thread.join(scaled(10))
    assert seen == [False, False]


# Sockets in memory


class Recorder:
    """A channel's receiver."""

    wanted = 0

    def __init__(self) -> None:
        self.data = b""
        self.lost: list[OSError | None] = []

    def on_data(self, data: bytes) -> None:
        self.data += data

    def on_lost(self, error: OSError | None) -> None:
        self.lost.append(error)

    def on_drained(self) -> None:
        raise AssertionError("memory takes everything at once")


def opened(runtime: VirtualRuntime, sock: MemorySocket) -> tuple[Channel, Recorder]:
    recorder = Recorder()
    channel = runtime.open_channel(sock, runtime.lock(), recorder)
    channel.start()
    return channel, recorder


def test_channels_work_over_memory(runtime: VirtualRuntime) -> None:
    near, far = memory_pair()
    channel, recorder = opened(runtime, near)
    other, other_recorder = opened(runtime, far)
    channel.write(b"x" * 1_000_000)
    assert channel.waiting == 0
    runtime.run_until_idle()
    assert other_recorder.data == b"x" * 1_000_000
    channel.pause()
    other.write(b"a")
    other.write(b"b")
    runtime.run_until_idle()
    assert recorder.data == b""
    channel.resume()
    runtime.run_until_idle()
    assert recorder.data == b"ab"
    other.write(b"last words")
    other.finish()
    runtime.run_until_idle()
    assert recorder.data == b"ablast words"
    assert recorder.lost == [None]
    assert channel.fd == other.fd == -1


def test_a_closed_end_breaks_the_others_writing(runtime: VirtualRuntime) -> None:
    near, far = memory_pair()
    channel, recorder = opened(runtime, near)
    far.send(b"bye")
    far.close()
    channel.write(b"x")
    runtime.run_until_idle()
    assert recorder.data == b"bye"
    assert len(recorder.lost) == 1


def test_an_end_can_be_watched_without_reading(runtime: VirtualRuntime) -> None:
    near, far = memory_pair()
    recorder = Recorder()
    runtime.open_channel(near, runtime.lock(), recorder).look()
    runtime.run_until_idle()
    assert recorder.lost == []
    far.shutdown(socket.SHUT_WR)
    runtime.run_until_idle()
    assert recorder.lost == [None]


def test_a_socket_in_memory_reads_as_any_other() -> None:
    near, far = memory_pair()
    assert near.fileno() != far.fileno()
    with pytest.raises(BlockingIOError):
        near.recv(1)
    far.send(b"abc")
    far.shutdown(socket.SHUT_WR)
    assert (near.recv(2, socket.MSG_PEEK), near.recv(2), near.recv(2), near.recv(2)) == (b"ab", b"ab", b"c", b"")


def test_behind_a_pulled_cable_nothing_comes_or_goes(runtime: VirtualRuntime) -> None:
    near, far = memory_pair()
    channel, recorder = opened(runtime, near)
    far.unplugged = True
    assert far.send(b"abc") == 3
    far.close()
    channel.write(b"x")
    runtime.run_until_idle()
    assert (recorder.data, recorder.lost) == (b"", [])
    assert not channel.closed
