"""Answers that are waited for: settled once, whatever comes when."""

from __future__ import annotations

import pytest

from socketio_sync.exceptions import AckTimeout
from socketio_sync.exceptions import DisconnectedError
from socketio_sync.runtime.virtual import VirtualRuntime
from socketio_sync.server.answers import BroadcastAnswers
from socketio_sync.server.answers import SocketAnswer


@pytest.fixture
def runtime():
    return VirtualRuntime()


@pytest.fixture
def settled():
    return []


def one(runtime, settled):
    return SocketAnswer(runtime, lambda: settled.append(True), lambda: DisconnectedError("transport close"))


def many(runtime, settled, servers=1):
    return BroadcastAnswers(runtime, lambda: settled.append(True), servers)


ENDS = {
    "answer": lambda answer: answer.answer(("yes",)),
    "gone": lambda answer: answer.gone(),
    "expire": lambda answer: answer.expire(),
}


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("then", ENDS)
def test_the_first_end_counts(runtime, settled, first, then):
    answer = one(runtime, settled)
    ENDS[first](answer)
    ENDS[then](answer)
    assert settled == [True]
    assert answer.args == (("yes",) if first == "answer" else ())
    assert type(answer.error) is {"answer": type(None), "gone": DisconnectedError, "expire": AckTimeout}[first]


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("then", ENDS)
def test_the_first_end_of_a_broadcast_counts(runtime, settled, first, then):
    answers = many(runtime, settled)
    answers.expect(1)
    ENDS[first](answers)
    ENDS[then](answers)
    assert settled == [True]
    assert answers.responses == (["yes"] if first == "answer" else [])
    assert (answers.error is None) == (first != "expire")


def test_expire_says_whether_it_was_in_time(runtime, settled):
    answer = one(runtime, settled)
    assert answer.expire()
    assert not answer.expire()


def test_the_value(runtime, settled):
    for args, value in [((), None), ((None,), None), ((0,), 0), (([],), []), ((1, 2), (1, 2))]:
        answer = one(runtime, settled)
        answer.answer(args)
        assert answer.value == value


def test_a_timer_abandons_what_is_late(runtime, settled):
    abandoned = []
    late, in_time, settled_before = (one(runtime, settled) for _ in range(3))
    settled_before.answer(())
    for answer in (late, in_time, settled_before):
        answer.expire_after(runtime, 5, lambda answer=answer: abandoned.append(answer))
    in_time.gone()
    runtime.advance(5)
    assert abandoned == [late]
    assert len(settled) == 3


def test_a_timer_that_comes_too_late_itself_abandons_nothing(runtime, settled):
    """The answer comes while the timer is being made."""
    abandoned = []
    answer = one(runtime, settled)
    call_later = runtime.timers.call_later

    def slow_call_later(delay, fn, *args):
        timer = call_later(delay, fn, *args)
        answer.answer(())
        fn()
        return timer

    runtime.timers.call_later = slow_call_later
    answer.expire_after(runtime, 5, lambda: abandoned.append(answer))
    runtime.advance(10)
    assert (abandoned, settled) == ([], [True])


def test_a_broadcast_is_complete_when_servers_and_clients_are(runtime, settled):
    answers = many(runtime, settled, servers=2)
    answers.expect(2)
    answers.answer(())
    answers.answer(("b", "more"))
    answers.answer(("c",))  # of the other server, which has not counted yet
    assert settled == []
    answers.expect(2)
    answers.gone()
    assert settled == [True]
    assert answers.responses == [None, "b", "c"]
    answers.expect(5)
    assert settled == [True]


def test_the_responses_of_a_late_broadcast_are_in_the_error(runtime, settled):
    answers = many(runtime, settled)
    answers.expect(2)
    answers.answer(("a",))
    answers.expire()
    assert answers.error.responses == ["a"]
