"""The client's half of an Engine.IO session: handshake, heartbeat, the moves of an upgrade, what fits into a body."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.engineio_client_session import ANSWER_PONG
from socketio_sync.protocol.engineio_client_session import CLOSE
from socketio_sync.protocol.engineio_client_session import IGNORE
from socketio_sync.protocol.engineio_client_session import MOVES
from socketio_sync.protocol.engineio_client_session import OPEN
from socketio_sync.protocol.engineio_client_session import OPENED
from socketio_sync.protocol.engineio_client_session import POLLING
from socketio_sync.protocol.engineio_client_session import WEBSOCKET
from socketio_sync.protocol.engineio_client_session import ClientSession
from socketio_sync.protocol.engineio_client_session import split_bodies
from socketio_sync.protocol.engineio_packet import EncodedPacket

HANDSHAKE = {
    "sid": "abc",
    "upgrades": ["websocket"],
    "pingInterval": 25000,
    "pingTimeout": 20000,
    "maxPayload": 1000,
}


def opened(transport: str = POLLING, **changes: Any) -> ClientSession:
    session = ClientSession(transport)
    assert session.receive("0", json.dumps({**HANDSHAKE, **changes}), 100.0) is OPENED
    return session


def test_the_handshake_says_what_the_session_is() -> None:
    session = opened()
    assert (session.sid, session.upgrades, session.max_payload) == ("abc", ("websocket",), 1000)
    assert session.deadline == 145.0


def test_an_old_server_announces_no_limit() -> None:
    session = ClientSession(POLLING)
    handshake = {key: value for key, value in HANDSHAKE.items() if key not in ("maxPayload", "upgrades")}
    session.receive("0", json.dumps(handshake), 0)
    assert (session.max_payload, session.upgrades) == (None, ())
    assert session.oversize(EncodedPacket((bytes(10**6),))) == 0


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", "<html>", '{"sid":7}',
        json.dumps({**HANDSHAKE, "pingInterval": "1"}),
        json.dumps({**HANDSHAKE, "pingInterval": True}),
        json.dumps({**HANDSHAKE, "pingTimeout": 0}),
        json.dumps({**HANDSHAKE, "pingTimeout": -5}),
        json.dumps({**HANDSHAKE, "upgrades": "websocket"}),
        json.dumps({key: value for key, value in HANDSHAKE.items() if key != "pingTimeout"}),
    ],
)  # fmt: skip
def test_what_is_no_handshake_is_refused(text: str) -> None:
    session = ClientSession(POLLING)
    with pytest.raises(ProtocolError):
        session.receive("0", text, 0)
    assert session.life != OPEN


@pytest.mark.parametrize("type", ["1", "2", "3", "5", "6", "7", ""])
def test_nothing_but_the_handshake_comes_first(type: str) -> None:
    with pytest.raises(ProtocolError):
        ClientSession(POLLING).receive(type, "", 0)


def test_each_ping_moves_the_deadline_and_nothing_else_does() -> None:
    session = opened()
    for type, action in (("0", IGNORE), ("3", IGNORE), ("6", IGNORE), ("5", IGNORE)):
        assert session.receive(type, "", 120.0) is action
        assert session.deadline == 145.0
    assert session.receive("2", "", 120.0) is ANSWER_PONG
    assert session.deadline == 165.0
    assert session.receive("1", "", 120.0) is CLOSE


def test_a_server_that_is_not_read_gets_time() -> None:
    session = opened()
    session.grant(500.0)
    assert session.deadline == 545.0


def test_an_upgrade_step_by_step() -> None:
    session = opened()
    for verb in ("probe", "pause", "upgrade"):
        session.move(verb)
    assert session.transport == WEBSOCKET
    with pytest.raises(ProtocolError):
        session.move("probe")


@pytest.mark.parametrize("steps", [["probe"], ["probe", "pause"]])
def test_a_lost_probe_goes_back(steps: list[str]) -> None:
    session = opened()
    for verb in steps:
        session.move(verb)
    session.move("probe_lost")
    assert session.transport == POLLING


def test_illegal_moves_change_nothing() -> None:
    chance = random.Random(7)
    verbs = sorted({verb for _, verb in MOVES})
    session = opened()
    for _ in range(2000):
        before, verb = session.transport, chance.choice(verbs)
        try:
            session.move(verb)
        except ProtocolError:
            assert (before, verb) not in MOVES
            assert session.transport == before
        else:
            assert session.transport == MOVES[before, verb]
        if session.transport == WEBSOCKET:
            session = opened()


def test_what_is_queued_is_taken_once_and_in_order() -> None:
    session = opened()
    packets = [EncodedPacket((f"{i}",)) for i in range(5)]
    for packet in packets:
        session.enqueue(packet)
    assert session.queued == sum(packet.size for packet in packets)
    assert session.take() == packets
    assert (session.take(), session.queued) == ([], 0)


@pytest.mark.parametrize(
    ("transport", "message", "size"),
    [
        (WEBSOCKET, bytes(1000), 0),
        (WEBSOCKET, bytes(1001), 1001),
        (WEBSOCKET, "a" * 999, 0),
        (WEBSOCKET, "a" * 1000, 1001),
        (WEBSOCKET, "ü" * 500, 1001),
        (POLLING, bytes(748), 1001),
        (POLLING, bytes(747), 0),
        (POLLING, "a" * 999, 0),
    ],
)
def test_the_limit_is_that_of_the_wire(transport: str, message: str | bytes, size: int) -> None:
    assert opened(transport).oversize(EncodedPacket(("x", message))) == size


@pytest.mark.parametrize("limit", [10, 50, 1000, None])
def test_bodies_keep_the_order_and_the_limit(limit: int | None) -> None:
    chance = random.Random(3)
    for _ in range(100):
        texts = ["ü" * chance.randrange(12) + "x" * chance.randrange(9) for _ in range(chance.randrange(1, 12))]
        packets = [EncodedPacket((text, bytes(chance.randrange(9)))) for text in texts]
        bodies = split_bodies(packets, limit)
        assert [text for body in bodies for text in body] == [text for packet in packets for text in packet.polling]
        for body in bodies:
            assert limit is None or len("\x1e".join(body).encode()) <= limit or len(body) == 1
        # No two neighbours would fit into one.
        for first, second in zip(bodies, bodies[1:], strict=False):
            assert limit is not None and len("\x1e".join([*first, second[0]]).encode()) > limit


def test_no_packets_need_no_body() -> None:
    assert split_bodies([], 100) == []
