"""Registering handlers and being called: arguments, answers, namespaces, "*", classes, errors."""

from __future__ import annotations

import builtins
import functools
import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask import request

from socketio_sync import ArgumentsError
from socketio_sync import TransportError
from socketio_sync.flask import ConnectionRefusedError
from socketio_sync.flask import Namespace
from socketio_sync.flask import SocketIO
from socketio_sync.flask import emit
from socketio_sync.testing import TestClient

Make = Callable[..., Any]


def test_an_event_has_one_handler_the_last_one(site: Make) -> None:
    here = site()
    here.socketio.on("chat")(lambda: "first")
    here.socketio.on_event("chat", lambda: "second")
    assert here.client().emit("chat", callback=True) == "second"


def test_a_decorator_leaves_the_handler_as_it_is(site: Make) -> None:
    io = site().socketio

    def chat() -> None: ...

    assert io.on("chat")(chat) is chat
    assert io.event(chat) is chat
    assert io.event(namespace="/a")(chat) is chat
    assert io.on_error()(len) is len
    assert io.on_error_default(len) is len


def test_arguments_that_a_handler_does_not_take_are_left_out(site: Make) -> None:
    here = site()
    here.socketio.on("one")(lambda a: [a])
    here.socketio.on("all")(lambda *args: list(args))
    client = here.client()
    assert client.emit("one", 1, 2, 3, callback=True) == [1]
    assert client.emit("all", 1, 2, 3, callback=True) == [1, 2, 3]


def test_too_few_arguments_are_an_error_of_their_own(site: Make, caplog: pytest.LogCaptureFixture) -> None:
    here = site()
    here.socketio.on("two")(lambda a, b: None)
    client = here.client()
    for _ in range(3):
        with pytest.raises(ArgumentsError, match="needs 2 arguments, 1 came"):
            client.emit("two", 1)
    levels = [record.levelno for record in caplog.records if "needs 2 arguments" in record.message]
    assert levels.count(logging.WARNING) == 1


def test_a_decorator_may_add_arguments(site: Make) -> None:
    here = site()

    def with_user(handler: Any) -> Any:
        @functools.wraps(handler)
        def wrapped(*args: Any) -> Any:
            return handler("ada", *args)

        return wrapped

    def with_colour(handler: Any) -> Any:
        @functools.wraps(handler)
        def wrapped(data: Any) -> Any:
            return handler("green", data)

        return wrapped

    here.socketio.on("chat")(with_user(lambda user, text: [user, text]))
    here.socketio.on("paint")(with_colour(lambda colour, data: [colour, data]))
    client = here.client()
    assert client.emit("chat", "hello", callback=True) == ["ada", "hello"]
    assert client.emit("paint", "wall", "surplus", callback=True) == ["green", "wall"]


def test_answers(site: Make) -> None:
    here = site()
    values = {"none": None, "one": 1, "list": [1, 2], "several": (1, 2), "null": (None,), "false": False}
    for name, value in values.items():
        here.socketio.on_event(name, lambda value=value: value)
    client = here.client()
    found = {name: client.emit(name, callback=True) for name in values}
    assert found == {"none": [], "one": 1, "list": [1, 2], "several": [1, 2], "null": None, "false": False}
    assert client.emit("one") is None
    assert client.emit("nothing handles it", callback=True) is None


def test_catch_alls_come_after_names(site: Make) -> None:
    here = site(namespaces="*")
    io = here.socketio
    io.on("chat", namespace="/a")(lambda *args: ["/a chat", *args])
    io.on("*", namespace="/a")(lambda *args: ["/a *", *args])
    io.on("chat", namespace="*")(lambda *args: ["* chat", request.namespace, *args])
    io.on("*", namespace="*")(lambda *args: ["* *", request.namespace, *args])
    a, b = here.client("/a"), here.client("/b")
    assert a.emit("chat", 1, namespace="/a", callback=True) == ["/a chat", 1]
    assert a.emit("other", 1, namespace="/a", callback=True) == ["/a *", "other", 1]
    assert b.emit("chat", 1, namespace="/b", callback=True) == ["* chat", "/b", 1]
    assert b.emit("other", 1, namespace="/b", callback=True) == ["* *", "/b", "other", 1]


def test_a_client_cannot_forge_the_life_cycle(site: Make) -> None:
    here = site()
    called: list[Any] = []
    here.socketio.on("connect")(lambda: called.append("connect"))
    here.socketio.on("disconnect")(lambda: called.append("disconnect"))
    here.socketio.on("*")(lambda *args: called.append(args))
    client = here.client()
    assert client.emit("connection", "x", callback=True) is None
    for event in ("connect", "disconnect", "disconnecting"):
        with pytest.raises(ValueError, match="reserved"):
            client.emit(event)
    assert called == ["connect"]
    client.disconnect()
    assert called == ["connect", "disconnect"]


def test_only_namespaces_that_somebody_named_can_be_joined(site: Make) -> None:
    here = site(namespaces=["/plain", "/"])
    here.socketio.on("chat", namespace="handled")(lambda: None)
    here.socketio.emit("news", namespace="/typo")
    joined = {name: here.client(name).is_connected(name) for name in ("/", "/plain", "/handled", "/typo", "/other")}
    assert joined == {"/": True, "/plain": True, "/handled": True, "/typo": False, "/other": False}


def test_the_root_can_be_left_out_and_empty_namespaces_go(site: Make) -> None:
    assert not site(namespaces=["/chat"]).client().is_connected()
    here = site(namespaces="*")
    client = here.client("/anything")
    assert "/anything" in here.socketio.server.namespaces
    client.disconnect("/anything")
    assert "/anything" not in here.socketio.server.namespaces


def test_a_class_handles_a_namespace(site: Make) -> None:
    here = site()
    called: list[Any] = []

    class Chat(Namespace):
        def on_connect(self) -> None:
            called.append("connect")

        def on_disconnect(self, reason: str) -> None:
            called.append(reason)

        def on_say(self, text: str) -> str:
            self.emit("said", text)
            self.send(text, room=request.sid)
            return text.upper()

        def on_ask(self) -> Any:
            return self.rooms(request.sid)

        def on_move(self) -> Any:
            self.enter_room(request.sid, 7)
            rooms = self.rooms(request.sid)
            self.leave_room(request.sid, 7)
            return len(rooms), len(self.rooms(request.sid))

        def on_leave(self) -> None:
            self.disconnect(request.sid)

    here.socketio.on_namespace(Chat("/chat"))
    here.socketio.on("decorated", namespace="/chat")(lambda: "a function comes first")
    client = here.client("/chat")
    assert client.emit("say", "hello", namespace="/chat", callback=True) == "HELLO"
    assert here.events(client, "/chat") == [("said", ["hello"]), ("message", "hello")]
    assert client.emit("decorated", namespace="/chat", callback=True) == "a function comes first"
    assert client.emit("move", namespace="/chat", callback=True) == [2, 1]
    assert client.emit("there is no such method", namespace="/chat", callback=True) == []
    client.emit("leave", namespace="/chat")
    assert called == ["connect", "server disconnect"]


def test_a_class_may_find_its_methods_itself_and_mend_their_errors(site: Make) -> None:
    here = site(namespaces=["/a"])

    class Odd(Namespace):
        def trigger_event(self, event: str, *args: Any) -> Any:
            return super().trigger_event(event.replace("-", "_"), *args)

        def on_odd_name(self, value: int) -> Any:
            return request.namespace, request.event, 1 // value

        def error(self, error: Exception) -> str:
            return f"{type(error).__name__} in {request.event['message']}"

    here.socketio.on_namespace(Odd("*"))
    client = here.client("/a")
    event = {"message": "odd_name", "args": [1]}
    assert client.emit("odd-name", 1, namespace="/a", callback=True) == ["/a", event, 1]
    assert client.emit("odd-name", 0, namespace="/a", callback=True) == "ZeroDivisionError in odd_name"


def test_errors_go_to_the_namespace_then_to_the_default_then_to_the_log(site: Make) -> None:
    here = site()
    for name in ("/", "/a", "/b"):
        here.socketio.on("fail", namespace=name)(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        here.client().emit("fail")
    here.socketio.on_error("/a")(lambda error: f"/a: {error} {request.event}")
    here.socketio.on_error_default(lambda error: f"default: {error}")
    event = "{'message': 'fail', 'args': ()}"
    text = "integer division or modulo by zero"
    assert here.client("/a").emit("fail", namespace="/a", callback=True) == f"/a: {text} {event}"
    assert here.client("/b").emit("fail", namespace="/b", callback=True) == f"default: {text}"


def test_an_error_that_nobody_takes_leaves_the_client_without_an_answer(site: Make) -> None:
    here = site()
    here.socketio.on("fail")(lambda: 1 // 0)
    told: list[Any] = []
    here.socketio.server.on_error(lambda error, socket, event: told.append((type(error), event)))
    client = here.client()
    with pytest.raises(ZeroDivisionError):
        client.emit("fail", callback=True)
    assert told == [(ZeroDivisionError, "fail")]
    assert client.is_connected()


def test_a_value_that_cannot_be_sent_is_the_handlers_error(site: Make) -> None:
    here = site()
    here.socketio.on("answer")(lambda: object())
    here.socketio.on("send")(lambda: emit("x", {"deep": [object()]}))
    client = here.client()
    with pytest.raises(TypeError):
        client.emit("answer", callback=True)
    with pytest.raises(TypeError, match="deep"):
        client.emit("send")


def test_what_cannot_be_a_handler_is_told_when_it_is_registered(site: Make) -> None:
    io = site().socketio

    async def coroutine() -> None: ...

    with pytest.raises(TypeError, match="async def"):
        io.on("chat")(coroutine)
    with pytest.raises(TypeError, match="2 arguments are required"):
        io.on("connect")(lambda sid, environ: None)
    with pytest.raises(TypeError, match="decorator event"):
        io.on(coroutine)(len)
    with pytest.raises(ValueError, match="'connect'"):
        io.on("connection")(lambda: None)
    with pytest.raises(ValueError, match="ConnectionRefusedError"):
        io.on("connect_error")(lambda: None)

    class Wrong(Namespace):
        def on_connect(self, sid: str, environ: Any) -> None: ...

    with pytest.raises(TypeError, match="2 arguments are required"):
        io.on_namespace(Wrong("/wrong"))
    with pytest.raises(ValueError, match="instance"):
        io.on_namespace(Namespace)
    with pytest.raises(ValueError, match="callable"):
        io.on_error_default(None)


def test_handlers_may_come_before_and_after_the_application(site: Make) -> None:
    io = SocketIO()
    io.on("before")(lambda: "before")
    io.on("before", namespace="/early")(lambda: "early")
    for name in ("one", "two"):  # as the tests of an application factory do
        app = Flask(name)
        app.secret_key = "secret"
        io.init_app(app)
        io.on_event(f"after {name}", lambda: "after")
        with io.test_client(app) as client, io.test_client(app, "/early") as early:
            assert client.emit("before", callback=True) == "before"
            assert client.emit(f"after {name}", callback=True) == "after"
            assert early.emit("before", namespace="/early", callback=True) == "early"


def test_events_may_overtake_each_other_unless_they_must_not(site: Make) -> None:
    for options, order in (({}, ["short", "long"]), ({"async_handlers": False}, ["long", "short"])):
        here = site(**options)
        done: list[str] = []

        @here.socketio.on("work")
        def work(name: str, seconds: float) -> None:
            here.socketio.sleep(seconds)  # noqa: B023
            done.append(name)  # noqa: B023

        with TestClient(here.socketio.server) as client:
            client.emit("work", "long", 2)
            client.emit("work", "short", 1)
            client.advance(4)
        assert done == order


def test_a_refusal_outside_of_connecting_is_an_error(site: Make) -> None:
    here = site()

    @here.socketio.on("chat")
    def chat() -> None:
        raise ConnectionRefusedError("too late")

    here.socketio.on_error_default(lambda error: "is not asked")
    with pytest.raises(ConnectionRefusedError):
        here.client().emit("chat", callback=True)


@pytest.mark.parametrize("error", [TransportError("another server"), builtins.ConnectionRefusedError(111, "database")])
def test_a_connection_that_failed_elsewhere_is_an_error_as_others(site: Make, error: Exception) -> None:
    here = site(namespaces=["/connecting", "/"])

    def fail() -> None:
        raise error

    here.socketio.on("chat")(fail)
    here.socketio.on("connect", namespace="/connecting")(fail)
    with pytest.raises(type(error)):
        here.client("/connecting")
    told: list[Exception] = []
    here.socketio.on_error_default(told.append)
    here.client().emit("chat")
    here.client("/connecting")
    assert told == [error, error]
