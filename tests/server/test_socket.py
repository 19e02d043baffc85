"""A socket as users see it: emitting, answers, rooms, data, the end."""

from __future__ import annotations

import pickle
from datetime import timezone

import pytest

from socketio_sync import AckTimeout
from socketio_sync import DisconnectDetails
from socketio_sync import DisconnectedError
from socketio_sync import LimitError
from tests.server.peer import Peer
from tests.server.peer import served


@pytest.fixture
def io():
    return served()


def connected(io, nsp="/", **more):
    peer = Peer(io, **more)
    socket = io.of(nsp).sockets[peer.connect(nsp)]
    peer.received()
    return peer, socket


# Emitting


def test_emit_and_send(io):
    peer, socket = connected(io)
    socket.emit("m", 1, "two", None, [3], {"four": 5})
    socket.send("hello")
    socket.emit("b", {"x": b"\x01"}, b"\x02")
    assert peer.received() == [
        '2["m",1,"two",null,[3],{"four":5}]',
        '2["message","hello"]',
        '52-["b",{"x":{"_placeholder":true,"num":0}},{"_placeholder":true,"num":1}]',
        b"\x01",
        b"\x02",
    ]


def test_later_changes_do_no_harm(io):
    peer, socket = connected(io)
    doc = {"a": [1]}
    socket.emit("m", doc)
    doc["a"].append(2)
    assert peer.received() == ['2["m",{"a":[1]}]']


@pytest.mark.parametrize("name", ["connect", "connect_error", "disconnect", "disconnecting", "newListener"])
def test_reserved_names_are_refused(io, name):
    _, socket = connected(io)
    with pytest.raises(ValueError, match=name):
        socket.emit(name)


def test_what_cannot_be_sent_is_refused_with_its_path(io):
    peer, socket = connected(io)
    with pytest.raises(TypeError, match=r'args\[0\]\["price"\]'):
        socket.emit("m", {"price": object()})
    with pytest.raises(TypeError, match="callback="):
        socket.emit("m", lambda: None)
    with pytest.raises(ValueError, match="max_attachments"):
        socket.emit("m", *[b"x"] * 11)
    assert peer.received() == []


def test_to_a_socket_that_is_gone_nothing_happens(io):
    peer, socket = connected(io)
    peer.lose()
    socket.emit("m")
    socket.join("a")
    socket.leave("a")
    socket.disconnect()
    assert socket.rooms == frozenset()
    assert not socket.connected


def test_broadcasts_never_reach_the_socket_itself(io):
    (a, first), (b, second), (c, _) = connected(io), connected(io), connected(io)
    first.join("room")
    second.join("room")
    first.to("room").emit("1")
    first.broadcast.emit("2")
    first.in_(["room", first.id]).emit("3")
    first.except_("room").emit("4")
    first.local.emit("5")
    assert a.received() == []
    assert b.received() == ['2["1"]', '2["2"]', '2["3"]', '2["5"]']
    assert c.received() == ['2["2"]', '2["4"]', '2["5"]']


def test_outgoing_listeners_see_emits_and_broadcasts_but_no_answers(io, caplog):
    peer, socket = connected(io)
    seen = []
    socket.on_any_outgoing(lambda event, *args: seen.append((event, args)))
    socket.emit("a", 1)
    io.emit("b", 2)
    io.of("/").to(socket.id).emit("c")
    socket.on("m", lambda: "answer")
    peer.send('21["m"]')
    assert seen == [("a", (1,)), ("b", (2,)), ("c", ())]

    @socket.prepend_any_outgoing
    def broken(event):
        raise ValueError("outgoing")

    socket.emit("d")
    assert seen[-1] == ("d", ())
    assert "outgoing" in caplog.text
    assert peer.received()[-1] == '2["d"]'


# Answers


@pytest.mark.parametrize(("answer", "value"), [("[]", None), ("[5]", 5), ("[null]", None), ('[1,"b"]', (1, "b"))])
def test_emit_with_ack_returns_the_answer(io, answer, value):
    peer, socket = connected(io)
    answers = []
    io.start_background_task(lambda: answers.append(socket.emit_with_ack("q", 1)))
    io.engine.runtime.run_until_idle()
    assert peer.received() == ['20["q",1]']
    peer.send("30" + answer)
    assert answers == [value]


def test_ack_ids_count_per_namespace(io):
    (a, first), (b, second) = connected(io), connected(io)
    for socket in (first, second, first):
        socket.emit("q", callback=lambda: None)
    assert a.received() == ['20["q"]', '22["q"]']
    assert b.received() == ['21["q"]']


def test_it_times_out(io):
    peer, socket = connected(io)
    with pytest.raises(AckTimeout):
        socket.timeout(2).emit_with_ack("q")
    before = io.engine.runtime.now()
    with pytest.raises(AckTimeout):
        socket.emit_with_ack("q")
    assert io.engine.runtime.now() - before == pytest.approx(20, abs=0.01)
    peer.send('30["late"]', '31["late"]')
    assert not peer.closed


def test_it_ends_with_the_socket(io):
    peer, socket = connected(io)
    errors = []

    def wait():
        try:
            socket.emit_with_ack("q")
        except DisconnectedError as error:
            errors.append((error.reason, error.details.description))

    io.start_background_task(wait)
    io.engine.runtime.run_until_idle()
    peer.connection.fail("transport error", "cut")
    io.engine.runtime.run_until_idle()
    assert errors == [("transport error", "cut")]
    wait()
    assert errors[1:] == errors[:1]


def test_callbacks(io):
    peer, socket = connected(io)
    seen = []
    socket.emit("q", callback=lambda *args: seen.append(args), error_callback=seen.append)
    peer.send("30[1,2]")
    assert seen == [(1, 2)]
    socket.timeout(1).emit("q", callback=seen.append, error_callback=lambda error: seen.append(type(error)))
    io.engine.runtime.advance(1)
    assert seen[1:] == [AckTimeout]
    socket.emit("q", callback=seen.append, error_callback=lambda error: seen.append(error.reason))
    io.engine.runtime.advance(5)
    peer.lose()
    assert seen[2:] == ["transport close"]


def test_a_callback_that_fails_is_told_to_on_error(io, caplog):
    peer, socket = connected(io)
    errors = []
    io.on_error(lambda error, who, event, args: errors.append((type(error), who, event, args)))
    socket.emit("q", callback=lambda value: 1 / 0)
    peer.send("30[7]")
    assert errors == [(ZeroDivisionError, socket, "q", (7,))]
    assert "ZeroDivisionError" in caplog.text


def test_a_callback_does_not_wait_behind_a_handler(io):
    peer, socket = connected(io)
    seen = []
    socket.on("slow", lambda: io.sleep(10))
    peer.send('2["slow"]')
    socket.emit("q", callback=lambda: seen.append("called"))
    peer.send("30[]")
    assert seen == ["called"]


def test_so_many_answers_may_be_awaited():
    io = served(max_pending_acks=2)
    peer, socket = connected(io)
    socket.emit("q", callback=print)
    socket.emit("q", callback=print)
    with pytest.raises(LimitError) as caught:
        socket.emit("q", callback=print)
    assert caught.value.limit == "max_pending_acks"
    peer.received()
    peer.send("30[]")
    socket.emit("q", callback=print)


def test_what_cannot_be_sent_is_not_awaited(io):
    _, socket = connected(io)
    with pytest.raises(TypeError):
        socket.emit_with_ack("q", object())
    assert len(socket._acks) == 0


def test_a_broadcast_with_ack_does_not_wait_for_those_who_leave(io):
    (a, _), (b, _) = connected(io), connected(io)
    answers = []
    io.emit("q", callback=answers.append)
    a.send('30["a"]')
    assert answers == []
    b.lose()
    assert answers == [["a"]]


# Rooms


def test_rooms_are_a_copy_with_the_own_id(io):
    _, socket = connected(io)
    before = socket.rooms
    socket.join("a")
    socket.join(("b", "c"))
    socket.leave("b")
    socket.leave(["c", "unknown"])
    assert before == {socket.id}
    assert socket.rooms == {socket.id, "a"}
    assert isinstance(socket.rooms, frozenset)


@pytest.mark.parametrize("rooms", [None, 5, [1], ["a", None]])
def test_a_room_is_a_str(io, rooms):
    _, socket = connected(io)
    with pytest.raises(TypeError):
        socket.join(rooms)
    with pytest.raises(TypeError):
        socket.leave(rooms)
    with pytest.raises(TypeError, match="id"):
        socket.join(socket)


def test_the_id_of_another_socket_is_no_room_to_join(io):
    (_, a), (_, b) = connected(io), connected(io)
    with pytest.raises(ValueError, match="another socket"):
        a.join(["fine", b.id])
    assert a.rooms == {a.id}
    a.join(a.id)


def test_so_many_rooms():
    io = served(max_rooms=2)
    _, socket = connected(io)
    socket.join(["a", "b"])
    socket.join("a")
    with pytest.raises(LimitError) as caught:
        socket.join("c")
    assert caught.value.limit == "max_rooms"
    socket.leave("a")
    socket.join("c")


# What it knows


def test_handshake(io):
    query = "EIO=4&transport=polling&name=a&name=%C3%A9"
    peer = Peer(io, query=query, HTTP_USER_AGENT="tests", HTTP_ORIGIN="http://a", CONTENT_TYPE="", CONTENT_LENGTH="5")
    socket = io.sockets[peer.connect(auth={"token": "secret"})]
    handshake = socket.handshake
    assert handshake is socket.handshake
    assert handshake.headers["User-Agent"] == handshake.headers["user-agent"] == "tests"
    assert dict(handshake.headers) == {"user-agent": "tests", "origin": "http://a", "content-length": "5"}
    assert "ORIGIN" in handshake.headers
    assert "host" not in handshake.headers
    assert handshake.query["name"] == "é"
    assert handshake.url == "/socket.io/?" + query
    assert (handshake.address, handshake.secure, handshake.xdomain) == ("192.0.2.7", False, True)
    assert handshake.issued == io.engine.runtime.wall_time()
    assert handshake.time.tzinfo is timezone.utc
    assert handshake.time.timestamp() == handshake.issued
    assert "secret" not in repr(handshake) + repr(handshake.headers)
    with pytest.raises(TypeError):
        handshake.query["x"] = "y"
    with pytest.raises(TypeError):
        handshake.headers["x"] = "y"
    with pytest.raises(AttributeError):
        handshake.auth = {}


def test_a_secure_handshake_on_a_mounted_app(io):
    more = {"wsgi.url_scheme": "https", "SCRIPT_NAME": "/my app"}
    socket = io.sockets[Peer(io, query="", **more).connect()]
    assert socket.handshake.secure
    assert not socket.handshake.xdomain
    assert socket.handshake.url == "/my%20app/socket.io/"


def test_environ_is_enough_for_request_objects():
    io = served(keep_environ=("app.user",))
    more = {"app.user": object(), "other": object()}
    socket = io.sockets[Peer(io, HTTP_COOKIE="a=b", **more).connect()]
    assert socket.environ["HTTP_COOKIE"] == "a=b"
    assert socket.environ["app.user"] is more["app.user"]
    assert socket.environ["wsgi.input"].read() == b""
    assert "other" not in socket.environ


def test_conn_nsp_server_and_data(io):
    peer, socket = connected(io, "/chat")
    assert socket.conn is peer.connection
    assert socket.nsp is io.of("/chat")
    assert socket.server is io
    assert socket.data == {}
    assert not socket.recovered


def test_repr_has_neither_auth_nor_engine_ids(io):
    peer = Peer(io)
    socket = io.sockets[peer.connect(auth={"token": "secret"})]
    assert repr(socket) == f"<Socket '{socket.id[:4]}…' nsp='/' polling>"
    assert peer.connection.id not in repr(socket)
    peer.lose()
    assert repr(socket) == f"<Socket '{socket.id[:4]}…' nsp='/' gone>"


def test_it_cannot_be_pickled(io):
    _, socket = connected(io)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(socket)


# The end


def ending(io):
    seen = []

    @io.on("disconnecting")
    def disconnecting(socket, reason, details):
        seen.append(("disconnecting", reason, details, socket.connected, "room" in socket.rooms))

    @io.on("disconnect")
    def disconnect(socket, reason, details):
        seen.append(("disconnect", reason, details, socket.connected, "room" in socket.rooms))

    return seen


def test_the_client_leaves(io):
    seen = ending(io)
    peer, socket = connected(io)
    socket.join("room")
    socket.on("disconnect", lambda reason: seen.append(reason))
    peer.send("1")
    reason = "client namespace disconnect"
    assert seen == [
        ("disconnecting", reason, None, False, True),
        ("disconnect", reason, None, False, False),
        reason,
    ]
    assert (peer.received(), peer.closed) == ([], False)


def test_the_server_disconnects(io):
    seen = ending(io)
    peer, socket = connected(io)
    socket.disconnect()
    assert not socket.connected
    assert len(io.sockets) == 0
    assert seen == []
    peer.send('2["in flight"]', "30[]", "1")
    assert peer.received() == ["1"]
    assert [what[:2] for what in seen] == [
        ("disconnecting", "server namespace disconnect"),
        ("disconnect", "server namespace disconnect"),
    ]
    assert not peer.closed
    peer.connect()


def test_it_disconnects_from_everything(io):
    seen = ending(io)
    ending_chat = ending(io.of("/chat"))
    peer, socket = connected(io)
    peer.connect("/chat")
    socket.disconnect(close=True)
    assert peer.received() == ["1", "1/chat,"]
    io.engine.runtime.advance(31)
    assert peer.closed
    assert [what[1] for what in seen + ending_chat] == ["server namespace disconnect"] * 4


@pytest.mark.parametrize(
    "reason", ["transport close", "transport error", "ping timeout", "parse error", "forced close"]
)
def test_the_connection_ends(io, reason):
    seen = ending(io)
    peer, socket = connected(io)
    socket.join("room")
    peer.connection.fail(reason, "why")
    io.engine.runtime.run_until_idle()
    details = seen[0][2]
    assert isinstance(details, DisconnectDetails)
    assert details.description == "why"
    assert seen == [
        ("disconnecting", reason, details, False, True),
        ("disconnect", reason, details, False, False),
    ]
    assert io.adapter.rooms_of(socket.id) == frozenset()


def test_what_came_before_is_handled_before(io):
    seen = ending(io)

    @io.on("m")
    def m(socket, n):
        io.sleep(1)
        seen.append((n, socket.connected, socket.rooms))

    peer, _ = connected(io)
    peer.send('2["m",1]', '2["m",2]', "1")
    io.engine.runtime.advance(5)
    assert [what[0] for what in seen] == [1, 2, "disconnecting", "disconnect"]
    assert seen[0] == (1, False, frozenset())


def test_a_handler_that_waits_for_its_gone_client_is_let_go(io):
    seen = ending(io)

    @io.on("ask")
    def ask(socket):
        with pytest.raises(DisconnectedError):
            socket.emit_with_ack("q")
        seen.append("let go")

    peer, _ = connected(io)
    peer.send('21["ask"]')
    peer.lose()
    assert [what[0] for what in seen] == ["l", "disconnecting", "disconnect"]


def test_an_error_in_disconnect_handlers_is_told(io, caplog):
    errors = []
    io.on_error(lambda error, socket, event, args: errors.append((event, args[0])))

    @io.on("disconnecting")
    @io.on("disconnect")
    def broken(socket):
        raise ValueError

    peer, _ = connected(io)
    peer.lose()
    assert errors == [("disconnecting", "transport close"), ("disconnect", "transport close")]
