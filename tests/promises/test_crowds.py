"""What many clients send in the same moment is read together, and taken as if each had been alone."""

from __future__ import annotations

import gc
import queue
import weakref
from typing import Any

import pytest

from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.protocol.socketio_parser import DefaultParser
from socketio_sync.server import dispatch
from tests.promises.client import Client
from tests.support.io_uring import needs_io_uring
from tests.support.served import Served
from tests.support.served import served
from tests.support.timing import scaled
from tests.support.wire import BINARY
from tests.support.wire import CLOSE
from tests.support.wire import PING
from tests.support.wire import TEXT
from tests.support.wire import Closed
from tests.support.wire import frame
from tests.support.wire import until

PLACEHOLDER = '{"_placeholder":true,"num":0}'


def text(message: str) -> bytes:
    return frame(TEXT, message.encode())


ONE = text('421["echo","one"]')
FRAGMENTED = bytes((0x01,)) + text('421["echo",')[1:] + bytes((0x80,)) + text('"one"]')[1:]

# What a client sends in one piece, and what comes back.
KINDS: dict[str, tuple[bytes, list[Any]]] = {
    "an event": (ONE, ['431["one"]']),
    "two events": (ONE + text('422["echo",2]'), ['431["one"]', "432[2]"]),
    "not ASCII": (text('421["echo","ä€😀"]'), ['431["ä€😀"]']),
    "leading zeros": (text('42007["echo",1]'), ["437[1]"]),
    "no answer wanted": (text('42["echo",1]') + ONE, ['431["one"]']),
    "long": (text(f'421["echo","{"x" * 200}"]') + text('422["echo",2]'), [f'431["{"x" * 200}"]', "432[2]"]),
    "longer than a read": (text(f'421["echo","{"x" * 50_000}"]') + ONE, [f'431["{"x" * 50_000}"]', '431["one"]']),
    "in fragments": (FRAGMENTED + text('422["echo",2]'), ['431["one"]', "432[2]"]),
    "an attachment": (
        text(f'451-1["echo",{PLACEHOLDER}]') + frame(BINARY, b"abc") + text('422["echo",2]'),
        [f"461-1[{PLACEHOLDER}]", b"abc", "432[2]"],
    ),
    "an event instead of an attachment": (ONE + text(f'451-2["echo",{PLACEHOLDER}]') + ONE, [Closed(None)]),
    "a ping between": (ONE + frame(PING, b"") + text('422["echo",2]'), ['431["one"]', "432[2]"]),
    "a close frame behind": (ONE + frame(CLOSE, b"\x03\xe8"), [Closed(1000)]),
    "no UTF-8": (frame(TEXT, b'421["echo","\xff"]'), [Closed(1007)]),
    "no UTF-8 behind an event": (ONE + frame(TEXT, b"4\xff"), [Closed(1007)]),
    "no packet": (text("4"), [Closed(None)]),
    "no event": (text('42["connect"]'), [Closed(None)]),
    "a namespace that was not joined": (text('42/other,1["echo",1]'), [Closed(None)]),
    "an own event": (text('421["own",1]') + text('422["echo",2]'), ['431["own",1]', "432[2]"]),
    "two handlers": (text('421["both",1]'), ["431[1]"]),
    "a handler with ack": (text('421["ack",1]'), ["431[1,1]"]),
    "too few arguments": (text('421["ack"]') + text('422["echo",2]'), ["432[2]"]),
    "a failure": (text('421["fail"]') + text('422["echo",2]'), ["432[2]"]),
    "what must be walked": (text('421["walk"]'), [f"461-1[{PLACEHOLDER}]", b"abc"]),
    "behind a goodbye": (text("41") + ONE, [Closed(None)]),
}


def serve(io: Any) -> None:
    @io.on("connection")
    def connected(socket: Any) -> None:
        socket.on("own", lambda value: ("own", value))
        socket.on("both", lambda value: None)

    io.on("echo", lambda socket, value: value)
    io.on("both", lambda socket, value: value)
    io.on("walk", lambda socket: b"abc")

    @io.on("ack")
    def ack(socket: Any, value: object, ack: Any) -> None:
        ack(value, value)

    @io.on("fail")
    def fail(socket: Any) -> None:
        raise ValueError("as asked for")


def together(running: Served, pieces: list[tuple[Client, bytes]]) -> None:
    """Have all send while the I/O thread does not look."""
    runtime = running.io.engine.runtime
    done = runtime.event()

    def send() -> None:
        for client, data in pieces:
            client.wire.send(data)
        done.set()

    runtime.call_soon(send)
    assert done.wait(scaled(10))


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("io_uring", [pytest.param(True, marks=needs_io_uring), False])
@pytest.mark.parametrize("alone", [True, False])
def test_everybody_gets_what_he_asked_for(
    runtime: str, io_uring: bool, debug: bool, alone: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG" if debug else "INFO", "socketio_sync")
    with served(runtime, io_uring=io_uring) as running:
        serve(running.io)
        clients = [Client(running.port) for _ in KINDS]
        pieces = [(client, data) for client, (data, _) in zip(clients, KINDS.values(), strict=True)]
        for crowd in [[piece] for piece in pieces] if alone else [pieces]:
            together(running, crowd)
        for client, (kind, (_, expected)) in zip(clients, KINDS.items(), strict=True):
            received = [client.next() for _ in expected]
            assert received == expected, kind
            client.close()
    assert caplog.text.count("Traceback") == 1  # the handler's
    assert ("received from" in caplog.text) == debug


def test_no_answer_comes_behind_a_disconnect(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encode = dispatch.plain_answer

    def encode_slowly(*args: Any) -> bytes | None:
        frame = encode(*args)
        for socket in running.io.sockets.values():  # as another thread may, while a large answer is encoded
            socket.disconnect()
        return frame

    monkeypatch.setattr(dispatch, "plain_answer", encode_slowly)
    with served(runtime) as running:
        serve(running.io)
        client = Client(running.port)
        client.wire.send(ONE)
        assert client.next() == "41"
        assert client.listen(0.1) == []
        client.close()


ENDS = {
    "no packet": ONE + text("4x"),
    "no event": text('42["connect"]'),
    "no UTF-8": frame(TEXT, b"4\xff"),
    "a goodbye": ONE + text("41") + frame(CLOSE, b"\x03\xe8"),
}


@pytest.mark.parametrize("kind", ENDS)
def test_who_has_gone_is_not_kept_alive(runtime: str, kind: str) -> None:
    with served(runtime) as running:
        serve(running.io)
        gc.collect()
        gc.disable()
        try:
            clients = [Client(running.port) for _ in range(5)]
            sockets = [weakref.ref(socket) for socket in running.io.sockets.values()]
            assert len(sockets) == 5
            together(running, [(client, ENDS[kind]) for client in clients])
            for client in clients:
                client.end()
                client.close()
            until(lambda: not any(socket() for socket in sockets))
        finally:
            gc.enable()


def test_names_that_users_give_to_a_sockets_attributes(runtime: str) -> None:
    with served(runtime) as running:
        serve(running.io)

        @running.io.on("connection")
        def connected(socket: Any) -> None:
            socket.ready, socket.mailbox, socket.plain, socket.any_loose = False, [], None, True

        client = Client(running.port)
        assert client.call("echo", "x") == ["x"]
        assert client.call("echo", "x" * 200) == ["x" * 200]
        (socket,) = running.io.sockets.values()
        assert (socket.ready, socket.mailbox, socket.plain, socket.any_loose) == (False, [], None, True)
        client.close()


def test_who_begins_to_listen_hears_what_comes_from_then_on(runtime: str) -> None:
    seen: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def saw(socket: Any, *event: Any) -> None:
        seen.put(event)

    with served(runtime) as running:
        serve(running.io)
        client = Client(running.port)
        assert client.call("echo", 1) == [1]
        running.io.on_any(saw)
        assert client.call("echo", 2) == [2]
        assert seen.get(timeout=scaled(5)) == ("echo", 2)
        running.io.off_any(saw)
        assert client.call("echo", 3) == [3]
        (socket,) = running.io.sockets.values()
        socket.conn.on("message", seen.put)
        assert client.call("echo", 4) == [4]
        assert seen.get(timeout=scaled(5)) == '24["echo",4]'
        assert seen.empty()
        client.close()


def test_an_event_is_a_sign_of_life_while_a_pong_is_due(runtime: str) -> None:
    with served(runtime, ping_interval=0.2, ping_timeout=30) as running:
        serve(running.io)
        client = Client(running.port)
        (connection,) = running.io.engine.connections.values()
        session = connection.session
        until(lambda: session.awaiting_pong)
        assert client.wire.receive() == "2"
        assert not session.extended
        client.wire.send(ONE)
        assert client.wire.receive() == '431["one"]'
        assert session.extended
        client.send("3")
        assert client.wire.receive() == "2"  # the next one
        client.send("3")
        until(lambda: not session.awaiting_pong)
        client.wire.send(ONE)
        assert client.next() == '431["one"]'
        client.close()


class FailingParser(DefaultParser):
    """A user's, with a fault."""

    def decoder(self, max_attachments: int = 10) -> Any:
        decoder = super().decoder(max_attachments)

        class Failing:
            waiting = None
            reset = decoder.reset

            def add(self, data: str | bytes) -> Packet | None:
                if "fail" in str(data):
                    raise KeyError(data)
                packet = decoder.add(data)
                if packet is not None and packet.id is not None:
                    packet.id = f"no{packet.id}"  # type: ignore[assignment]
                return packet

        return Failing()


@pytest.mark.parametrize("padding", ["", "x" * 200])
def test_a_parser_of_the_users(runtime: str, padding: str, caplog: pytest.LogCaptureFixture) -> None:
    with served(runtime, parser=FailingParser()) as running:
        serve(running.io)
        client, other = Client(running.port), Client(running.port)
        client.wire.send(text(f'421["echo","{padding}"]'))
        assert client.next() == f'43no1["{padding}"]'
        client.wire.send(text(f'42["fail{padding}"]'))
        with pytest.raises(EOFError):
            client.next()  # the connection's state is unknown: no close frame
        other.wire.send(text(f'422["echo","{padding}"]'))
        assert other.next() == f'43no2["{padding}"]'
        assert "a receiver failed" in caplog.text
        client.close()
        other.close()


def test_a_failure_behind_the_end_is_told(runtime: str, caplog: pytest.LogCaptureFixture) -> None:
    class EndingParser(DefaultParser):
        def decoder(self, max_attachments: int = 10) -> Any:
            decoder = super().decoder(max_attachments)

            class Ending:
                waiting = None
                reset = decoder.reset

                def add(self, data: str | bytes) -> Packet | None:
                    if "end" in str(data):
                        for connection in list(running.io.engine.connections.values()):
                            connection.close(discard=True)
                        raise KeyError(data)
                    return decoder.add(data)

            return Ending()

    with served(runtime, parser=EndingParser()) as running:
        client = Client(running.port)
        client.wire.send(text('42["end"]'))
        assert client.end() == Closed(None)
        until(lambda: "a receiver failed" in caplog.text)
        client.close()
