"""Every web server with the whole product: what its clients see, and what is left in the process afterwards."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.servers import HOSTS
from tests.support.servers import TLS_HOSTS
from tests.support.servers import Host
from tests.support.servers import Running
from tests.support.servers import serving
from tests.support.wire import Closed
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import open_websocket
from tests.support.wire import until

APP = "tests.wsgi.product_app:app"
# What most people run is tried always, the rest with ``pytest -m long``.
USUAL = ("gunicorn-gevent", "gunicorn-gthread", "pywsgi", "werkzeug", "waitress", "own-threads")
MATRIX = [
    pytest.param(host, marks=() if host.name in USUAL and not host.tls else pytest.mark.long)
    for host in [*HOSTS, *TLS_HOSTS]
]
# The runtime's own thread or greenlet.
KEPT = 1


def name(host: Host) -> str:
    return f"{host}-tls" if host.tls else str(host)


@pytest.fixture(scope="module", params=MATRIX, ids=name)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    """After all tests, when idle workers had their time, no thread and no greenlet is left."""
    host: Host = request.param
    with serving(host, APP) as running:
        before = running.debug()
        warm_up(running)
        yield running
        until(lambda: running.debug()["greenlets"] <= before["greenlets"] + KEPT)
        until(lambda: ours(running.debug()) <= ours(before) + KEPT)


@pytest.fixture(autouse=True)
def nothing_is_left(server: Running) -> Iterator[None]:
    """After each test: no session, no descriptor, no trouble in the log."""
    before = server.debug()
    seen = len(server.log)
    yield
    until(lambda: sessions(server)["connections"] == 0)
    until(lambda: server.debug()["sockets"] <= before["sockets"])
    # Django warns of each 400, and that a session has left long-polling is tried here.
    assert [line for line in server.trouble() if line in server.log[seen:] and " 400 " not in line] == []


def ours(state: dict[str, Any]) -> int:
    return sum(thread.startswith("socketio_sync") for thread in state["threads"])


def sessions(server: Running) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.fetch("/sessions").body)
    return found


def warm_up(server: Running) -> None:
    """Have the runtime make what it keeps."""
    polling = Polling(server.port, tls=server.tls).open()
    polling.post("1")
    until(lambda: sessions(server)["connections"] == 0)


def websockets(server: Running) -> bool:
    return server.host.adopts


def joined(server: Running) -> Wire:
    """A WebSocket client in the main namespace."""
    if not websockets(server):
        pytest.skip("long-polling only")
    wire = open_websocket(server.port, tls=server.tls)
    wire.send_text("40")
    assert message(wire).startswith("40{")
    return wire


def message(wire: Wire) -> Any:
    """The next message that is not a ping; pings are answered."""
    while (received := wire.receive()) == "2":
        wire.send_text("3")
    return received


def call(wire: Wire, event: str, *args: Any) -> Any:
    """An event with an ack, over a WebSocket."""
    wire.send_text("421" + json.dumps([event, *args]))
    answer = message(wire)
    assert answer.startswith("431"), answer
    return json.loads(answer[3:])


def leave(wire: Wire) -> None:
    wire.close_frame(1000)
    assert isinstance(message(wire), Closed)
    wire.close()


def test_polling(server: Running) -> None:
    client = Polling(server.port, tls=server.tls).open()
    assert client.handshake["upgrades"] == (["websocket"] if websockets(server) else [])
    client.post("40")
    assert client.receive().startswith("40{")
    client.post('420["echo","one"]', '421["echo","ü"]')
    assert client.receive() == '430["one"]'
    assert json.loads(client.receive()[3:]) == ["ü"]
    client.post('422["leave",true]')
    assert client.receive() in ("41", "432[]")
    until(lambda: sessions(server)["sockets"] == 0)


def test_a_parked_poll_is_answered(server: Running) -> None:
    client = Polling(server.port, tls=server.tls).open()
    client.post("40")
    assert client.receive().startswith("40{")
    with client.park() as wire:
        client.post('427["echo",1]')
        reply = wire.answer()
        assert reply.status == 200
        packets = reply.text.split("\x1e")
    while "437[1]" not in packets:
        packets = client.get()
    client.post("1")


def test_polling_300_kb_both_ways(server: Running) -> None:
    client = Polling(server.port, tls=server.tls).open()
    client.post("40")
    assert client.receive().startswith("40{")
    text = "x" * 300_000
    client.post(f'421["echo","{text}"]')
    assert client.receive() == f'431["{text}"]'
    client.post("1")


def test_websocket(server: Running) -> None:
    wire = joined(server)
    assert call(wire, "echo", "one", {"two": [2]}) == ["one", {"two": [2]}]
    leave(wire)


def test_websocket_300_kb_both_ways(server: Running) -> None:
    wire = joined(server)
    text = "y" * 300_000
    assert call(wire, "echo", text) == [text]
    wire.send_text('451-1["echo",{"_placeholder":true,"num":0}]')
    wire.send_binary(b"\x00\xff" * 150_000)
    assert message(wire) == '461-1[{"_placeholder":true,"num":0}]'
    assert message(wire) == b"\x00\xff" * 150_000
    leave(wire)


def test_upgrade(server: Running) -> None:
    if not websockets(server):
        pytest.skip("long-polling only")
    client = Polling(server.port, tls=server.tls).open()
    client.post("40")
    assert client.receive().startswith("40{")
    with client.park() as parked, Wire(server.port, tls=server.tls) as wire:
        assert wire.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={client.sid}") is None
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        reply = parked.answer()
        assert reply.status == 200
        assert "6" in reply.text.split("\x1e")
        wire.send_text("5")
        assert call(wire, "echo", "upgraded") == ["upgraded"]
        assert server.fetch(client.target).status == 400
        wire.close_frame()
        assert isinstance(message(wire), Closed)


def test_a_direct_websocket_where_there_is_none(server: Running) -> None:
    if websockets(server):
        pytest.skip("here it works")
    with Wire(server.port) as wire:
        refusal = wire.upgrade("/socket.io/?EIO=4&transport=websocket")
        assert refusal is not None
        assert refusal.status == 400
        assert "waitress" in refusal.text


def test_plain_requests_while_websockets_are_open(server: Running) -> None:
    if server.host.tls and not server.host.gevent:
        pytest.skip("each holds a thread")
    wires = [joined(server) for _ in range(20)]
    started = time.monotonic()
    assert server.fetch("/").body == b"hello"
    assert time.monotonic() - started < 2
    assert sessions(server)["sockets"] == 20
    for wire in wires:
        assert call(wire, "echo", 1) == [1]
    for wire in wires:
        leave(wire)


def test_8_mb_for_a_slow_reader(server: Running) -> None:
    wire = joined(server)
    wire.send_text('42["push",100000,80]')
    time.sleep(0.3)
    with_others = joined(server)
    assert call(with_others, "echo", "quick") == ["quick"]
    leave(with_others)
    for number in range(80):
        assert message(wire) == f'451-["piece",{number},{{"_placeholder":true,"num":0}}]'
        assert message(wire) == bytes([number]) * 100_000
        if number % 20 == 0:
            time.sleep(0.1)
    leave(wire)


def test_close_by_the_server(server: Running) -> None:
    wire = joined(server)
    wire.send_text('42["leave",true]')
    received = message(wire)
    assert received == "41"
    assert message(wire) == Closed(None)
    # Nothing comes behind the close frame, whatever the web server writes.
    wire.close_frame()
    assert wire.read_to_the_end() == b""
    wire.close()


def test_abrupt_exit(server: Running) -> None:
    for _ in range(3):
        wire = joined(server)
        wire.reset()
    until(lambda: sessions(server)["connections"] == 0)


def test_a_client_that_leaves_a_parked_poll(server: Running) -> None:
    client = Polling(server.port, tls=server.tls).open()
    client.post("40")
    assert client.receive().startswith("40{")
    client.park().close()


def test_heartbeat(server: Running) -> None:
    wire = joined(server)
    for _ in range(2):
        assert wire.receive() == "2"
        wire.send_text("3")
    assert call(wire, "echo", "alive") == ["alive"]
    leave(wire)


def test_pipelined_frames(server: Running) -> None:
    """CVE-2022-21676: bytes right behind the upgrade request."""
    if not websockets(server):
        pytest.skip("long-polling only")
    with Wire(server.port, tls=server.tls) as wire:
        assert wire.upgrade("/socket.io/?EIO=4&transport=websocket", ahead=b"test") is None
        assert wire.read_to_the_end() != b""
    assert server.fetch("/").body == b"hello"


def test_the_access_log_says_101(server: Running) -> None:
    if not server.host.access_log:
        pytest.skip("it has none, or leaves them out")
    before = server.log.count("transport=websocket")
    leave(joined(server))

    def lines() -> list[str]:
        return [line for line in server.log.splitlines() if "transport=websocket" in line][before:]

    assert "101" in until(lines)[0]
