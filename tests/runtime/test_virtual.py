"""The virtual runtime keeps the contract of the real ones."""

from __future__ import annotations

import pytest

from socketio_sync.runtime.virtual import VirtualRuntime
from tests.support.channels import Pair


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
