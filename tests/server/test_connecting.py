"""CONNECT: who is let in, what it is told, and in which order."""

from __future__ import annotations

import logging

import pytest

from socketio_sync import ConnectError
from socketio_sync import TransportError
from socketio_sync.engine.connection_core import ConnectionCore
from tests.server.peer import Peer
from tests.server.peer import served


def test_the_reply_has_an_id_that_is_not_the_connections():
    io = served()
    peer = Peer(io)
    id = peer.connect()
    assert len(id) == 20
    assert id != peer.connection.id
    assert list(io.sockets) == [id]
    assert io.sockets[id].connected
    assert io.sockets[id].rooms == {id}


def test_auth_is_in_the_handshake():
    io = served()
    peer = Peer(io)
    socket = io.sockets[peer.connect(auth={"token": "x"})]
    assert socket.handshake.auth == {"token": "x"}
    assert io.sockets[Peer(io).connect()].handshake.auth == {}


def test_an_unknown_namespace_is_invalid():
    peer = Peer(served())
    peer.send("0/zz,")
    peer.send("0/zz")
    assert peer.received() == ['4/zz,{"message":"Invalid namespace"}'] * 2
    assert not peer.closed


def test_a_query_is_a_part_of_the_name_in_protocol_5():
    io = served()
    io.of("/admin")
    peer = Peer(io)
    peer.send("0/admin?a=1,{}")
    assert peer.received() == ['4/admin?a=1,{"message":"Invalid namespace"}']


@pytest.mark.parametrize(
    "messages",
    [
        ['2["m"]'],
        ["31[]"],
        ["1"],
        ["0", "0"],
        ["0", "1", '2["m"]'],
        ["0", '4{"message":"x"}'],
        ["0null"],
        ["0[]"],
        ["7"],
        [""],
        [b"\x01"],
        ['51-["m",{"_placeholder":true,"num":0}]'],
        ["0", '51-["m",{"_placeholder":true,"num":0}]', '2["m"]'],
        ["0", '2["disconnect"]'],
        ["0", '2["connect"]'],
        ["0", '50-["m"]'],
        ["0", '5999-["m"]'],
        ["0", '51-["m",{"_placeholder":true,"num":"splice"}]', b"\x01"],
    ],
    ids=str,
)
def test_what_is_illegal_closes_the_connection(messages):
    io = served()
    io.of("/other")
    seen = []
    io.on("disconnect", lambda socket, reason: seen.append(reason))
    peer = Peer(io)
    for message in messages[:-1]:
        peer.send(message)
    assert not peer.closed
    peer.send(messages[-1])
    assert peer.closed
    assert seen in ([], ["forced close"], ["client namespace disconnect"])


def test_attachments_for_a_namespace_that_is_not_joined_are_not_awaited():
    # CVE-2026-48804
    io = served()
    io.of("/other")
    peer = Peer(io)
    peer.connect()
    peer.send('51-/other,["m",{"_placeholder":true,"num":0}]')
    assert peer.closed


def test_a_half_received_packet_is_dropped_with_its_connection():
    peer = Peer(served())
    peer.connect()
    peer.send('51-["m",{"_placeholder":true,"num":0}]')
    decoder = peer.connection.receiver._decoder
    assert decoder.waiting is not None
    peer.lose()
    assert decoder.waiting is None


def test_connect_twice_at_once_makes_one_socket():
    io = served()
    peer = Peer(io)
    peer.send("0", "0")
    assert peer.closed
    assert len(io.sockets) == 0


def test_events_right_behind_connect_wait_for_the_connection_handlers():
    io = served()
    seen = []
    io.on("m", lambda socket, n: seen.append(n))

    @io.on("connection")
    def connection(socket):
        io.sleep(1)
        seen.append("connection")

    peer = Peer(io)
    peer.send("0", '2["m",1]', '2["m",2]')
    assert seen == []
    io.engine.runtime.advance(1)
    assert seen == ["connection", 1, 2]


def test_the_connection_is_closed_if_it_joins_nothing():
    io = served(connect_timeout=3)
    idle, refused, joined, left = Peer(io), Peer(io), Peer(io), Peer(io)
    refused.send("0/zz,")
    joined.connect()
    left.connect()
    left.send("1")
    io.engine.runtime.advance(2.9)
    assert not idle.closed
    io.engine.runtime.advance(0.2)
    for peer in (idle, refused, joined, left):
        peer.connection.session.take()
    io.engine.runtime.advance(30)
    assert (idle.closed, refused.closed) == (True, True)
    assert (joined.closed, left.closed) == (False, False)


def test_several_namespaces_on_one_connection():
    io = served()
    io.of("chat")
    peer = Peer(io)
    first, second = peer.connect(), peer.connect("/chat")
    assert first != second
    assert list(io.of("/chat").sockets) == [second]
    peer.send("1")
    assert list(io.sockets) == []
    assert list(io.of("chat").sockets) == [second]
    assert not peer.closed


def test_max_namespaces_counts_also_those_that_still_leave(caplog):
    io = served(max_namespaces=2)

    @io.on("disconnect")
    def slow(socket):
        io.sleep(10)

    io.of("/a")
    peer = Peer(io)
    peer.connect()
    peer.connect("/a")
    peer.send("1", "0")
    assert peer.received() == ['4{"message":"too many namespaces"}']
    assert not caplog.records  # a client could fill the log
    io.engine.runtime.advance(10)
    peer.connect()


def test_an_endless_name_closes():
    peer = Peer(served())
    peer.send("0/" + "x" * 2000 + ",")
    assert peer.closed


# Middlewares


def test_middlewares_run_in_order_before_anything_is_visible():
    io = served()
    seen = []

    @io.use
    def first(socket):
        seen.append((socket.connected, socket.rooms, len(io.sockets)))

    @io.use
    def second(socket):
        seen.append("second")

    io.on("connection", lambda socket: seen.append("connection"))
    Peer(io).connect()
    assert seen == [(False, frozenset(), 0), "second", "connection"]


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (ConnectError("not authorized"), '4{"message":"not authorized"}'),
        (ConnectError("no", {"code": 7}), '4{"message":"no","data":{"code":7}}'),
        (ConnectError("no", b"\x01"), '4{"message":"no"}'),
        (ValueError("secret"), '4{"message":"internal error"}'),
        (TransportError("redis://secret"), '4{"message":"internal error"}'),
    ],
)
def test_raising_refuses(error, reply):
    io = served()
    seen = []

    @io.use
    def refuse(socket):
        raise error

    @io.use
    def never(socket):
        seen.append("never")

    io.on("connection", lambda socket: seen.append("connection"))
    io.on("disconnect", lambda socket: seen.append("disconnect"))
    peer = Peer(io)
    peer.send("0", '2["m"]')
    assert peer.received() == [reply]
    assert (seen, len(io.sockets)) == ([], 0)
    peer.send('2["in flight"]')
    assert not peer.closed
    peer.send("0")
    assert peer.received() == [reply]


def test_any_other_result_refuses_and_is_a_bug(caplog):
    io = served()
    errors = []
    io.on_error(lambda error, socket, event, args: errors.append((type(error), event)))
    io.use(lambda socket: False)
    peer = Peer(io)
    peer.send("0")
    assert peer.received() == ['4{"message":"internal error"}']
    assert errors == [(TypeError, "connection")]
    assert "returned False" in caplog.text


def test_a_refusal_is_no_error(caplog):
    io = served()
    errors = []
    io.on_error(lambda *args: errors.append(args))

    @io.use
    def refuse(socket):
        raise ConnectError("no")

    with caplog.at_level(logging.INFO):
        Peer(io).send("0")
    assert errors == []
    assert caplog.text == ""


def test_what_a_middleware_sends_and_joins_takes_effect_behind_the_reply():
    io = served()

    @io.use
    def welcome(socket):
        socket.join(["a", "b"])
        socket.leave("b")
        socket.emit("early", 1)
        io.to("a").emit("not yet there")
        io.emit("nor to all")

    io.on("connection", lambda socket: socket.emit("late"))
    peer = Peer(io)
    peer.send("0")
    reply, *rest = peer.received()
    assert reply.startswith("0{")
    assert rest == ['2["early",1]', '2["late"]']
    (socket,) = io.sockets.values()
    assert socket.rooms == {socket.id, "a"}


def test_it_is_dropped_on_refusal():
    io = served()
    gone = []

    @io.use
    def refuse(socket):
        socket.join("a")
        socket.emit("early", callback=lambda: None, error_callback=lambda error: gone.append(type(error).__name__))
        raise ConnectError("no")

    peer = Peer(io)
    peer.send("0")
    assert peer.received() == ['4{"message":"no"}']
    assert gone == ["DisconnectedError"]
    assert io.adapter.sids(frozenset("a")) == set()


def test_waiting_for_an_answer_in_a_middleware_is_misuse():
    io = served()
    errors = []

    @io.use
    def ask(socket):
        try:
            socket.emit_with_ack("q")
        except RuntimeError as error:
            errors.append(str(error))

    Peer(io).connect()
    assert len(errors) == 1


def test_a_client_that_leaves_during_a_middleware_is_dropped_silently(caplog):
    io = served()
    seen = []
    io.use(lambda socket: io.sleep(5))
    io.use(lambda socket: seen.append("second"))
    io.on("connection", lambda socket: seen.append("connection"))
    io.on("disconnect", lambda socket: seen.append("disconnect"))
    lost, left = Peer(io), Peer(io)
    lost.send("0")
    left.send("0")
    lost.lose()
    left.send("1")
    io.engine.runtime.advance(5)
    assert (seen, len(io.sockets), caplog.text) == ([], 0, "")
    left.send("0")
    io.engine.runtime.advance(5)
    assert "0{" in str(left.received())


def test_disconnecting_in_a_middleware_leaves_the_client_out():
    io = served()
    io.use(lambda socket: socket.disconnect())
    peer = Peer(io)
    peer.send("0")
    assert peer.received() == ["1"]
    assert len(io.sockets) == 0


def test_closing_while_the_connect_packet_goes_out(monkeypatch):
    """The DISCONNECT comes behind the CONNECT, and the close behind both; else the client would come back."""
    io = served()
    peer = Peer(io)
    send = ConnectionCore.send_packets

    def send_and_disconnect(self, batch):
        sent = send(self, batch)
        io.disconnect_sockets(close=True)
        return sent

    monkeypatch.setattr(ConnectionCore, "send_packets", send_and_disconnect)
    peer.send("0")
    received = peer.received()
    assert received[0].startswith('0{"sid"')
    assert received[1:] == ["1"]
    io.engine.runtime.advance(31)
    assert peer.closed


# Connection handlers


def test_both_names_and_all_registrations():
    io = served()
    seen = []
    io.on("connection", lambda socket: seen.append("connection 1"))
    io.on("connect", lambda socket: seen.append("connect"))
    io.on("connection", lambda socket: seen.append("connection 2"))
    Peer(io).connect()
    assert seen == ["connect", "connection 1", "connection 2"]


@pytest.mark.parametrize("fault", ["raise", "return"])
def test_a_failing_connection_handler_disconnects(fault, caplog):
    io = served()
    seen = []

    @io.on("connection")
    def check(socket):
        if fault == "return":
            return False
        raise ValueError("late")

    io.on("connection", lambda socket: seen.append("other"))
    io.on("m", lambda socket: seen.append("event"))
    io.on("disconnect", lambda socket, reason: seen.append(reason))
    peer = Peer(io)
    peer.send("0", '2["m"]')
    assert peer.received()[-1] == "1"
    assert seen == ["other", "server namespace disconnect"]
    assert ("late" in caplog.text) == (fault == "raise")
