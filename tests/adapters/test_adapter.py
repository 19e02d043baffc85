"""The in-memory adapter with real parts: rooms, broadcasting, acks, many sockets at once."""

from __future__ import annotations

import gc
import threading

import pytest

from socketio_sync.adapters import Adapter
from socketio_sync.adapters.adapter import BroadcastOptions
from socketio_sync.adapters.adapter import Session
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.runtime import choose
from socketio_sync.runtime.virtual import VirtualRuntime
from tests.adapters.memory_namespace import MemoryNamespace
from tests.adapters.memory_namespace import MemorySocket
from tests.support.timing import scaled


@pytest.fixture
def nsp():
    return MemoryNamespace(VirtualRuntime())


@pytest.fixture
def threads():
    runtime = choose("threads")
    yield runtime
    runtime.stop()


def event(*data):
    return Packet(EVENT, "/", list(data))


def to(*rooms, **options):
    return BroadcastOptions(rooms=frozenset(rooms), **options)


class Collected:
    """An AckCollector that writes down what it is told."""

    def __init__(self):
        self.expected = []
        self.answers = []
        self.left = 0

    def expect(self, clients):
        self.expected.append(clients)

    def answer(self, args):
        self.answers.append(args)

    def gone(self):
        self.left += 1


def test_building_one_makes_no_lock_and_touches_no_runtime():
    nsp = MemoryNamespace(None)
    assert "_lock" not in vars(nsp.adapter)


def test_a_broadcast_reaches_those_selected_once_each(nsp):
    a, b, c = nsp.connect("a", "red"), nsp.connect("b", "red", "blue"), nsp.connect("c")
    nsp.adapter.broadcast(event("all"), BroadcastOptions())
    nsp.adapter.broadcast(event("rooms"), to("red", "blue"))
    nsp.adapter.broadcast(event("except"), BroadcastOptions(except_=frozenset(("blue", "c"))))
    nsp.adapter.broadcast(event("nobody"), to())
    assert a.events == [["all"], ["rooms"], ["except"]]
    assert b.events == [["all"], ["rooms"]]
    assert c.events == [["all"]]


def test_a_broadcast_is_encoded_once_and_shared(nsp):
    a, b = nsp.connect("a"), nsp.connect("b")
    nsp.adapter.broadcast(event("binary", b"\x00" * 100), BroadcastOptions(compress=False))
    assert a.sent[0] is b.sent[0]
    assert a.sent[0].compress is False
    assert b.events == [["binary", b"\x00" * 100]]


def test_who_is_in_rooms_but_not_connected_gets_nothing(nsp):
    socket = nsp.connect("a", "red")
    del nsp.sockets["a"]
    nsp.adapter.broadcast(event("x"), to("red"))
    assert socket.sent == []
    assert nsp.adapter.sids(frozenset(("red",))) == set()


def test_volatile_is_dropped_for_the_busy(nsp):
    a, b = nsp.connect("a"), nsp.connect("b")
    a.busy = True
    nsp.adapter.broadcast(event("tick"), BroadcastOptions(volatile=True))
    assert (a.events, b.events) == ([], [["tick"]])


def test_what_cannot_be_encoded_reaches_nobody(nsp):
    socket = nsp.connect("a")
    with pytest.raises(TypeError, match=r"args\[0\]"):
        nsp.adapter.broadcast(event("x", {1, 2}), BroadcastOptions())
    assert socket.sent == []


def test_outgoing_listeners_see_broadcasts_and_single_sends_without_a_lock_held(nsp):
    socket = nsp.connect("a")
    seen = []

    @socket.on_any_outgoing
    def look(event, *args):
        assert not nsp.adapter._lock.locked()
        seen.append((event, args, len(socket.sent)))

    nsp.adapter.broadcast(event("one", 1), BroadcastOptions())
    nsp.adapter.send_to(socket, event("two"), BroadcastOptions())
    assert seen == [("one", (1,), 1), ("two", (), 2)]


def test_the_users_encode_function_runs_without_a_lock_held():
    def encode(value):
        assert not nsp.adapter._lock.locked()
        return "encoded"

    nsp = MemoryNamespace(VirtualRuntime(), encode=encode)
    socket = nsp.connect("a")
    nsp.adapter.broadcast(event("x", object()), BroadcastOptions())
    assert socket.events == [["x", "encoded"]]


def test_rooms(nsp):
    nsp.connect("a", "red")
    adapter = nsp.adapter
    assert adapter.rooms_of("a") == {"a", "red"}
    assert adapter.sids(frozenset(("red",))) == {"a"}
    assert adapter.sids() == {"a"}
    adapter.remove("a", "red")
    assert adapter.rooms_of("a") == {"a"}
    assert adapter.join("a", ["blue"])
    assert adapter.rooms_of("a") == {"a", "blue"}
    adapter.remove_all("a")
    assert adapter.rooms_of("a") == frozenset()


def test_nobody_joins_after_leaving(nsp):
    nsp.connect("a").leave_namespace()
    assert not nsp.adapter.join("a", ["red"])
    assert nsp.adapter.rooms_of("a") == frozenset()


def test_broadcast_with_ack_uses_one_id_for_all(nsp):
    a, b = nsp.connect("a"), nsp.connect("b")
    nsp.next_ack_id()
    collected = Collected()
    nsp.adapter.broadcast_with_ack(event("q"), BroadcastOptions(), collected)
    assert collected.expected == [2]
    assert [socket.received[0].id for socket in (a, b)] == [1, 1]
    b.answer("from b", 2)
    a.answer()
    assert collected.answers == [("from b", 2), ()]
    assert collected.left == 0


def test_broadcast_with_ack_to_nobody(nsp):
    collected = Collected()
    nsp.adapter.broadcast_with_ack(event("q"), to("empty"), collected)
    assert collected.expected == [0]


def test_who_leaves_is_told_and_who_owes_too_much_is_not_waited_for(nsp):
    a, b = nsp.connect("a"), nsp.connect("b", max_pending_acks=1)
    first, second = Collected(), Collected()
    nsp.adapter.broadcast_with_ack(event("one"), BroadcastOptions(), first)
    nsp.adapter.broadcast_with_ack(event("two"), BroadcastOptions(), second)
    assert (first.expected, second.expected) == ([2], [1])
    assert b.events == [["one"], ["two"]]
    a.leave_namespace()
    assert (first.left, second.left) == (1, 1)


def test_cancelling_drops_the_pending_acks(nsp):
    a = nsp.connect("a")
    collected = Collected()
    cancel = nsp.adapter.broadcast_with_ack(event("q"), BroadcastOptions(), collected)
    assert a.pending == 1
    cancel()
    a.answer("late")
    a.leave_namespace()
    assert (a.pending, collected.answers, collected.left) == (0, [], 0)


def test_fetched_descriptions_are_copies(nsp):
    a = nsp.connect("a", "red")
    a.data["name"] = "alice"
    nsp.connect("b")
    (found,) = nsp.adapter.fetch_sockets(to("red"))
    a.data["name"] = "bob"
    nsp.adapter.remove("a", "red")
    assert (found.id, found.handshake, found.rooms, found.data) == ("a", a.handshake, {"a", "red"}, {"name": "alice"})


def test_many_sockets_join_leave_and_disconnect(nsp):
    a, b, c = nsp.connect("a", "red"), nsp.connect("b", "red"), nsp.connect("c")
    nsp.adapter.add_sockets(to("red"), iter(["x", "y"]))
    assert nsp.adapter.rooms_of("b") == {"b", "red", "x", "y"}
    nsp.adapter.remove_sockets(to("red"), iter(["red", "x"]))
    assert nsp.adapter.rooms_of("a") == {"a", "y"}
    assert nsp.adapter.rooms_of("c") == {"c"}
    nsp.adapter.disconnect_sockets(to("y"), True)
    assert (a.closed, b.closed, c.closed) == (True, True, None)


def test_nobody_is_made_to_join_the_room_of_another(nsp):
    nsp.connect("a")
    nsp.connect("b")
    with pytest.raises(ValueError, match="'b' is the id of a socket"):
        nsp.adapter.add_sockets(to("a"), ["red", "b"])
    assert nsp.adapter.rooms_of("a") == {"a"}


def test_there_are_no_other_servers(nsp):
    answers = []
    assert nsp.adapter.server_count() == 1
    nsp.adapter.server_side_emit(("refresh", 1))
    nsp.adapter.server_side_emit(("refresh", 1), lambda *args: answers.append(args))
    assert answers == [(None, [])]


def test_it_keeps_no_sessions(nsp):
    session = Session("a", "secret", frozenset(("a", "red")), {})
    nsp.adapter.persist_session(session)
    assert nsp.adapter.restore_session("secret", None) is None
    assert nsp.adapter.position() == 0
    accepted = []
    nsp.adapter.recover(session, accepted.append)  # as an adapter would that has them from elsewhere
    assert accepted == [[]]
    assert nsp.adapter.rooms_of("a") == {"a", "red"}


def test_observers_of_rooms_are_called_in_order_in_a_worker(nsp):
    seen = []
    nsp.connect("unseen")

    @nsp.adapter.on("create_room")
    def created(room):
        seen.append(("create", room))

    nsp.adapter.on("join_room", lambda room, id: seen.append(("join", room, id)))
    nsp.adapter.on("leave_room", lambda room, id: seen.append(("leave", room, id)))
    nsp.adapter.on("delete_room", lambda room: seen.append(("delete", room)))
    nsp.connect("a").leave_namespace()
    assert seen == []
    nsp.runtime.run_until_idle()
    assert seen == [("create", "a"), ("join", "a", "a"), ("leave", "a", "a"), ("delete", "a")]
    assert callable(created)


def test_an_observer_that_fails_is_logged_and_the_others_go_on(nsp, caplog):
    seen = []
    nsp.adapter.on("create_room", lambda room: 1 / 0)
    nsp.adapter.on("create_room", seen.append)
    nsp.connect("a")
    nsp.runtime.run_until_idle()
    assert seen == ["a"]
    assert "an observer of create_room failed" in caplog.text


def test_observing_what_does_not_exist(nsp):
    with pytest.raises(ValueError, match="create_room, join_room"):
        nsp.adapter.on("join-room", print)
    with pytest.raises(TypeError, match="callable"):
        nsp.adapter.on("join_room", 5)


def test_close_and_repr(nsp):
    nsp.adapter.close()
    nsp.adapter.close()
    assert repr(nsp.adapter) == "<Adapter '/'>"


def run_together(*functions):
    """Run them in threads that begin at the same moment."""
    barrier = threading.Barrier(len(functions))
    errors = []

    def run(function):
        barrier.wait(scaled(10))
        try:
            function()
        except Exception as error:
            errors.append(error)

    workers = [threading.Thread(target=run, args=(function,)) for function in functions]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(scaled(30))
    assert errors == []


def test_joining_leaving_and_broadcasting_race_without_harm(threads):
    nsp = MemoryNamespace(threads)
    steady = nsp.connect("steady", "room")
    seen = []
    nsp.adapter.on("join_room", lambda room, id: seen.append((1, room, id)))
    nsp.adapter.on("leave_room", lambda room, id: seen.append((-1, room, id)))

    def come_and_go(name):
        for number in range(200):
            socket = nsp.connect(f"{name}{number}", "room")
            nsp.adapter.join(socket.id, ["other"])
            socket.leave_namespace()
            assert not nsp.adapter.join(socket.id, ["ghost"])

    def shout():
        for number in range(200):
            nsp.adapter.broadcast(event("n", number), to("room"))
            nsp.adapter.fetch_sockets(BroadcastOptions())

    run_together(lambda: come_and_go("a"), lambda: come_and_go("b"), shout)
    assert steady.events == [["n", number] for number in range(200)]
    assert nsp.adapter.sids() == {"steady"}
    assert nsp.adapter.rooms_of("steady") == {"steady", "room"}
    assert threads.wait_idle(scaled(10))
    assert len(seen) == 2 * 400 * 3
    inside = set()
    for change, room, id in seen:  # each id's joins and leaves alternate
        assert ((room, id) in inside) == (change < 0)
        inside ^= {(room, id)}
    assert inside == set()


def test_left_sockets_are_not_kept_alive(nsp):
    nsp.connect("a", "red").leave_namespace()
    gc.collect()
    assert not [found for found in gc.get_objects() if type(found) is MemorySocket and found.nsp is nsp]
    assert type(nsp.adapter) is Adapter
