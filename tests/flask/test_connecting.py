"""Connect and disconnect handlers: who comes in, what they may do, and what they are told."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from typing import Any

import pytest
from flask import request
from flask import session

from socketio_sync import ConnectError
from socketio_sync.flask import ConnectionRefusedError
from socketio_sync.flask import call
from socketio_sync.flask import disconnect
from socketio_sync.flask import emit
from socketio_sync.flask import join_room
from socketio_sync.flask import leave_room
from socketio_sync.flask import rooms
from socketio_sync.flask import send
from socketio_sync.testing import TestClient

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("handler", "seen"),
    [
        (lambda: "no argument", "no argument"),
        (lambda auth: auth, {"token": "t"}),
        (lambda auth=None: auth, {"token": "t"}),
        (lambda *args: list(args), [{"token": "t"}]),
    ],
)
def test_the_auth_is_given_to_handlers_that_take_it(site: Make, handler: Any, seen: Any) -> None:
    here = site()
    found: list[Any] = []

    @here.socketio.on("connect")
    @functools.wraps(handler)
    def connect(*args: Any) -> None:
        found.append(handler(*args))

    here.client(auth={"token": "t"})
    assert found == [seen]


def test_without_auth_it_is_none(site: Make) -> None:
    here = site()
    found: list[Any] = []
    here.socketio.on("connect")(lambda auth: found.append((auth, request.event["args"][1])))
    here.client()
    here.client(auth={})
    assert found == [(None, None)] * 2


def test_a_connect_handler_that_raises_typeerror_runs_once_and_lets_nobody_in(site: Make) -> None:
    here = site()
    calls: list[Any] = []

    @here.socketio.on("connect")
    def connect(auth: Any = None) -> None:
        calls.append(auth)
        len(auth)

    with pytest.raises(TypeError):
        here.client()
    assert calls == [None]


def refuse(error: BaseException | None) -> Any:
    """A connect handler that raises this, or returns False."""

    def connect() -> Any:
        if error is not None:
            raise error
        return False

    return connect


@pytest.mark.parametrize(
    ("error", "message", "data"),
    [
        (None, "Connection rejected by server", None),
        (ConnectionRefusedError(), "Connection rejected by server", None),
        (ConnectionRefusedError("no"), "no", None),
        (ConnectionRefusedError("no", {"why": 1}), "no", {"why": 1}),
        (ConnectionRefusedError("no", 1, 2), "no", [1, 2]),
        (ConnectError("ours", data=3), "ours", 3),
        (builtins.ConnectionRefusedError(), "Connection refused by server", None),
    ],
)
def test_refusing(site: Make, error: Any, message: str, data: Any) -> None:
    here = site()
    here.socketio.on("connect")(refuse(error))
    assert not here.client().is_connected()
    with pytest.raises(ConnectError) as caught, TestClient(here.socketio.server):
        pass
    assert (caught.value.message, caught.value.data) == (message, data)


def test_nobody_comes_in_by_an_error_even_one_that_is_handled(site: Make) -> None:
    here = site()
    here.socketio.on("connect")(lambda: 1 // 0)
    told: list[Exception] = []
    here.socketio.on_error_default(told.append)
    assert not here.client().is_connected()
    assert [type(error) for error in told] == [ZeroDivisionError]


def test_what_is_emitted_while_connecting_comes_behind_the_acceptance(site: Make) -> None:
    here = site()

    @here.socketio.on("connect")
    def connect(auth: Any) -> Any:
        session["name"] = "ada"
        join_room(["lobby", "attic"])
        leave_room("attic")
        emit("to me", 1)
        send("to me, too")
        emit("to the lobby", to="lobby")
        emit("to the attic", to="attic")
        emit("to others", broadcast=True, include_self=False)
        emit("not to me", broadcast=True, skip_sid=[request.sid])
        here.socketio.emit("to all")
        emit("rooms", sorted(set(rooms()) - {request.sid}))
        return None if auth else False

    first = here.client(auth={"in": True})
    mine = [("to me", [1]), ("message", "to me, too"), ("to the lobby", []), ("to all", []), ("rooms", [["lobby"]])]
    assert sorted(here.events(first), key=str) == sorted(mine, key=str)
    assert not here.client().is_connected()
    others = [("to the lobby", []), ("to others", []), ("not to me", []), ("to all", [])]
    assert here.events(first) == others
    here.socketio.emit("later", to="lobby")
    assert here.events(first) == [("later", [])]


def test_who_is_being_asked_in_gets_nothing_that_others_send(site: Make) -> None:
    here = site()
    here.client()

    @here.socketio.on("connect")
    def connect() -> None:
        here.socketio.start_background_task(here.socketio.emit, "a secret")
        here.socketio.sleep(1)

    assert here.events(here.client()) == []


def test_the_last_middleware(site: Make) -> None:
    here = site()
    order: list[str] = []
    here.socketio.on("connect")(lambda: order.append("connect handler"))
    here.socketio.server.use(lambda socket: order.append(f"middleware {request.sid == socket.id}"))
    here.socketio.server.on("connection", lambda socket: order.append("connection"))
    here.client()
    assert order == ["middleware True", "connect handler", "connection"]


def test_asking_while_connecting_says_that_it_cannot_be(site: Make) -> None:
    here = site()
    here.socketio.on("connect")(lambda: call("question"))
    with pytest.raises(RuntimeError, match="accepted"):
        here.client()


def test_leaving_while_connecting(site: Make) -> None:
    here = site()
    here.socketio.on("connect")(lambda: disconnect())
    assert not here.client().is_connected()


def test_the_reason_is_given_to_handlers_that_take_it(site: Make) -> None:
    here = site(namespaces=["/", "/a", "/b"])
    told: list[Any] = []
    here.socketio.on("disconnect")(lambda reason: told.append((reason, request.event["args"])))
    here.socketio.on("disconnect", namespace="/a")(lambda: told.append("no argument"))
    here.socketio.on("out")(lambda: disconnect())
    here.client().disconnect()
    here.client("/a").disconnect("/a")
    here.client().emit("out")
    with TestClient(here.socketio.server) as client:
        client.cut()
        client.connect()
        client.cut(silent=True)
        client.advance(60)
    assert told == [
        ("client disconnect", ("client disconnect",)),
        "no argument",
        ("server disconnect", ("server disconnect",)),
        ("transport close", ("transport close",)),
        ("ping timeout", ("ping timeout",)),
    ]
    reason = here.socketio.reason
    assert (told[0][0], told[2][0]) == (reason.CLIENT_DISCONNECT, reason.SERVER_DISCONNECT)


def test_a_disconnect_handler_knows_the_rooms_and_tells_the_others(site: Make) -> None:
    here = site()
    here.socketio.on("connect")(lambda: join_room("lobby"))

    @here.socketio.on("disconnect")
    def gone() -> None:
        emit("left", len(rooms()), to="lobby")
        leave_room("lobby")
        join_room("another")

    alice, bob = here.client(), here.client()
    bob.disconnect()
    assert here.events(alice) == [("left", [2])]


def test_a_recovered_client_has_its_connect_handler_run_and_its_session_kept(site: Make) -> None:
    here = site(connection_state_recovery=True)
    io = here.socketio
    runs: list[str] = []

    @io.on("connect")
    def connect() -> Any:
        runs.append("connect")
        session.setdefault("visits", 0)
        return None if len(runs) < 3 else False

    @io.on("visit")
    def visit() -> int:
        session["visits"] += 1
        return int(session["visits"])

    with TestClient(io.server) as client:
        io.emit("first")  # an offset to come back to
        assert client.emit_with_ack("visit") == 1
        client.cut()
        client.connect()
        assert client.recovered
        assert client.emit_with_ack("visit") == 2
        client.cut()
        client.connect()
        assert not client.connected  # refused, if late
    assert runs == ["connect"] * 3
