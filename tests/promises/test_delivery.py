"""What is sent arrives: whole, in order, once; or the disconnect says why not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.promises.client import Promised
from tests.promises.client import promising
from tests.promises.client import run_node
from tests.promises.swarm import Swarm
from tests.promises.swarm import chatter
from tests.support.timing import scaled
from tests.support.wire import Closed
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import fetch

LIMIT = 1_000_000  # max_http_buffer_size by default
NATIVE = ["gevent", "gevent-patched", "threads"]


def call(client: Polling, packet: str) -> Any:
    """The answer to a packet with the ack id 1, by long-polling."""
    client.post(packet)
    while not (answer := client.receive()).startswith("431"):
        pass
    return json.loads(answer[3:])


# -- binary ------------------------------------------------------------------------------------------------------------


def test_a_binary_broadcast_arrives_whole_at_polling_and_at_a_websocket(server: Promised) -> None:
    blobs = [bytes(range(256)) * 4, b"", b"\x00\xff" * 50_000]
    polling = server.polling()
    with server.client() as websocket, server.client() as sender:
        first, second, third = (f'{{"_placeholder":true,"num":{number}}}' for number in range(3))
        value = f'{{"picture":{first},"list":[{second},{third}]}}'
        sender.send(f'453-["everybody","picture",{value}]')
        for blob in blobs:
            sender.wire.send_binary(blob)
        expected = f'453-["picture",{value}]'
        assert [websocket.next() for _ in range(4)] == [expected, *blobs]
        assert polling.receive() == "4" + expected[1:]
        assert [base64.b64decode(polling.receive()[1:], validate=True) for _ in range(3)] == blobs
        # The session goes on behind it.
        assert call(polling, '421["echo","still"]') == ["still"]
        polling.post("1")


# -- sizes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [100 * 1024, LIMIT - 100, LIMIT])
def test_text_of_this_size_both_ways_on_a_websocket(server: Promised, size: int) -> None:
    text = "x" * (size - len('4212["echo",""]'))
    with server.client() as client:
        client._calls = 11
        assert client.call("echo", text) == [text]


def test_text_one_byte_too_long_closes_a_websocket(server: Promised) -> None:
    with server.client() as client:
        client.send('42["echo","' + "x" * (LIMIT + 1 - len('42["echo",""]')) + '"]')
        end = client.end()
        assert end is not None
        assert end.code == 1009
        reason, details = server.end_of(client.id)
        assert reason == "transport error"
        assert details is not None
        assert server.alive()


@pytest.mark.parametrize("size", [100 * 1024, LIMIT - 100, LIMIT])
def test_binary_of_this_size_both_ways_on_a_websocket(server: Promised, size: int) -> None:
    blob = bytes(range(250)) * (size // 250) + bytes(size % 250)
    with server.client() as client:
        client.send('451-1["echo",{"_placeholder":true,"num":0}]')
        client.wire.send_binary(blob)
        assert client.next() == '461-1[{"_placeholder":true,"num":0}]'
        assert client.next() == blob


def test_binary_one_byte_too_long_closes_a_websocket(server: Promised) -> None:
    with server.client() as client:
        client.send('451-1["echo",{"_placeholder":true,"num":0}]')
        client.wire.send_binary(bytes(LIMIT + 1))
        end = client.end()
        assert end is not None
        assert end.code == 1009
        assert server.end_of(client.id)[0] == "transport error"


@pytest.mark.parametrize("size", [100 * 1024, LIMIT - 100, LIMIT])
def test_a_body_of_this_size_both_ways_by_polling(server: Promised, size: int) -> None:
    client = server.polling()
    text = "é" + "x" * (size - len('421["echo",""]') - len("é".encode()))
    assert call(client, f'421["echo","{text}"]') == [text]
    client.post("1")


def test_a_body_one_byte_too_long_is_refused_and_the_session_goes_on(server: Promised) -> None:
    client = server.polling()
    body = b'421["echo","' + b"x" * (LIMIT + 1 - len('421["echo",""]')) + b'"]'
    reply = fetch(server.port, client.target, "POST", body, {"Content-Type": "text/plain;charset=UTF-8"})
    assert (reply.status, reply.body) == (413, b"")
    assert call(client, '421["echo","still"]') == ["still"]
    client.post("1")


@pytest.mark.parametrize("size", [100 * 1024, LIMIT - 100, LIMIT + 1, 5 * LIMIT])
def test_to_a_client_any_size_goes(server: Promised, size: int) -> None:
    """The limit is for what clients send."""
    polling = server.polling()
    assert call(polling, f'421["give",{size}]') == ["x" * size]
    polling.post("1")
    with server.client() as websocket:
        assert websocket.call("give", size) == ["x" * size]
        websocket.send(f'421["give bytes",{size}]')
        assert websocket.next() == '461-1[{"_placeholder":true,"num":0}]'
        assert websocket.next() == bytes(size)


# -- order -------------------------------------------------------------------------------------------------------------


def test_10_000_numbered_events_arrive_in_order_while_100_others_chatter(server: Promised) -> None:
    with Swarm(server.port, 100, on_text=chatter) as others, server.client(timeout=30) as client:
        for member in others.members:
            chatter(member, "")
        for begin in range(0, 10_000, 100):
            client.send(*(f'42["number",{n}]' for n in range(begin, begin + 100)))
        assert client.call("numbers") == [10_000, True]
        assert others.lost == []
        assert all(member.texts for member in others.members)


def test_10_000_numbered_events_arrive_in_order_by_polling(server: Promised) -> None:
    client = server.polling()
    for begin in range(0, 10_000, 500):
        client.post(*(f'42["number",{n}]' for n in range(begin, begin + 500)))
    assert call(client, '421["numbers"]') == [10_000, True]
    client.post("1")


@pytest.mark.parametrize("native", NATIVE)
def test_10_000_numbered_emits_from_8_native_threads(programs: Callable[..., Promised], native: str) -> None:
    """Whole: each event is followed by its own attachment. In order: those of each thread."""
    with programs(native).client(timeout=30) as client:
        client.emit("burst", 8, 1250)
        seen: dict[int, list[int]] = {}
        for _ in range(10_000):
            event = client.next()
            assert event.startswith("451-"), event
            _, thread, n, _ = json.loads(event[4:])
            assert client.next() == bytes([n % 256]) * 3
            seen.setdefault(thread, []).append(n)
        assert seen == {thread: list(range(1250)) for thread in range(8)}


def test_numbered_emits_from_8_native_threads_by_polling(programs: Callable[..., Promised], runtime: str) -> None:
    client = programs(runtime).polling()
    client.post('42["burst",8,250]')
    seen: dict[int, list[int]] = {}
    for _ in range(2000):
        _, thread, n, _ = json.loads(client.receive()[4:])
        assert base64.b64decode(client.receive()[1:]) == bytes([n % 256]) * 3
        seen.setdefault(thread, []).append(n)
    assert seen == {thread: list(range(250)) for thread in range(8)}
    client.post("1")


# -- nothing is lost silently ------------------------------------------------------------------------------------------


def upgrade(client: Polling) -> tuple[Wire, list[str]]:
    """Carry a session over as the official client does; and the packets that came by polling meanwhile."""
    wire = Wire(client.port)
    assert wire.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={client.sid}") is None
    with ThreadPoolExecutor(1) as pool:
        polled = pool.submit(client.get)
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        packets = polled.result()
    wire.send_text("5")
    return wire, packets


@pytest.mark.parametrize("pause", [0, 0.0005])
def test_what_is_emitted_during_an_upgrade_arrives_once_and_in_order(server: Promised, pause: float) -> None:
    count = 2000
    client = server.polling()
    client.post(f'42["count slowly",{count},{pause}]')
    wire, packets = upgrade(client)
    with wire:
        while packets[-1] != f'42["number",{count - 1}]':
            packets.append(str(wire.receive()))
    assert [packet for packet in packets if packet not in ("2", "6")] == [f'42["number",{n}]' for n in range(count)]


@pytest.mark.parametrize("transports", ["polling,websocket", "polling"])
def test_official_clients_count_both_ways_while_they_upgrade(server: Promised, transports: str) -> None:
    assert run_node("count.js", server, "20", "300", transports) == "all counted\n"


def test_emits_from_8_native_threads_during_an_upgrade(server: Promised) -> None:
    client = server.polling()
    client.post('42["burst",8,500]')
    wire, packets = upgrade(client)
    with wire:
        while sum(packet.startswith("45") for packet in packets) < 4000:
            packets.append(str(wire.receive()))
    events = [json.loads(packet[4:]) for packet in packets if packet.startswith("45")]
    for thread in range(8):
        assert [n for _, whose, n, _ in events if whose == thread] == list(range(500))


@pytest.mark.parametrize("close", ["true", "false"])
def test_what_is_emitted_before_a_disconnect_arrives_before_it(server: Promised, close: str) -> None:
    with server.client() as client:
        client.send(f'42["count and leave",3000,{close}]')
        assert [client.event() for _ in range(3000)] == [["number", n] for n in range(3000)]
        assert client.next() == "41"
    polling = server.polling()
    polling.post(f'42["count and leave",3000,{close}]')
    assert [polling.receive() for _ in range(3000)] == [f'42["number",{n}]' for n in range(3000)]
    assert polling.receive() == "41"


def test_what_is_emitted_before_the_server_ends_arrives_before_the_close_frame(runtime: str) -> None:
    with promising(runtime) as server, server.client() as client:
        client.send('42["count and end",3000]')
        assert [client.event() for _ in range(3000)] == [["number", n] for n in range(3000)]
        assert isinstance(client.next(), Closed)
        server.program.process.wait(scaled(10))


def test_what_a_client_sent_before_it_left_is_handled(server: Promised) -> None:
    client = server.client()
    client.send('42["nap",0.3]', *(f'42["push",0,{n}]' for n in range(1, 101)), "41")
    client.close()
    server.end_of(client.id)
    assert server.facts()["ended"][client.id] == ["client namespace disconnect", None, 100]


def test_a_connection_that_breaks_is_told_by_the_disconnect(server: Promised) -> None:
    """Emits in flight may be lost then, and it is said: as an error, or as an end where sending has met the error."""
    client = server.client()
    client.emit("count slowly", 1000, 0.001)
    client.event()
    client.wire.reset()
    assert server.end_of(client.id)[0] in ("transport error", "transport close")


def test_who_waits_for_an_answer_is_told_that_the_client_is_gone(server: Promised) -> None:
    client = server.client()
    client.emit("ask", 20)
    client.event()
    client.close()
    assert server.end_of(client.id)[0] == "transport close"
    assert server.facts()["kept"]["ask"] == "transport close"


