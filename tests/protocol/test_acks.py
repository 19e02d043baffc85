"""Pending acks: each entry is called once at most, by whoever takes it out."""

from __future__ import annotations

import threading

import pytest

from socketio_sync.exceptions import LimitError
from socketio_sync.protocol.acks import PendingAck
from socketio_sync.protocol.acks import PendingAcks


def entry(calls: list[object], name: object = None) -> PendingAck:
    return PendingAck(lambda args: calls.append((name, args)), lambda: calls.append((name, "gone")))


def test_an_answer_takes_its_entry_out_once():
    acks = PendingAcks(10)
    calls: list[object] = []
    assert acks.add(7, entry(calls, "a"))
    assert acks.add(8, entry(calls, "b"))
    assert len(acks) == 2
    taken = acks.take(7)
    assert taken is not None
    taken.on_answer((1, 2))
    assert calls == [("a", (1, 2))]
    assert acks.take(7) is None
    assert acks.take(99) is None
    assert len(acks) == 1


def test_an_answer_may_come_before_it_is_asked_for_if_it_is_kept():
    acks = PendingAcks(10)
    calls: list[object] = []
    assert not acks.answer(7, [1, 2])
    assert not acks.keep(7, [1, 2])
    assert not acks.keep(8, [3])
    acks.forget(8)
    acks.forget(8)
    for ack_id in (8, 7):
        assert acks.add(ack_id, entry(calls, ack_id))
    assert calls == [(7, (1, 2))]
    assert acks.keep(8, [4]), "asked for meanwhile"
    assert calls == [(7, (1, 2)), (8, (4,))]
    assert not acks.answer(8, [5])
    assert acks.add(8, entry(calls, "again"))
    assert len(acks) == 1, "nothing was kept of what was given"


def test_more_than_the_limit_is_an_error():
    acks = PendingAcks(2)
    acks.add(0, entry([]))
    acks.add(1, entry([]))
    with pytest.raises(LimitError) as caught:
        acks.add(2, entry([]))
    assert caught.value.limit == "max_pending_acks"
    acks.take(0)
    assert acks.add(2, entry([]))


def test_closing_gives_what_waits_in_order_and_refuses_the_rest():
    acks = PendingAcks(10)
    calls: list[object] = []
    for number in range(3):
        acks.add(number, entry(calls, number))
    for waiting in acks.close():
        waiting.on_gone()
    assert calls == [(0, "gone"), (1, "gone"), (2, "gone")]
    assert not acks.add(3, entry(calls))
    assert acks.take(3) is None
    assert acks.close() == []


def test_adding_while_another_thread_closes_loses_nothing():
    for _ in range(50):
        acks = PendingAcks(10_000)
        refused: list[int] = []
        start = threading.Barrier(2)

        def add(acks: PendingAcks = acks, refused: list[int] = refused, start: threading.Barrier = start) -> None:
            start.wait()
            refused.extend(number for number in range(200) if not acks.add(number, entry([])))

        adder = threading.Thread(target=add)
        adder.start()
        start.wait()
        given = acks.close()
        adder.join()
        assert len(given) + len(refused) == 200
        assert len(acks) == 0
