"""The client with servers of others: Node's socket.io, python-socketio; and with ours behind gunicorn."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from socketio_sync import AckTimeout
from socketio_sync import Client
from socketio_sync import ConnectError
from socketio_sync import DisconnectedError
from socketio_sync import Manager
from socketio_sync import connect
from socketio_sync import parsers
from tests.support.programs import NODE_FOLDER
from tests.support.programs import Program
from tests.support.programs import node
from tests.support.programs import python
from tests.support.programs import running
from tests.support.proxy import Proxy
from tests.support.servers import Host
from tests.support.servers import serving
from tests.support.timing import scaled
from tests.support.wire import TIMEOUT
from tests.support.wire import until

pytestmark = [pytest.mark.long, pytest.mark.timeout(120)]

FAST: dict[str, Any] = {"reconnection_delay": 0.02, "reconnection_delay_max": 0.05}
VALUES = [None, True, False, 0, -1, 1.5, "", "text", "é ü 漢字 😀", [], {}, [[], [{}]], {"a b": [1, {"c": None}]}]

Start = Callable[..., str]

every_server = pytest.mark.parametrize("name", ["node", "gevent", "threads"])


def blob(seed: int, length: int) -> bytes:
    return bytes((seed + i) % 256 for i in range(length))


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """The address of a server with the behaviour of tests/interop/server.py; one process each for all tests."""
    with ExitStack() as stack:
        started: dict[tuple[str, ...], Program] = {}

        def get(*what: str) -> str:
            if what not in started:
                command, env = python(str(NODE_FOLDER.parent / "server.py"), *what), {}
                if what[0] == "node":
                    command, env = node("reference_server.js", *what[1:])
                started[what] = stack.enter_context(running(command, **env))
            return started[what].url

        yield get
    for what, program in started.items():
        assert "Traceback" not in program.output, f"{what}: {program.output}"


@every_server
@pytest.mark.parametrize("parser", ["default", "msgpack"])
def test_a_session(start: Start, name: str, parser: str, transports: tuple[str, ...]) -> None:
    url = start(name, *(["msgpack"] if parser == "msgpack" else []))
    options: dict[str, Any] = {"transports": transports, "parser": getattr(parsers, parser), **FAST}
    with connect(url, **options) as client, connect(url, **options) as other:
        for value in VALUES:
            assert client.emit_with_ack("echo", value) == value
        assert client.emit_with_ack("echo", *VALUES) == tuple(VALUES)
        client.emit("repeat", *VALUES)
        assert client.receive("repeat", timeout=TIMEOUT) == ("repeat", *VALUES)

        client.on("question", lambda value: (value, {"answer": [value]}, blob(1, 9)))
        assert client.emit_with_ack("ask", 42) == ("answered", 42, {"answer": [42]}, blob(1, 9))
        assert client.emit_with_ack("ask_silent") == "timeout"

        value = {"a": [blob(7, 10), {"b": blob(9, 256)}], "c": blob(1, 0), "text": "between"}
        assert client.emit_with_ack("echo", value, blob(3, 5)) == (value, blob(3, 5))
        assert client.emit_with_ack("measure", value)[0] == [10, sum(blob(7, 10))]
        client.emit("give_blob", "hello")
        blobs = {"picture": blob(1, 1000), "list": [blob(2, 3), {"deep": blob(3, 300)}], "text": "hello"}
        assert client.receive("blob", timeout=TIMEOUT) == ("blob", blobs, b"")

        client.emit_with_ack("join", "room")
        other.emit("tell", "room", {"x": b"y"})
        assert client.receive("told", timeout=TIMEOUT) == ("told", {"x": b"y"})
        for each in (client, other):
            each.on("vote", lambda each=each: each.id)
            each.emit_with_ack("join", "voters")
        assert client.timeout(5).emit_with_ack("vote", "voters") == sorted([client.id, other.id])  # type: ignore[type-var]

        with pytest.raises(AckTimeout):
            client.timeout(0.1).emit_with_ack("never")
        for number in range(300):
            client.emit("count", number)
        assert [client.receive("counted", timeout=TIMEOUT)[1] for _ in range(300)] == list(range(300))


@every_server
def test_namespaces_refusals_and_ends(start: Start, name: str, transports: tuple[str, ...]) -> None:
    ends: queue.SimpleQueue[str] = queue.SimpleQueue()
    manager = Manager(start(name), transports=transports, **FAST)
    chat = manager.client("/chat", inbox=100)
    admin = manager.client("/admin", auth={"token": "wrong"})
    with chat:
        with pytest.raises(ConnectError, match="not authorized") as caught:
            admin.connect()
        assert caught.value.data == {"code": 401, "token": "wrong"}
        admin.auth = {"token": "secret"}
        admin.connect()
        assert (chat.emit_with_ack("where"), admin.emit_with_ack("where")) == ("/chat", "/admin")
        assert admin.emit_with_ack("auth") == {"token": "secret"}
        with pytest.raises(ConnectError, match="Invalid namespace"):
            manager.client("/nowhere").connect()
        admin.on("disconnect", lambda reason, details: ends.put(reason))
        admin.emit("kick", False)
        assert ends.get(timeout=TIMEOUT) == "io server disconnect"
        chat.on("disconnect", lambda reason, details: ends.put(reason))
        chat.emit("cut")
        assert ends.get(timeout=TIMEOUT) == "transport close"
        assert chat.timeout(scaled(10)).emit_with_ack("where") == "/chat"
    assert ends.get(timeout=TIMEOUT) == "io client disconnect"


@every_server
def test_a_client_that_is_cut_off_again_and_again_misses_nothing(
    start: Start, name: str, transports: tuple[str, ...]
) -> None:
    if name == "node" and transports == ("polling",):
        pytest.skip("Node keeps no session of a client that it lost between two polls, since it does not notice")
    url = start(name, "recovery")
    with Proxy(int(url.rpartition(":")[2])) as proxy, connect(proxy.url, transports=transports, **FAST) as client:
        recovered: list[bool] = []
        client.emit_with_ack("join", "ticks")
        client.emit_with_ack("remember", {"a": 1})
        client.emit("repeat", "so that there is an offset")
        client.receive("repeat", timeout=TIMEOUT)
        client.on("connect", lambda: recovered.append(client.recovered))
        client.emit("tick", "ticks", 300)
        numbers: list[int] = []
        for how in ("finish", "reset", "finish", "reset"):
            while len(numbers) < 50 * (1 + len(recovered)):
                numbers.append(client.receive("tick", timeout=TIMEOUT)[1])
            before = len(recovered)
            proxy.cut_for(0.05, how)
            until(lambda before=before: len(recovered) > before)
        while len(numbers) < 300:
            numbers.append(client.receive("tick", timeout=TIMEOUT)[1])
        assert numbers == list(range(300))
        assert recovered and all(recovered)
        answer = client.emit_with_ack("recall")
        assert answer[:2] == (True, {"a": 1}) and "ticks" in answer[2]


PYTHON_SOCKETIO = """
from gevent import monkey; monkey.patch_all()
import socketio
from gevent import pywsgi
from geventwebsocket.handler import WebSocketHandler
sio = socketio.Server(async_mode="gevent", max_http_buffer_size=20_000_000)
sio.on("connect", lambda sid, environ, auth: None if (auth or {}).get("token") != "wrong" else False)
sio.on("echo", lambda sid, *args: args)
sio.on("ask", lambda sid, value: sio.call("question", value, to=sid))
sio.on("push", lambda sid, count: [sio.emit("n", number, to=sid) for number in range(count)] and None)
sio.on("kick", lambda sid: sio.disconnect(sid))
server = pywsgi.WSGIServer(("127.0.0.1", 0), socketio.WSGIApp(sio), log=None, handler_class=WebSocketHandler)
server.start()
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""


def test_the_server_of_python_socketio(transports: tuple[str, ...]) -> None:
    with running(python("-c", PYTHON_SOCKETIO)) as program:
        with connect(program.url, transports=transports) as client:
            assert client.emit_with_ack("echo", {"a": b"x"}, "ü") == ({"a": b"x"}, "ü")
            assert client.emit_with_ack("echo", blob(1, 300_000)) == blob(1, 300_000)
            client.on("question", lambda value: value + 1)
            assert client.emit_with_ack("ask", 41) == 42
            client.emit("push", 100)
            assert [client.receive("n", timeout=TIMEOUT)[1] for _ in range(100)] == list(range(100))
            client.emit("kick")
            assert client.wait(TIMEOUT)
        with pytest.raises(ConnectError):
            connect(program.url, transports=transports, auth={"token": "wrong"})


@pytest.mark.parametrize("worker", ["gevent", "gthread", "sync"])
def test_ours_behind_gunicorn_also_while_its_workers_change(worker: str, transports: tuple[str, ...]) -> None:
    options = ("--threads", "4") if worker == "gthread" else ()
    if worker == "sync" and transports != ("websocket",):
        pytest.skip("one request at a time")
    data = blob(5, 10_000_000)
    with serving(Host(worker, worker, options, needs="gunicorn"), "tests.client.hosted:app") as running_server:
        lost = threading.Event()
        with Client(f"http://127.0.0.1:{running_server.port}", transports=transports, **FAST) as client:
            assert client.timeout(scaled(30)).emit_with_ack("echo", data) == data
            client.on("disconnect", lambda: lost.set())
            running_server.signal(signal.SIGHUP)
            assert lost.wait(scaled(20))

            def answered() -> bool:
                try:
                    return bool(client.timeout(scaled(30)).emit_with_ack("echo", 7) == 7)
                except DisconnectedError:  # it may have met the old worker once more
                    return False

            until(answered)
