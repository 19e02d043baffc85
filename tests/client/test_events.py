"""Events in and out: handlers, answers, the inbox, binary, flags."""

from __future__ import annotations

import queue
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from socketio_sync import AckTimeout
from socketio_sync import Client
from socketio_sync import DisconnectedError
from socketio_sync import LimitError
from socketio_sync import connect
from tests.support.served import Served
from tests.support.timing import scaled
from tests.support.wire import TIMEOUT
from tests.support.wire import until

WEBSOCKET = ("websocket",)


def test_values_come_back_as_they_went(server: Served, transports: tuple[str, ...]) -> None:
    value = {"a": [b"one", {"b": b"two"}], "text": "ü€😀", "n": None, "f": 1.5, "t": True}
    with connect(server.url, transports=transports) as client:
        assert client.emit_with_ack("echo", value, bytes(range(256))) == (value, bytes(range(256)))
        assert client.emit_with_ack("echo") is None
        assert client.emit_with_ack("echo", [1]) == [1]
        assert client.timeout(5).emit_with_ack("echo", 1, 2) == (1, 2)


def test_ten_megabytes_both_ways(server: Served, transports: tuple[str, ...]) -> None:
    data = bytes(range(256)) * 40_000
    text = "ä" * 5_000_000
    with connect(server.url, transports=transports) as client:
        assert client.emit_with_ack("echo", data, {"x": [data[:10]]}) == (data, {"x": [data[:10]]})
        assert client.emit_with_ack("echo", text) == text


def test_a_handler_answers_by_what_it_returns_or_by_ack(server: Served) -> None:
    with connect(server.url, transports=WEBSOCKET) as client:

        @client.on("question")
        def question(first: Any, second: Any) -> Any:  # the third is dropped
            return first, second

        assert client.emit_with_ack("ask", 1, b"x", 3) == (1, b"x")
        client.off("question", question)

        @client.on("question")
        def later(value: Any, ack: Any) -> None:
            threading.Thread(target=lambda: [ack(value), ack(value)]).start()

        assert client.emit_with_ack("ask", "late") == "late"


def test_handlers_run_in_order_beside_the_reading(server: Served, transports: tuple[str, ...]) -> None:
    seen: list[int] = []
    done = threading.Event()
    with connect(server.url, transports=transports) as client:

        @client.on("n")
        def handle(number: int) -> None:
            # It asks the server and waits: the answer must not wait behind this handler.
            assert client.emit_with_ack("echo", number) == number
            seen.append(number)
            if number == 49:
                done.set()

        client.emit("push", "n", 50)
        assert done.wait(TIMEOUT)
    assert seen == list(range(50))


def test_an_unordered_handler_overtakes(server: Served) -> None:
    release = threading.Event()
    done = threading.Event()
    with connect(server.url, transports=WEBSOCKET) as client:
        client.on("slow", lambda *args: release.wait(TIMEOUT) and done.set())
        client.on("fast", lambda *args: release.set(), ordered=False)
        client.emit("push", "slow", 1)
        client.emit("push", "fast", 1)
        assert done.wait(TIMEOUT)


def test_what_a_handler_raises_is_logged_and_the_next_one_runs(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(server.url, transports=WEBSOCKET) as client:
        client.on("question", lambda *args: 1 / 0)
        client.on("question", lambda *args: "second")
        assert client.emit_with_ack("ask") == "second"
        assert client.connected
    assert "a handler of 'question' failed" in caplog.text


def test_an_answer_that_cannot_be_sent_is_logged(server: Served, caplog: pytest.LogCaptureFixture) -> None:
    with connect(server.url, transports=WEBSOCKET) as client:
        client.on("question", lambda *args: {1, 2})
        client.emit("ask")
        until(lambda: "cannot be sent" in caplog.text)
        assert client.emit_with_ack("echo", 1) == 1


def test_who_sees_everything_leaves_it_in_the_inbox(server: Served) -> None:
    seen: queue.SimpleQueue[str] = queue.SimpleQueue()
    with connect(server.url, transports=WEBSOCKET) as client:
        client.on_any(lambda event, *args: seen.put(event))
        client.emit("push", "n", 1)
        assert client.receive("n", timeout=TIMEOUT)[1] == 0
        while seen.get(timeout=TIMEOUT) != "n":
            pass


def test_too_few_arguments_are_told_once(server: Served, caplog: pytest.LogCaptureFixture) -> None:
    with connect(server.url, transports=WEBSOCKET) as client:
        client.on("question", lambda a, b, c, d: None)
        client.on("question", lambda *args: "fine")
        assert client.emit_with_ack("ask", 1) == "fine"
        assert client.emit_with_ack("ask", 1) == "fine"
    assert len([r for r in caplog.records if r.levelname == "WARNING" and "needs 4 arguments" in r.message]) == 1


def test_catch_alls_once_and_off(server: Served) -> None:
    seen: list[tuple[Any, ...]] = []
    with connect(server.url, transports=WEBSOCKET) as client:
        client.receive("hello", timeout=TIMEOUT)
        client.on_any(lambda event, *args: seen.append(("any", event)))
        client.prepend_any(lambda event, *args: seen.append(("first", event)))
        client.on_any_outgoing(lambda event, *args: seen.append(("out", event, *args)))
        client.once("question", lambda *args: seen.append(("once",)))
        client.on("question", lambda *args: 5)
        assert [client.emit_with_ack("ask", 1) for _ in range(2)] == [5, 5]
        out, first, any_ = ("out", "ask", 1), ("first", "question"), ("any", "question")
        assert seen == [out, first, any_, ("once",), out, first, any_]
        assert len(client.listeners_any()) == 2 and len(client.listeners_any_outgoing()) == 1
        client.off_any()
        client.off_any_outgoing()
        client.off("question")
        client.emit("ask")
        assert client.receive("question", timeout=TIMEOUT)[0] == "question"
        assert len(seen) == 7


def test_callbacks_get_the_answer_or_the_error(server: Served) -> None:
    outcomes: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with connect(server.url, transports=WEBSOCKET) as client:
        client.emit("echo", 1, 2, callback=lambda *args: outcomes.put(args), error_callback=outcomes.put)
        assert outcomes.get(timeout=TIMEOUT) == (1, 2)
        client.timeout(0.1).emit("never", callback=outcomes.put, error_callback=outcomes.put)
        assert isinstance(outcomes.get(timeout=TIMEOUT), AckTimeout)
        client.emit("never", error_callback=outcomes.put)
    error = outcomes.get(timeout=TIMEOUT)
    assert isinstance(error, DisconnectedError) and error.reason == "io client disconnect"
    assert outcomes.empty()


def test_a_wait_ends_with_its_time_or_with_the_connection(server: Served, transports: tuple[str, ...]) -> None:
    with connect(server.url, transports=transports, ack_timeout=0.2) as client:
        with pytest.raises(AckTimeout):
            client.emit_with_ack("never")
        threading.Timer(0.2, client.emit, ("kick",)).start()
        with pytest.raises(DisconnectedError) as caught:
            client.timeout(scaled(30)).emit_with_ack("never")
        assert caught.value.reason == "io server disconnect"
        with pytest.raises(DisconnectedError, match="io server disconnect"):
            client.emit_with_ack("echo")


def test_what_cannot_be_sent_is_refused_at_once(server: Served) -> None:
    with connect(server.url, transports=WEBSOCKET) as client:
        for event in ("connect", "disconnect", "connect_error", "disconnecting"):
            with pytest.raises(ValueError, match="reserved"):
                client.emit(event)
        with pytest.raises(TypeError, match=r'args\[0\]\["a"\]'):
            client.emit("x", {"a": {1, 2}})
        with pytest.raises(TypeError, match="callback="):
            client.emit("x", lambda: None)
        with pytest.raises(TypeError):
            client.emit(7)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="max_http_buffer_size"):
            client.emit("x", bytes(30_000_001))
        with pytest.raises(ValueError, match="83 minutes"):
            client.timeout(5000)
        assert client.emit_with_ack("echo", "still here") == "still here"


def test_the_inbox_keeps_what_has_no_handler(server: Served) -> None:
    with connect(server.url, transports=WEBSOCKET) as client:
        client.emit("push", "a", 2)
        client.emit("push", "b", 1)
        assert client.receive("b", timeout=TIMEOUT)[:2] == ("b", 0)
        assert client.receive(timeout=TIMEOUT)[0] == "hello"
        assert [client.receive("x", "a", timeout=TIMEOUT)[1] for _ in range(2)] == [0, 1]
        for timeout in (0, 0.05):
            with pytest.raises(TimeoutError, match="'x' or 'y'"):
                client.receive("x", "y", timeout=timeout)
        client.emit("push", "left", 1)
        assert client.emit_with_ack("echo", 1) == 1
    assert client.receive(timeout=TIMEOUT)[0] == "left"
    with pytest.raises(DisconnectedError, match="io client disconnect"):
        client.receive()


def test_a_full_inbox_says_so_once(server: Served) -> None:
    with connect(server.url, transports=WEBSOCKET, inbox=5) as client:
        client.receive("hello", timeout=TIMEOUT)
        client.emit("push", "n", 8)
        assert client.emit_with_ack("echo", 1) == 1
        with pytest.raises(LimitError, match="oldest 3") as caught:
            client.receive(timeout=TIMEOUT)
        assert caught.value.limit == "inbox"
        assert [client.receive(timeout=TIMEOUT)[1] for _ in range(5)] == [3, 4, 5, 6, 7]


def test_receive_in_several_threads_gives_each_event_once(server: Served) -> None:
    taken: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def take(client: Client) -> None:
        try:
            while True:
                taken.put(client.receive("n", timeout=TIMEOUT)[1])
        except DisconnectedError:
            taken.put(None)

    with connect(server.url, transports=WEBSOCKET) as client:
        threads = [threading.Thread(target=take, args=(client,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        client.emit("push", "n", 200)
        assert client.emit_with_ack("echo", 1) == 1
        until(lambda: taken.qsize() == 200)
    for thread in threads:
        thread.join(TIMEOUT)
    values = [taken.get() for _ in range(204)]
    assert sorted(value for value in values if value is not None) == list(range(200))


def test_volatile_is_dropped_without_a_connection_and_the_rest_is_kept(server: Served) -> None:
    client = Client(server.url, transports=WEBSOCKET, inbox=100)
    client.volatile.emit("push", "volatile", 1)
    client.emit("push", "kept", 2)
    client.compress(False).emit("push", "too", 1)
    with client:
        events = [client.receive(timeout=TIMEOUT)[0] for _ in range(4)]
        assert events == ["hello", "kept", "kept", "too"]
        client.volatile.emit("push", "volatile", 1)
        assert client.receive(timeout=TIMEOUT)[0] == "volatile"


def test_what_is_kept_has_a_limit(server: Served) -> None:
    client = Client(server.url, max_send_buffer=1000)
    client.emit("x", "a" * 2000)  # judged before it is added
    with pytest.raises(LimitError) as caught:
        client.emit("x")
    assert caught.value.limit == "max_send_buffer"
    client.volatile.emit("x")


def test_what_was_kept_and_is_too_large_is_told(server: Served, caplog: pytest.LogCaptureFixture) -> None:
    errors: queue.SimpleQueue[Exception] = queue.SimpleQueue()
    client = Client(server.url, transports=WEBSOCKET, max_send_buffer=2**27)
    client.emit("echo", bytes(30_000_001), callback=print, error_callback=errors.put)
    with client:
        assert isinstance(errors.get(timeout=TIMEOUT), ValueError)
        assert client.emit_with_ack("echo", 1) == 1
    assert "cannot be sent" in caplog.text


def test_a_kept_question_is_answered_after_the_connect_or_given_up_in_time(server: Served) -> None:
    outcomes: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client = Client(server.url, transports=WEBSOCKET)
    client.timeout(0.05).emit("echo", 1, callback=outcomes.put, error_callback=outcomes.put)
    assert isinstance(outcomes.get(timeout=TIMEOUT), AckTimeout)
    client.emit("echo", 2, callback=outcomes.put)
    with client:
        assert outcomes.get(timeout=TIMEOUT) == 2
        assert client.emit_with_ack("echo", 3) == 3
    assert outcomes.empty()


def test_each_call_has_a_context_of_its_own(server: Served) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="fresh")
    seen: queue.SimpleQueue[str] = queue.SimpleQueue()

    def look(*args: Any) -> None:
        seen.put(variable.get())
        variable.set("stale")

    with connect(server.url, transports=WEBSOCKET) as client:
        client.on("n", look)
        client.emit("push", "n", 20)
        for _ in range(20):
            client.emit("echo", callback=look)
        assert [seen.get(timeout=TIMEOUT) for _ in range(40)] == ["fresh"] * 40


def test_operators_are_values(server: Served) -> None:
    client = Client(server.url)
    patient = client.timeout(5).volatile.compress(False)
    assert repr(patient) == "<ClientOperator '/' volatile compress=False timeout=5>"
    assert repr(client.timeout(5)) == "<ClientOperator '/' timeout=5>"
