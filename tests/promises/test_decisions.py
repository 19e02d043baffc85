"""What the reference does and is not worth copying: each row is decided here, by a test that says what we do instead.

Rows that concern clients (jitter at the cap of the delay, ``retries`` without ``ackTimeout``) or clusters (stream
indices, NOTIFY, the emitter's envelope, channel names, what recovery publishes) have their tests with those parts.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.promises.client import Client
from tests.promises.client import Promised
from tests.promises.client import promising
from tests.support.timing import scaled
from tests.support.wire import Closed
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import fetch
from tests.support.wire import open_websocket

Programs = Callable[..., Promised]
SHORT = {"ping_interval": 0.3, "ping_timeout": 0.5, "allow_eio3": True, "connection_state_recovery": True}
SMALL = {"max_namespaces": 2, "max_rooms": 3, "max_pending_acks": 5, "max_pending_events": 10}


def connected(port: int, packet: str = "40") -> tuple[Wire, dict[str, str]]:
    """A WebSocket in the main namespace, and the server's answer to CONNECT."""
    wire = open_websocket(port)
    wire.send_text(packet)
    answer = str(wire.receive())
    assert answer.startswith("40{"), answer
    return wire, json.loads(answer[2:])


def is_ended(wire: Wire, seconds: float) -> None:
    """The server closes it within so many seconds, though nothing is sent."""
    begin = time.monotonic()
    try:
        while not isinstance(wire.receive(), Closed):
            pass
    except (EOFError, ConnectionResetError):
        pass
    assert time.monotonic() - begin < seconds


# -- heartbeat ---------------------------------------------------------------------------------------------------------


def test_the_deadline_belongs_to_the_session_and_survives_an_upgrade(programs: Programs, runtime: str) -> None:
    """Node: no deadline any more when a pong was due at the upgrade."""
    server = programs(runtime, **SHORT)
    client = server.polling()
    with Wire(server.port) as wire:
        assert wire.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={client.sid}") is None
        assert client.get() == ["2"]
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        wire.send_text("5")
        is_ended(wire, 0.5 + 1)


def test_an_old_clients_deadline_survives_an_upgrade(programs: Programs, runtime: str) -> None:
    """Node: a client of protocol 3 is immortal once it has upgraded."""
    server = programs(runtime, **SHORT)
    opened = fetch(server.port, "/socket.io/?EIO=3&transport=polling&b64=1").text
    sid = opened.split('"sid":"')[1].split('"')[0]
    with Wire(server.port) as wire:
        assert wire.upgrade(f"/socket.io/?EIO=3&transport=websocket&sid={sid}") is None
        wire.send_text("2probe")
        assert wire.receive() == "3probe"
        wire.send_text("5")
        is_ended(wire, 0.8 + 1)


# -- transports --------------------------------------------------------------------------------------------------------


def test_a_close_packet_on_a_websocket_closes_the_session(server: Promised) -> None:
    """Node: ignored."""
    with server.client() as client:
        client.send("1")
        assert client.end() == Closed(None)
        assert server.end_of(client.id) == ("transport close", None)


@pytest.mark.parametrize("query", ["EIO=3", "", "EIO=4&sid=x"])
def test_everything_is_verified_before_the_101(server: Promised, query: str) -> None:
    """Node: writes an HTTP error into the stream that is a WebSocket already."""
    with Wire(server.port) as wire:
        refusal = wire.upgrade(f"/socket.io/?transport=websocket&{query}")
        assert refusal is not None
        assert refusal.status == 400


def test_allow_upgrades_is_enforced(programs: Programs, runtime: str) -> None:
    """Node: only not announced."""
    server = programs(runtime, allow_upgrades=False)
    client = Polling(server.port).open()
    assert client.handshake["upgrades"] == []
    with Wire(server.port) as wire:
        refusal = wire.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={client.sid}")
        assert refusal is not None
        assert refusal.status == 400
    server.client().close()  # a WebSocket from the beginning is none
    client.post("1")


def test_the_transports_are_enforced(programs: Programs, runtime: str) -> None:
    server = programs(runtime, transports=["polling"])
    assert Polling(server.port).open().handshake["upgrades"] == []
    with Wire(server.port) as wire:
        refusal = wire.upgrade("/socket.io/?EIO=4&transport=websocket")
        assert refusal is not None
        assert (refusal.status, refusal.text) == (400, "Transport unknown")


def test_the_origin_of_websockets_is_checked(runtime: str) -> None:
    """Node: CORS does not stop them."""
    with promising(runtime, quiet=False, cors_allowed_origins=["http://good.example"]) as server:
        for origin, granted in (("http://good.example", True), ("http://evil.example", False)):
            with Wire(server.port) as wire:
                refusal = wire.upgrade("/socket.io/?EIO=4&transport=websocket", {"Origin": origin})
                assert (refusal is None) == granted


def test_the_cookie_is_set_on_websockets_too(programs: Programs, runtime: str) -> None:
    """Node: only with a handshake by polling."""
    server = programs(runtime, cookie="io")
    with Wire(server.port) as wire:
        wire.ask(
            "GET",
            "/socket.io/?EIO=4&transport=websocket",
            headers={
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            },
        )
        status, headers = wire.head()
        assert status == 101
        sid = json.loads(str(wire.receive())[1:])["sid"]
        assert headers["set-cookie"].startswith(f"io={sid}; ")


@pytest.mark.parametrize("path", ["/socket.io/anything/", "/socket.ioo/", "/socket.io//"])
def test_the_path_is_compared_exactly(server: Promised, path: str) -> None:
    """Node: whatever begins with it."""
    reply = fetch(server.port, f"{path}?EIO=4&transport=polling")
    assert reply.body == b"hello"  # the program's own app


# -- acks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("local", ["true", "false"])
def test_a_broadcast_with_ack_waits_for_ack_timeout(runtime: str, local: str) -> None:
    """Node: about a millisecond without ``timeout()``; ``local`` never completes in a cluster."""
    with promising(runtime) as server, server.client() as one, server.client() as two:
        one.send(f'421["vote",{local}]')
        for client, answer in ((one, "yes"), (two, "no")):
            question = client.next()
            time.sleep(0.05)
            client.send(f'43{question[2 : question.index("[")]}["{answer}","unused"]')
        assert one.next() == '431[["yes","no"]]'


# -- joining -----------------------------------------------------------------------------------------------------------


def test_two_connects_at_once_make_one_socket(server: Promised) -> None:
    """Node: two, of which one is forgotten."""
    wire = open_websocket(server.port)
    with wire:
        before = server.facts()["sockets"]
        wire.send(b"".join(Client.frames("40/slow,", "40/slow,")))
        assert wire.receive() == Closed(None)
        assert server.facts()["sockets"] == before


def test_an_event_right_behind_connect_waits_for_the_acceptance(server: Promised) -> None:
    """Node: closes the connection."""
    with open_websocket(server.port) as wire:
        wire.send(b"".join(Client.frames("40/slow,", '42/slow,1["echo","early"]')))
        assert str(wire.receive()).startswith("40/slow,{")
        assert wire.receive() == '43/slow,1[true,"early"]'


def test_events_behind_connect_are_bounded(programs: Programs, runtime: str) -> None:
    server = programs(runtime, **SMALL)
    with open_websocket(server.port) as wire:
        wire.send(b"".join(Client.frames("40/slow,", *(f'42/slow,{n}["echo",{n}]' for n in range(200)))))
        assert str(wire.receive()).startswith("40/slow,{")
        assert [wire.receive() for n in range(200)] == [f"43/slow,{n}[true,{n}]" for n in range(200)]


def test_what_was_in_flight_when_the_server_refused_costs_nothing(server: Promised) -> None:
    """Node: the whole connection."""
    with server.client() as client:
        client.send("40/refused,", '42/refused,["m"]')
        assert client.next() == '44/refused,{"message":"not you","data":{"why":"because"}}'
        assert client.call("echo", "alive") == ["alive"]


# -- recovery ----------------------------------------------------------------------------------------------------------


def test_a_client_that_has_received_nothing_can_recover(programs: Programs, runtime: str) -> None:
    """Node: not without an offset, which comes with the first event."""
    server = programs(runtime, **SHORT)
    wire, before = connected(server.port)
    wire.reset()
    server.end_of(before["sid"])
    wire, after = connected(server.port, "40" + json.dumps({"pid": before["pid"]}))
    assert after == before
    wire.close()


def test_old_clients_get_no_offset(programs: Programs, runtime: str) -> None:
    """Node: an argument too many, though they cannot recover."""
    server = programs(runtime, **SHORT)
    with Wire(server.port) as old:
        assert old.upgrade("/socket.io/?EIO=3&transport=websocket") is None
        assert str(old.receive()).startswith("0{")
        assert old.receive() == "40"
        new, _ = connected(server.port)
        with new:
            new.send_text('42["everybody","news","text"]')
            assert json.loads(str(new.receive())[2:])[:2] == ["news", "text"]
            assert old.receive() == '42["news","text"]'


# -- the parser --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    ["42", '42 7["echo"]', '450x1-["echo"]', '451e0-["echo"]', '45 1-["echo"]', '42+1["echo"]', '421-["echo"]', "40.5"],
)
def test_the_grammar_is_strict_where_javascript_converts(server: Promised, packet: str) -> None:
    with server.client() as client:
        client.send(packet)
        assert client.end() == Closed(None)
        assert server.end_of(client.id)[0] == "forced close"


def test_numbers_are_names_of_events_as_in_javascript(server: Promised) -> None:
    """Kept: a client may call an event 1."""
    with server.client() as client:
        client.send("42[1,2]")
        assert client.call("echo", "alive") == ["alive"]


def test_leading_zeros_of_ids_are_dropped_as_in_javascript(server: Promised) -> None:
    """Kept: the client that sent 007 waits for 7."""
    with server.client() as client:
        client.send('42007["echo"]')
        assert client.next() == "437[]"


# -- limits ------------------------------------------------------------------------------------------------------------


def test_namespaces_are_limited(programs: Programs, runtime: str) -> None:
    server = programs(runtime, **SMALL)
    with server.client() as client:
        client.send("40/other,")
        assert client.next().startswith("40/other,{")
        client.send("40/slow,")
        assert client.next() == '44/slow,{"message":"too many namespaces"}'
        assert client.call("echo", "alive") == ["alive"]


def test_rooms_are_limited(programs: Programs, runtime: str) -> None:
    server = programs(runtime, **SMALL)
    with server.client() as client:
        assert [client.call("join", room) for room in "abcd"] == [["joined"]] * 3 + [["max_rooms"]]


def test_pending_acks_are_limited(programs: Programs, runtime: str) -> None:
    server = programs(runtime, **SMALL)
    with server.client() as client:
        client.send(*['42["ask later"]'] * 5, '421["ask",5]')
        while (message := client.next()).startswith("42"):
            pass
        assert message == '431["max_pending_acks"]'


def test_the_packets_of_one_body_are_taken_no_faster_than_they_are_handled(programs: Programs, runtime: str) -> None:
    """Node: no limit. Ours is max_pending_events: beyond it the POST's ok waits."""
    server = programs(runtime, **SMALL)
    client = server.polling()
    begin = time.monotonic()
    client.post('42["nap",0.5]', *(f'42["number",{n}]' for n in range(1000)))
    assert time.monotonic() - begin > 0.4
    client.post('421["numbers"]')
    assert client.receive() == "431[1000,true]"
    assert time.monotonic() - begin < scaled(5)
    client.post("1")
