"""The session machine: heartbeat, transport moves and the queue, without a clock or a socket."""

from __future__ import annotations

import random
from collections import deque

import pytest

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol import engineio_session as sessions
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.engineio_session import Session


def session(protocol: int = 4, transport: str = sessions.POLLING) -> Session:
    return Session(protocol, transport, 25, 20, now=100.0)


def test_pings_after_the_interval_and_times_out_after_the_timeout() -> None:
    s = session()
    assert s.tick(124.9) == sessions.NOTHING
    assert s.tick(125.0) == sessions.PING_DUE
    assert s.tick(144.9) == sessions.NOTHING
    assert s.tick(145.0) == sessions.TIMED_OUT


def test_a_pong_begins_the_next_interval() -> None:
    s = session()
    s.tick(125)
    assert s.receive("3", 130) is sessions.ALIVE
    assert s.deadline == 155
    assert s.tick(154.9) == sessions.NOTHING
    assert s.tick(155) == sessions.PING_DUE


def test_an_unsolicited_pong_changes_nothing() -> None:
    s = session()
    for now in range(100, 125):
        assert s.receive("3", now) is sessions.ALIVE
    assert s.deadline == 125


def test_another_packet_restarts_the_wait_for_a_pong_once() -> None:
    s = session()
    s.tick(125)
    s.heard(135)
    s.heard(140)
    assert s.deadline == 155
    assert s.tick(155) == sessions.TIMED_OUT


def test_the_deadline_survives_the_upgrade_while_a_pong_is_due() -> None:
    s = session()
    s.tick(125)
    s.move("probe")
    s.move("upgrade")
    assert s.tick(145) == sessions.TIMED_OUT


def test_protocol_3_is_pinged_by_the_client() -> None:
    s = session(3)
    assert s.tick(144.9) == sessions.NOTHING
    assert s.receive("2", 140) is sessions.ANSWER_PONG
    assert s.tick(184.9) == sessions.NOTHING
    assert s.tick(185) == sessions.TIMED_OUT


@pytest.mark.parametrize(
    ("protocol", "type", "action"),
    [
        (4, "0", sessions.IGNORE),
        (4, "1", sessions.CLOSE),
        (4, "2", sessions.WRONG_HEARTBEAT),
        (4, "5", sessions.IGNORE),
        (4, "6", sessions.IGNORE),
        (3, "2", sessions.ANSWER_PONG),
        (3, "3", sessions.WRONG_HEARTBEAT),
    ],
)
def test_control_packets(protocol: int, type: str, action: str) -> None:
    assert session(protocol).receive(type, 101) is action


@pytest.mark.parametrize("type", ["7", "", "x"])
def test_an_unknown_type_is_a_parse_error(type: str) -> None:
    with pytest.raises(ProtocolError, match="parse error"):
        session().receive(type, 101)


def test_an_abandoned_probe_falls_back() -> None:
    s = session()
    s.move("probe")
    s.move("probe_lost")
    assert s.transport == sessions.POLLING


@pytest.mark.parametrize(
    ("transport", "verb"),
    [(sessions.POLLING, "upgrade"), (sessions.WEBSOCKET, "probe"), (sessions.POLLING, "probe_lost")],
)
def test_illegal_moves(transport: str, verb: str) -> None:
    with pytest.raises(ProtocolError, match=f"illegal {verb}"):
        session(transport=transport).move(verb)


def test_take_packs_up_to_the_budget_and_never_splits_a_packet() -> None:
    s = session()
    sizes = [10, 20, 500, 5]
    for size in sizes:
        s.enqueue(EncodedPacket(["x" * size]))
    assert [p.size for p in s.take(40)] == [11, 21]
    assert [p.size for p in s.take(40)] == [501]
    assert [p.size for p in s.take(40)] == [6]
    assert s.queued == 0
    assert s.take(40) == []


def test_a_peer_that_is_not_read_gets_a_whole_new_wait() -> None:
    s = session()
    s.tick(125)
    s.grant(144, 20)
    assert s.tick(163) == sessions.NOTHING
    assert s.tick(164) == sessions.TIMED_OUT


def test_random_walks_keep_every_packet_once_and_in_order() -> None:
    generator = random.Random(4)
    for _ in range(500):
        s = session()
        model: deque[int] = deque()
        sent = 0
        got: list[int] = []
        for _ in range(60):
            if generator.random() < 0.5:
                s.enqueue(EncodedPacket([str(sent)]))
                model.append(sent)
                sent += 1
            else:
                verb = generator.choice(["probe", "probe_lost", "upgrade", "take"])
                if verb == "take":
                    got += [int(p.messages[0]) for p in s.take(generator.randrange(1, 30))]
                elif (s.transport, verb) in sessions.MOVES:
                    s.move(verb)
        got += [int(p.messages[0]) for p in s.take()]
        assert got == list(range(sent))
        assert s.queued == 0
