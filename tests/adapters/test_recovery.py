"""Connection state recovery with real parts: what is kept, how long, and that it is given back once and in order."""

from __future__ import annotations

import functools
import threading

import pytest

from socketio_sync.adapters.adapter import Session
from socketio_sync.adapters.packet_log import OVERHEAD
from socketio_sync.adapters.packet_log import Offset
from socketio_sync.adapters.recovery import SESSION_SIZE
from socketio_sync.adapters.recovery import RecoverableAdapter
from socketio_sync.runtime import choose
from socketio_sync.runtime.virtual import VirtualRuntime
from tests.adapters.memory_namespace import MemoryNamespace
from tests.adapters.memory_namespace import MemorySocket
from tests.support.timing import scaled


def namespace(runtime=None, *, encode=None, **options):
    adapter = functools.partial(RecoverableAdapter, **options)
    return MemoryNamespace(VirtualRuntime() if runtime is None else runtime, adapter=adapter, encode=encode)


@pytest.fixture
def nsp():
    return namespace()


class Client:
    """What a real client keeps: all it ever got, the last offset, and the secret of its session."""

    def __init__(self, nsp, id, *rooms):
        self.nsp = nsp
        self.pid = f"secret of {id}"
        self.earlier = []
        self.last_offset = None
        self.socket = nsp.connect(id, *rooms)

    @property
    def events(self):
        return self.earlier + [data[:-1] for data in self.socket.events]

    @property
    def offset(self):
        events = self.socket.events
        return events[-1][-1] if events else self.last_offset

    def drop(self):
        """The connection is lost, and noticed."""
        socket, adapter = self.socket, self.nsp.adapter
        rooms = adapter.rooms_of(socket.id)
        socket.leave_namespace()
        adapter.persist_session(Session(socket.id, self.pid, rooms, socket.data, "transport close", socket.position))

    def claim(self, offset=...):
        return self.nsp.adapter.restore_session(self.pid, self.offset if offset is ... else offset)

    def enter(self, session):
        """Take the session up again with a new socket."""
        back = MemorySocket(self.nsp, session.id)
        back.position = session.position

        def accept(missed):
            self.nsp.sockets[back.id] = back
            back.sent += missed

        self.nsp.adapter.recover(session, accept)
        self.earlier, self.last_offset = self.events, self.offset
        self.socket = back

    def come_back(self, offset=...):
        session = self.claim(offset)
        if session is not None:
            self.enter(session)
        return session


def test_events_get_an_offset_and_other_packets_do_not(nsp):
    client = nsp.connect("a")
    nsp.emit("plain", 1)
    client.emit("to one")
    nsp.volatile.emit("volatile")
    client.volatile.emit("volatile to one")
    nsp.emit("ack", callback=print)
    client.emit("ack of one", callback=print)
    (name, one, first), (other, second), *rest = client.events
    assert (name, one, other) == ("plain", 1, "to one")
    first, second = Offset.parse(first), Offset.parse(second)
    assert first.milliseconds == nsp.runtime.wall_time() * 1000
    assert second == first.next(0)
    assert rest == [["volatile"], ["volatile to one"], ["ack"], ["ack of one"]]
    assert nsp.adapter.position() == 2


def test_what_goes_to_nobody_is_not_kept(nsp):
    nsp.to([]).emit("x")
    assert nsp.adapter.position() == 0


def test_protocol_3_gets_no_offset(nsp):
    old, new = nsp.connect("old", protocol=3), nsp.connect("new")
    nsp.emit("x", 1)
    old.emit("y")
    assert old.events == [["x", 1], ["y"]]
    assert new.events[0][:-1] == ["x", 1]
    assert len(new.events[0]) == 3
    assert nsp.adapter.position() == 1


def test_outgoing_listeners_see_no_offset_and_no_lock(nsp):
    seen = []

    @nsp.connect("a").on_any_outgoing
    def look(*args):
        assert not nsp.adapter._order.locked()
        seen.append(args)

    nsp.emit("x", 1)
    nsp.sockets["a"].emit("y")
    assert seen == [("x", 1), ("y",)]


def test_a_client_gets_what_it_missed_in_order_and_only_that(nsp):
    client = Client(nsp, "a", "red")
    other = Client(nsp, "b")
    client.socket.data["name"] = "alice"
    nsp.emit("seen")
    client.drop()
    nsp.emit("all")
    nsp.to("red").emit("my room")
    nsp.to("blue").emit("not my room")
    nsp.except_("red").emit("all but my room")
    nsp.to("a").emit("my id")
    other.socket.emit("not me")
    other.socket.broadcast.emit("others")
    nsp.volatile.emit("volatile")
    session = client.come_back()
    assert (session.id, session.data, session.rooms) == ("a", {"name": "alice"}, {"a", "red"})
    assert client.events == [["seen"], ["all"], ["my room"], ["my id"], ["others"]]
    assert nsp.adapter.rooms_of("a") == {"a", "red"}
    nsp.emit("live")
    assert client.events[-1] == ["live"]
    assert nsp.expired == []


def test_what_is_emitted_to_a_socket_that_is_away_waits_for_it(nsp):
    client = Client(nsp, "a")
    socket = client.socket
    nsp.emit("seen")
    client.drop()
    socket.emit("while you were out")
    client.come_back()
    assert client.events == [["seen"], ["while you were out"]]


def test_a_client_that_had_received_nothing_yet_can_recover(nsp):
    nsp.emit("before its time")
    client = Client(nsp, "a")
    client.drop()
    nsp.emit("missed")
    assert client.come_back() is not None
    assert client.events == [["missed"]]
    client.drop()
    assert client.come_back() is not None


def test_what_was_lost_on_the_way_comes_again(nsp):
    client = Client(nsp, "a")
    nsp.emit("lost with the connection")
    client.drop()
    assert client.come_back(None) is not None
    assert [data[:-1] for data in client.socket.events] == [["lost with the connection"]]


def test_what_was_sent_before_the_acceptance_counts_as_its_own(nsp):
    socket = MemorySocket(nsp, "a")
    nsp.sockets["a"] = socket  # it holds what it gets
    socket.emit("from a middleware")
    nsp.emit("for others")
    client = Client(nsp, "a")
    assert client.socket.position == 2
    client.drop()
    client.come_back(None)
    assert client.events == [["from a middleware"]]


def test_a_session_is_given_back_once(nsp):
    client = Client(nsp, "a")
    nsp.emit("x")
    client.drop()
    assert client.claim() is not None
    assert client.claim() is None
    assert nsp.expired == []


def test_unknown_secrets_and_wrong_offsets(nsp):
    client = Client(nsp, "a")
    nsp.emit("x")
    client.drop()
    assert nsp.adapter.restore_session("guess", client.offset) is None
    assert nsp.expired == []
    assert client.claim("not an offset") is None
    assert [session.id for session in nsp.expired] == ["a"]
    assert client.claim() is None


def test_a_session_runs_out(nsp):
    client = Client(nsp, "a")
    client.drop()
    nsp.runtime.advance(119)
    assert nsp.expired == []
    nsp.runtime.advance(1)
    assert [(session.id, session.reason) for session in nsp.expired] == [("a", "transport close")]
    assert client.claim() is None
    assert len(nsp.expired) == 1


def test_a_session_that_is_given_back_keeps_its_end(nsp):
    client = Client(nsp, "a")
    nsp.emit("x")
    client.drop()
    nsp.runtime.advance(100)
    session = client.claim()
    nsp.emit("y")
    nsp.adapter.persist_session(session)
    nsp.runtime.advance(10)
    assert client.come_back() is not None  # with all that it had missed before
    assert client.events == [["x"], ["y"]]
    client.drop()
    nsp.runtime.advance(100)
    nsp.adapter.persist_session(client.claim())
    nsp.runtime.advance(20)
    assert [session.id for session in nsp.expired] == ["a"]


def test_an_idle_client_recovers_though_its_offset_is_long_forgotten(nsp):
    client = Client(nsp, "a")
    nsp.emit("long ago")
    nsp.runtime.advance(3600)
    client.drop()
    nsp.emit("missed")
    client.come_back()
    assert client.events == [["long ago"], ["missed"]]


def test_packets_are_kept_for_as_long_as_one_may_need_them(nsp):
    """120 seconds from the disconnect on, which may be noticed 45 seconds after the packet was lost."""
    client = Client(nsp, "a")
    nsp.emit("lost with the connection")
    nsp.runtime.advance(44)
    client.drop()
    nsp.runtime.advance(119)
    client.come_back(None)
    assert [data[:-1] for data in client.socket.events] == [["lost with the connection"]]


def test_a_quiet_namespace_forgets_old_packets(nsp):
    nsp.emit("x")
    nsp.runtime.advance(1)
    nsp.emit("y")
    nsp.runtime.advance(164)
    assert len(nsp.adapter._log) == 1
    nsp.runtime.advance(1)
    assert len(nsp.adapter._log) == 0
    nsp.runtime.advance(1)
    assert nsp.runtime.timers.next_delay() is None
    nsp.emit("z")
    nsp.runtime.advance(165)
    assert len(nsp.adapter._log) == 0


def test_who_would_need_a_packet_that_found_no_room_begins_anew():
    nsp = namespace(max_buffer=3 * (OVERHEAD + 100))
    early, late, silent = Client(nsp, "early"), Client(nsp, "late"), Client(nsp, "silent")
    nsp.to("early").emit("seen")
    early.drop()
    silent.drop()
    for number in range(4):
        nsp.emit("n", number)
    late.drop()
    assert early.claim() is None
    assert silent.claim(None) is None
    assert late.come_back() is not None
    assert [session.id for session in nsp.expired] == ["early", "silent"]


def test_what_is_sent_between_claim_and_acceptance_is_neither_lost_nor_doubled(nsp):
    client = Client(nsp, "a", "red")
    nsp.emit("seen")
    client.drop()
    nsp.emit("missed")
    session = client.claim()
    nsp.to("red").emit("meanwhile")
    nsp.to("blue").emit("not mine")
    MemorySocket(nsp, "a").emit("from its middleware")
    client.enter(session)
    nsp.emit("live")
    assert client.events == [["seen"], ["missed"], ["meanwhile"], ["from its middleware"], ["live"]]


def test_the_buffer_does_not_cut_off_who_is_claimed():
    nsp = namespace(max_buffer=OVERHEAD + 100)
    client = Client(nsp, "a")
    nsp.emit("seen")
    client.drop()
    session = client.claim()
    for number in range(5):
        nsp.emit("n", number)
    client.enter(session)
    assert client.events == [["seen"], *(["n", number] for number in range(5))]


def test_the_kept_packets_do_not_hold_the_wire_forms_of_the_sent_ones(nsp):
    socket = nsp.connect("a")
    nsp.compress(False).emit("x")
    assert socket.sent[0].websocket
    (kept,) = nsp.adapter._log.since(0)
    assert kept.encoded is not socket.sent[0]
    assert (kept.encoded.messages, kept.encoded.compress) == (socket.sent[0].messages, False)


def test_an_emit_that_is_overtaken_while_it_is_encoded_gets_a_later_offset():
    calls = []

    def encode(value):
        assert not nsp.adapter._order.locked()
        calls.append(value)
        if len(calls) == 1:
            nsp.emit("inner")
        return "encoded"

    nsp = namespace(encode=encode)
    socket = nsp.connect("a")
    nsp.emit("outer", object())
    assert [data[0] for data in socket.events] == ["inner", "outer"]
    first, second = (Offset.parse(data[-1]) for data in socket.events)
    assert first < second
    assert len(calls) == 2


def test_an_emit_that_is_overtaken_each_time_comes_to_an_end():
    calls = []

    def encode(value):
        calls.append(value)
        assert len(calls) < 10, "it would go on as long as others emit"
        for _ in range(3):
            nsp.emit("fast")
            nsp.runtime.advance(0.1)
        return "encoded"

    nsp = namespace(encode=encode)
    socket = nsp.connect("a")
    nsp.emit("slow", object())
    nsp.emit("after")
    assert [data[0] for data in socket.events[-2:]] == ["slow", "after"]
    offsets = [Offset.parse(data[-1]) for data in socket.events]
    assert offsets == sorted(offsets)
    assert len(set(offsets)) == len(offsets)


def test_what_cannot_be_sent_is_not_kept(nsp):
    with pytest.raises(TypeError):
        nsp.emit("x", {1})
    assert nsp.adapter.position() == 0


def test_close_forgets_everything(nsp):
    client = Client(nsp, "a")
    nsp.emit("x")
    client.drop()
    nsp.adapter.close()
    nsp.adapter.close()
    assert client.claim() is None
    nsp.runtime.advance(1000)
    assert nsp.expired == []
    assert nsp.runtime.timers.next_delay() is None


# Races


@pytest.fixture
def threads():
    runtime = choose("threads")
    yield runtime
    runtime.stop()


def run_together(*functions):
    """Run them in threads that begin at the same moment; what one raises fails the test."""
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


def shout(nsp, name, times):
    for number in range(times):
        nsp.emit(name, number)


def test_every_client_sees_the_packets_of_all_threads_in_the_order_of_their_offsets(threads):
    nsp = namespace(threads)
    sockets = [nsp.connect(f"s{number}") for number in range(10)]
    run_together(*(functools.partial(shout, nsp, name, 300) for name in "abc"))
    first = sockets[0].events
    offsets = [Offset.parse(data[-1]) for data in first]
    assert len(offsets) == 900
    assert all(one < next for one, next in zip(offsets, offsets[1:], strict=False))
    assert [socket.events for socket in sockets[1:]] == [first] * 9
    for name in "abc":  # and each thread's in its own order
        assert [data[1] for data in first if data[0] == name] == list(range(300))


def test_a_client_that_comes_and_goes_misses_nothing_and_gets_nothing_twice(threads):
    nsp = namespace(threads)
    steady, restless = Client(nsp, "steady"), Client(nsp, "restless")
    nsp.emit("begin")

    def come_and_go():
        for _ in range(100):
            restless.drop()
            assert restless.come_back() is not None

    run_together(*(functools.partial(shout, nsp, name, 300) for name in "ab"), come_and_go)
    assert restless.events == steady.events
    assert len(steady.events) == 601


def test_of_two_that_claim_a_session_one_gets_it(threads):
    nsp = namespace(threads)
    for number in range(50):
        client = Client(nsp, f"a{number}")
        client.drop()
        claims = []
        run_together(*[lambda client=client, claims=claims: claims.append(client.claim())] * 2)
        assert sorted(claim is None for claim in claims) == [False, True]
    assert nsp.expired == []


def test_a_session_is_either_claimed_or_expires(threads):
    nsp = namespace(threads, max_disconnection_duration=0.01)
    claimed = 0
    for number in range(100):
        client = Client(nsp, f"a{number}")
        client.drop()
        threads.sleep(0.0005 * (number % 40))
        claimed += client.claim() is not None
    quiet = threads.event()
    threads.timers.call_later(0.2, quiet.set)
    assert quiet.wait(scaled(10))
    assert claimed + len(nsp.expired) == 100


def test_clients_that_come_and_go_do_not_fill_the_memory_with_sessions():
    nsp = namespace(max_buffer=1500 * SESSION_SIZE)
    first, second, *others = [Client(nsp, f"{number}") for number in range(1502)]
    for client in (first, second, *others):
        client.drop()
    assert [session.id for session in nsp.expired] == ["0", "1"]
    assert first.claim() is None
    assert second.claim() is None
    assert all(client.claim() is not None for client in others)
    nsp.runtime.advance(1000)
    assert len(nsp.expired) == 2
