"""What a client of the official library finds again when it comes back, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from socketio_sync import ConnectError
from tests.support.javascript import JavaScript
from tests.support.proxy import Proxy
from tests.support.served import Served
from tests.support.served import served
from tests.support.wire import until

TRANSPORTS = ["websocket", "polling"]


class Scene:
    """A server that keeps sessions, a client of it, and the network between them.

    Attributes:
        connections: ``(id, recovered, rooms, data)`` of each, as the handler saw it.
        ends: ``(id, reason)`` of each disconnect.
        middleware: the ids that it was asked for.
    """

    def __init__(self, server: Served, proxy: Proxy, js: JavaScript) -> None:
        self.io = server.io
        self.proxy = proxy
        self.js = js
        self.connections: list[tuple[Any, ...]] = []
        self.ends: list[tuple[str, str]] = []
        self.middleware: list[str] = []
        self.expired: list[Any] = []
        self.io.use(lambda socket: self.middleware.append(socket.id))
        self.io.on("connection", self._connection)
        self.io.on("disconnect", lambda socket, reason: self.ends.append((socket.id, reason)))
        self.io.on_session_expired(self.expired.append)

    def _connection(self, socket: Any) -> None:
        self.connections.append((socket.id, socket.recovered, socket.rooms, dict(socket.data)))

    def dial(self, transport: str = "websocket", nsp: str = "/", **options: Any) -> Any:
        """The socket of a client that comes back by itself, soon."""
        id = self.js(
            """
            const client = kept.client = dial(url, {
              nsp, transport, reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 200, ...options,
            });
            kept.connections = [];
            client.on("connect", () => kept.connections.push([client.id, client.recovered]));
            await once(client, "connect");
            return client.id;
            """,
            url=self.proxy.url,
            nsp=nsp,
            transport=transport,
            options=options,
        )
        return until(lambda: self.io.of(nsp).sockets.get(id))

    def cut(self, how: str = "reset", times: int = 1) -> None:
        """Cut the client off, the so many'th time. It knows; the server may not, by long-polling."""
        self.proxy.cut(how)
        self.js("await until(() => kept.client.ended.length >= times)", times=times)

    def back(self, times: int = 1) -> list[Any]:
        """``[id, recovered]`` when the client is connected again."""
        code = "await until(() => kept.connections.length > times); return kept.connections[times]"
        found: list[Any] = self.js(code, times=times)
        return found

    def received(self, count: int) -> list[Any]:
        """Its events, without their offsets, once there are so many."""
        code = "await until(() => kept.client.received.length >= count); return kept.client.received"
        return [event[:-1] for event in self.js(code, count=count)]


@contextmanager
def scene(js: JavaScript, runtime: str, **options: Any) -> Iterator[Scene]:
    recovery = options.pop("recovery", True)
    with (
        served(runtime, connection_state_recovery=recovery, **options) as server,
        Proxy(server.port) as proxy,
    ):
        yield Scene(server, proxy, js)
        js.reset()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_its_id_rooms_data_and_what_it_missed(js: JavaScript, runtime: str, transport: str) -> None:
    with scene(js, runtime) as it:
        socket = it.dial(transport)
        socket.join(["a", "b"])
        socket.data["name"] = "alice"
        socket.data["list"] = [1, {"b": b"\x00"}]
        it.io.emit("first")
        it.received(1)
        it.cut()
        it.io.emit("to all", 1)
        it.io.to("a").emit("to a room", b"2")
        it.io.to("elsewhere").emit("to others", 3)
        it.io.except_("b").emit("to others", 4)
        it.io.to(["a", "b"]).emit("to two rooms, once", 5)
        it.io.to(socket.id).emit("to it", 6)
        socket.emit("to it as a socket", {"n": 7})
        it.io.volatile.emit("volatile is lost", 8)
        it.proxy.mend()
        assert it.back() == [socket.id, True]
        missed = [["to all", 1], ["to a room", b"2"], ["to two rooms, once", 5], ["to it", 6]]
        assert it.received(6) == [["first"], *missed, ["to it as a socket", {"n": 7}]]
        new = it.io.sockets[socket.id]
        assert new is not socket
        assert it.connections[1:] == [(socket.id, True, socket_rooms(socket, "a", "b"), {**socket.data})]
        assert new.data == {"name": "alice", "list": [1, {"b": b"\x00"}]}
        it.io.to("b").emit("as before")
        assert it.received(7)[-1] == ["as before"]


def socket_rooms(socket: Any, *rooms: str) -> frozenset[str]:
    return frozenset((socket.id, *rooms))


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("missed", [0, 1, 30])
def test_a_client_that_had_received_nothing_yet(js: JavaScript, runtime: str, transport: str, missed: int) -> None:
    with scene(js, runtime) as it:
        it.io.emit("before its time")
        socket = it.dial(transport)
        it.cut()
        for number in range(missed):
            it.io.emit("number", number)
        it.proxy.mend()
        assert it.back() == [socket.id, True]
        it.io.emit("number", missed)
        assert it.received(missed + 1) == [["number", number] for number in range(missed + 1)]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("first", [True, False], ids=["had something", "had nothing"])
def test_a_client_whose_old_socket_still_looks_alive(js: JavaScript, runtime: str, transport: str, first: bool) -> None:
    """The server's end of the first connection stays open, and its heartbeat is far away."""
    with scene(js, runtime) as it:
        socket = it.dial(transport)
        socket.join("room")
        if first:
            it.io.emit("first")
            it.received(1)
        it.cut("half")
        it.io.to("room").emit("sent into the void")
        assert socket.connected
        assert it.ends == []
        it.proxy.mend()
        assert it.back() == [socket.id, True]
        assert it.ends == [(socket.id, "transport close")]
        assert it.received(1 + first)[-1] == ["sent into the void"]
        assert it.io.sockets[socket.id].rooms == socket_rooms(socket, "room")
        until(lambda: it.io.engine.clients_count == 1)


def test_again_and_again(js: JavaScript, runtime: str) -> None:
    with scene(js, runtime) as it:
        socket = it.dial()
        for times in range(1, 6):
            it.io.emit("number", times)
            it.cut(["reset", "half"][times % 2], times)
            it.proxy.mend()
            assert it.back(times) == [socket.id, True]
        assert it.received(5) == [["number", times] for times in range(1, 6)]


@pytest.mark.parametrize("skip", [True, False])
def test_middlewares_are_skipped_or_asked_again(js: JavaScript, runtime: str, skip: bool) -> None:
    with scene(js, runtime, recovery={"skip_middlewares": skip}) as it:
        socket = it.dial()
        it.cut()
        it.proxy.mend()
        assert it.back() == [socket.id, True]
        assert it.middleware == [socket.id] * (1 if skip else 2)


def test_a_middleware_may_refuse_who_comes_back(js: JavaScript, runtime: str) -> None:
    with scene(js, runtime, recovery={"skip_middlewares": False}) as it:
        banned: list[str] = []

        @it.io.use
        def check(socket: Any) -> None:
            if socket.id in banned:
                raise ConnectError("banned", {"id": socket.id, "recovered": socket.recovered})

        socket = it.dial()
        banned.append(socket.id)
        it.cut()
        it.proxy.mend()
        error = it.js("const [error] = await once(kept.client, 'connect_error'); return [error.message, error.data]")
        while error[0] != "banned":  # not reached, while the network was away
            error = it.js(
                "const [error] = await once(kept.client, 'connect_error'); return [error.message, error.data]"
            )
        assert error == ["banned", {"id": socket.id, "recovered": True}]
        assert len(it.connections) == 1
        assert not it.io.sockets


def test_a_session_that_ran_out(js: JavaScript, runtime: str) -> None:
    with scene(js, runtime, recovery={"max_disconnection_duration": 0.2}) as it:
        socket = it.dial()
        socket.join("room")
        socket.data["name"] = "alice"
        it.io.emit("first")
        it.received(1)
        it.cut()
        (session,) = until(lambda: it.expired)
        assert (session.id, session.data) == (socket.id, {"name": "alice"})
        assert session.rooms == socket_rooms(socket, "room")
        assert session.reason in ("transport close", "transport error")
        it.io.emit("missed for good")
        it.proxy.mend()
        id, recovered = it.back()
        assert id != socket.id
        assert recovered is False
        new = until(lambda: it.io.sockets.get(id))
        assert (new.rooms, new.data, new.recovered) == (frozenset((id,)), {}, False)
        it.io.emit("last")
        assert it.received(2) == [["first"], ["last"]]


def test_what_was_missed_does_not_fit_the_buffer(js: JavaScript, runtime: str) -> None:
    with scene(js, runtime, recovery={"max_buffer": 10_000}) as it:
        socket = it.dial()
        it.io.emit("first")
        it.received(1)
        it.cut()
        until(lambda: not it.io.sockets)
        for _ in range(20):
            it.io.emit("much", "x" * 1000)
        it.proxy.mend()
        id, recovered = it.back()
        assert (id == socket.id, recovered) == (False, False)
        assert [session.id for session in it.expired] == [socket.id]
        assert it.received(1) == [["first"]]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("kept.client.disconnect()", "client namespace disconnect"),
        ("socket.disconnect()", "server namespace disconnect"),
        ("socket.disconnect(True)", "server namespace disconnect"),
    ],
)
def test_a_goodbye_is_for_good(js: JavaScript, runtime: str, how: str, reason: str) -> None:
    with scene(js, runtime) as it:
        socket = it.dial()
        if how.startswith("kept"):
            js(how)
        else:
            socket.disconnect(how.endswith("(True)"))
        until(lambda: it.ends)
        assert it.ends == [(socket.id, reason)]
        js("await until(() => kept.client.ended.length); kept.client.connect()")
        id, recovered = it.back()
        assert (id == socket.id, recovered) == (False, False)


def test_every_namespace_for_itself(js: JavaScript, runtime: str) -> None:
    with scene(js, runtime) as it:
        chat = it.io.of("/chat")
        root = it.dial()
        id = js(
            """
            const chat = kept.chat = kept.client.io.socket("/chat");
            chat.received = [];
            chat.onAny((...event) => chat.received.push(event));
            await once(chat, "connect");
            return chat.id;
            """
        )
        socket = until(lambda: chat.sockets.get(id))
        socket.join("room")
        it.cut()
        until(lambda: not it.io.sockets and not chat.sockets)
        it.io.emit("news", "root")
        chat.to("room").emit("news", "chat")
        it.proxy.mend()
        assert it.back() == [root.id, True]
        assert it.received(1) == [["news", "root"]]
        got = js("await until(() => kept.chat.received.length); return [kept.chat.recovered, kept.chat.received]")
        assert got[0] is True
        assert [event[:-1] for event in got[1]] == [["news", "chat"]]


def test_who_waits_for_an_answer_is_told_and_the_question_is_not_asked_again(js: JavaScript, runtime: str) -> None:
    with scene(js, runtime) as it:
        socket = it.dial()
        errors: list[Any] = []
        socket.emit("question", callback=lambda answer: None, error_callback=errors.append)
        it.js("await until(() => kept.client.received.length)")
        it.cut()
        until(lambda: errors)
        assert errors[0].reason in ("transport close", "transport error")
        it.proxy.mend()
        assert it.back() == [socket.id, True]
        it.io.emit("later")
        names = it.js("await until(() => kept.client.received.length > 1); return kept.client.received.map(([e]) => e)")
        assert names == ["question", "later"]


def test_somebody_elses_pid_is_worth_nothing_without_it(js: JavaScript, runtime: str) -> None:
    """The pid is a secret of its own: the id, which other users may see, does not do."""
    with scene(js, runtime) as it:
        socket = it.dial()
        it.cut()
        until(lambda: not it.io.sockets)
        it.proxy.mend()
        id = js("return (await connect(url, { auth: { pid: id, offset: 'x' } })).id", url=it.proxy.url, id=socket.id)
        assert id != socket.id
