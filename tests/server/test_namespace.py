"""Namespaces and their parents: who makes them, what they share, what is registered where."""

from __future__ import annotations

import pickle
import re

import pytest

from socketio_sync import ConnectError
from socketio_sync import Namespace
from socketio_sync import ParentNamespace
from socketio_sync.adapters.adapter import Adapter
from tests.server.peer import Peer
from tests.server.peer import served


@pytest.fixture
def io():
    return served()


def test_of_makes_it_on_first_use(io):
    chat = io.of("chat")
    assert isinstance(chat, Namespace)
    assert chat is io.of("/chat")
    assert (chat.name, chat.server) == ("/chat", io)
    assert io.of("/") is io.of("") is io.namespaces["/"]
    assert list(io.namespaces) == ["/", "/chat"]


@pytest.mark.parametrize("name", [None, 5, re.compile(b"x")])
def test_of_takes_a_name_a_pattern_or_a_function(io, name):
    with pytest.raises(TypeError):
        io.of(name)


def test_sockets_is_a_mapping_that_never_changes_under_an_iteration(io):
    peers = [Peer(io) for _ in range(3)]
    ids = [peer.connect() for peer in peers]
    sockets = io.sockets
    assert list(sockets) == ids
    assert (len(sockets), ids[0] in sockets, "x" in sockets) == (3, True, False)
    assert sockets.get(ids[0]) is sockets[ids[0]]
    assert sockets.get("x") is None
    for view in (sockets.values(), sockets.items(), sockets.keys(), sockets):
        for number, _ in enumerate(view):
            if number == 0:
                peers.pop().lose()
        peers.append(Peer(io))
        peers[-1].connect()
    with pytest.raises(TypeError):
        sockets["x"] = None
    with pytest.raises(AttributeError):
        sockets.clear()


def test_the_server_stands_for_its_root(io):
    peer = Peer(io)
    socket = io.sockets[peer.connect()]
    io.emit("a")
    io.send("b")
    io.to(socket.id).emit("c")
    io.sockets_join("room")
    io.except_("room").emit("d")
    io.in_("room").volatile.compress(False).local.emit("e")
    assert peer.received() == ['2["a"]', '2["message","b"]', '2["c"]']
    assert [remote.id for remote in io.in_("room").fetch_sockets()] == [socket.id]
    io.sockets_leave("room")
    assert socket.rooms == {socket.id}
    io.to([]).emit("nobody")
    assert peer.received() == []
    io.disconnect_sockets()
    assert peer.received() == ["1"]
    assert io.adapter is io.of("/").adapter
    assert io.name == "/"
    assert io.server is io


def test_namespaces_have_their_own_rooms(io):
    chat = io.of("/chat")
    peer = Peer(io)
    io.sockets[peer.connect()].join("room")
    peer.connect("/chat")
    chat.to("room").emit("nobody")
    chat.emit("m", b"\x01")
    assert peer.received() == ['51-/chat,["m",{"_placeholder":true,"num":0}]', b"\x01"]


# Dynamic namespaces


def test_a_pattern_must_match_the_whole_name(io):
    parent = io.of(re.compile(r"/org-\d+"))
    assert isinstance(parent, ParentNamespace)
    peer = Peer(io)
    peer.connect("/org-1")
    peer.send("0/org-1x,", "0/org-1\n,")
    assert peer.received() == [
        '4/org-1x,{"message":"Invalid namespace"}',
        '4/org-1\n,{"message":"Invalid namespace"}',
    ]
    assert list(parent.children) == ["/org-1"]
    assert io.namespaces["/org-1"].parent is parent


def test_a_function_is_asked_with_the_auth(io):
    asked = []

    def check(name, auth):
        asked.append((name, auth))
        if "reason" in auth:
            raise ConnectError("blocked", {"reason": auth["reason"]})
        return auth.get("token") == "yes"

    io.of(check)
    peer = Peer(io)
    peer.send('0/a,{"token":"no"}', "0/b", '0/c,{"reason":1}')
    assert peer.received() == [
        '4/a,{"message":"Invalid namespace"}',
        '4/b,{"message":"Invalid namespace"}',
        '4/c,{"message":"blocked","data":{"reason":1}}',
    ]
    peer.connect("/a", {"token": "yes"})
    assert asked == [("/a", {"token": "no"}), ("/b", {}), ("/c", {"reason": 1}), ("/a", {"token": "yes"})]
    Peer(io).connect("/a", {"token": "it exists now"})


@pytest.mark.parametrize("result", [None, 1, "yes", ValueError])
def test_anything_else_refuses_and_is_a_bug(io, result, caplog):
    def check(name, auth):
        if result is ValueError:
            raise result
        return result

    errors = []
    io.on_error(lambda error, socket, event, args: errors.append((socket, args)))
    io.of(check)
    peer = Peer(io)
    peer.send("0/a,")
    assert peer.received() == ['4/a,{"message":"internal error"}']
    assert errors == [(None, ("/a", {}))]
    assert caplog.records


def test_parents_are_asked_in_order(io):
    first = io.of(lambda name, auth: name == "/a")
    second = io.of(re.compile("/[ab]"))
    peer = Peer(io)
    peer.connect("/a")
    peer.connect("/b")
    assert (list(first.children), list(second.children)) == (["/a"], ["/b"])


def test_what_is_registered_on_the_parent_serves_all_children_whenever_added(io):
    parent = io.of(re.compile("/.+"))
    seen = []
    parent.on("m", lambda socket: seen.append("before"))
    peer = Peer(io)
    peer.connect("/a")
    io.of("/a").on("m", lambda socket: seen.append("own"))
    parent.on("m", lambda socket: seen.append("after"))
    parent.on_any(lambda socket, event: seen.append("any"))

    @parent.on_error
    def told(error):
        seen.append("told")

    @parent.on("bad")
    def bad(socket):
        raise ValueError

    @parent.use
    def refuse(socket):
        raise ConnectError("no more")

    peer.send('2/a,["m"]', '2/a,["bad"]')
    assert seen == ["any", "before", "after", "own", "any", "told"]
    peer.send("0/b,")
    assert peer.received() == ['4/b,{"message":"no more"}']


def test_sending_on_the_parent_reaches_all_children(io):
    parent = io.of(re.compile("/.+"))
    peer = Peer(io)
    peer.connect("/a")
    peer.connect("/b")
    parent.emit("m", b"\x01")
    first, second = '51-/a,["m",{"_placeholder":true,"num":0}]', '51-/b,["m",{"_placeholder":true,"num":0}]'
    assert peer.received() == [first, b"\x01", second, b"\x01"]
    answers = []
    parent.emit("q", callback=answers.append)
    assert peer.received() == ['2/a,0["q"]', '2/b,0["q"]']
    peer.send('3/a,0["a"]', '3/b,0["b"]')
    assert answers == [["a", "b"]]
    parent.sockets_join("room")
    parent.to("room").emit("r")
    assert peer.received() == ['2/a,["r"]', '2/b,["r"]']
    parent.sockets_leave("room")
    parent.timeout(1).emit("late", callback=print, error_callback=lambda error: answers.append(error.responses))
    io.engine.runtime.advance(1)
    assert answers[1:] == [[]]
    with pytest.raises(RuntimeError):
        parent.fetch_sockets()
    parent.disconnect_sockets()
    assert peer.received()[-2:] == ["1/a,", "1/b,"]


def test_asking_a_parent_without_children_gives_an_empty_list(io):
    assert io.of(re.compile("/.+")).emit_with_ack("q") == []


def test_a_name_that_a_pattern_matches_is_its_child(io):
    parent = io.of(re.compile("/.+"))
    assert io.of("/a").parent is parent
    assert io.of(lambda name, auth: True) is not parent


def test_two_clients_at_once_share_one_child(io):
    made = []
    io.on_new_namespace(made.append)
    io.of(lambda name, auth: io.sleep(1) or True)
    peers = [Peer(io), Peer(io)]
    for peer in peers:
        peer.send("0/a,")
    io.engine.runtime.advance(1)
    assert [nsp.name for nsp in made] == ["/a"]
    assert len(io.of("/a").sockets) == 2


def test_on_new_namespace(io, caplog):
    made = []
    io.on_new_namespace(lambda nsp: made.append(nsp.name))

    @io.on_new_namespace
    def broken(nsp):
        raise ValueError("new")

    io.of(re.compile("/dynamic"))
    io.of("/static")
    io.of("/static")
    Peer(io).connect("/dynamic")
    assert made == ["/static", "/dynamic"]
    assert "new" in caplog.text


def test_empty_children_stay_unless_told():
    io = served()
    parent = io.of(re.compile("/.+"))
    peer = Peer(io)
    peer.connect("/a")
    peer.send("1/a,")
    assert list(parent.children) == ["/a"]


def test_empty_children_are_cleaned_up():
    closed = []

    class Watched(Adapter):
        def close(self):
            closed.append(self.nsp.name)

    io = served(cleanup_empty_child_namespaces=True, adapter=Watched)
    parent = io.of(re.compile("/.+"))
    io.of("/static-one")
    io.of(lambda name, auth: False)

    @parent.on("disconnect")
    def slow(socket):
        io.sleep(1)

    @parent.use
    def check(socket):
        io.sleep(1)
        if socket.handshake.auth:
            raise ConnectError("no")

    peer, other = Peer(io), Peer(io)
    peer.send("0/a,")
    io.engine.runtime.advance(1)
    other.send('0/a,{"refuse":true}')
    peer.send("1/a,")
    io.engine.runtime.advance(0.5)
    assert "/a" in io.namespaces
    io.engine.runtime.advance(1)
    assert "/a" not in io.namespaces
    assert "/a" not in parent.children
    assert closed == ["/a"]
    other.send("0/b,")
    other.lose()
    io.engine.runtime.advance(1)
    assert closed == ["/a", "/b"]
    peer.send("0/a,")
    io.engine.runtime.advance(1)
    assert "/a" in io.namespaces


# Hooks


def test_register_takes_methods_by_their_names(io):
    class Chat:
        def __init__(self):
            self.seen = []

        def on_connection(self, socket):
            self.seen.append("connection")

        def on_chat(self, socket, text):
            self.seen.append(text)
            return text.upper()

        def on_any(self, socket, event):
            self.seen.append(f"any {event}")

        def on_error(self, error):
            self.seen.append("error")
            return "mended"

        def on_broken(self, socket):
            raise ValueError

        def on_session_expired(self, session):
            pass

        on_off = None

        def other(self):
            raise AssertionError

    chat = Chat()
    io.of("/chat").register(chat)
    peer = Peer(io)
    peer.connect("/chat")
    peer.send('2/chat,1["chat","hi"]', '2/chat,2["broken"]')
    assert chat.seen == ["connection", "any chat", "hi", "any broken", "error"]
    assert peer.received() == ['3/chat,1["HI"]', '3/chat,2["mended"]']


def test_register_refuses_what_handles_nothing(io):
    with pytest.raises(ValueError, match="on_"):
        io.register(object())


@pytest.mark.parametrize("name", ["on_server_side", "on_any_outgoing"])
def test_register_refuses_hooks_that_need_more_than_a_name(io, name):
    obj = type("Hooked", (), {name: lambda self, *args: None})()
    with pytest.raises(ValueError, match=f"{name}, which cannot be told"):
        io.register(obj)


def test_register_refuses_the_servers_hook_on_a_namespace(io):
    class Hooked:
        def on_new_namespace(self, nsp):
            pass

    with pytest.raises(ValueError, match="server"):
        io.of("/a").register(Hooked())
    io.register(Hooked())


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda io: io.on("connect_error", print), ValueError),
        (lambda io: io.on("new_namespace", print), ValueError),
        (lambda io: io.on_server_side("connection", print), ValueError),
        (lambda io: io.use(lambda socket, next: None), TypeError),
        (lambda io: io.on("connection", lambda socket, extra: None), TypeError),
        (lambda io: io.on_error(lambda a, b, c, d, e: None), TypeError),
        (lambda io: io.on_error(5), TypeError),
        (lambda io: io.on_new_namespace(lambda: None) and io.on_new_namespace(None), TypeError),
        (lambda io: io.on_session_expired(lambda a, b: None), TypeError),
        (lambda io: io.wrap_handlers(lambda a, b, c: None), TypeError),
    ],
)
def test_what_cannot_work_is_refused_at_once(io, call, error):
    with pytest.raises(error):
        call(io)


def test_decorators_return_the_function(io):
    def f(*args):
        pass

    for decorated in (
        io.on("a")(f),
        io.once("b")(f),
        io.use(f),
        io.on_error(f),
        io.on_server_side("c")(f),
        io.on_session_expired(f),
        io.on_new_namespace(f),
        io.on_any(f),
    ):
        assert decorated is f


# Between servers


def test_what_another_server_sent_goes_to_on_server_side_only(io, caplog):
    seen, answers = [], []
    io.on("cache", lambda socket: seen.append("a client's"))
    io.on_server_side("cache", lambda key: seen.append(key))
    io.on_server_side("cache", lambda key: "answer")
    io.on_server_side("broken", lambda: 1 / 0)
    io.on_error(lambda error, socket, event, args: seen.append((type(error).__name__, socket, event, args)) or "mended")
    root = io.of("/")
    root.receive_server_side(("cache", "x", "surplus"), answers.append)
    root.receive_server_side(("cache", "y"))
    root.receive_server_side(("cache",))
    root.receive_server_side(("broken",), answers.append)
    root.receive_server_side(("unknown",), answers.append)
    io.engine.runtime.run_until_idle()
    assert seen[:2] == ["x", "y"]
    assert [what[0] for what in seen[2:]] == ["ArgumentsError", "ArgumentsError", "ZeroDivisionError"]
    assert answers == [("answer",), ("mended",), (None,)]


def test_alone_there_are_no_other_servers(io):
    io.server_side_emit("cache", "x")
    assert io.server_side_emit_with_ack("cache") == []
    with pytest.raises(ValueError):
        io.server_side_emit("connection")


def test_pickle_and_repr(io):
    parent = io.of(re.compile("/.+"))
    chat = io.of("/chat")
    for thing in (chat, parent):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(thing)
    assert repr(chat) == "<Namespace '/chat' sockets=0>"
    assert repr(parent) == "<ParentNamespace '/_0' children=1>"
    assert repr(io.sockets) == "<LiveMapping of 0>"
