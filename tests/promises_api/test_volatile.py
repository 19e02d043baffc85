"""Volatile packets to a client that does not read are dropped; the others arrive whole when it reads again."""

from __future__ import annotations

import base64
import json
import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.servers import HOSTS
from tests.support.servers import Running
from tests.support.servers import serving
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import until

SERVERS = [host for host in HOSTS if host.name in ("gunicorn-gevent", "gunicorn-gthread")]
COUNT = 160
SIZE = 60_000  # so that the kernel cannot hold it all, and max_send_buffer can


@pytest.fixture(scope="module", params=SERVERS, ids=str)
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    with serving(request.param, "tests.promises_api.volatile_app:app") as running:
        yield running
        assert running.trouble() == []


class Reader:
    """A client on a WebSocket or on long-polling that reads when told to.

    Attributes:
        id: its socket's.
    """

    def __init__(self, running: Running, transport: str) -> None:
        self.client: Any
        if transport == "websocket":
            wire = Wire(running.port)
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            assert wire.upgrade("/socket.io/?EIO=4&transport=websocket") is None
            wire.receive()
            self.client, self._send = wire, wire.send_text
        else:
            self.client = Polling(running.port).open()
            self._send = lambda text: self.client.post("4" + text[1:])
        self._send("40")
        self.id: str = json.loads(self._next()[2:])["sid"]
        self._running = running

    def _next(self) -> Any:
        message = self.client.receive()
        if message == "2":
            self._send("3")
            return self._next()
        if isinstance(message, str) and message.startswith("b"):  # as long-polling has it
            return base64.b64decode(message[1:])
        return message

    def emit(self, *event: Any) -> None:
        self._send("42" + json.dumps(event))

    def join(self, room: str) -> None:
        self._send("420" + json.dumps(["join", room]))
        assert self._next() == "430[]"

    def wait_until_all_was_emitted(self) -> None:
        until(lambda: json.loads(self._running.fetch("/done").body).get(self.id) == COUNT)

    def event(self) -> tuple[str, Any, Any]:
        """Name, number and content of the next event; with an attachment, this comes right behind it."""
        head = self._next()
        if head.startswith("451-"):
            name, number, _ = json.loads(head[4:])
            content = self._next()
            assert isinstance(content, bytes), content
            return name, number, content
        name, number, content = json.loads(head[2:])
        return name, number, content

    def close(self) -> None:
        if isinstance(self.client, Wire):
            self.client.close()
        else:
            self.client.post("1")


def content_of(number: int) -> Any:
    return bytes([number % 256]) * SIZE if number % 2 == 0 else "x" * SIZE


def read_to_the_last(reader: Reader) -> tuple[list[int], list[int]]:
    """The numbers of the plain and of the volatile packets up to the last plain one."""
    numbers: dict[str, list[int]] = {"plain": [], "volatile": []}
    while numbers["plain"][-1:] != [COUNT - 1]:
        name, number, content = reader.event()
        assert content == content_of(number)
        numbers[name].append(number)
    return numbers["plain"], numbers["volatile"]


@pytest.mark.parametrize("broadcast", [False, True], ids=["emit", "broadcast"])
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_volatile_packets_are_dropped_and_the_others_arrive_whole(
    server: Running, transport: str, broadcast: bool
) -> None:
    reader = Reader(server, transport)
    reader.emit("alternate", reader.id if broadcast else "", COUNT, SIZE)
    reader.wait_until_all_was_emitted()
    plain, volatile = read_to_the_last(reader)
    assert plain == list(range(COUNT))
    # Some left before the way was full; on long-polling there was no GET.
    assert volatile == list(range(len(volatile)))
    assert len(volatile) < (COUNT // 2 if transport == "websocket" else 1)
    print(f"{len(volatile)} of {COUNT} volatile packets left")

    reader.emit("one volatile")
    if transport == "websocket":
        assert reader.event() == ("volatile", "again", b"again")
    reader.close()


def test_a_volatile_packet_comes_by_polling_while_a_get_waits(server: Running) -> None:
    reader = Reader(server, "polling")
    with reader.client.park() as parked:

        def answered() -> bool:
            reader.emit("one volatile")  # dropped as long as the GET has not come
            return bool(select.select([parked.sock], [], [], 0.05)[0])

        until(answered)
        head, attachment = parked.answer().text.split("\x1e")
    assert head == '451-["volatile","again",{"_placeholder":true,"num":0}]'
    assert attachment == "bYWdhaW4="
    reader.close()


def test_who_reads_gets_the_volatile_packets_that_another_does_not(server: Running) -> None:
    slow, quick = Reader(server, "websocket"), Reader(server, "websocket")
    for reader in (slow, quick):
        reader.join("both")
    slow.emit("alternate", "", COUNT, SIZE)
    slow.wait_until_all_was_emitted()
    quick.emit("alternate", "both", 10, 5)
    assert [quick.event() for _ in range(20)] == [
        (name, number, "x" * 5 if number % 2 else bytes([number]) * 5)
        for number in range(10)
        for name in ("plain", "volatile")
    ]
    read_to_the_last(slow)
    assert [slow.event()[:2] for _ in range(10)] == [("plain", number) for number in range(10)]
    slow.close()
    quick.close()
