"""Bad input of the user's program on a server with a client: a clear exception, or what the reference documents.

``tests/promises/test_misuse.py`` has what goes wrong without a client; ``tests/test_config.py`` has every option, and
``tests/server/test_listeners.py`` every signature.
"""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest

from socketio_sync import ConnectError
from socketio_sync import DisconnectedError
from socketio_sync import Engine
from socketio_sync import Server
from socketio_sync import Socket
from tests.support.served import RUNTIMES
from tests.support.served import Served
from tests.support.served import served
from tests.support.wire import Wire
from tests.support.wire import fetch
from tests.support.wire import open_websocket
from tests.support.wire import until

Do = Callable[[Server, Socket], Any]


async def coroutine(*args: Any) -> None:
    """What no server here can run."""


def generator(*args: Any) -> Iterator[int]:
    yield 1


class Handlers:
    def on_chat(self, socket: Socket) -> None: ...


class AsyncHandlers:
    async def on_chat(self, socket: Socket) -> None: ...


class Nothing:
    def chat(self, socket: Socket) -> None: ...


def answers(io: Server, function: Any) -> None:
    io.emit("x", callback=function)


REFUSED: dict[str, tuple[Do, type[Exception], str]] = {
    # options: dicts key by key, names of others, milliseconds
    "a Node key": (
        lambda io, socket: Server(connection_state_recovery={"maxDisconnectionDuration": 120}),
        TypeError,
        "'maxDisconnectionDuration' is no key of connection_state_recovery; here it is max_disconnection_duration",
    ),
    "milliseconds in a dict": (
        lambda io, socket: Server(connection_state_recovery={"max_disconnection_duration": 120_000}),
        ValueError,
        "max_disconnection_duration=120000: allowed is a duration in seconds, at most 86400",
    ),
    "a Node key of ws": (
        lambda io, socket: Server(per_message_deflate={"clientNoContextTakeover": True}),
        TypeError,
        "here it is client_no_context_takeover",
    ),
    "a message queue": (lambda io, socket: Server(client_manager=object()), TypeError, "here it is adapter"),
    "async handlers": (lambda io, socket: Server(async_handlers=True), TypeError, "ordered_events.*its opposite"),
    "a coroutine as a check": (
        lambda io, socket: Server(allow_request=coroutine),
        TypeError,
        "allow_request=.*no coroutine function",
    ),
    "a positional option": (lambda io, socket: Server(object()), TypeError, "positional"),
    "an option changed later": (lambda io, socket: setattr(io.options, "path", "/x"), AttributeError, "path"),
    # handlers that cannot work
    "async def": (lambda io, socket: io.on("chat", coroutine), TypeError, "is async def; .* use def"),
    "async def of a socket": (lambda io, socket: socket.on("chat")(coroutine), TypeError, "is async def"),
    "a generator": (lambda io, socket: io.on_any(generator), TypeError, "calling it would run nothing"),
    "a keyword": (lambda io, socket: io.on("a", lambda socket, *, user: 0), TypeError, "'user' is required.*only ack"),
    "next": (lambda io, socket: io.use(lambda socket, next: 0), TypeError, "no next: return .*raise ConnectError"),
    "next of a socket": (lambda io, socket: socket.use(lambda event, args, next: 0), TypeError, "there is no next"),
    "next of the engine": (lambda io, socket: io.engine.use(lambda req, res, next: 0), TypeError, "there is no next"),
    "async engine hook": (lambda io, socket: io.engine.on("headers", coroutine), TypeError, "is async def"),
    "async connection handler": (lambda io, socket: socket.conn.on("message", coroutine), TypeError, "is async def"),
    "async wrapper": (lambda io, socket: io.wrap_handlers(coroutine), TypeError, "is async def"),
    "async callback": (lambda io, socket: answers(io, coroutine), TypeError, "callback: .* is async def"),
    "async error callback": (
        lambda io, socket: socket.emit("x", error_callback=coroutine),
        TypeError,
        "error_callback: .* is async def",
    ),
    "a callback that is none": (lambda io, socket: answers(io, 5), TypeError, "callback: .*must be callable, got 5"),
    "an async task": (lambda io, socket: io.start_background_task(coroutine), TypeError, "is async def"),
    "a task that was called": (lambda io, socket: io.start_background_task(None), TypeError, "got None"),
    "the decorator without a name": (lambda io, socket: io.on(coroutine), TypeError, "needs an event's name"),
    "event of a lambda": (lambda io, socket: io.event(lambda socket: 0), TypeError, "use on.name, handler"),
    "ordered": (lambda io, socket: io.on("a", print, ordered="no"), TypeError, "ordered='no': allowed is True, False"),
    "a life-cycle event of a socket": (lambda io, socket: socket.on("connect", print), ValueError, "'connection'"),
    "a server's hook": (lambda io, socket: io.of("/a").on("new_namespace", print), ValueError, "Server.on_new_name"),
    "a class": (lambda io, socket: io.register(Handlers), TypeError, r"got the class Handlers: make one.*Handlers\(\)"),
    "an object with async def": (lambda io, socket: io.register(AsyncHandlers()), TypeError, "is async def"),
    "an object that handles nothing": (lambda io, socket: io.register(Nothing()), ValueError, "begins with on_"),
    # namespaces
    "a pattern of bytes": (lambda io, socket: io.of(re.compile(b"/x")), TypeError, "one of str, not of bytes"),
    "a pattern without /": (lambda io, socket: io.of(re.compile("chat-.*")), ValueError, "names begin with /"),
    "the same with ^": (lambda io, socket: io.of(re.compile("^chat$", re.I)), ValueError, "names begin with /"),
    "an async function": (lambda io, socket: io.of(coroutine), TypeError, "is async def"),
    "a function with next": (
        lambda io, socket: io.of(lambda name, auth, next: True),
        TypeError,
        "3 arguments are required, but it is called with 2",
    ),
    "fetch_sockets of a parent": (
        lambda io, socket: io.of(re.compile("/p-.*")).fetch_sockets(),
        RuntimeError,
        "ask its children",
    ),
    # rooms
    "an int": (lambda io, socket: socket.join(5), TypeError, "rooms must be a str or an iterable of str, got 5"),
    "None": (lambda io, socket: socket.leave(None), TypeError, "got None"),
    "ints": (lambda io, socket: io.to([1, 2]), TypeError, "the name of a room must be a str, got 1"),
    "bytes": (lambda io, socket: io.except_(b"room"), TypeError, "got b'room'"),
    "a socket": (lambda io, socket: io.to(socket), TypeError, "got <Socket .*; its room is its id"),
    "two rooms": (lambda io, socket: io.to("a", "b"), TypeError, "positional"),
    "a set of rooms changed": (lambda io, socket: socket.rooms.add("x"), AttributeError, "add"),
    "joining by a chain": (lambda io, socket: io.to("a").sockets_join(5), TypeError, "got 5"),
    # chains
    "milliseconds": (lambda io, socket: socket.timeout(5000), ValueError, "5000 s is 83 minutes; durations are secon"),
    "no timeout": (lambda io, socket: socket.timeout(None), TypeError, "timeout=None: allowed is a number of seconds"),
    "timeout 0": (lambda io, socket: io.timeout(0), ValueError, "above 0"),
    "compress": (lambda io, socket: io.compress("yes"), TypeError, "compress='yes': allowed is True or False"),
    "close": (lambda io, socket: io.disconnect_sockets("yes"), TypeError, "close='yes': allowed is True or False"),
    # emit
    "room= of python-socketio": (lambda io, socket: io.emit("x", room="a"), TypeError, "room"),
    "a function among the arguments": (lambda io, socket: socket.emit("x", print), TypeError, "by name: callback="),
    "a name that is reserved": (lambda io, socket: socket.emit("disconnecting"), ValueError, "reserved event name"),
    "no name": (lambda io, socket: socket.emit(7), TypeError, "name must be a str, got 7"),
    "a server's event with rooms": (
        lambda io, socket: io.to("a").server_side_emit("x"),
        ValueError,
        "rooms mean nothing",
    ),
    # what is read-only, and what stays in its process
    "sockets": (lambda io, socket: io.sockets.update({}), AttributeError, "update"),
    "handshake": (lambda io, socket: setattr(socket.handshake, "auth", {}), AttributeError, "auth"),
    "query": (lambda io, socket: socket.handshake.query.update(a=1), AttributeError, "update"),
    "a copy's data": (lambda io, socket: io.fetch_sockets()[0].data.update(a=1), AttributeError, "update"),
    "pickling": (lambda io, socket: pickle.dumps(socket), TypeError, "cannot be pickled: .*keep its id"),
    # the engine
    "an event of the engine": (lambda io, socket: Engine().on("conection", print), ValueError, "connection_error"),
    "an event of a connection": (lambda io, socket: socket.conn.on("data", print), ValueError, "message, upgrade, clo"),
    "what conn.send takes": (lambda io, socket: socket.conn.send({"a": 1}), TypeError, "str or bytes, not dict"),
    # serving
    "a port of text": (lambda io, socket: Server(runtime="threads").listen("3000"), TypeError, "port='3000'"),
    "a port that is none": (lambda io, socket: Server(runtime="threads").listen(70_000), ValueError, "0 to 65535"),
}


class Peer:
    """A client on the wire, and its socket here."""

    def __init__(self, server: Served) -> None:
        self.wire: Wire = open_websocket(server.port)
        self.wire.send_text("40")
        id = json.loads(str(self.wire.receive())[2:])["sid"]
        self.socket: Socket = until(lambda: server.io.sockets.get(id))

    def ask(self, *event: Any) -> str:
        """The answer to an event, as it is on the wire."""
        self.wire.send_text("427" + json.dumps(event))
        while not (packet := str(self.wire.receive())).startswith("437"):
            pass
        return packet[3:]


@pytest.fixture(scope="module", params=RUNTIMES)
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(request.param, max_rooms=5) as server:
        server.io.on("echo", lambda socket, *args: args)
        yield server


@pytest.fixture
def peer(server: Served) -> Iterator[Peer]:
    peer = Peer(server)
    yield peer
    peer.wire.close()


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_told_at_once_and_harms_nobody(server: Served, peer: Peer, name: str) -> None:
    do, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        do(server.io, peer.socket)
    assert peer.ask("echo", 1) == "[1]"


def test_who_takes_less_gets_less(server: Served, peer: Peer) -> None:
    """Surplus arguments are dropped, so that a later release may give more."""
    seen: list[Any] = []
    server.io.engine.on("headers", lambda headers: headers.add_header("X-Hook", "1"))
    server.io.of(lambda name: name == "/less").on("connection", lambda: seen.append("connected"))
    peer.socket.conn.on("close", lambda reason: seen.append(reason))
    peer.socket.on("disconnect", lambda: seen.append("disconnected"))
    reply = fetch(server.port, "/socket.io/?EIO=4&transport=polling")
    assert (reply.status, reply.headers["x-hook"]) == (200, "1")
    peer.wire.send_text("40/less,")
    assert str(peer.wire.receive()).startswith("40/less,{")
    peer.wire.close()
    until(lambda: len(seen) == 3)
    assert sorted(seen) == ["connected", "disconnected", "transport close"]


def test_an_ack_counts_once(server: Served, peer: Peer) -> None:
    results: list[bool] = []

    @peer.socket.on("save")
    def save(text: str, ack: Any) -> str:
        results.extend((ack(text), ack("again")))
        return "and again"

    assert peer.ask("save", "first") == '["first"]'
    assert peer.ask("echo", "nothing more") == '["nothing more"]'
    assert results == [True, False]


def test_an_ack_that_cannot_be_sent_may_be_given_again(server: Served, peer: Peer) -> None:
    @peer.socket.on("save")
    def save(ack: Any) -> None:
        with pytest.raises(TypeError, match=r"args\[0\] is a set"):
            ack({1, 2})
        ack([1, 2])

    assert peer.ask("save") == "[[1,2]]"


def test_after_the_disconnect(server: Served, peer: Peer) -> None:
    """As the reference: what is sent goes nowhere. Who waits is told."""
    socket = peer.socket
    acks: list[Any] = []
    socket.on("later", lambda ack: acks.append(ack))
    peer.wire.send_text('421["later"]')
    until(lambda: acks)
    peer.wire.close()
    until(lambda: not socket.connected)
    assert acks[0]("too late") is False

    socket.emit("x", b"1")
    socket.volatile.emit("x")
    socket.to("room").emit("x")
    socket.send("x")
    socket.join("room")
    socket.leave("room")
    socket.disconnect()
    socket.disconnect(True)
    socket.conn.close()
    assert socket.rooms == frozenset()
    with pytest.raises(DisconnectedError) as caught:
        socket.emit_with_ack("x")
    assert caught.value.reason == "transport close"
    errors: list[Exception] = []
    socket.timeout(5).emit("x", callback=print, error_callback=errors.append)
    until(lambda: errors)
    assert isinstance(errors[0], DisconnectedError)
    # What is wrong is wrong also then.
    with pytest.raises(TypeError, match="a set"):
        socket.emit("x", {1})
    with pytest.raises(ValueError, match="reserved"):
        socket.emit("connect")


def test_the_id_of_another_is_no_room_to_join(server: Served, peer: Peer) -> None:
    other = Peer(server)
    for join in (peer.socket.join, lambda id: peer.socket.join(["a", id])):
        with pytest.raises(ValueError, match="is the id of another socket: joining it would read that one's messages"):
            join(other.socket.id)
    assert peer.socket.rooms == {peer.socket.id}
    peer.socket.join(peer.socket.id)
    other.wire.close()


def test_what_a_handler_does_wrong_is_not_told_to_its_client(
    server: Served, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    peer.socket.on("asks", lambda: {"secret": {1, 2}})
    peer.socket.on("raises", lambda: 1 / 0)
    server.io.of("/strict").use(lambda socket: "no")  # neither None nor ConnectError
    server.io.on_error(lambda error, socket, event: told.append((type(error), event)))
    peer.wire.send_text('421["asks"]')
    peer.wire.send_text('422["raises"]')
    peer.wire.send_text("40/strict,")
    assert peer.wire.receive() == '44/strict,{"message":"internal error"}'
    until(lambda: len(told) == 3)
    assert set(told) == {(TypeError, "asks"), (ZeroDivisionError, "raises"), (TypeError, "connection")}
    assert peer.ask("echo") == "[]"
    assert "a middleware returns None or raises ConnectError" in caplog.text


def test_waiting_in_a_middleware_for_a_client_that_is_not_in(server: Served, peer: Peer) -> None:
    caught: list[BaseException] = []

    @server.io.of("/early").use
    def early(socket: Socket) -> None:
        try:
            socket.emit_with_ack("question")
        except RuntimeError as error:
            caught.append(error)
            raise ConnectError("too early") from None

    peer.wire.send_text("40/early,")
    assert peer.wire.receive() == '44/early,{"message":"too early"}'
    assert "before the socket is accepted" in str(caught[0])
