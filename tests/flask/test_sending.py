"""emit, send, call and rooms: whom they reach, by which names, and what they refuse."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask import request

from socketio_sync import AckTimeout
from socketio_sync import DisconnectedError
from socketio_sync import flask as extension
from socketio_sync.flask import call
from socketio_sync.flask import close_room
from socketio_sync.flask import disconnect
from socketio_sync.flask import emit
from socketio_sync.flask import join_room
from socketio_sync.flask import rooms
from socketio_sync.flask import send
from socketio_sync.testing import TestClient

Make = Callable[..., Any]


def sids(here: Any) -> list[str]:
    """The ids of the clients, oldest first."""
    return list(here.socketio.server.sockets)


def test_whom_an_event_reaches(site: Make) -> None:
    here = site()
    clients = [here.client() for _ in range(3)]
    first, second, third = sids(here)
    here.socketio.server.in_([first, second]).sockets_join("room")
    reached = {
        "all": {},
        "room": {"to": "room"},
        "room too": {"room": "room"},
        "sid": {"to": third},
        "list": {"to": ["room", third]},
        "skip": {"skip_sid": first},
        "skip list": {"skip_sid": [first, second]},
        "room but": {"to": "room", "skip_sid": first},
        "skip the only one": {"to": first, "skip_sid": first},
        "nobody": {"to": []},
        "empty": {"to": ""},
        "local": {"ignore_queue": True},
    }
    for name, options in reached.items():
        here.socketio.emit(name, **options)
    got = [[name for name, _ in here.events(client)] for client in clients]
    assert got == [
        ["all", "room", "room too", "list", "local"],
        ["all", "room", "room too", "list", "skip", "room but", "local"],
        ["all", "sid", "list", "skip", "skip list", "local"],
    ]


def test_a_tuple_is_several_arguments_and_none_is_none(site: Make) -> None:
    here = site()
    client = here.client()
    for number, args in enumerate([(), (None,), ((1, 2),), ([1, 2],), ((),), (1, 2), ({"t": (1,)},)]):
        here.socketio.emit(str(number), *args)
    here.socketio.send("text")
    here.socketio.send({"a": 1}, json=True)
    assert [args for _, args in here.events(client)] == [
        [],
        [],
        [1, 2],
        [[1, 2]],
        [],
        [1, 2],
        [{"t": [1]}],
        "text",
        {"a": 1},
    ]


def test_numbers_and_uuids_name_rooms(site: Make) -> None:
    here = site()
    user = uuid.UUID(int=7)

    @here.socketio.on("go")
    def go() -> Any:
        join_room(42)
        join_room([user, "text"])
        emit("to the number", to=42)
        emit("to the uuid", to=[user])
        return sorted(set(rooms()) - {request.sid})

    client = here.client()
    assert client.emit("go", callback=True) == [str(user), "42", "text"]
    assert len(here.events(client)) == 2
    here.socketio.close_room(42)
    here.socketio.emit("nobody", to=42)
    assert here.events(client) == []


def test_rooms_of_others(site: Make) -> None:
    here = site(namespaces=["/a", "/b"])
    here.client("/a")
    (other,) = here.socketio.server.of("/a").sockets

    @here.socketio.on("act", namespace="/b")
    def act(name: str, *args: Any, **options: Any) -> Any:
        return getattr(extension, name)(*args, sid=other, namespace="/a")

    actor = here.client("/b")
    actor.emit("act", "join_room", "room", namespace="/b")
    assert actor.emit("act", "rooms", namespace="/b", callback=True) == sorted(["room", other])
    actor.emit("act", "leave_room", "room", namespace="/b")
    assert actor.emit("act", "rooms", namespace="/b", callback=True) == [other]
    actor.emit("act", "disconnect", namespace="/b")
    assert not here.clients[0].is_connected("/a")
    assert actor.emit("act", "rooms", namespace="/b", callback=True) == []


def test_a_client_cannot_be_put_into_anothers_own_room(site: Make) -> None:
    here = site()
    here.client()
    here.socketio.on("spy")(join_room)
    with pytest.raises(ValueError, match="another socket"):
        here.client().emit("spy", sids(here)[0])


def test_asking_one_client(site: Make) -> None:
    here = site()
    here.socketio.on("ask")(lambda *args: call("question", *args, timeout=3))
    with TestClient(here.socketio.server) as client:
        client.on("question", lambda *args: args)
        for asked, answer in (((), None), ((1,), 1), (((1, 2),), (1, 2))):
            tasks: list[Any] = []
            here.socketio.start_background_task(
                lambda asked=asked, tasks=tasks: tasks.append(here.socketio.call("question", *asked, to=client.id))
            )
            client.received()
            assert tasks == [answer]
        assert client.emit_with_ack("ask", "really?") == "really?"
        client.off("question")
        failed: list[Any] = []

        def ask(**options: Any) -> None:
            try:
                here.socketio.call("question", **options)
            except Exception as error:
                failed.append((type(error), here.socketio.server.engine.runtime.now()))

        for options in ({"to": client.id, "timeout": 3}, {"to": "nobody"}, {"to": client.id}):
            here.socketio.start_background_task(ask, **options)
        began = here.socketio.server.engine.runtime.now()
        client.advance(4)
        client.disconnect()
    assert [kind for kind, _ in failed] == [DisconnectedError, AckTimeout, DisconnectedError]
    assert failed[1][1] - began == pytest.approx(3)
    assert issubclass(AckTimeout, TimeoutError)


def test_options_that_do_not_exist_are_told(site: Make) -> None:
    here = site()
    here.client()
    with pytest.raises(ValueError, match="to="):
        here.socketio.call("question")
    with pytest.raises(TypeError, match="broadcasts already"):
        here.socketio.emit("x", broadcast=True)
    with pytest.raises(TypeError, match="'rooms'.* it has namespace, to"):
        here.socketio.send("x", rooms="a")
    with here.app.test_request_context():
        for function, options in ((emit, {"brodcast": True}), (send, {"too": "x"}), (call, {"broadcast": True})):
            with pytest.raises(TypeError, match="has no option"):
                function("x", **options)


FUNCTIONS = ["emit", "send", "call", "join_room", "leave_room", "close_room", "rooms", "disconnect"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_without_a_client_there_is_a_message(site: Make, name: str) -> None:
    here = site()
    function = getattr(extension, name)
    args = () if name in ("rooms", "disconnect") else ("x",)
    with pytest.raises(RuntimeError, match=f"{name}.*none is handled here|no client and no application"):
        function(*args)
    with here.app.test_request_context(), pytest.raises(RuntimeError, match=f"{name}.*none is handled here"):
        function(*args)


def test_in_a_route_a_client_may_be_named(site: Make) -> None:
    here = site()
    client = here.client()
    (sid,) = sids(here)
    with here.app.test_request_context():
        emit("broadcast", namespace="/", broadcast=True)
        emit("to", namespace="/", to=sid)
        join_room("room", sid=sid, namespace="/")
        assert rooms(sid, "/") == sorted(["room", sid])
        emit("room", namespace="/", to="room")
        close_room("room", "/")
        emit("nobody", namespace="/", to="room")
        assert [name for name, _ in here.events(client)] == ["broadcast", "to", "room"]
        disconnect(sid, "/")
        with pytest.raises(RuntimeError, match="include_self"):
            here.socketio.emit("x", include_self=False)
    assert not client.is_connected()


def test_an_application_without_the_extension_is_told(site: Make) -> None:
    with Flask("bare").test_request_context(), pytest.raises(RuntimeError, match="'bare' has no SocketIO"):
        emit("x", namespace="/", broadcast=True)
    with pytest.raises(RuntimeError, match="init_app"):
        extension.SocketIO().emit("x")
