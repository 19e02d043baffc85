"""Events of clients: who handles them, in which order, and what answers."""

from __future__ import annotations

import contextvars
import logging
from contextlib import contextmanager

import gevent
import pytest
from gevent import GreenletExit

from socketio_sync import ArgumentsError
from socketio_sync.protocol.socketio_parser import DefaultParser
from socketio_sync.runtime.greenlets import GeventRuntime
from tests.server.peer import Peer
from tests.server.peer import served


def connected(io, **more):
    peer = Peer(io, **more)
    socket = io.sockets[peer.connect()]
    peer.received()
    return peer, socket


def test_the_namespaces_handlers_come_before_the_sockets():
    io = served()
    seen = []

    @io.on("connection")
    def connection(socket):
        socket.on("m", lambda *args: seen.append(("socket", args)))

    @io.on("m")
    def first(who, *args):
        seen.append((who.id, args))

    @io.event
    def m(who):
        seen.append("by name")

    peer, socket = connected(io)
    peer.send('2["m",1,"two",null]')
    assert seen == [(socket.id, (1, "two", None)), "by name", ("socket", (1, "two", None))]


def test_handlers_share_nothing_by_what_they_are_called_with():
    io = served()
    seen, errors = [], []
    io.on_error(lambda error, socket, event, args: errors.append((event, args)))

    @io.on("connection")
    def connection(socket):
        @socket.on("m")
        def third(*args):
            seen.append(args)
            raise ValueError

    @io.on("m")
    def first(socket, a, b):
        raise ValueError

    @io.on("m")
    def second(*args):
        list(args).clear()
        seen.append(args[1:])

    peer, _ = connected(io)
    peer.send('2["m",1,2]')
    assert seen == [(1, 2), (1, 2)]
    assert errors == [("m", (1, 2)), ("m", (1, 2))]


def test_a_parser_may_give_tuples():
    class Tuples(DefaultParser):
        def decoder(self, max_attachments=10):
            decoder = super().decoder(max_attachments)
            add = decoder.add

            class Decoder:
                waiting = None
                reset = decoder.reset

                def add(self, message):
                    packet = add(message)
                    if isinstance(packet.data, list):
                        packet.data = tuple(packet.data)
                    return packet

            return Decoder()

    io = served(parser=Tuples())
    io.on("m", lambda socket, *args: args)
    peer, _ = connected(io)
    peer.send('21["m",1,2]')
    assert peer.received() == ["31[1,2]"]


def test_binary_arrives_as_bytes():
    io = served()
    seen = []
    io.on("m", lambda socket, doc: seen.append(doc))
    peer, _ = connected(io)
    peer.send('51-["m",{"a":{"_placeholder":true,"num":0}}]', b"\x01\x02")
    assert seen == [{"a": b"\x01\x02"}]


def test_an_event_that_nobody_handles_is_a_debug_line(caplog):
    io = served()
    peer, _ = connected(io)
    with caplog.at_level(logging.DEBUG, "socketio_sync.server"):
        peer.send('27["m"]', '2["error"]')
    assert "nothing handles 'm'" in caplog.text
    assert peer.received() == []
    assert not peer.closed


def test_a_client_cannot_forge_the_life_cycle():
    io = served()
    seen = []
    io.on("connection", lambda socket: seen.append("ours"))
    peer, socket = connected(io)
    peer.send('21["connection"]')
    assert (seen, peer.received()) == (["ours"], [])
    socket.on("connection", lambda *args: seen.append(args))
    peer.send('22["connection",5]')
    assert seen == ["ours", (5,)]
    assert peer.received() == ["32[]"]


def test_numbers_are_names_as_in_javascript():
    io = served()
    seen = []
    io.on("1", lambda socket, n: seen.append(n))
    peer, _ = connected(io)
    peer.send("2[1,2]")
    assert seen == [2]


def test_once_is_the_first_of_any_socket():
    io = served()
    seen = []
    io.once("m", lambda socket: seen.append(socket.id))
    (a, first), (b, _) = connected(io), connected(io)
    a.send('2["m"]')
    b.send('2["m"]')
    assert seen == [first.id]


# Arguments


def test_surplus_arguments_are_dropped_and_missing_ones_are_an_error(caplog):
    io = served()
    seen, errors = [], []
    io.on_error(lambda error, socket, event, args: errors.append((error, event, args)))

    @io.on("m")
    def m(socket, a, b=0):
        seen.append((a, b))

    peer, _ = connected(io)
    peer.send('2["m",1,2,3]', '2["m",1]')
    assert seen == [(1, 2), (1, 0)]
    peer.send('25["m"]')
    assert len(seen) == 2
    (error, event, args) = errors[0]
    assert isinstance(error, ArgumentsError)
    assert (error.event, error.handler, event, args) == ("m", m, "m", ())
    assert peer.received() == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    peer.send('2["m"]')
    assert len(errors) == 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]


# Answers


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (None, "31[]"),
        (0, "31[0]"),
        (False, "31[false]"),
        ("x", '31["x"]'),
        ([1, 2], "31[[1,2]]"),
        ((1, 2), "31[1,2]"),
        ((None,), "31[null]"),
        ((), "31[]"),
    ],
)
def test_the_return_value_answers(value, answer):
    io = served()
    io.on("m", lambda socket: value)
    peer, _ = connected(io)
    peer.send('21["m"]')
    assert peer.received() == [answer]
    peer.send('2["m"]')
    assert peer.received() == []


def test_binary_answers():
    io = served()
    io.on("m", lambda socket: b"\x01")
    peer, _ = connected(io)
    peer.send('21["m"]')
    assert peer.received() == ['61-1[{"_placeholder":true,"num":0}]', b"\x01"]


def test_one_answer_when_all_have_returned_the_first_that_is_not_none():
    io = served()
    seen = []
    io.on("m", lambda socket: seen.append("a"))
    io.on("m", lambda socket: "b")
    io.on("m", lambda socket: seen.append("c") or "c")
    peer, _ = connected(io)
    peer.send('21["m"]')
    assert (seen, peer.received()) == (["a", "c"], ['31["b"]'])


def test_a_parameter_ack_takes_over():
    io = served()
    kept = []

    @io.on("m")
    def m(socket, doc, ack):
        kept.append(ack)
        return "ignored"

    io.on("m", lambda socket: "ignored as well")
    peer, _ = connected(io)
    peer.send('21["m","x"]')
    assert peer.received() == []
    (ack,) = kept
    assert ack.wanted
    assert ack("later", 2)
    assert peer.received() == ['31["later",2]']
    assert not ack("again")
    assert peer.received() == []
    assert "answered" in repr(ack)


def test_ack_keyword_only_and_not_wanted():
    io = served()
    kept = []

    @io.on("m")
    def m(socket, *args, ack):
        kept.append((args, ack.wanted, ack("x")))

    peer, _ = connected(io)
    peer.send('2["m",1]')
    assert kept == [((1,), False, False)]
    assert peer.received() == []


def test_an_ack_that_cannot_be_sent_may_be_given_again():
    io = served()
    kept = []
    io.on("m", lambda socket, ack: kept.append(ack))
    peer, _ = connected(io)
    peer.send('21["m"]')
    with pytest.raises(TypeError):
        kept[0](object())
    assert kept[0]("now")
    assert peer.received() == ['31["now"]']


def test_an_ack_is_too_late_after_the_disconnect():
    io = served()
    kept = []
    io.on("m", lambda socket, ack: kept.append(ack))
    peer, _ = connected(io)
    peer.send('21["m"]', "1")
    assert kept[0]("x") is False
    assert peer.received() == []


# Errors


def test_an_exception_is_logged_and_leaves_the_event_unanswered(caplog):
    io = served()
    seen = []

    @io.on("m")
    def broken(socket):
        raise ValueError("secret")

    io.on("m", lambda socket: seen.append("other"))
    peer, _ = connected(io)
    peer.send('21["m"]', '22["n"]')
    assert (seen, peer.received(), peer.closed) == (["other"], [], False)
    assert "secret" in caplog.text
    assert "'m'" in caplog.text
    assert "<Socket" in caplog.text


def test_another_handlers_value_answers_nevertheless():
    io = served()

    @io.on("m")
    def broken(socket):
        raise ValueError

    io.on("m", lambda socket: "value")
    io.on_error(lambda error: "mended")
    peer, _ = connected(io)
    peer.send('21["m"]')
    assert peer.received() == ['31["value"]']


@pytest.mark.parametrize("with_ack", [False, True])
def test_what_on_error_returns_answers(with_ack):
    io = served()

    def broken(socket):
        raise ValueError

    def broken_with_ack(socket, ack):
        raise ValueError

    io.on("m", broken_with_ack if with_ack else broken)
    io.on_error(lambda error, socket, event, args: {"error": event})
    peer, _ = connected(io)
    peer.send('21["m"]')
    assert peer.received() == ['31[{"error":"m"}]']


def test_on_error_of_the_namespace_goes_first_and_the_servers_is_for_all():
    io = served()
    admin = io.of("/admin")
    seen = []
    io.on_error(lambda error, socket, event, args: seen.append(("server", event)) or "server")
    admin.on_error(lambda error, socket: seen.append("admin") or "admin")

    def broken(socket):
        raise ValueError

    io.on("m", broken)
    admin.on("m", broken)
    peer, _ = connected(io)
    peer.connect("/admin")
    peer.send('21["m"]', '2/admin,2["m"]')
    assert seen == [("server", "m"), "admin", ("server", "m")]
    assert peer.received() == ['31["server"]', '3/admin,2["admin"]']


def test_on_error_that_fails_itself_is_logged(caplog):
    io = served()

    def broken(*args):
        raise ValueError("twice")

    io.on("m", broken)
    io.on_error(broken)
    peer, _ = connected(io)
    peer.send('21["m"]')
    assert "on_error itself failed" in caplog.text
    assert not peer.closed


@pytest.mark.parametrize("mended", [None, "mended", object()])
def test_a_return_value_that_cannot_be_sent_is_the_handlers_error(mended, caplog):
    io = served()
    errors = []
    io.on("m", lambda socket: object())
    io.on_error(lambda error: errors.append(type(error)) or mended)
    peer, _ = connected(io)
    peer.send('21["m"]')
    assert errors == [TypeError]
    assert peer.received() == (['31["mended"]'] if mended == "mended" else [])


# Every event, and middlewares


def test_on_any_sees_events_before_middleware_and_does_not_answer():
    io = served()
    seen = []

    @io.on_any
    def any_of_all(socket, event, *args):
        seen.append((event, args))
        return "no answer"

    @io.prepend_any
    def earlier(socket, event):
        seen.append("first")

    peer, socket = connected(io)
    socket.on_any(lambda event, *args: seen.append(("socket", event, args)))
    socket.use(lambda event, args: args.clear())
    peer.send('21["m",1]')
    assert seen == ["first", ("m", (1,)), ("socket", "m", (1,))]
    assert peer.received() == []


def test_an_error_in_on_any_does_not_stop_the_event(caplog):
    io = served()

    @io.on_any
    def broken(socket, event):
        raise ValueError("any")

    io.on("m", lambda socket: "fine")
    peer, _ = connected(io)
    peer.send('21["m"]')
    assert peer.received() == ['31["fine"]']
    assert "any" in caplog.text


def test_event_middlewares_change_the_arguments():
    io = served()
    seen = []

    @io.on("connection")
    def connection(socket):
        @socket.use
        def double(event, args):
            args[:] = [arg * 2 for arg in args]

        socket.use(lambda event, args: args.append(event))

    io.on("m", lambda socket, *args: seen.append(args))
    peer, _ = connected(io)
    peer.send('2["m",1,"a"]')
    assert seen == [(2, "aa", "m")]


def test_an_event_middleware_that_raises_refuses():
    io = served()
    seen, errors = [], []
    io.on("m", lambda socket: seen.append("handled"))
    io.on_error(lambda error, socket, event, args: errors.append((str(error), event, args)) or "refused")
    peer, socket = connected(io)

    @socket.use
    def refuse(event, args):
        raise PermissionError("no")

    peer.send('21["m",5]')
    assert (seen, errors) == ([], [("no", "m", (5,))])
    assert peer.received() == ['31["refused"]']


# Wrappers and contexts


def test_wrap_handlers_surrounds_everything_that_has_a_socket():
    io = served()
    seen = []

    @io.wrap_handlers
    @contextmanager
    def outer(socket, event):
        seen.append(f"[{event}")
        try:
            yield
        except ValueError:
            seen.append("failed")
            raise
        finally:
            seen.append(f"{event}]")

    @io.wrap_handlers
    @contextmanager
    def inner(socket):
        seen.append("(")
        yield
        seen.append(")")

    io.use(lambda socket: seen.append("middleware"))
    io.on("connection", lambda socket: seen.append("handler"))
    peer, socket = connected(io)
    assert seen == [
        *("[connection", "(", "middleware", ")", "connection]"),
        *("[connection", "(", "handler", ")", "connection]"),
    ]
    seen.clear()

    @socket.on("m")
    def m():
        seen.append("m")
        raise ValueError

    peer.send('2["m"]')
    assert seen == ["[m", "(", "m", "failed", "m]"]
    seen.clear()
    socket.emit("q", callback=lambda: seen.append("callback"))
    peer.received()
    peer.send("30[]")
    assert seen == ["[q", "(", "callback", ")", "q]"]
    seen.clear()
    io.on("disconnect", lambda who: seen.append("gone"))
    peer.send("1")
    assert seen == ["[disconnect", "(", "gone", ")", "disconnect]"]


def test_a_wrapper_may_swallow_an_exception():
    io = served()

    @io.wrap_handlers
    @contextmanager
    def swallow(socket, event):
        try:
            yield
        except ValueError:
            pass

    @io.on("m")
    def m(socket):
        raise ValueError

    peer, _ = connected(io)
    peer.send('21["m"]')
    assert peer.received() == ["31[]"]


def test_each_call_has_a_fresh_context():
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("outside")
    io = served()
    seen = []

    def look(socket):
        seen.append(variable.get())
        variable.set("by a handler")

    io.use(look)
    io.on("connection", look)
    io.on("m", look)
    io.on("m", look)
    peer, _ = connected(io)
    peer.send('2["m"]')
    assert seen == ["unset"] * 4


# Order


def test_events_of_one_socket_one_at_a_time_and_others_beside():
    io = served()
    seen = []

    @io.on("m")
    def m(socket, name, seconds):
        seen.append(f"{name} begins")
        io.sleep(seconds)
        seen.append(f"{name} ends")

    (a, _), (b, _) = connected(io), connected(io)
    a.send('2["m","a1",2]', '2["m","a2",0]')
    b.send('2["m","b1",1]')
    io.engine.runtime.advance(3)
    assert seen == ["a1 begins", "b1 begins", "b1 ends", "a1 ends", "a2 begins", "a2 ends"]


def test_unordered_handlers_run_beside_the_queue():
    io = served()
    seen = []

    @io.on("export")
    def export(socket):
        seen.append("export begins")
        io.sleep(5)
        seen.append("export ends")

    @io.on("cancel", ordered=False)
    def cancel(socket):
        seen.append("cancel")
        return "cancelled"

    peer, _ = connected(io)
    peer.send('2["export"]', '2["other"]', '21["cancel"]')
    assert seen == ["export begins", "cancel"]
    assert peer.received() == ['31["cancelled"]']
    io.engine.runtime.advance(5)
    assert seen == ["export begins", "cancel", "export ends"]


def test_an_event_with_an_ordered_handler_keeps_its_place():
    io = served()
    seen = []
    io.on("slow", lambda socket: io.sleep(1) or seen.append("slow"))
    io.on("m", lambda socket: seen.append("loose"), ordered=False)
    io.on("m", lambda socket: seen.append("ordered"))
    peer, _ = connected(io)
    peer.send('2["slow"]', '2["m"]')
    io.engine.runtime.advance(1)
    assert seen == ["slow", "loose", "ordered"]


def test_no_event_is_handled_before_the_connection_handlers_return_not_even_an_unordered_one():
    io = served(ordered_events=False)
    seen = []
    io.on("m", lambda socket, n: io.sleep(n) or seen.append(n))
    io.on("connection", lambda socket: io.sleep(1) or seen.append("connection"))
    peer = Peer(io)
    peer.send("0", '2["m",3]', '2["m",2]')
    io.engine.runtime.advance(1)
    assert seen == ["connection"]
    io.engine.runtime.advance(3)
    assert seen == ["connection", 2, 3]


def test_reading_pauses_at_max_pending_events():
    io = served(max_pending_events=4)
    io.on("m", lambda socket: io.sleep(1))
    peer, _ = connected(io)
    peer.send('2["m"]')
    assert not peer.connection.reading_paused
    peer.send(*['2["m"]'] * 4)
    assert peer.connection.reading_paused
    io.engine.runtime.advance(1)
    assert peer.connection.reading_paused
    io.engine.runtime.advance(2)
    assert not peer.connection.reading_paused


def test_reading_pauses_for_unordered_events_too():
    io = served(max_pending_events=2, ordered_events=False)
    io.on("m", lambda socket, seconds: io.sleep(seconds))
    peer, _ = connected(io)
    peer.send('2["m",1]')
    assert not peer.connection.reading_paused
    peer.send('2["m",2]', '2["m",3]')
    assert peer.connection.reading_paused
    io.engine.runtime.advance(3)
    assert not peer.connection.reading_paused


def test_reading_pauses_when_much_waits():
    io = served(max_http_buffer_size=1000)
    io.on("m", lambda socket, text: io.sleep(1))
    peer, _ = connected(io)
    peer.send(*['2["m","' + "x" * 900 + '"]'] * 6)
    assert peer.connection.reading_paused
    io.engine.runtime.advance(10)
    assert not peer.connection.reading_paused


def test_answers_of_the_client_do_not_wait_behind_a_handler():
    io = served()

    @io.on("ask")
    def ask(socket):
        return socket.emit_with_ack("question")

    peer, _ = connected(io)
    peer.send('21["ask"]', '22["ask"]')
    assert peer.received() == ['20["question"]']
    peer.send("30[42]")
    assert peer.received() == ["31[42]", '21["question"]']


def test_handlers_see_only_what_was_registered_when_they_ran():
    io = served()
    seen = []

    @io.on("m")
    def m(socket):
        io.off("m", m)
        io.on("m", lambda socket: seen.append("new"))

    peer, _ = connected(io)
    peer.send('2["m"]')
    assert seen == []
    peer.send('2["m"]')
    assert seen == ["new"]


class Slow(BaseException):
    """As gevent.Timeout, which is no Exception."""


def test_a_timeout_of_gevent_is_a_failure_as_any_other(caplog):
    assert GeventRuntime.failures == (Exception, gevent.Timeout)
    io = served()
    io.engine.runtime.failures = (Exception, Slow)
    seen = []

    def slow(socket, *args):
        raise Slow

    for event in ("m", "disconnecting"):
        io.on(event, slow)
        io.on(event, lambda socket, *args: seen.append("next"))
    io.on("disconnect", lambda socket, reason: seen.append(reason))

    @io.on_error
    def tell(error, socket, event, args):
        seen.append((type(error), event))
        return "mended"

    peer = Peer(io)
    peer.connect()
    peer.send('21["m"]')
    assert peer.received() == ['31["mended"]']
    peer.lose()
    assert seen == [(Slow, "m"), "next", (Slow, "disconnecting"), "next", "transport close"]
    assert "a handler of 'm' failed" in caplog.text


def test_a_timeout_in_a_middleware_refuses(caplog):
    io = served()
    io.engine.runtime.failures = (Exception, Slow)

    @io.use
    def slow(socket):
        raise Slow

    peer = Peer(io)
    peer.send("0")
    assert peer.received() == ['4{"message":"internal error"}']
    assert "a handler of 'connection' failed" in caplog.text


def test_the_disconnect_is_told_also_when_a_handler_of_disconnecting_is_killed():
    io = served()
    seen = []

    @io.on("disconnecting")
    def killed(socket):
        raise GreenletExit

    io.on("disconnect", lambda socket, reason: seen.append(reason))
    peer = Peer(io)
    peer.connect()
    peer.lose()
    assert seen == ["transport close"]


def test_too_few_arguments_do_not_use_up_what_is_called_once():
    io = served()
    seen = []
    io.once("m", lambda socket, text: seen.append(text))
    peer = Peer(io)
    peer.connect()
    peer.send('2["m"]', '2["m","first"]', '2["m","second"]')
    assert seen == ["first"]


def test_a_deep_value_that_is_sent_back_does_not_fill_the_log(caplog):
    io = served()
    io.on("echo", lambda socket, value: value)
    peer = Peer(io)
    peer.connect()
    peer.received()
    peer.send('21["echo",' + "[" * 1000 + "]" * 1001)
    assert peer.received() == []
    assert "nested deeper than" in caplog.text
    assert len(caplog.text.splitlines()) < 30
