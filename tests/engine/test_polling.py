"""Long-polling: what a GET is answered and when, what a POST may bring, and how both end a session."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.engine.served import Served
from tests.engine.served import served
from tests.support.servers import HOSTS
from tests.support.servers import Running
from tests.support.servers import serving
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import until

LIMIT = 1000
# The separator of packets in a payload.
SEPARATOR = "\x1e"


def unknown(server: Served, client: Polling) -> bool:
    """Whether the server does not know the session any more."""
    reply = server.fetch(client.target)
    return reply.status == 400 and json.loads(reply.body)["code"] == 1


# -- GET ---------------------------------------------------------------------------------------------------------------


def test_a_get_waits_for_the_first_packet(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        parked = server.park(client)
        server.connection().send("hello")
        reply = parked.answer()
        assert (reply.status, reply.body) == (200, b"4hello")
        assert reply.headers["content-type"] == "text/plain; charset=UTF-8"
        assert reply.headers["cache-control"] == "no-store"


def test_a_get_takes_all_that_is_queued(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        connection = server.connection()
        connection.send("€")
        connection.send(bytes(range(256)))
        connection.send("")
        assert client.get() == ["4€", "b" + base64.b64encode(bytes(range(256))).decode(), "4"]


def test_a_get_takes_no_more_than_a_body_may_have(runtime: str) -> None:
    with served(runtime, max_http_buffer_size=LIMIT) as server:
        client = server.polling()
        connection = server.connection()
        for letter in "abcde":
            connection.send(letter * 400)
        assert [len(client.get()) for _ in range(3)] == [2, 2, 1]
        connection.send("f" * 5000)
        assert client.get() == ["4" + "f" * 5000]


def test_a_second_get_ends_the_session(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        first = server.park(client)
        reply = server.fetch(client.target)
        assert (reply.status, reply.body) == (400, b"")
        assert first.answer().text == "1"
        assert server.end() == ("transport error", "overlap from client")
        assert unknown(server, client)


@pytest.mark.parametrize("how", [Wire.close, Wire.reset])
def test_a_get_that_is_given_up_ends_the_session(runtime: str, how: object) -> None:
    with served(runtime) as server:
        client = server.polling()
        how(server.park(client))  # type: ignore[operator]
        assert server.end() == ("transport error", "poll connection closed prematurely")
        assert unknown(server, client)


def test_many_gets_at_once_end_one_session_once(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        wires = [server.wire() for _ in range(10)]
        for wire in wires:
            wire.ask("GET", client.target, headers={"Connection": "close"})
        statuses = sorted(wire.answer().status for wire in wires)
        assert statuses == [200] + [400] * 9
        assert server.end()[0] == "transport error"
        assert server.ended.empty()


# -- POST --------------------------------------------------------------------------------------------------------------


def test_a_post_brings_several_packets_in_order(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        client.post("4one", "b" + base64.b64encode(b"\x00\xff").decode(), "4", "4zwei €")
        assert [server.message() for _ in range(4)] == ["one", b"\x00\xff", "", "zwei €"]


@pytest.mark.parametrize(
    "body", [b"", b"abc", b"4a\x1e", b"\x1e4a", b"7", b"b=", b"bA", b"b!!!!", b"4\xff", b"4a\x1eX"]
)
def test_a_body_that_is_no_payload_ends_the_session(runtime: str, body: bytes) -> None:
    with served(runtime) as server:
        client = server.polling()
        reply = server.fetch(client.target, "POST", body)
        assert (reply.status, reply.body) == (200, b"ok")
        assert server.end()[0] == "parse error"
        assert unknown(server, client)


def test_a_binary_body_ends_the_session(runtime: str) -> None:
    """CVE-2026-59725: the reference never answered."""
    with served(runtime) as server:
        client = server.polling()
        reply = server.fetch(client.target, "POST", b"\x00\x02\xff4a", {"Content-Type": "application/octet-stream"})
        assert (reply.status, reply.body) == (400, b"")
        assert server.end()[0] == "transport error"
        assert unknown(server, client)


@pytest.mark.parametrize(("size", "status"), [(LIMIT - 1, 200), (LIMIT, 200), (LIMIT + 1, 413)])
def test_a_body_at_the_limit(runtime: str, size: int, status: int) -> None:
    with served(runtime, max_http_buffer_size=LIMIT) as server:
        client = server.polling()
        # Counted as it came, in bytes of UTF-8.
        body = "4" + "€" * ((size - 1) // 3)
        reply = server.fetch(client.target, "POST", body.encode().ljust(size, b"x"))
        assert reply.status == status
        if status == 413:
            assert reply.body == b""
        client.post("4the session stays")
        while server.message() != "the session stays":
            pass
        assert server.ended.empty()


def test_a_body_far_over_the_limit_is_not_awaited(runtime: str) -> None:
    with served(runtime, max_http_buffer_size=LIMIT) as server:
        client = server.polling()
        wire = server.wire()
        wire.ask("POST", client.target, headers={"Content-Length": str(10**9)})
        wire.send(b"4" * 100)
        assert wire.head()[0] == 413


def test_chunked_bodies(runtime: str) -> None:
    with served(runtime, max_http_buffer_size=LIMIT) as server:
        client = server.polling()
        for chunks, status in (([b"4he", b"llo"], 200), ([b"4" * 600] * 2, 413)):
            wire = server.wire()
            wire.ask("POST", client.target, headers={"Transfer-Encoding": "chunked"})
            for chunk in [*chunks, b""]:
                wire.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            assert wire.head()[0] == status
        assert server.message() == "hello"


@pytest.mark.parametrize("length", ["-1", "x", "1_0", "+5", "0x10"])
def test_a_length_that_is_none(runtime: str, length: str) -> None:
    """Whoever answers, the web server or we: the request is refused, and nothing is awaited."""
    with served(runtime) as server:
        client = server.polling()
        wire = server.wire()
        wire.ask("POST", client.target, headers={"Content-Length": length, "Connection": "close"})
        assert wire.head()[0] == 400


def test_a_second_post_ends_the_session(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        slow = server.wire()
        slow.ask("POST", client.target, headers={"Content-Length": "10"})
        slow.send(b"4")
        until(lambda: server.engine.connections[client.sid].posting)
        reply = server.fetch(client.target, "POST", b"4x")
        assert (reply.status, reply.body) == (400, b"")
        assert server.end() == ("transport error", "overlap from client")


def test_a_post_that_is_given_up_ends_the_session(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        wire = server.wire()
        wire.ask("POST", client.target, headers={"Content-Length": "10"})
        wire.send(b"4")
        until(lambda: server.engine.connections[client.sid].posting)
        wire.close()
        assert server.end() == ("transport error", "request body closed prematurely")


def test_what_stands_behind_a_close_packet_is_not_heard(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        client.post("4before", "1", "4behind")
        assert server.message() == "before"
        assert server.end() == ("transport close", None)
        assert server.heard.empty()


def test_an_emitted_payload_with_separators(runtime: str) -> None:
    """As in the reference, text with the separator cannot travel by polling; it must do no more harm than that."""
    with served(runtime) as server:
        client = server.polling()
        server.connection().send(f"a{SEPARATOR}4b")
        assert client.get() == ["4a", "4b"]


# -- back pressure -----------------------------------------------------------------------------------------------------


def test_a_client_that_is_not_read_waits_for_its_ok(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        connection = server.connection()
        connection.pause_reading()
        wire = server.wire()
        wire.ask("POST", client.target, b"4held", {"Connection": "close"})
        assert server.message() == "held"
        until(lambda: connection._post is not None)
        # A GET is answered meanwhile.
        assert client.get() == ["4held"]
        connection.resume_reading()
        assert wire.answer().body == b"ok"


def test_a_second_post_while_the_first_waits_for_its_ok(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        connection = server.connection()
        connection.pause_reading()
        wire = server.wire()
        wire.ask("POST", client.target, b"4held", {"Connection": "close"})
        until(lambda: connection._post is not None)
        assert server.fetch(client.target, "POST", b"4x").status == 400
        assert wire.answer().body == b"ok"
        assert server.end() == ("transport error", "overlap from client")


def test_a_handler_that_is_behind_holds_up_the_client(runtime: str) -> None:
    """And nobody else."""
    with served(runtime, echo=False) as server:
        client = server.polling()
        connection = server.connection()
        go = server.engine.runtime.event()
        connection.on("message", lambda data: go.wait(10))
        wire = server.wire()
        wire.ask("POST", client.target, b"\x1e".join([b"4m"] * 1500), {"Connection": "close"})
        until(lambda: connection._post is not None)
        other = server.polling()
        other.post("4other")
        go.set()
        assert wire.answer().body == b"ok"
        heard = [server.message() for _ in range(1501)]
        assert heard.count("m") == 1500
        assert heard.count("other") == 1


# -- JSONP -------------------------------------------------------------------------------------------------------------


def test_jsonp(runtime: str) -> None:
    with served(runtime) as server:
        reply = server.fetch("?EIO=4&transport=polling&j=7x0")
        assert reply.headers["content-type"] == "text/plain; charset=UTF-8"
        assert reply.text.startswith("___eio[70](")
        assert reply.text.endswith(");")
        packet = json.loads(reply.text[len("___eio[70](") : -2])
        target = f"?EIO=4&transport=polling&j=8&sid={json.loads(packet[1:])['sid']}"
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert server.fetch(target, "POST", b"d=4a%5Cnb%5C%5Cnc", form).body == b"ok"
        assert server.message() == "a\nb\\nc"
        server.connection().send(b"\x01")
        reply = server.fetch(target)
        assert reply.text == '___eio[70]("4a\\nb\\\\nc\\u001ebAQ==");'
        assert server.fetch(target, "POST", b"e=5", form).body == b"ok"
        assert server.ended.empty()


# -- where no socket can be taken --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def waitress() -> Iterator[Running]:
    """waitress with 6 threads, of which polls may hold 2."""
    [host] = [host for host in HOSTS if host.name == "waitress"]
    with serving(host, "tests.engine.polling_only:app") as running:
        yield running


def test_held_requests_leave_threads_for_others(waitress: Running) -> None:
    clients = [Polling(waitress.port, "/engine.io/").open() for _ in range(8)]
    assert clients[0].handshake["upgrades"] == []
    with ExitStack() as stack:
        wires = []
        for client in clients:
            wires.append(stack.enter_context(Wire(waitress.port)))
            wires[-1].ask("GET", client.target, headers={"Connection": "close"})
        assert waitress.fetch("/").body == b"hello"
        clients[0].post("4hello")
        assert wires[0].answer().text in ("4hello", "6")
        # Those beyond the limit get a noop soon, and may come again.
        answers = [wire.answer().text for wire in wires[2:]]
        assert answers.count("6") >= 5
        for client in clients:
            client.post("1")


def test_a_held_request_is_answered(waitress: Running) -> None:
    client = Polling(waitress.port, "/engine.io/").open()
    with Wire(waitress.port) as wire:
        wire.ask("GET", client.target, headers={"Connection": "close"})
        client.post("4hello")
        assert wire.answer().text == "4hello"
    client.post("1")


def test_a_websocket_where_no_socket_can_be_taken(waitress: Running) -> None:
    with Wire(waitress.port) as wire:
        reply = wire.upgrade("/engine.io/?EIO=4&transport=websocket")
        assert reply is not None
        assert reply.status == 400
        assert b"waitress" in reply.body
