"""The limits that the reference does not have, as the official client sees them."""

from __future__ import annotations

from typing import Any

import pytest

from socketio_sync import LimitError
from tests.support.javascript import JavaScript
from tests.support.served import served
from tests.support.wire import until

TRANSPORTS = ["polling", "websocket"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_max_connections(js: JavaScript, runtime: str, transport: str) -> None:
    with served(runtime, max_connections=2) as server:
        js("kept.first = await connect(url, { transport })", url=server.url, transport=transport)
        js("kept.second = await connect(url, { transport })", url=server.url, transport=transport)
        code = "const { description } = await refused(url, { transport }); return description.message || description"
        assert "503" in str(js(code, url=server.url, transport=transport))
        js("kept.first.disconnect()")
        until(lambda: server.io.engine.clients_count == 1)
        assert js("return (await connect(url, { transport })).connected", url=server.url, transport=transport)
        assert "503" in str(js(code, url=server.url, transport=transport))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_max_namespaces(js: JavaScript, runtime: str, transport: str) -> None:
    with served(runtime, max_namespaces=3) as server:
        for name in "abcd":
            server.io.of(name)
        got = js(
            """
            const client = await connect(url, { transport, nsp: "/a" });
            const open = async (nsp) => {
              const socket = client.io.socket(nsp);
              const error = once(socket, "connect_error").then(([error]) => error.message);
              return Promise.race([once(socket, "connect").then(() => "connected"), error]);
            };
            const results = [await open("/b"), await open("/c"), await open("/d")];
            client.disconnect();
            await until(async () => (await open("/d")) === "connected");
            return results;
            """,
            url=server.url,
            transport=transport,
        )
        assert got == ["connected", "connected", "too many namespaces"]


def test_max_rooms(js: JavaScript, runtime: str) -> None:
    with served(runtime, max_rooms=3) as server:
        told: list[Any] = []

        @server.io.on("join")
        def join(socket: Any, room: str) -> int:
            socket.join(room)
            return len(socket.rooms)

        @server.io.on_error
        def on_error(error: Exception) -> str:
            told.append(error)
            return "no more rooms"

        got = js(
            """
            const client = await connect(url);
            const answers = [];
            for (const room of ["a", "b", "b", "c", "d"]) answers.push(await client.emitWithAck("join", room));
            return answers;
            """,
            url=server.url,
        )
        assert got == [2, 3, 3, 4, "no more rooms"]  # with its own id, which is not counted
        assert [(type(error), error.limit) for error in told] == [(LimitError, "max_rooms")]
        (socket,) = server.io.sockets.values()
        with pytest.raises(LimitError):
            socket.join(["d", "e"])
        assert socket.rooms == {socket.id, "a", "b", "c"}
        socket.leave("a")
        socket.join("d")


def test_max_pending_acks(js: JavaScript, runtime: str) -> None:
    """A client that never answers cannot make the server remember ever more questions."""
    with served(runtime, max_pending_acks=5) as server:
        js(
            """
            const silent = kept.silent = await connect(url);
            const good = kept.good = await connect(url);
            silent.questions = [];
            silent.on("question", (n, ack) => silent.questions.push(ack));
            good.on("question", (n, ack) => ack(n));
            """,
            url=server.url,
        )
        ids = js("return [kept.silent.id, kept.good.id]")
        silent, good = (until(lambda id=id: server.io.sockets.get(id)) for id in ids)
        answers: list[Any] = []
        for number in range(5):
            silent.emit("question", number, callback=answers.append)
        with pytest.raises(LimitError) as caught:
            silent.emit("question", 5, callback=answers.append)
        assert caught.value.limit == "max_pending_acks"
        with pytest.raises(LimitError):
            silent.timeout(5).emit_with_ack("question", 5)
        assert [good.timeout(5).emit_with_ack("question", number) for number in range(20)] == list(range(20))
        silent.emit("news", "without an ack")
        js("await until(() => kept.silent.received.length === 6)")
        js("kept.silent.questions[0]('late')")
        until(lambda: answers)
        assert answers == ["late"]
        silent.emit("question", 6, callback=answers.append)
        js("await until(() => kept.silent.questions.length === 6)")
        js("kept.silent.questions.forEach((ack) => ack('answered'))")
        until(lambda: len(answers) == 6)


def test_max_pending_events_and_max_http_buffer_size(js: JavaScript, runtime: str) -> None:
    """A client that sends faster than it is handled waits; one that sends too much at once is cut off."""
    with served(runtime, max_pending_events=20, max_http_buffer_size=100_000, ping_interval=0.2) as server:
        gate = server.io.engine.start().event()
        handled: list[int] = []

        @server.io.on("work")
        def work(socket: Any, number: int) -> None:
            gate.wait()
            handled.append(number)

        js(
            """
            kept.client = await connect(url, { transport: "websocket" });
            for (let number = 0; number < 2000; number++) kept.client.emit("work", number);
            """,
            url=server.url,
        )
        js("await pause(600)")
        assert js("return kept.client.connected")  # though it was not read, its heartbeat rests
        gate.set()
        until(lambda: len(handled) == 2000)
        assert handled == list(range(2000))
        js("kept.client.emit('work', 'x'.repeat(100001))")
        assert js("await until(() => kept.client.ended.length); return kept.client.ended") == ["transport close"]
