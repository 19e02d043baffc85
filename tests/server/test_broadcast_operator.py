"""The chains: what they select, that they are values, and answers that are waited for or called back."""

from __future__ import annotations

import threading

import pytest

from socketio_sync.exceptions import AckTimeout
from socketio_sync.exceptions import DisconnectedError
from socketio_sync.exceptions import LimitError
from socketio_sync.runtime import choose
from socketio_sync.runtime.virtual import VirtualRuntime
from socketio_sync.server.broadcast_operator import BroadcastOperator
from socketio_sync.server.broadcast_operator import RemoteSocket
from socketio_sync.server.broadcast_operator import SocketOperator
from tests.adapters.memory_namespace import MemoryNamespace
from tests.support.timing import scaled


@pytest.fixture
def nsp():
    nsp = MemoryNamespace(VirtualRuntime())
    nsp.connect("a", "red")
    nsp.connect("b", "red", "blue")
    nsp.connect("c", "blue")
    return nsp


@pytest.fixture(params=["threads", "gevent"])
def live(request):
    """A namespace on a real runtime, with one client."""
    runtime = choose(request.param)
    nsp = MemoryNamespace(runtime)
    nsp.connect("a")
    yield nsp
    runtime.stop()


def reached(nsp, chain):
    """The ids of the sockets that a chain reaches."""
    before = {id: len(socket.sent) for id, socket in nsp.sockets.items()}
    chain.emit("probe")
    return {id for id, socket in nsp.sockets.items() if len(socket.sent) > before[id]}


# Whom a chain reaches


def test_chains_of_a_namespace(nsp):
    assert reached(nsp, nsp) == {"a", "b", "c"}
    assert reached(nsp, nsp.to("red")) == {"a", "b"}
    assert reached(nsp, nsp.in_("red").to(["c", "nowhere"])) == {"a", "b", "c"}
    assert reached(nsp, nsp.except_("red")) == {"c"}
    assert reached(nsp, nsp.to("red").except_("blue").except_({"c"})) == {"a"}
    assert reached(nsp, nsp.local.volatile.compress(False).timeout(1)) == {"a", "b", "c"}
    assert reached(nsp, nsp.broadcast) == {"a", "b", "c"}


def test_to_nothing_reaches_nobody(nsp):
    assert reached(nsp, nsp.to([])) == set()
    assert reached(nsp, nsp.to(iter(()))) == set()
    assert reached(nsp, nsp.to([]).to("red")) == {"a", "b"}
    assert reached(nsp, nsp.except_([])) == {"a", "b", "c"}
    assert reached(nsp, nsp.sockets["a"].to([])) == set()


def test_chains_of_a_socket_leave_it_out(nsp):
    a = nsp.sockets["a"]
    assert reached(nsp, a.broadcast) == {"b", "c"}
    assert reached(nsp, a.to("red")) == {"b"}
    assert reached(nsp, a.in_(["red", "blue"])) == {"b", "c"}
    assert reached(nsp, a.except_("blue")) == set()
    assert reached(nsp, a.local) == {"b", "c"}
    assert reached(nsp, a.to("a")) == set()
    assert reached(nsp, a.volatile.timeout(1).to("red")) == {"b"}


def test_options_alone_stay_with_the_socket(nsp):
    a = nsp.sockets["a"]
    assert reached(nsp, a) == {"a"}
    assert reached(nsp, a.volatile.compress(False).timeout(1)) == {"a"}
    assert isinstance(a.volatile, SocketOperator)
    assert isinstance(a.volatile.broadcast, BroadcastOperator)


def test_options_reach_the_wire(nsp):
    a = nsp.sockets["a"]
    a.busy = True
    nsp.volatile.emit("dropped")
    a.volatile.emit("dropped")
    a.volatile.broadcast.emit("dropped for nobody here")
    assert a.events == []
    nsp.compress(False).emit("x")
    a.compress(False).emit("y")
    a.compress(False).compress(True).emit("z")
    assert [encoded.compress for encoded in a.sent] == [False, False, True]
    assert nsp.sockets["b"].events[1] == ["dropped for nobody here"]


def test_chains_are_values(nsp):
    red = nsp.to("red")
    both = red.to("blue")
    timed = red.timeout(3)
    red.volatile  # noqa: B018 - nothing may come of it
    assert repr(red) == "<BroadcastOperator '/' to={'red'}>"
    assert repr(both) == "<BroadcastOperator '/' to={'blue', 'red'}>"
    assert repr(timed) == "<BroadcastOperator '/' to={'red'} timeout=3>"
    rooms = ["red"]
    chain = nsp.to(rooms)
    rooms.append("blue")
    assert reached(nsp, chain) == {"a", "b"}


def test_reprs(nsp):
    socket = nsp.connect("x9_Q_long_secret")
    everything = socket.to(["b", "a"]).except_("c").local.volatile.compress(False).timeout(0.5)
    excluded = "except_={'c', 'x9_Q_long_secret'}"
    assert repr(everything) == (
        f"<BroadcastOperator '/' to={{'a', 'b'}} {excluded} volatile local compress=False timeout=0.5>"
    )
    assert repr(nsp.to([])) == "<BroadcastOperator '/' to={}>"
    assert repr(nsp.broadcast) == "<BroadcastOperator '/'>"
    assert repr(socket.volatile.timeout(5)) == "<SocketOperator 'x9_Q…' nsp='/' volatile timeout=5>"
    assert repr(nsp.to("x9_Q_long_secret").fetch_sockets()[0]) == "<RemoteSocket 'x9_Q…' nsp='/'>"


@pytest.mark.parametrize("rooms", [5, None, b"red", [5], ["red", None], [["red"]], {"red": 1}.items()])
def test_wrong_rooms(nsp, rooms):
    for method in (nsp.to, nsp.in_, nsp.except_, nsp.sockets["a"].to, nsp.sockets_join, nsp.sockets_leave):
        with pytest.raises(TypeError, match="must be a str"):
            method(rooms)


def test_a_socket_is_no_room(nsp):
    with pytest.raises(TypeError, match="its room is its id"):
        nsp.to(nsp.sockets["a"])


@pytest.mark.parametrize("chain", [lambda nsp: nsp, lambda nsp: nsp.sockets["a"], lambda nsp: nsp.fetch_sockets()[0]])
def test_wrong_options(nsp, chain):
    target = chain(nsp)
    with pytest.raises(ValueError, match="5000 s is 83 minutes; durations are seconds"):
        target.timeout(5000)
    with pytest.raises(ValueError, match="durations are seconds"):
        target.timeout(1000)
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="timeout"):
            target.timeout(wrong)
    for wrong in (None, "5", True):
        with pytest.raises(TypeError, match="timeout"):
            target.timeout(wrong)
    target.timeout(999.9)


def test_flags_are_bools(nsp):
    for wrong in (1, None, "yes"):
        with pytest.raises(TypeError, match="compress"):
            nsp.compress(wrong)
        with pytest.raises(TypeError, match="close"):
            nsp.disconnect_sockets(wrong)


# Emitting


def emitters(nsp):
    return [nsp, nsp.to("red"), nsp.sockets["a"], nsp.sockets["a"].volatile, nsp.fetch_sockets()[0]]


def test_names_of_events(nsp):
    for emitter in emitters(nsp):
        for name in ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"):
            for method in (emitter.emit, emitter.emit_with_ack):
                with pytest.raises(ValueError, match=f"'{name}' is a reserved event name"):
                    method(name)
        with pytest.raises(TypeError, match="must be a str, got 5"):
            emitter.emit(5)
        with pytest.raises(TypeError, match="callable"):
            emitter.emit("x", callback=5)
    assert nsp.sockets["a"].sent == []


def test_arguments_are_encoded_before_emit_returns(nsp):
    value = {"list": [1]}
    for emitter in emitters(nsp):
        emitter.emit("x", value, [1, 2], (3,), b"\x01")
    value["list"].append(2)
    assert nsp.sockets["a"].events == [["x", {"list": [1]}, [1, 2], [3], b"\x01"]] * 5


def test_send_is_the_event_message(nsp):
    a = nsp.sockets["a"]
    nsp.send("all", 1)
    nsp.to("red").send()
    a.send("one")
    a.timeout(1).send("two")
    assert a.events == [["message", "all", 1], ["message"], ["message", "one"], ["message", "two"]]


def test_what_cannot_be_sent_is_told_with_its_path_and_leaves_nothing_behind(nsp):
    a = nsp.sockets["a"]
    for emitter in emitters(nsp):
        for options in ({}, {"callback": print}):
            with pytest.raises(TypeError, match=r"args\[0\]\[\"price\"\]"):
                emitter.emit("x", {"price": {1}}, **options)
        with pytest.raises(TypeError, match="args"):
            emitter.emit_with_ack("x", {1})
    assert (a.sent, a.pending) == ([], 0)
    assert nsp.runtime.timers.next_delay() is None


def test_to_a_socket_that_is_gone_nothing_happens(nsp):
    a = nsp.sockets["a"]
    a.leave_namespace()
    a.emit("x")
    assert a.sent == []


# One socket's answer


def answers_to(socket, *answers):
    """Let the client answer each of our packets as soon as it has them."""
    remaining = iter(answers)

    @socket.on_any_outgoing
    def answer(event, *args):
        socket.answer(*next(remaining))


def test_emit_with_ack_returns_what_came(nsp):
    a = nsp.sockets["a"]
    answers_to(a, (), ("one",), ("one", 2), (None,), ([1, 2],))
    assert [a.emit_with_ack("q", number) for number in range(5)] == [None, "one", ("one", 2), None, [1, 2]]
    assert [packet.id for packet in a.received] == [0, 1, 2, 3, 4]
    assert a.pending == 0


def test_emit_with_ack_waits_its_time(nsp):
    a = nsp.sockets["a"]
    begin = nsp.runtime.now()
    with pytest.raises(AckTimeout, match="operation has timed out") as caught:
        a.timeout(5).emit_with_ack("q")
    assert nsp.runtime.now() - begin == pytest.approx(5)
    assert caught.value.responses == []
    with pytest.raises(AckTimeout):
        a.emit_with_ack("q")
    assert nsp.runtime.now() - begin == pytest.approx(25)
    assert a.pending == 0


def test_emit_with_ack_ends_with_the_socket(nsp):
    a = nsp.sockets["a"]
    nsp.runtime.timers.call_later(3, a.leave_namespace)
    with pytest.raises(DisconnectedError) as caught:
        a.emit_with_ack("q")
    assert caught.value.reason == "transport close"
    with pytest.raises(DisconnectedError):
        a.emit_with_ack("q")
    assert len(a.sent) == 1


def test_emit_with_ack_before_the_acceptance_would_wait_for_ever(nsp):
    a = nsp.sockets["a"]
    a.accepted = False
    for emitter in (a, a.timeout(1)):
        with pytest.raises(RuntimeError, match="not accepted"):
            emitter.emit_with_ack("q")
    a.emit("q", callback=print)
    assert len(a.sent) == 1


def test_too_many_pending_acks(nsp):
    socket = nsp.connect("x", max_pending_acks=1)
    socket.emit("q", callback=print)
    for ask in (lambda: socket.emit("q", callback=print), lambda: socket.emit_with_ack("q")):
        with pytest.raises(LimitError) as caught:
            ask()
        assert caught.value.limit == "max_pending_acks"
    assert len(socket.sent) == 1


def test_a_callback_gets_the_answers_arguments_in_a_task_of_its_own(nsp):
    a = nsp.sockets["a"]
    seen = []
    a.emit("q", callback=lambda *args: seen.append(args), error_callback=seen.append)
    a.answer("one", 2)
    assert seen == []
    nsp.runtime.run_until_idle()
    assert seen == [("one", 2)]
    assert nsp.callbacks == [(a, "q")]
    nsp.runtime.advance(1000)
    a.leave_namespace()
    nsp.runtime.run_until_idle()
    assert len(seen) == 1


def test_a_callback_without_timeout_waits_until_the_disconnect(nsp):
    a = nsp.sockets["a"]
    seen, errors = [], []
    a.emit("q", callback=seen.append, error_callback=errors.append)
    a.send("q", callback=seen.append)
    nsp.runtime.advance(10_000)
    assert a.pending == 2
    a.leave_namespace()
    nsp.runtime.run_until_idle()
    (error,) = errors
    assert isinstance(error, DisconnectedError)
    assert seen == []


def test_a_callbacks_time_is_up(nsp):
    a = nsp.sockets["a"]
    seen, errors = [], []
    a.timeout(5).emit("q", callback=seen.append, error_callback=errors.append)
    a.timeout(5).emit("in time", callback=seen.append, error_callback=errors.append)
    nsp.runtime.advance(4)
    a.answer("ok")
    nsp.runtime.advance(2)
    a.answer("too late", index=0)
    a.leave_namespace()
    nsp.runtime.run_until_idle()
    assert seen == ["ok"]
    assert [type(error) for error in errors] == [AckTimeout]
    assert a.pending == 0


def test_an_error_callback_alone_asks_for_an_answer(nsp):
    a = nsp.sockets["a"]
    errors = []
    a.timeout(1).emit("q", error_callback=errors.append)
    assert a.received[0].id is not None
    a.answer()
    a.timeout(1).emit("q", error_callback=errors.append)
    nsp.runtime.advance(1)
    assert len(errors) == 1


def test_a_callback_for_a_socket_that_is_gone(nsp):
    a = nsp.sockets["a"]
    a.leave_namespace()
    errors = []
    a.timeout(1).emit("q", callback=print, error_callback=errors.append)
    nsp.runtime.advance(5)
    assert [type(error) for error in errors] == [DisconnectedError]


# The answers of many


def test_broadcast_answers_are_the_first_arguments_as_they_come(nsp):
    a, b, c = nsp.sockets.values()
    answers_to(c, ("c", "ignored"))
    nsp.runtime.call_soon(b.answer, "b")
    nsp.runtime.call_soon(a.answer)
    assert nsp.emit_with_ack("q") == ["c", "b", None]
    assert {socket.received[0].id for socket in (a, b, c)} == {0}


def test_a_broadcast_to_nobody_is_answered_at_once(nsp):
    assert nsp.to("nowhere").emit_with_ack("q") == []
    seen = []
    nsp.to([]).emit("q", callback=seen.append)
    nsp.runtime.run_until_idle()
    assert seen == [[]]
    assert nsp.runtime.timers.next_delay() is None


def test_who_leaves_is_not_waited_for(nsp):
    a, b, c = nsp.sockets.values()
    nsp.runtime.timers.call_later(1, a.leave_namespace)
    nsp.runtime.timers.call_later(2, b.answer, "b")
    nsp.runtime.timers.call_later(3, c.leave_namespace)
    begin = nsp.runtime.now()
    assert nsp.emit_with_ack("q") == ["b"]
    assert nsp.runtime.now() - begin == pytest.approx(3)


def test_broadcast_answers_that_are_late(nsp):
    a, b, c = nsp.sockets.values()
    nsp.runtime.timers.call_later(1, b.answer, "b")
    begin = nsp.runtime.now()
    with pytest.raises(AckTimeout) as caught:
        nsp.timeout(5).emit_with_ack("q")
    assert nsp.runtime.now() - begin == pytest.approx(5)
    assert caught.value.responses == ["b"]
    a.answer("late")
    assert caught.value.responses == ["b"]
    assert [socket.pending for socket in (a, b, c)] == [0, 0, 0]
    with pytest.raises(AckTimeout):
        nsp.emit_with_ack("q")
    assert nsp.runtime.now() - begin == pytest.approx(25)


def test_a_broadcasts_callback_gets_a_list_and_has_the_default_timeout(nsp):
    a, b, c = nsp.sockets.values()
    seen, errors = [], []
    nsp.to("red").emit("q", callback=seen.append, error_callback=errors.append)
    a.answer("a")
    b.answer("b")
    nsp.to("red").emit("q", callback=seen.append, error_callback=errors.append)
    b.answer("b")
    nsp.runtime.advance(19)
    assert (seen, errors) == ([["a", "b"]], [])
    nsp.runtime.advance(1)
    (error,) = errors
    assert isinstance(error, AckTimeout)
    assert error.responses == ["b"]
    assert nsp.callbacks == [(None, "q")] * 2
    assert [socket.pending for socket in (a, b, c)] == [0, 0, 0]


def test_an_answer_may_come_before_the_count(nsp):
    for id, socket in nsp.sockets.items():
        answers_to(socket, (id,), (id,))
    assert nsp.emit_with_ack("q") == ["a", "b", "c"]
    seen = []
    nsp.emit("q", callback=seen.append)
    nsp.runtime.run_until_idle()
    assert seen == [["a", "b", "c"]]


class TwoServers:
    """An adapter's word that another server has clients too; it speaks when the test says so."""

    def __init__(self, nsp):
        self.collector = None
        inner = nsp.adapter.broadcast_with_ack

        def broadcast_with_ack(packet, options, collector):
            self.collector = collector
            return inner(packet, options, collector)

        nsp.adapter.broadcast_with_ack = broadcast_with_ack
        nsp.adapter.server_count = lambda: 2


def test_other_servers_are_waited_for_but_not_by_local(nsp):
    other = TwoServers(nsp)
    seen = []
    nsp.to("nowhere").emit("q", callback=seen.append)
    nsp.runtime.run_until_idle()
    assert seen == []
    other.collector.answer(("remote",))
    other.collector.expect(1)
    nsp.runtime.run_until_idle()
    assert seen == [["remote"]]
    assert nsp.to("nowhere").local.emit_with_ack("q") == []


# Copies of sockets


def test_fetched_sockets_are_copies(nsp):
    nsp.sockets["a"].data["name"] = "alice"
    (copy,) = nsp.to("a").fetch_sockets()
    nsp.sockets["a"].data["name"] = "bob"
    assert isinstance(copy, RemoteSocket)
    assert (copy.id, copy.rooms, dict(copy.data)) == ("a", {"a", "red"}, {"name": "alice"})
    assert copy.handshake.address == "10.0.0.1"
    with pytest.raises(TypeError):
        copy.data["name"] = "eve"
    assert {copy.id for copy in nsp.fetch_sockets()} == {"a", "b", "c"}
    assert {copy.id for copy in nsp.sockets["a"].to("red").fetch_sockets()} == {"b"}


def test_what_is_asked_of_a_copy_happens_to_the_socket(nsp):
    (copy,) = nsp.to("a").fetch_sockets()
    copy.emit("x", 1)
    copy.join(["green", "blue"])
    copy.leave("red")
    assert nsp.sockets["a"].events == [["x", 1]]
    assert nsp.adapter.rooms_of("a") == {"a", "green", "blue"}
    assert copy.rooms == {"a", "red"}
    copy.disconnect(True)
    assert "a" not in nsp.sockets
    copy.emit("nobody")


def test_a_copys_answer(nsp):
    a = nsp.sockets["a"]
    (copy,) = nsp.to("a").fetch_sockets()
    answers_to(a, ("one", 2), (), ("three",), ())
    assert copy.emit_with_ack("q") == "one"
    assert copy.emit_with_ack("q") is None
    seen = []
    copy.emit("q", callback=seen.append)
    copy.timeout(1).emit("q", callback=seen.append)
    nsp.runtime.run_until_idle()
    assert seen == ["three", None]


def test_a_copys_answer_that_does_not_come(nsp):
    a = nsp.sockets["a"]
    (copy,) = nsp.to("a").fetch_sockets()
    errors = []
    with pytest.raises(AckTimeout):
        copy.timeout(2).emit_with_ack("q")
    copy.timeout(2).emit("q", callback=print, error_callback=errors.append)
    nsp.runtime.advance(2)
    copy.emit("q", callback=print, error_callback=errors.append)
    a.leave_namespace()
    nsp.runtime.run_until_idle()
    with pytest.raises(DisconnectedError):
        copy.emit_with_ack("q")
    assert [type(error) for error in errors] == [AckTimeout, DisconnectedError]


# The sockets of a chain, and other servers


def test_joining_leaving_and_disconnecting_by_chain(nsp):
    nsp.to("red").sockets_join(["x", "y"])
    nsp.except_("a").sockets_leave("blue")
    assert [nsp.adapter.rooms_of(id) for id in "abc"] == [{"a", "red", "x", "y"}, {"b", "red", "x", "y"}, {"c"}]
    with pytest.raises(ValueError, match="id of a socket"):
        nsp.sockets_join("a")
    a, b, c = nsp.sockets.values()
    nsp.to("red").except_("b").disconnect_sockets()
    nsp.to("b").disconnect_sockets(True)
    assert (a.closed, b.closed, c.closed) == (False, True, None)


def test_server_side_emit_here_has_nobody_to_reach(nsp):
    nsp.server_side_emit("cache", "key")
    assert nsp.server_side_emit_with_ack("cache", "key") == []
    assert nsp.local.timeout(1).server_side_emit_with_ack("cache") == []
    for name in ("connect", "connection", "new_namespace"):
        for method in (nsp.server_side_emit, nsp.server_side_emit_with_ack):
            with pytest.raises(ValueError, match="reserved"):
                method(name)
    with pytest.raises(TypeError, match="must be a str"):
        nsp.server_side_emit(5)
    for chain in (nsp.to("red"), nsp.to([]), nsp.except_("red")):
        with pytest.raises(ValueError, match="reaches servers"):
            chain.server_side_emit("cache")


def test_server_side_answers_that_are_late(nsp):
    def server_side_emit(args, callback=None, timeout=None):
        error = AckTimeout(responses=["one"])
        nsp.runtime.timers.call_later(timeout, callback, error, error.responses)

    nsp.adapter.server_side_emit = server_side_emit
    with pytest.raises(AckTimeout) as caught:
        nsp.timeout(3).server_side_emit_with_ack("cache")
    assert caught.value.responses == ["one"]


# On real runtimes, across threads


def test_waiting_on_real_runtimes(live):
    a = live.sockets["a"]
    a.on_any_outgoing(lambda *args: live.runtime.timers.call_later(0.01, a.answer, "yes"))
    assert a.emit_with_ack("q") == "yes"
    assert live.emit_with_ack("q") == ["yes"]
    a.off_any_outgoing()
    with pytest.raises(AckTimeout):
        live.timeout(0.05).emit_with_ack("q")
    with pytest.raises(AckTimeout):
        a.timeout(0.05).emit_with_ack("q")
    live.runtime.timers.call_later(0.01, a.leave_namespace)
    with pytest.raises(DisconnectedError):
        a.emit_with_ack("q")


def test_callbacks_on_real_runtimes(live):
    a = live.sockets["a"]
    done = live.runtime.event()
    errors = []
    a.timeout(0.05).emit("q", error_callback=errors.append)
    live.timeout(0.05).emit("q", error_callback=lambda error: (errors.append(error), done.set()))
    assert done.wait(scaled(10))
    assert live.runtime.wait_idle(scaled(10))
    assert [type(error) for error in errors] == [AckTimeout, AckTimeout]


@pytest.mark.parametrize("many", [False, True])
def test_answer_disconnect_and_timeout_race_for_one_outcome(many):
    """Whichever comes first, a waiter gets exactly one of the three, and nothing stays pending."""
    runtime = choose("threads")
    nsp = MemoryNamespace(runtime)
    outcomes = []
    for number in range(60):
        socket = nsp.connect(f"s{number}")
        barrier = threading.Barrier(3)
        sent = threading.Event()
        socket.on_any_outgoing(lambda *args, sent=sent: sent.set())

        def wait(socket=socket):
            emitter = nsp.to(socket.id) if many else socket
            try:
                outcomes.append(emitter.timeout(0.005).emit_with_ack("q"))
            except (AckTimeout, DisconnectedError) as error:
                outcomes.append(error)

        def late(act, barrier=barrier, sent=sent):
            sent.wait(scaled(10))
            barrier.wait(scaled(10))
            runtime.sleep(0.004)
            act()

        acts = (lambda socket=socket: socket.answer("yes"), socket.leave_namespace, lambda: None)
        workers = [threading.Thread(target=late, args=(act,)) for act in acts]
        workers.append(threading.Thread(target=wait))
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(scaled(30))
        assert socket.pending == 0
    runtime.stop()
    assert len(outcomes) == 60
    assert {type(outcome) for outcome in outcomes} <= {str, list, AckTimeout, DisconnectedError}
    assert all(outcome in ("yes", ["yes"], []) for outcome in outcomes if isinstance(outcome, (str, list)))


def test_threads_share_a_chain():
    runtime = choose("threads")
    nsp = MemoryNamespace(runtime)
    socket = nsp.connect("a", "red")
    chain = nsp.to("red")
    workers = [
        threading.Thread(target=lambda name=name: [chain.emit(name, number) for number in range(200)])
        for name in ("x", "y")
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(scaled(30))
    runtime.stop()
    for name in ("x", "y"):
        assert [data[1] for data in socket.events if data[0] == name] == list(range(200))
    assert len(socket.events) == 400
