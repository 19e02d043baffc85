"""The test client: what Flask-SocketIO's does, without anything being patched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import request
from flask import session

from socketio_sync.flask import SocketIOTestClient
from socketio_sync.flask import call
from socketio_sync.flask import disconnect
from socketio_sync.flask import emit
from socketio_sync.flask import send

Make = Callable[..., Any]


def test_what_comes_is_kept_until_it_is_taken(site: Make) -> None:
    here = site(namespaces=["/", "/a"])

    @here.socketio.on("go")
    def go(data: Any) -> None:
        emit("one", (1, data))
        send("text")
        send({"a": 1}, json=True)
        emit("none")
        emit("elsewhere", namespace="/a", broadcast=True)

    client = here.client()
    client.connect("/a")
    client.emit("go", b"\x00\x01")
    assert client.get_received() == [
        {"name": "one", "args": [1, b"\x00\x01"], "namespace": "/"},
        {"name": "message", "args": "text", "namespace": "/"},
        {"name": "json", "args": {"a": 1}, "namespace": "/"},
        {"name": "none", "args": [], "namespace": "/"},
    ]
    assert client.get_received() == []
    assert client.get_received("/a") == [{"name": "elsewhere", "args": [], "namespace": "/a"}]
    assert client.is_connected() and client.is_connected("/a") and not client.is_connected("/b")


def test_send(site: Make) -> None:
    here = site()
    here.socketio.on("message")(lambda text: ["message", text])
    here.socketio.on("json")(lambda data: ["json", data])
    client = here.client()
    assert client.send("a", callback=True) == ["message", "a"]
    assert client.send({"b": 1}, json=True, callback=True) == ["json", {"b": 1}]
    assert client.send("a") is None


def test_who_is_not_connected_can_do_nothing(site: Make) -> None:
    here = site()
    here.socketio.on("out")(lambda: disconnect())
    client = here.client()
    client.emit("out")
    emits = (lambda: client.emit("x"), lambda: client.send("x", namespace="/a"))
    for act in (client.get_received, client.disconnect, *emits):
        with pytest.raises(RuntimeError, match="not connected"):
            act()
    client.connect()
    assert client.is_connected()
    client.disconnect()
    assert not client.is_connected()


def test_handlers_that_sleep_or_ask_have_ended_when_a_call_returns(site: Make) -> None:
    here = site()
    times: list[float] = []

    @here.socketio.on("slow")
    def slow() -> str:
        here.socketio.sleep(30)
        times.append(here.socketio.server.engine.runtime.now())
        emit("late")
        return "done"

    here.socketio.on("ask")(lambda: call("question", timeout=5))
    client = here.client()
    began = here.socketio.server.engine.runtime.now()
    assert client.emit("slow", callback=True) == "done"
    assert times[0] - began == pytest.approx(30)
    assert here.events(client) == [("late", [])]
    with pytest.raises(TimeoutError):
        client.emit("ask")


def test_headers_query_cookies_and_auth_arrive(site: Make) -> None:
    here = site()
    seen: list[Any] = []

    @here.socketio.on("connect")
    def connect(auth: Any) -> None:
        seen.append((auth, request.headers.get("X-A"), request.args.getlist("q"), dict(request.cookies)))

    browser = here.app.test_client()
    browser.set_cookie("colour", "green")
    here.client(auth={"t": 1}, headers={"X-A": "a"}, query_string="q=1&q=%20", flask_test_client=browser)
    here.client(headers=[("X-A", "b"), ("Cookie", "x=y")], query_string="?q=2")
    assert seen == [({"t": 1}, "a", ["1", " "], {"colour": "green"}), (None, "b", ["2"], {"x": "y"})]


def test_the_applications_own_host_is_asked_so_that_its_cookies_arrive(site: Make) -> None:
    here = site()
    here.app.config["SERVER_NAME"] = "shop.example"
    here.app.get("/name")(lambda: session.setdefault("name", "ada"))
    here.socketio.on("name")(lambda: [session.get("name"), request.host])
    browser = here.app.test_client()
    browser.get("/name")
    assert here.client(flask_test_client=browser).emit("name", callback=True) == ["ada", "shop.example"]


def test_an_error_while_leaving_is_raised_then_and_not_in_the_next_test(site: Make) -> None:
    here = site()
    here.socketio.on("disconnect")(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError), here.socketio.test_client(here.app):
        pass
    with pytest.raises(KeyError), here.socketio.test_client(here.app):
        raise KeyError
    client = here.client()
    assert client.is_connected()
    with pytest.raises(ZeroDivisionError):
        client.disconnect()


def test_it_is_the_class_that_the_method_makes_and_leaves_at_the_end_of_with(site: Make) -> None:
    here = site()
    with SocketIOTestClient(here.app, here.socketio) as client:
        assert isinstance(here.client(), SocketIOTestClient)
        assert client.eio_sid != here.clients[0].eio_sid
    assert not client.is_connected()


def test_what_the_test_sends_itself_arrives(site: Make) -> None:
    here = site()
    here.socketio.on("connect")(lambda: here.socketio.start_background_task(here.socketio.emit, "from a task"))
    client = here.client()
    here.socketio.emit("from the test")
    assert [name for name, _ in here.events(client)] == ["from a task", "from the test"]
