"""TestClient as its users know it: what arrives, what is refused, and that every call returns when all is done."""

from __future__ import annotations

import re
import threading

import pytest

from socketio_sync import AckTimeout
from socketio_sync import ArgumentsError
from socketio_sync import ConnectError
from socketio_sync import DisconnectedError
from socketio_sync import LimitError
from socketio_sync import Server
from socketio_sync import TransportError
from socketio_sync import parsers
from socketio_sync.testing import TestClient


@pytest.fixture(params=["websocket", "polling"])
def io(request):
    """A server; also one whose clients can only poll."""
    return Server(transports=[request.param], connection_state_recovery=True)


@pytest.fixture
def alice(io):
    with TestClient(io) as client:
        yield client


@pytest.fixture
def bob(io, alice):
    with TestClient(io) as client:
        yield client


@pytest.fixture
def reasons(io):
    found = []

    @io.on("disconnect")
    def gone(socket, reason):
        found.append(reason)

    return found


# Connecting


def test_the_handshake_arrives(io):
    given = {"token": "t"}
    with TestClient(io, auth=given, headers={"Cookie": "a=b", "X-Real": "1"}, query={"room": "ä b"}) as client:
        socket = io.sockets[client.id]
        handshake = socket.handshake
        assert handshake.auth == given
        assert (handshake.headers["cookie"], handshake.headers["x-real"]) == ("a=b", "1")
        assert handshake.query["room"] == "ä b"
        assert (handshake.address, handshake.secure, handshake.xdomain) == ("127.0.0.1", False, False)
        assert handshake.url.startswith("/socket.io/?room=")
        assert socket.environ["HTTP_HOST"] == "testserver"
        assert socket.conn.transport == io.options.transports[0]


def test_auth_may_be_a_function_that_is_asked_each_time(io):
    tokens = iter([{"token": 1}, {"token": 2}])
    with TestClient(io, auth=lambda: next(tokens)) as client:
        assert io.sockets[client.id].handshake.auth["token"] == 1
        client.cut()
        client.connect()
        assert io.sockets[client.id].handshake.auth["token"] == 2


def test_connection_handlers_have_run_when_connect_returns(io):
    @io.on("connection")
    def connection(socket):
        socket.emit("welcome", socket.id)

    client = TestClient(io)
    assert (client.connected, client.id) == (False, None)
    client.connect()
    assert (client.connected, client.recovered, client.nsp) == (True, False, "/")
    assert client.receive() == ("welcome", client.id)
    client.connect()  # it is
    assert client.received() == []
    client.disconnect()
    assert (client.connected, client.id) == (False, None)


def test_a_middleware_refuses_with_message_and_data(io):
    @io.use
    def check(socket):
        raise ConnectError("no", data={"code": 7})

    told = []
    client = TestClient(io)
    client.on("connect_error", told.append)
    with pytest.raises(ConnectError, match="^no$") as caught:
        client.connect()
    assert caught.value.data == {"code": 7}
    assert told == [caught.value]
    assert not client.connected
    assert not io.engine.started


def test_a_namespace_that_does_not_exist_is_refused(io):
    with pytest.raises(ConnectError, match="Invalid namespace"), TestClient(io, "/nowhere"):
        pass


def test_a_middleware_may_take_its_time(io):
    @io.use
    def slow(socket):
        io.sleep(10)

    with TestClient(io) as client:
        assert client.connected


def test_a_middleware_that_takes_too_long_is_not_waited_for(io):
    @io.use
    def slow(socket):
        io.sleep(60)

    with pytest.raises(TransportError, match="20 s"), TestClient(io):
        pass


@pytest.mark.parametrize(
    ("options", "headers", "message"),
    [
        ({"allow_request": lambda environ: False}, {}, "Forbidden"),
        ({"allow_request": lambda environ: environ["HTTP_COOKIE"] == "x"}, {"Cookie": "y"}, "Forbidden"),
        ({}, {"Origin": "https://evil.example"}, "Forbidden"),
    ],
)
@pytest.mark.parametrize(("transport", "status"), [("websocket", 400), ("polling", 403)])
def test_the_handshake_itself_is_refused(options, headers, message, transport, status):
    io = Server(transports=[transport], **options)
    with pytest.raises(TransportError, match=message) as caught, TestClient(io, headers=headers):
        pass
    assert caught.value.status == status


def test_an_allowed_origin_comes_in(io):
    with TestClient(io, headers={"Origin": "http://testserver"}) as client:
        assert io.sockets[client.id].handshake.xdomain


def test_a_full_server_and_a_closed_one():
    io = Server(max_connections=1)
    with TestClient(io), pytest.raises(TransportError, match="no more than 1") as caught:
        TestClient(io).connect()
    assert caught.value.status == 503
    io.close()
    with pytest.raises(TransportError, match="shutting down"):
        TestClient(io).connect()


def test_a_connection_handler_that_raises_disconnects(io):
    @io.on("connection")
    def connection(socket):
        raise ValueError

    with TestClient(io) as client:
        assert not client.connected
        with pytest.raises(AssertionError, match="io server disconnect"):
            client.receive()


@pytest.mark.parametrize("path", ["/chat/io/", "/", "ü"])
@pytest.mark.parametrize("slash", [True, False])
def test_any_path(path, slash):
    with TestClient(Server(path=path, add_trailing_slash=slash)) as client:
        assert client.connected


def test_misuse(io):
    with pytest.raises(TypeError, match="needs a Server"):
        TestClient(object())
    with pytest.raises(TypeError, match="namespace"):
        TestClient(io, 5)
    client = TestClient(io)
    for event in ("connection", "disconnecting", "*"):
        with pytest.raises(ValueError, match="cannot fire here"):
            client.on(event, print)
    with pytest.raises(RuntimeError, match="connect first"):
        client.advance(1)
    assert repr(client) == "<TestClient not connected nsp='/'>"
    with pytest.raises(TypeError, match="token.*only events and acknowledgements carry binary"):
        TestClient(io, auth={"token": b"x"}).connect()
    with pytest.raises(ValueError, match="max_http_buffer_size"):
        TestClient(io, auth={"token": "x" * 1_000_000}).connect()
    client.connect()
    client.disconnect()
    assert not io.engine.started


# Events and answers


def test_an_event_is_handled_when_emit_returns(io, alice):
    got = []
    io.on("chat", lambda socket, *args: got.append((socket.id, args)))
    alice.emit("chat", "hi", {"a": [1, None]}, b"\0\xff")
    assert got == [(alice.id, ("hi", {"a": [1, None]}, b"\0\xff"))]
    io.on("message", lambda socket, text: got.append(text))
    alice.send("plain")
    assert got[1:] == ["plain"]


def test_answers(io, alice):
    io.on("add", lambda socket, a, b: a + b)
    io.on("pair", lambda socket: (1, b"2"))
    io.on("nothing", lambda socket: None)
    assert alice.emit_with_ack("add", 1, 2) == 3
    assert alice.emit_with_ack("pair") == (1, b"2")
    assert alice.emit_with_ack("nothing") is None
    got = []
    alice.emit("pair", callback=lambda *args: got.append(args))
    alice.send(callback=got.append)  # nobody handles it
    assert got == [(1, b"2")]


def test_other_parsers():
    io = Server(parser=parsers.msgpack)
    io.on("echo", lambda socket, value: value)
    with TestClient(io) as client:
        assert client.emit_with_ack("echo", {"a": b"b"}) == {"a": b"b"}


def test_what_comes_from_the_server(io, alice, bob):
    io.sockets[alice.id].join("room")
    io.to("room").emit("news", 1)
    io.emit("news", b"2")
    assert alice.received() == [("news", 1), ("news", b"2")]
    assert alice.received() == []
    io.emit("a")
    io.emit("b")
    assert bob.receive("a", "b") == ("a",)
    assert bob.receive("b") == ("b",)
    assert bob.receive() == ("news", b"2")


def test_receive_tells_what_came_instead(io, alice):
    with pytest.raises(AssertionError, match="^nothing came$"):
        alice.receive()
    io.emit("other", 1)
    message = re.escape("'news' or 'views' did not come; what came: ('other', 1)")
    with pytest.raises(AssertionError, match=f"^{message}$"):
        alice.receive("news", "views")
    assert alice.receive() == ("other", 1)


def test_an_answer_that_does_not_come(io, alice):
    clock = io.engine.runtime
    begin = clock.now()
    with pytest.raises(AckTimeout):
        alice.timeout(3).emit_with_ack("unheard")
    assert clock.now() - begin == pytest.approx(3, abs=1e-5)
    with pytest.raises(AckTimeout):
        alice.emit_with_ack("unheard")
    assert clock.now() - begin == pytest.approx(23, abs=1e-5)
    errors = []
    alice.timeout(5).emit("unheard", callback=print, error_callback=errors.append)
    alice.advance(4.999)
    assert errors == []
    alice.advance(0.001)
    assert [type(error) for error in errors] == [AckTimeout]


def test_an_answer_that_cannot_come(io, alice):
    io.on("leave", lambda socket, ack: socket.disconnect())
    with pytest.raises(DisconnectedError) as caught:
        alice.emit_with_ack("leave")
    assert caught.value.reason == "io server disconnect"
    with pytest.raises(DisconnectedError):
        alice.emit_with_ack("leave")
    alice.connect()
    errors = []
    alice.emit("leave", error_callback=errors.append)
    assert [error.reason for error in errors] == ["io server disconnect"]


def test_what_is_emitted_without_a_connection_is_kept(io, alice):
    got = []
    io.on("n", lambda socket, n: got.append(n) or n)
    alice.cut()
    alice.emit("n", 1)
    alice.emit("n", 2, callback=lambda n: got.append(f"answer {n}"))
    alice.volatile.emit("n", 3)
    assert got == []
    alice.connect()
    assert got == [1, 2, "answer 2"]


def test_what_cannot_be_sent(io, alice):
    with pytest.raises(ValueError, match="reserved"):
        alice.emit("disconnect")
    with pytest.raises(TypeError, match=r"args\[0\]"):
        alice.emit("x", object())
    with pytest.raises(ValueError, match="max_http_buffer_size"):
        alice.emit("x", "y" * 1_000_000)
    alice.emit("x", "y" * 900_000)
    with pytest.raises(ValueError, match="durations are seconds"):
        alice.timeout(5000)
    assert alice.connected
    assert io.options.max_pending_acks == 1000
    for _ in range(1000):
        alice.emit("x", callback=print)
    with pytest.raises(LimitError):
        alice.emit("x", callback=print)


def test_flags_are_values(alice):
    patient = alice.timeout(5)
    assert patient.volatile is not patient
    assert patient.compress(False).timeout(1) is not patient
    assert repr(patient).startswith("<ClientOperator <TestClient")


# Handlers of the client


def test_handlers_take_what_they_handle_out_of_the_inbox(io, alice):
    got = []

    @alice.event
    def news(text):
        got.append(text)

    alice.once("hello", lambda: got.append("hello"))
    alice.on_any(lambda event, *args: got.append((event, *args)))
    io.emit("news", "a", "surplus")
    io.emit("hello")
    io.emit("hello")
    assert alice.received() == [("hello",)]
    assert got == [("news", "a", "surplus"), "a", ("hello",), "hello", ("hello",)]
    alice.off("news")
    alice.off_any()
    io.emit("news", "b")
    assert alice.receive() == ("news", "b")


def test_outgoing_listeners_see_what_is_emitted(alice):
    seen = []
    alice.on_any_outgoing(lambda *args: seen.append(args))
    alice.emit("x", 1)
    assert seen == [("x", 1)]


def test_life_cycle_handlers(io, alice):
    seen = []
    alice.on("connect", lambda: seen.append("connect"))
    alice.on("disconnect", lambda reason, details: seen.append(reason))
    alice.cut()
    alice.connect()
    alice.cut(silent=True)
    alice.connect()
    io.sockets[alice.id].disconnect()
    assert not alice.connected
    alice.connect()
    alice.disconnect()
    assert seen == [
        "transport close",
        "connect",
        "ping timeout",
        "connect",
        "io server disconnect",
        "connect",
        "io client disconnect",
    ]


def test_what_a_handler_returns_is_the_answer(io, alice, bob):
    alice.on("who", lambda: "alice")
    bob.on("who", lambda: ("bob", 2))
    assert io.emit_with_ack("who") == ["alice", "bob"]
    assert io.sockets[bob.id].emit_with_ack("who") == ("bob", 2)
    alice.on("silent", lambda: None)
    assert io.sockets[alice.id].emit_with_ack("silent") is None


def test_a_handler_may_answer_later(io, alice):
    open_acks, got = [], []
    alice.on("question", lambda text, ack: open_acks.append(ack))

    @io.on("begin")
    def begin(socket):
        got.append(socket.emit_with_ack("question", "?"))

    alice.emit("begin")
    alice.advance(10)
    assert got == []
    (ack,) = open_acks
    assert ack.wanted
    assert ack(42) is True
    assert got == [42]
    assert ack(43) is False
    io.emit("question", "no answer is wanted")
    alice.advance(0)
    assert not open_acks[1].wanted
    assert open_acks[1](1) is False


def test_what_a_handler_raises_is_raised_in_the_test(io, alice):
    alice.on("news", lambda text: 1 / 0)
    io.on("relay", lambda socket: socket.emit("news", "x"))
    with pytest.raises(ZeroDivisionError):
        alice.emit("relay")
    io.emit("news", "x")
    with pytest.raises(ZeroDivisionError):
        alice.receive()
    io.emit("news")
    with pytest.raises(ArgumentsError, match="needs 1"):
        alice.received()
    assert alice.connected
    io.on("echo", lambda socket: 1)
    with pytest.raises(ZeroDivisionError):
        alice.emit("echo", callback=lambda answer: 1 / 0)
    assert alice.received() == []


def test_a_failing_handler_gives_no_answer(io, alice):
    alice.on("who", lambda: 1 / 0)
    with pytest.raises(AckTimeout):
        io.sockets[alice.id].timeout(1).emit_with_ack("who")
    with pytest.raises(ZeroDivisionError):
        alice.received()


def test_the_failure_of_a_test_inside_a_handler_fails_the_test(io, alice):
    alice.on("news", lambda: pytest.fail("seen"))
    io.emit("news")
    with pytest.raises(pytest.fail.Exception, match="seen"):
        alice.receive()


def test_a_handler_may_use_the_client(io, alice):
    got = []
    io.on("add", lambda socket, a, b: a + b)

    @alice.on("news")
    def news():
        got.append(alice.emit_with_ack("add", 1, 2))
        with pytest.raises(RuntimeError, match="handler"):
            alice.advance(1)

    io.emit("news")
    alice.received()
    assert got == [3]


# Waiting and the clock


def test_a_handler_that_sleeps_goes_on_when_its_time_has_come(io, alice):
    times = []
    clock = io.engine.runtime

    @io.on("slow")
    def slow(socket):
        for _ in range(3):
            io.sleep(1.5)
            times.append(clock.now())

    begin = clock.now()
    alice.emit("slow")
    assert times == []
    alice.advance(1.5)
    assert len(times) == 1
    alice.advance(100)
    assert [time - begin for time in times] == pytest.approx([1.5, 3, 4.5], abs=1e-4)


def test_emit_with_ack_turns_the_clock_as_far_as_needed(io, alice):
    clock = io.engine.runtime

    @io.on("slow")
    def slow(socket):
        io.sleep(3)
        return "done"

    begin = clock.now()
    assert alice.emit_with_ack("slow") == "done"
    assert clock.now() - begin == pytest.approx(3, abs=1e-5)


def test_background_tasks_live_on_the_same_clock(io, alice):
    def ticker():
        while True:
            io.sleep(10)
            io.emit("tick")

    task = io.start_background_task(ticker)
    alice.advance(35)
    assert alice.received() == [("tick",)] * 3
    assert not task.done
    assert not task.join(1)
    short = io.start_background_task(io.sleep, 2)
    assert short.join(3)


def test_heartbeats_keep_a_connection_alive(io, alice, reasons):
    alice.advance(24 * 3600)
    assert alice.connected
    assert reasons == []


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_the_clock_goes_forward_only(alice, seconds):
    with pytest.raises(ValueError, match="from 0 up"):
        alice.advance(seconds)
    with pytest.raises(TypeError):
        alice.advance("1")
    alice.advance(0)


def test_handlers_that_keep_each_other_busy_are_stopped(monkeypatch):
    monkeypatch.setattr("socketio_sync.runtime.virtual._ENDLESS", 1000)
    io = Server()
    io.on("ping", lambda socket: socket.emit("pong"))
    client = TestClient(io)
    client.on("pong", lambda: client.emit("ping"))
    client.connect()
    with pytest.raises(RuntimeError, match="no end"):
        client.emit("ping")
    client.off("pong")
    client.disconnect()


# How connections end


def test_reasons(io, alice, reasons):
    alice.disconnect()
    alice.connect()
    alice.cut()
    alice.connect()
    io.sockets[alice.id].disconnect()
    assert not alice.connected
    alice.connect()
    io.sockets[alice.id].disconnect(close=True)
    assert not alice.connected
    websocket = io.options.transports[0] == "websocket"
    # A client that polls is missed when its GET ends, which the reference calls an error.
    cut = "transport close" if websocket else "transport error"
    assert reasons == ["client namespace disconnect", cut, "server namespace disconnect", "server namespace disconnect"]


def test_a_silent_cut_is_noticed_by_the_heartbeat(io, alice, reasons):
    alice.advance(20)
    alice.cut(silent=True)
    assert not alice.connected
    alice.advance(24.9)  # a ping after 25 s, and 20 s for its answer
    assert reasons == []
    alice.advance(0.2)
    assert reasons == ["ping timeout"]


def test_closing_the_server(io, alice, bob, reasons):
    io.close()
    assert reasons == ["server shutting down"] * 2
    assert not alice.connected
    assert not bob.connected


def test_a_second_disconnect_is_harmless(alice):
    alice.disconnect()
    alice.disconnect()
    alice.cut()


# Recovery


def test_who_was_cut_off_finds_what_it_missed(io, alice, bob):
    io.sockets[alice.id].join("room")
    io.sockets[alice.id].data["name"] = "Alice"
    io.to("room").emit("news", 1)
    id = alice.id
    assert alice.received() == [("news", 1)]  # without the offset that the recovery adds
    alice.cut()
    io.to("room").emit("news", 2)
    io.emit("news", "NxKcOoQ")
    io.to(bob.id).emit("news", "private")
    alice.advance(100)
    alice.connect()
    assert (alice.recovered, alice.id) == (True, id)
    assert alice.received() == [("news", 2), ("news", "NxKcOoQ")]
    assert io.sockets[id].recovered
    assert io.sockets[id].data == {"name": "Alice"}
    io.to("room").emit("news", 3)
    assert alice.received() == [("news", 3)]


def test_who_comes_back_too_late_begins_anew(io, alice, reasons):
    io.emit("news", 1)
    id = alice.id
    alice.cut()
    alice.advance(121)
    alice.connect()
    assert not alice.recovered
    assert alice.id != id


def test_who_comes_back_before_the_server_has_noticed(io, alice, reasons):
    alice.cut(silent=True)
    io.emit("news", 1)
    alice.connect()
    assert alice.recovered
    assert alice.received() == [("news", 1)]
    assert reasons == ["transport close"]
    assert len(io.sockets) == 1


def test_after_a_goodbye_there_is_nothing_to_recover(io, alice):
    alice.disconnect()
    alice.connect()
    assert not alice.recovered


def test_a_users_own_strings_stay(io, alice):
    io.volatile.emit("news", "last")
    io.emit("news", "Product")
    assert alice.received() == [("news", "last"), ("news", "Product")]


# Several servers, clients, namespaces, threads


def test_namespaces(io):
    chat = io.of("/chat")
    io.of(re.compile(r"/org-\d+")).on("who", lambda socket: socket.nsp.name)
    with TestClient(io, "chat") as alice, TestClient(io, "/org-7") as bob, TestClient(io) as carol:
        assert (alice.nsp, set(chat.sockets)) == ("/chat", {alice.id})
        chat.emit("here")
        io.emit("there")
        assert (alice.received(), carol.received()) == ([("here",)], [("there",)])
        assert bob.emit_with_ack("who") == "/org-7"


def test_two_servers_have_a_clock_each():
    one, other = Server(), Server()
    with TestClient(one) as alice, TestClient(other) as bob:
        begin = other.engine.runtime.now()
        alice.advance(10)
        assert other.engine.runtime.now() == begin
        bob.advance(5)
        assert other.engine.runtime.now() == begin + 5


def test_handlers_run_in_the_thread_of_the_test(io, alice):
    here = threading.get_ident()
    assert io.on("where", lambda socket: threading.get_ident() == here)
    assert alice.emit_with_ack("where") is True


def test_native_threads_may_emit(io, alice):
    threads = [threading.Thread(target=lambda n=n: [io.emit("n", n, k) for k in range(50)]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = alice.received()
    assert len(got) == 200
    for n in range(4):
        assert [event[2] for event in got if event[1] == n] == list(range(50))


def test_native_threads_may_wait(io, alice):
    alice.on("who", lambda: "alice")
    answers = []

    def ask():
        socket = io.sockets[alice.id]
        answers.append(socket.emit_with_ack("who"))
        try:
            socket.timeout(5).emit_with_ack("unheard")
        except AckTimeout:
            answers.append("too late")
        io.sleep(1)
        answers.append("slept")

    thread = threading.Thread(target=ask)
    thread.start()
    while thread.is_alive():
        alice.advance(0.01)
    assert answers == ["alice", "too late", "slept"]


def test_only_the_tests_own_thread_turns_the_clock(alice):
    errors = []

    def turn():
        try:
            alice.advance(1)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=turn)
    thread.start()
    thread.join()
    assert "thread" in errors[0]
