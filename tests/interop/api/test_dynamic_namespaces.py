"""Namespaces that clients of the official library make, by a pattern or a function."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from socketio_sync import ConnectError
from tests.support.javascript import JavaScript
from tests.support.served import Served
from tests.support.served import served
from tests.support.wire import until


@pytest.fixture
def server(runtime: str) -> Iterator[Served]:
    with served(runtime, cleanup_empty_child_namespaces=True) as server:
        yield server


def message(js: JavaScript, server: Served, nsp: str, **auth: Any) -> Any:
    """How a client is refused that namespace."""
    code = "const error = await refused(url, { nsp, auth }); return [error.message, error.data]"
    return js(code, url=server.url, nsp=nsp, auth=auth)


def connect(js: JavaScript, server: Served, name: str, nsp: str, **auth: Any) -> Any:
    """``kept.NAME``, a client in that namespace."""
    return js("kept[name] = await connect(url, { nsp, auth })", url=server.url, name=name, nsp=nsp, auth=auth)


def received(js: JavaScript, name: str, count: int) -> Any:
    code = "const { received } = kept[name]; await until(() => received.length >= count); return received"
    return js(code, name=name, count=count)


def test_a_pattern(js: JavaScript, server: Served) -> None:
    made: list[str] = []
    server.io.on_new_namespace(lambda nsp: made.append(nsp.name))
    orgs = server.io.of(re.compile(r"/org-(\d+)"))

    @orgs.use
    def check(socket: Any) -> None:
        if socket.handshake.auth.get("token") != "secret":
            raise ConnectError("not authorized", {"nsp": socket.nsp.name})

    @orgs.on("where")
    def where(socket: Any) -> Any:
        return socket.nsp.name, len(socket.nsp.sockets)

    for name, nsp in (("alice", "/org-1"), ("bob", "/org-1"), ("carol", "/org-22")):
        connect(js, server, name, nsp, token="secret")
    code = "return await new Promise((resolve) => kept[name].emit('where', (...answer) => resolve(answer)))"
    assert [js(code, name=name) for name in ("alice", "bob", "carol")] == [["/org-1", 2], ["/org-1", 2], ["/org-22", 1]]
    assert made == ["/org-1", "/org-22"]

    server.io.of("/org-1").emit("news", "one")
    orgs.emit("news", b"all")
    orgs.except_("nobody").emit("news", "again")
    for name in ("alice", "bob"):
        assert received(js, name, 3) == [["news", "one"], ["news", b"all"], ["news", "again"]]
    assert received(js, "carol", 2) == [["news", b"all"], ["news", "again"]]

    @orgs.on("late")
    def late(socket: Any) -> str:
        return f"added later, for {socket.nsp.name}"

    assert js("return await kept.carol.emitWithAck('late')") == "added later, for /org-22"


@pytest.mark.parametrize("nsp", ["/org-", "/org-x", "/org-1/more", "/Xorg-1", "/org-1\n", "/org-%31"])
def test_names_that_the_pattern_does_not_match(js: JavaScript, server: Served, nsp: str) -> None:
    server.io.of(re.compile(r"^/org-\d+$"))
    assert message(js, server, nsp)[0] == "Invalid namespace"
    assert set(server.io.namespaces) == {"/"}


def test_a_pattern_with_flags(js: JavaScript, server: Served) -> None:
    server.io.of(re.compile("/chat", re.IGNORECASE)).on("where", lambda socket: socket.nsp.name)
    connect(js, server, "alice", "/CHAT")
    assert js("return await kept.alice.emitWithAck('where')") == "/CHAT"


def test_a_function_that_sees_the_auth(js: JavaScript, server: Served) -> None:
    asked: list[Any] = []

    @server.io.of
    def rooms(name: str, auth: dict[str, Any]) -> bool:
        asked.append((name, auth))
        if name == "/vip" and not auth.get("vip"):
            raise ConnectError("for members only", {"price": 5})
        return name.startswith("/v")

    rooms.on("where", lambda socket: socket.nsp.name)
    assert message(js, server, "/vip") == ["for members only", {"price": 5}]
    assert message(js, server, "/other", a=1)[0] == "Invalid namespace"
    connect(js, server, "alice", "/vip", vip=True)
    assert js("return await kept.alice.emitWithAck('where')") == "/vip"
    assert asked == [("/vip", {}), ("/other", {"a": 1}), ("/vip", {"vip": True})]


def test_a_function_that_is_not_clear_refuses(js: JavaScript, server: Served, caplog: pytest.LogCaptureFixture) -> None:
    server.io.of(lambda name: "yes")  # surplus arguments are dropped, but that is no bool
    assert message(js, server, "/x")[0] == "internal error"
    assert "must return True or False, not 'yes'" in caplog.text


def test_parents_are_asked_in_order(js: JavaScript, server: Served) -> None:
    server.io.of(re.compile("/a.*")).on("who", lambda socket: "the first")
    server.io.of(lambda name, auth: True).on("who", lambda socket: "the second")
    connect(js, server, "alice", "/ab")
    connect(js, server, "bob", "/b")
    code = "return [await kept.alice.emitWithAck('who'), await kept.bob.emitWithAck('who')]"
    assert js(code) == ["the first", "the second"]


def test_an_empty_child_is_cleaned_up_and_made_again(js: JavaScript, server: Served) -> None:
    parent = server.io.of(re.compile("/t-.*"))
    parent.on("where", lambda socket: socket.nsp.name)
    connect(js, server, "alice", "/t-1")
    connect(js, server, "bob", "/t-1")
    assert "/t-1" in server.io.namespaces
    js("kept.alice.disconnect()")
    until(lambda: len(server.io.of("/t-1").sockets) == 1)
    js("kept.bob.disconnect()")
    until(lambda: "/t-1" not in server.io.namespaces)
    connect(js, server, "carol", "/t-1")
    assert js("return await kept.carol.emitWithAck('where')") == "/t-1"


def test_many_clients_make_one_namespace_at_once(js: JavaScript, server: Served) -> None:
    made: list[str] = []
    server.io.on_new_namespace(lambda nsp: made.append(nsp.name))
    parent = server.io.of(re.compile("/game-.*"))
    parent.on("connection", lambda socket: socket.nsp.emit("joined", socket.id))
    js(
        """
        const options = { nsp: "/game-1", transport: "websocket" };
        kept.clients = await Promise.all(Array.from({ length: 30 }, () => connect(url, options)));
        """,
        url=server.url,
    )
    until(lambda: len(server.io.of("/game-1").sockets) == 30)
    assert made == ["/game-1"]
    server.io.of("/game-1").emit("start")
    js("await until(() => kept.clients.every(({ received }) => received.some(([event]) => event === 'start')))")
