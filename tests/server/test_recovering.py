"""Connection state recovery as a client sees it: pid, offsets, what was missed, and in which order."""

from __future__ import annotations

import json
import logging

import pytest

from socketio_sync import ConnectError
from socketio_sync import Server
from tests.server.peer import Peer
from tests.server.peer import served


def connect(peer, auth=None, nsp=""):
    """The CONNECT reply's payload, and what came before and behind it."""
    peer.send(f"0{nsp}" + json.dumps(auth or {}))
    messages = peer.received()
    index = next(i for i, message in enumerate(messages) if message[:1] == "0")
    return json.loads(messages[index][1 + len(nsp) :]), messages[:index], messages[index + 1 :]


def offset_of(message):
    return json.loads(message[1:])[-1]


@pytest.fixture
def io():
    return served(connection_state_recovery=True)


def lost(io, reason="transport close"):
    """A client that had one packet, joined a room and was lost: its CONNECT payload, and the offset."""
    peer = Peer(io)
    reply, _, _ = connect(peer)
    socket = io.sockets[reply["sid"]]
    socket.join("room")
    socket.data["name"] = "alice"
    socket.emit("first")
    (first,) = peer.received()
    peer.lose(reason)
    return reply, offset_of(first)


def test_without_it_there_is_no_pid():
    reply, _, _ = connect(Peer(served()))
    assert list(reply) == ["sid"]


def test_the_client_finds_everything_again(io):
    seen = []
    io.on("connection", lambda socket: seen.append((socket.recovered, socket.rooms, socket.data)))
    reply, offset = lost(io)
    io.to("room").emit("to the room")
    io.to("elsewhere").emit("not for it")
    io.emit("to all", b"\x01")
    io.except_("room").emit("not for it either")
    peer = Peer(io)
    again, before, behind = connect(peer, {"pid": reply["pid"], "offset": offset, "token": "x"})
    assert again == reply
    assert [message for message in before if isinstance(message, bytes)] == [b"\x01"]
    names = [message.split('"')[1] for message in before if isinstance(message, str)]
    assert names == ["to the room", "to all"]
    assert behind == []
    assert seen[1] == (True, {reply["sid"], "room"}, {"name": "alice"})
    io.to("room").emit("live")
    assert peer.received()[0].startswith('2["live"')


def test_missed_packets_keep_their_offsets_and_are_a_stream(io):
    reply, offset = lost(io)
    for n in range(3):
        io.emit("m", n)
    _, missed, _ = connect(Peer(io), {"pid": reply["pid"], "offset": offset})
    offsets = [offset, *map(offset_of, missed)]
    assert [json.loads(message[1:])[:2] for message in missed] == [["m", 0], ["m", 1], ["m", 2]]
    assert len(set(offsets)) == 4


def test_a_client_that_never_got_an_offset_can_recover(io):
    peer = Peer(io)
    reply, _, _ = connect(peer)
    peer.lose()
    io.emit("m")
    again, missed, _ = connect(Peer(io), {"pid": reply["pid"]})
    assert again == reply
    assert len(missed) == 1


@pytest.mark.parametrize(
    ("reason", "recoverable"),
    [
        ("transport close", True),
        ("transport error", True),
        ("ping timeout", True),
        ("forced close", True),
        ("parse error", False),
    ],
)
def test_only_accidents_are_recovered(io, reason, recoverable):
    reply, offset = lost(io, reason)
    again, _, _ = connect(Peer(io), {"pid": reply["pid"], "offset": offset})
    assert (again == reply) == recoverable
    assert set(again) == {"sid", "pid"}


@pytest.mark.parametrize("end", ["client", "server"])
def test_a_goodbye_ends_the_session(io, end):
    peer = Peer(io)
    reply, _, _ = connect(peer)
    if end == "client":
        peer.send("1")
    else:
        io.sockets[reply["sid"]].disconnect()
    peer.lose()
    again, _, _ = connect(Peer(io), {"pid": reply["pid"]})
    assert again["sid"] != reply["sid"]


@pytest.mark.parametrize("auth", [{"pid": "guess", "offset": "x"}, {"pid": 5}, {"pid": ["x"], "offset": "x"}])
def test_a_wrong_claim_begins_anew(io, auth):
    reply, offset = lost(io)
    again, missed, _ = connect(Peer(io), auth)
    assert again["sid"] != reply["sid"]
    assert missed == []


def test_a_session_is_claimed_once(io):
    reply, offset = lost(io)
    claim = {"pid": reply["pid"], "offset": offset}
    first, _, _ = connect(Peer(io), claim)
    assert first == reply


def test_the_client_is_back_before_its_old_connection_was_found_dead(io):
    old = Peer(io)
    reply, _, _ = connect(old)
    seen = []
    io.sockets[reply["sid"]].on("disconnect", lambda reason: seen.append(reason))
    io.sockets[reply["sid"]].join("room")
    io.emit("m")
    offset = offset_of(old.received()[0])
    new = Peer(io)
    again, _, _ = connect(new, {"pid": reply["pid"], "offset": offset})
    assert again == reply
    assert old.closed
    assert seen == ["transport close"]
    assert io.sockets[reply["sid"]].rooms == {reply["sid"], "room"}
    assert io.sockets[reply["sid"]].conn is new.connection
    io.to("room").emit("live")
    assert len(new.received()) == 1


def test_middlewares_are_skipped_or_not():
    for skip in (True, False):
        io = served(connection_state_recovery={"skip_middlewares": skip})
        seen = []
        io.use(lambda socket, seen=seen: seen.append(socket.recovered))
        reply, offset = lost(io)
        connect(Peer(io), {"pid": reply["pid"], "offset": offset})
        assert seen == ([False] if skip else [False, True])


def test_a_refused_client_may_come_again(io):
    io = served(connection_state_recovery={"skip_middlewares": False})

    @io.use
    def check(socket):
        if socket.handshake.auth.get("token") == "old":
            raise ConnectError("expired")

    reply, offset = lost(io)
    peer = Peer(io)
    peer.send("0" + json.dumps({"pid": reply["pid"], "offset": offset, "token": "old"}))
    assert peer.received() == ['4{"message":"expired"}']
    io.emit("meanwhile")
    again, missed, _ = connect(peer, {"pid": reply["pid"], "offset": offset, "token": "new"})
    assert again == reply
    assert len(missed) == 1


def test_what_is_sent_while_a_middleware_decides_comes_once():
    io = served(connection_state_recovery={"skip_middlewares": False})
    reply, offset = lost(io)
    io.use(lambda socket: io.sleep(1))
    peer = Peer(io)
    peer.send("0" + json.dumps({"pid": reply["pid"], "offset": offset}))
    io.to("room").emit("meanwhile")
    assert peer.received() == []
    io.engine.runtime.advance(1)
    missed, last = peer.received()
    assert missed.startswith('2["meanwhile"')
    assert last.startswith("0{")


def test_a_client_that_leaves_while_a_middleware_decides_keeps_its_session():
    io = served(connection_state_recovery={"skip_middlewares": False})
    reply, offset = lost(io)
    io.use(lambda socket: io.sleep(1))
    peer = Peer(io)
    peer.send("0" + json.dumps({"pid": reply["pid"], "offset": offset}))
    peer.lose()
    io.engine.runtime.advance(1)
    assert len(io.sockets) == 0
    peer = Peer(io)
    peer.send("0" + json.dumps({"pid": reply["pid"], "offset": offset}))
    io.engine.runtime.advance(1)
    assert reply["pid"] in peer.received()[-1]


def test_a_session_expires(io):
    expired = []
    io.on_session_expired(lambda session: expired.append((session.id, session.data, session.reason, session.rooms)))
    reply, offset = lost(io)
    io.engine.runtime.advance(119)
    assert expired == []
    io.engine.runtime.advance(2)
    assert expired == [(reply["sid"], {"name": "alice"}, "transport close", {reply["sid"], "room"})]
    again, _, _ = connect(Peer(io), {"pid": reply["pid"], "offset": offset})
    assert again["sid"] != reply["sid"]


def test_emits_to_a_lost_socket_are_kept_for_it(io):
    kept = []
    io.on("disconnect", lambda socket: kept.append(socket))
    reply, offset = lost(io)
    kept[0].emit("for later")
    _, missed, _ = connect(Peer(io), {"pid": reply["pid"], "offset": offset})
    assert [message.startswith('2["for later"') for message in missed] == [True]


def test_emits_before_the_reply_come_behind_it_with_an_offset(io):
    io.use(lambda socket: socket.emit("early"))
    _, before, behind = connect(Peer(io))
    assert before == []
    assert [len(json.loads(message[1:])) for message in behind] == [2]


def test_a_bus_that_fails_lets_the_client_begin_anew(caplog):
    from socketio_sync.adapters.adapter import Adapter

    class Broken(Adapter):
        def restore_session(self, pid, offset):
            raise OSError("no bus")

    io = served(connection_state_recovery=True, adapter=Broken)
    reply, _, _ = connect(Peer(io), {"pid": "x", "offset": "y"})
    assert set(reply) == {"sid", "pid"}
    assert "no bus" in caplog.text


def test_protocol_3_knows_neither_pid_nor_offset(io):
    peer = Peer(io, protocol=3)
    assert peer.received() == ["0"]
    io.emit("m")
    assert peer.received() == ['2["m"]']


def test_emitting_before_anything_runs_starts_nothing():
    io = Server(connection_state_recovery=True)
    io.emit("news", 1)
    io.of("/chat").to("room").send(b"x")
    with pytest.raises(TypeError, match=r"args\[0\]"):
        io.emit("news", {1})
    assert not io.engine.started, "monkey-patching may come later"


def test_no_lock_is_held_where_a_packet_is_logged(io, caplog):
    # A log handler may switch greenlets, and emit itself.
    lines = []

    class Handler(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())
            assert not io.adapter._order.locked()

    peer = Peer(io)
    peer.connect()
    logger = logging.getLogger("socketio_sync.server")
    handler = Handler()
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.DEBUG, logger.name):
            io.emit("one")
            next(iter(io.sockets.values())).emit("two")
    finally:
        logger.removeHandler(handler)
    assert [line.partition('"')[2][:3] for line in lines if line.startswith("sent to")] == ["one", "two"]
