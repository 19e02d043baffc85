"""What is asked of many sockets at once, as the official clients see it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest

from socketio_sync import AckTimeout
from socketio_sync import DisconnectedError
from tests.support.javascript import JavaScript
from tests.support.served import Served
from tests.support.served import served
from tests.support.wire import until

Dial = Callable[..., list[Any]]


@pytest.fixture
def server(runtime: str) -> Iterator[Served]:
    with served(runtime) as server:
        yield server


@pytest.fixture
def dial(js: JavaScript, server: Served) -> Dial:
    """The sockets of clients with these names, on both transports in turn; ``kept.NAME`` is the client."""

    def dial(*names: str) -> list[Any]:
        ids = js(
            """
            const ids = [];
            for (const [i, name] of names.entries()) {
              kept[name] = await connect(url, { transport: i % 2 ? "polling" : "websocket", auth: { name } });
              kept[name].on("question", (value, ack) => kept[name].silent || ack(`${name} ${value}`, "second"));
              ids.push(kept[name].id);
            }
            return ids;
            """,
            url=server.url,
            names=names,
        )
        return [until(lambda id=id: server.io.sockets.get(id)) for id in ids]

    return dial


def events(js: JavaScript, name: str, count: int) -> list[Any]:
    """What a client has received, once there are so many."""
    code = "const { received } = kept[name]; await until(() => received.length >= count); return received"
    found: list[Any] = js(code, name=name, count=count)
    return found


# -- broadcasts with acknowledgement -------------------------------------------------------------------------------


def test_the_first_argument_of_each_answer(js: JavaScript, server: Served, dial: Dial) -> None:
    alice, bob, _ = dial("alice", "bob", "carol")
    assert sorted(server.io.timeout(5).emit_with_ack("question", 1)) == ["alice 1", "bob 1", "carol 1"]
    bob.join("room")
    assert server.io.to("room").timeout(5).emit_with_ack("question", 2) == ["bob 2"]
    assert sorted(alice.broadcast.timeout(5).emit_with_ack("question", 3)) == ["bob 3", "carol 3"]
    assert server.io.to("nobody").emit_with_ack("question", 4) == []


@pytest.mark.parametrize("how", ["disconnect()", "io.engine.close()", "io.engine.transport.ws._socket.destroy()"])
def test_a_client_that_leaves_is_not_waited_for(js: JavaScript, server: Served, dial: Dial, how: str) -> None:
    dial("alice", "bob", "carol")
    js("kept.alice.silent = true")
    answers: list[Any] = []
    server.io.timeout(60).emit("question", 1, callback=answers.append, error_callback=answers.append)
    events(js, "alice", 1)
    assert answers == []
    js(f"kept.alice.{how}")
    until(lambda: answers)
    assert sorted(answers[0]) == ["bob 1", "carol 1"]


def test_who_is_disconnected_meanwhile_is_not_waited_for(js: JavaScript, server: Served, dial: Dial) -> None:
    alice, _ = dial("alice", "bob")
    js("kept.alice.silent = true")
    answers: list[Any] = []
    server.io.timeout(60).emit("question", 1, callback=answers.append)
    events(js, "alice", 1)
    alice.disconnect()
    until(lambda: answers)
    assert answers == [["bob 1"]]


def test_too_late(js: JavaScript, server: Served, dial: Dial) -> None:
    dial("alice", "bob")
    js("kept.bob.silent = true; kept.bob.on('question', (value, ack) => { kept.late = ack; })")
    with pytest.raises(AckTimeout) as caught:
        server.io.timeout(0.3).emit_with_ack("question", 1)
    assert caught.value.responses == ["alice 1"]
    js("kept.late('too late')")
    errors: list[Any] = []
    server.io.timeout(0.2).emit("question", 2, callback=errors.append, error_callback=errors.append)
    until(lambda: errors)
    assert errors[0].responses == ["alice 2"]


def test_one_client_too_late_or_gone(js: JavaScript, server: Served, dial: Dial) -> None:
    (alice,) = dial("alice")
    assert alice.timeout(5).emit_with_ack("question", 1) == ("alice 1", "second")
    js("kept.alice.silent = true")
    with pytest.raises(AckTimeout):
        alice.timeout(0.1).emit_with_ack("question", 2)
    waiting = js.start("await until(() => kept.alice.received.length === 3); kept.alice.disconnect()")
    with pytest.raises(DisconnectedError) as caught:
        alice.timeout(10).emit_with_ack("question", 3)
    waiting.result()
    assert caught.value.reason == "client namespace disconnect"


# -- the utility methods -------------------------------------------------------------------------------------------


def test_fetch_sockets(js: JavaScript, server: Served, dial: Dial) -> None:
    alice, bob, carol = dial("alice", "bob", "carol")
    alice.join(["a", "b"])
    bob.join("a")
    alice.data["n"] = 1
    found = {remote.handshake.auth["name"]: remote for remote in server.io.fetch_sockets()}
    assert sorted(found) == ["alice", "bob", "carol"]
    assert (found["alice"].id, found["alice"].rooms, found["alice"].data) == (
        alice.id,
        frozenset((alice.id, "a", "b")),
        {"n": 1},
    )
    assert {remote.id for remote in server.io.to("a").fetch_sockets()} == {alice.id, bob.id}
    assert {remote.id for remote in server.io.to("a").except_("b").fetch_sockets()} == {bob.id}
    assert {remote.id for remote in alice.to("a").fetch_sockets()} == {bob.id}
    assert {remote.id for remote in alice.broadcast.fetch_sockets()} == {bob.id, carol.id}
    assert server.io.to("nowhere").fetch_sockets() == []

    remote = found["carol"]
    remote.emit("hello", b"carol")
    assert events(js, "carol", 1) == [["hello", b"carol"]]
    assert remote.timeout(5).emit_with_ack("question", 1) == "carol 1"  # as a broadcast: the first argument
    remote.join("c")
    assert carol.rooms == {carol.id, "c"}
    remote.leave("c")
    assert carol.rooms == {carol.id}
    remote.disconnect()
    assert js("await until(() => kept.carol.ended.length); return kept.carol.ended") == ["io server disconnect"]


def test_joining_and_leaving_by_chain(js: JavaScript, server: Served, dial: Dial) -> None:
    io = server.io
    alice, _, _ = dial("alice", "bob", "carol")
    io.sockets_join(["everybody", "all"])
    alice.join("a")
    io.to("a").sockets_join("b")
    alice.broadcast.sockets_join("not alice")
    io.except_("a").sockets_leave("everybody")
    for room in ("all", "b", "not alice", "everybody"):
        io.to(room).emit("to", room)
    assert events(js, "alice", 3) == [["to", "all"], ["to", "b"], ["to", "everybody"]]
    for name in ("bob", "carol"):
        assert events(js, name, 2) == [["to", "all"], ["to", "not alice"]]
    io.sockets_leave("all")
    io.to("all").emit("to", "nobody")
    io.emit("to", "the end")
    assert events(js, "bob", 3)[2] == ["to", "the end"]


@pytest.mark.parametrize("close", [False, True])
def test_disconnect_sockets(js: JavaScript, server: Served, dial: Dial, close: bool) -> None:
    server.io.of("/other")
    alice, _, _ = dial("alice", "bob", "carol")
    js("kept.other = kept.bob.io.socket('/other'); await once(kept.other, 'connect')")
    alice.join("room")
    server.io.except_("room").disconnect_sockets(close)
    js("await until(() => kept.bob.ended.length && kept.carol.ended.length)")
    assert js("return [kept.alice.ended, kept.bob.ended]") == [[], ["io server disconnect"]]
    if close:
        js("await until(() => !kept.other.connected && kept.bob.io.engine.readyState === 'closed')")
        until(lambda: server.io.engine.clients_count == 1)
    else:
        assert js("return kept.other.connected")
    assert set(server.io.sockets) == {alice.id}
    js("kept.bob.connect(); await once(kept.bob, 'connect')")
    assert server.io.to("room").timeout(5).emit_with_ack("question", 1) == ["alice 1"]
