from __future__ import annotations

import select
import socket
import weakref
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from threading import Barrier
from threading import Thread
from typing import Any

import pytest

from socketio_sync.runtime import greenlets
from socketio_sync.runtime import threads
from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.mailbox import BUDGET_ITEMS
from socketio_sync.runtime.mailbox import BUDGET_SECONDS
from socketio_sync.runtime.mailbox import Mailbox
from socketio_sync.runtime.virtual import VirtualRuntime
from tests.support.channels import Pair
from tests.support.channels import packets
from tests.support.timing import scaled


def test_items_are_handled_in_order_and_never_in_post(runtime: Runtime) -> None:
    handled: list[int] = []
    mailbox = Mailbox(runtime, handled.append)
    for number in range(500):
        mailbox.post(number)
    assert runtime.wait_idle(scaled(5))
    assert handled == list(range(500))
    assert mailbox.pending == 0


def test_one_at_a_time_from_many_threads_and_each_threads_in_order(runtime: Runtime) -> None:
    width, each = 8, 500
    inside, most, handled = 0, 0, []

    def handle(item: tuple[int, int]) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        handled.append(item)
        inside -= 1

    mailbox = Mailbox(runtime, handle)
    barrier = Barrier(width)

    def post(who: int) -> None:
        barrier.wait()
        for number in range(each):
            mailbox.post((who, number))

    threads = [Thread(target=post, args=(who,)) for who in range(width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runtime.wait_idle(scaled(10))
    assert most == 1
    assert len(handled) == width * each
    for who in range(width):
        assert [number for source, number in handled if source == who] == list(range(each))


def test_a_blocked_mailbox_does_not_hinder_another(runtime: Runtime) -> None:
    go, free = runtime.event(), runtime.event()
    blocked = Mailbox(runtime, lambda item: go.wait(scaled(5)))
    blocked.post(1)
    blocked.post(2)
    Mailbox(runtime, lambda item: free.set()).post(1)
    assert free.wait(scaled(5))
    go.set()
    assert runtime.wait_idle(scaled(5))


def test_a_handler_may_post_to_its_own_mailbox(runtime: Runtime) -> None:
    handled: list[int] = []

    def handle(item: int) -> None:
        handled.append(item)
        if item < 100:
            mailbox.post(item + 1)

    mailbox = Mailbox(runtime, handle)
    mailbox.post(0)
    assert runtime.wait_idle(scaled(5))
    assert handled == list(range(101))


def test_a_failing_handler_is_logged_and_the_next_item_comes(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    handled: list[int] = []

    def handle(item: int) -> None:
        handled.append(item)
        if item == 1:
            raise ValueError("a fault of the handler")

    mailbox = Mailbox(runtime, handle, label="chat of /")
    for item in (1, 2, 3):
        mailbox.post(item)
    assert runtime.wait_idle(scaled(5))
    assert handled == [1, 2, 3]
    assert "a fault of the handler" in caplog.text
    assert "chat of /" in caplog.text


def test_after_the_budget_of_items_others_have_their_turn() -> None:
    runtime = VirtualRuntime()
    handled: list[str] = []
    busy = Mailbox(runtime, lambda item: handled.append("busy"))
    for number in range(3 * BUDGET_ITEMS):
        busy.post(number)
    Mailbox(runtime, lambda item: handled.append("other")).post(1)
    runtime.run_until_idle()
    assert handled.index("other") == BUDGET_ITEMS
    assert len(handled) == 3 * BUDGET_ITEMS + 1


def test_after_the_budget_of_time_others_have_their_turn() -> None:
    runtime = VirtualRuntime()
    handled: list[str] = []

    def slow(item: int) -> None:
        handled.append("slow")
        runtime.sleep(BUDGET_SECONDS * 2)

    mailbox = Mailbox(runtime, slow)
    mailbox.post(1)
    mailbox.post(2)
    runtime.run_until_idle()
    assert handled == ["slow"]
    Mailbox(runtime, lambda item: handled.append("other")).post(1)
    runtime.advance(1)
    assert handled == ["slow", "other", "slow"]


class Gauge:
    """A mailbox whose handler waits for the test, and what it says about room."""

    def __init__(self, runtime: Runtime, **limits: int) -> None:
        self.said: list[str] = []
        self.go = runtime.event()
        self.mailbox = Mailbox(
            runtime,
            lambda item: self.go.wait(),
            on_full=lambda: self.said.append("full"),
            on_room=lambda: self.said.append("room"),
            **limits,
        )


def test_full_is_said_once_and_room_at_half() -> None:
    runtime = VirtualRuntime()
    gauge = Gauge(runtime, limit=10)
    gauge.mailbox.post(0)
    runtime.run_until_idle()  # the first is being handled and does not count
    for number in range(9):
        gauge.mailbox.post(number)
    assert gauge.said == []
    gauge.mailbox.post(9)
    gauge.mailbox.post(10)
    assert gauge.said == ["full"]
    assert gauge.mailbox.pending == 11
    gauge.go.set()
    runtime.run_until_idle()
    assert gauge.said == ["full", "room"]
    assert gauge.mailbox.pending == 0


def test_bytes_count_as_well() -> None:
    runtime = VirtualRuntime()
    gauge = Gauge(runtime, byte_limit=1000)
    gauge.mailbox.post(0, 5000)
    assert gauge.said == ["full"]
    runtime.run_until_idle()
    assert gauge.said == ["full", "room"], "the one being handled does not count"
    gauge.mailbox.post(0, 999)
    assert gauge.said == ["full", "room"]
    gauge.mailbox.post(0, 1)
    assert gauge.said == ["full", "room", "full"]
    gauge.go.set()
    runtime.run_until_idle()
    assert gauge.said == ["full", "room", "full", "room"]


def test_bytes_that_the_number_of_items_limits_do_not_count() -> None:
    gauge = Gauge(VirtualRuntime(), limit=10, byte_limit=100)
    for _ in range(9):
        gauge.mailbox.post(0, 9)
    assert gauge.said == []
    gauge.mailbox.post(0, 9)
    assert gauge.said == ["full"]

    other = Gauge(VirtualRuntime(), limit=10, byte_limit=100)
    for _ in range(5):
        other.mailbox.post(0, 19)
        assert other.said == []
    other.mailbox.post(0, 10)
    assert other.said == ["full"]


def test_a_worker_that_empties_it_while_full_is_being_said_leads_to_room(runtime: Runtime) -> None:
    said: list[str] = []
    started, go, empty = runtime.event(), runtime.event(), runtime.event()

    def on_full() -> None:
        go.set()
        assert empty.wait(scaled(5))
        said.append("full")

    def handle(item: int) -> None:
        if item == 0:
            started.set()
            go.wait(scaled(5))
        elif item == 4:
            empty.set()

    mailbox = Mailbox(runtime, handle, limit=4, on_full=on_full, on_room=lambda: said.append("room"))
    mailbox.post(0)
    assert started.wait(scaled(5))
    for item in (1, 2, 3, 4):
        mailbox.post(item)
    assert runtime.wait_idle(scaled(5))
    assert said == ["full", "room"]


def test_every_full_is_followed_by_one_room_under_load(runtime: Runtime) -> None:
    lock = runtime.lock()
    balance, lowest, counts = 0, 0, {"full": 0, "room": 0}

    def said(what: str, step: int) -> None:
        nonlocal balance, lowest
        with lock:
            counts[what] += 1
            balance += step
            lowest = min(lowest, balance)

    mailbox = Mailbox(
        runtime, lambda item: None, limit=16, on_full=lambda: said("full", 1), on_room=lambda: said("room", -1)
    )

    def post() -> None:
        for item in range(3000):
            mailbox.post(item)

    threads = [Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runtime.wait_idle(scaled(10))
    assert balance == 0
    assert lowest == 0
    assert counts["full"] > 0


def test_a_closed_mailbox_takes_everything_and_does_nothing(runtime: Runtime) -> None:
    seen: list[int] = []
    mailbox = Mailbox(runtime, seen.append)
    mailbox.post(1)
    assert runtime.wait_idle(scaled(5))
    mailbox.close()
    mailbox.post(2)
    assert runtime.wait_idle(scaled(5))
    assert (seen, mailbox.pending) == ([1], 0)


def test_a_closed_mailbox_does_not_keep_its_owner_alive(runtime: Runtime) -> None:
    class Owner:
        def __init__(self) -> None:
            self.mailbox = Mailbox(runtime, self.handle, label=self.__repr__)

        def handle(self, item: object) -> None:
            pass

    owner = Owner()
    gone = weakref.ref(owner)
    owner.mailbox.close()
    del owner
    assert gone() is None


def run_in_io_thread(runtime: Runtime, fn: Callable[[], object]) -> None:
    """As input comes, so that the runtime may look on while the jobs run."""
    done = runtime.event()

    def run() -> None:
        fn()
        done.set()

    runtime.call_soon(run)
    assert done.wait(scaled(5))
    assert runtime.wait_idle(scaled(10))


@pytest.fixture
def pair(runtime: Runtime) -> Iterator[Pair]:
    pair = packets(runtime)
    yield pair
    pair.close()


def test_what_a_crowd_sends_is_gathered(runtime: Runtime, pair: Pair) -> None:
    mailbox: Mailbox[bytes] = Mailbox(runtime, pair.offer)
    run_in_io_thread(runtime, lambda: [mailbox.post(b"%d" % number) for number in range(3)])
    run_in_io_thread(runtime, lambda: mailbox.post(b"3"))
    assert [pair.peer.recv(10) for _ in range(2)] == [b"012", b"3"]


def test_what_many_mailboxes_send_leaves_behind_the_last(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in greenlets, threads:
        monkeypatch.setattr(module, "GATHER_SECONDS", 100)  # however busy the machine is, nobody takes long
    pairs = [packets(runtime) for _ in range(10)]
    seen: list[list[bytes | None]] = []

    def handle(number: int) -> None:
        pairs[number].offer(b"a")
        pairs[number].offer(b"b")
        seen.append([peek(pair.peer) for pair in pairs])

    mailboxes = [Mailbox(runtime, handle) for _ in pairs]
    run_in_io_thread(runtime, lambda: [mailbox.post(number) for number, mailbox in enumerate(mailboxes)])
    assert seen == [[None] * 10] * 10
    for pair in pairs:
        assert pair.peer.recv(10) == b"ab"
        pair.close()


def peek(peer: Any) -> bytes | None:
    """What can be received at once, which stays; None: nothing."""
    if not select.select([peer.fileno()], [], [], 0)[0]:
        return None
    return bytes(peer.recv(10, socket.MSG_PEEK))


def test_nothing_is_gathered_after_a_crowd_in_which_one_took_long(runtime: Runtime, pair: Pair) -> None:
    def handle(seconds: float) -> None:
        spin(runtime, seconds)
        pair.offer(b"x")

    mailbox = Mailbox(runtime, handle)
    run_in_io_thread(runtime, lambda: [mailbox.post(seconds) for seconds in (0, 0.002, 0)])
    for _ in range(2):
        run_in_io_thread(runtime, lambda: [mailbox.post(0) for _ in range(2)])
    assert [pair.peer.recv(10) for _ in range(5)] == [b"xx", b"x", b"x", b"x", b"xx"]


def test_nobody_waits_again_for_one_that_took_long(runtime: Runtime, pair: Pair) -> None:
    seen: list[bytes | None] = []

    def handle(seconds: float) -> None:
        seen.append(peek(pair.peer))
        spin(runtime, seconds)

    quick, slow = Mailbox(runtime, pair.offer), Mailbox(runtime, handle)
    for _ in range(2):
        run_in_io_thread(runtime, lambda: (quick.post(b"x"), slow.post(0.002)))
        pair.peer.recv(10)
    assert seen == [None, b"x"]


def spin(runtime: Runtime, seconds: float) -> None:
    until = runtime.now() + seconds
    while runtime.now() < until:
        pass


def test_who_blocks_keeps_nothing_back(runtime: Runtime, pair: Pair) -> None:
    go = runtime.event()

    def handle(item: int) -> None:
        if item == 1:
            go.wait(scaled(5))
        pair.offer(b"%d" % item)

    mailbox = Mailbox(runtime, handle)
    runtime.call_soon(lambda: [mailbox.post(number) for number in range(3)])
    assert pair.peer.recv(10) == b"0"
    go.set()
    assert runtime.wait_idle(scaled(5))
    assert [pair.peer.recv(10) for _ in range(2)] == [b"1", b"2"]  # nobody looks on any more


def test_a_failure_amid_a_crowd_keeps_nothing_back(
    runtime: Runtime, pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    def handle(item: int) -> None:
        pair.offer(b"%d" % item)
        if item == 1:
            raise ValueError("as asked for")

    mailbox = Mailbox(runtime, handle)
    run_in_io_thread(runtime, lambda: [mailbox.post(number) for number in range(4)])
    received = b""
    while len(received) < 4:
        received += pair.peer.recv(10)
    assert received == b"0123"
    while "as asked for" not in caplog.text:  # another thread may have gone on before it was written down
        runtime.sleep(0.001)


def test_what_was_slow_once_is_quick_again(runtime: Runtime) -> None:
    mailbox = Mailbox(runtime, partial(spin, runtime))
    slow = []
    for seconds in (0.002, 0, 0):
        run_in_io_thread(runtime, lambda: mailbox.post(seconds))  # noqa: B023
        slow.append(mailbox.slow)
    assert slow == [True, False, False]


def test_a_turn_that_comes_too_late_finds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    runtime = VirtualRuntime()
    handled: list[int] = []
    mailbox = Mailbox(runtime, handled.append)
    mailbox._turn.pop()
    runtime.enqueue(mailbox)
    mailbox.post(1)
    runtime.run_until_idle()
    assert handled == [1]
    mailbox._turn.pop()
    runtime.enqueue(mailbox)
    runtime.run_until_idle()
    mailbox.post(2)
    runtime.run_until_idle()
    assert handled == [1, 2]
    assert caplog.text == ""


def test_the_log_names_what_failed_last(caplog: pytest.LogCaptureFixture) -> None:
    runtime = VirtualRuntime()

    def fail(item: int) -> None:
        mailbox.close()
        raise ValueError("as asked for")

    mailbox = Mailbox(runtime, fail, label=lambda: "the last one")
    mailbox.post(1)
    runtime.run_until_idle()
    assert "a job failed: the last one" in caplog.text
    assert mailbox.label == "the last one"
