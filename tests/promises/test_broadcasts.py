"""A broadcast reaches every client once and in order, whatever its transport, and however many there are."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from socketio_sync.engine.connection_core import ConnectionCore
from socketio_sync.protocol.engineio_packet import EncodedPacket
from tests.promises.client import Client
from tests.promises.client import Promised
from tests.support.served import served
from tests.support.timing import scaled
from tests.support.wire import Wire

CLIENTS = 300
"""Many more than have one lock."""


def websocket(server: Promised, query: str, headers: dict[str, str] | None = None) -> Wire:
    """A WebSocket in the main namespace; what greets it is read."""
    wire = Wire(server.port)
    assert wire.upgrade(f"/socket.io/?transport=websocket&{query}", headers) is None
    if "EIO=4" in query:
        wire.send_text("40")
    for _ in range(2):
        receive(wire)
    return wire


def receive(wire: Wire) -> str:
    """The next message, compressed or not."""
    first, size = wire.read(2)
    if size == 126:
        size = int.from_bytes(wire.read(2), "big")
    payload = wire.read(size)
    if first & 0x40:
        payload = zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")
    return payload.decode()


def test_every_kind_of_client_gets_it_in_order(runtime: str, programs: Callable[..., Promised]) -> None:
    server = programs(runtime, allow_eio3=True, per_message_deflate={"threshold": 20})
    sender, polling = server.client(), server.polling()
    others = {
        "plain": websocket(server, "EIO=4"),
        "protocol 3": websocket(server, "EIO=3"),
        "base64": websocket(server, "EIO=4&b64=1"),
        "deflate": websocket(server, "EIO=4", {"Sec-WebSocket-Extensions": "permessage-deflate"}),
    }
    events = [["news", number, "x" * number] for number in range(50)]
    expected = [f'42["news",{number},"{text}"]' for _, number, text in events]
    with polling.park() as parked:
        for event in events:
            sender.emit("everybody", *event)
        received = parked.answer().text.split("\x1e")
    while len(received) < len(expected):
        received += polling.get()
    assert received == expected
    assert [sender.next() for _ in expected] == expected
    for kind, wire in others.items():
        assert [receive(wire) for _ in expected] == expected, kind
        wire.close()


def test_threads_that_broadcast_at_once_to_many(server: Promised) -> None:
    clients = [server.client() for _ in range(CLIENTS)]
    clients[0].emit("shout", 3, 20)
    for client in clients:
        numbers: list[list[int]] = [[], [], []]
        for _ in range(60):
            _, thread, number = client.event()
            numbers[thread].append(number)
        assert numbers == [list(range(20))] * 3


class Intruded:
    """A socket in whose first ``send`` another thread does something."""

    def __init__(self, sock: Any, intruder: Callable[[], object]) -> None:
        self._sock = sock
        self._intruders = [intruder]

    def send(self, data: bytes) -> int:
        while self._intruders:
            thread = Thread(target=self._intruders.pop())
            thread.start()
            thread.join(scaled(10))
        sent: int = self._sock.send(data)
        return sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def test_nothing_comes_behind_a_disconnect(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socketio_sync.runtime.base.LOCK_SHARED_BY", 1)  # or the disconnect waits for the broadcast
    with served(runtime) as running:
        clients = [Client(running.port) for _ in range(3)]
        sockets = [running.io.sockets[client.id] for client in clients]
        channel = sockets[0].conn.plain_channel
        channel.sock = Intruded(channel.sock, sockets[2].disconnect)
        running.io.emit("news")
        running.io.emit("more")
        assert clients[2].next() == "41"
        assert clients[2].listen(0.1) == []
        for client in clients[:2]:
            assert [client.next(), client.next()] == ['42["news"]', '42["more"]']
        for client in clients:
            client.close()


def test_nothing_comes_behind_a_disconnect_of_who_has_just_been_accepted(
    runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_packets = ConnectionCore.send_packets

    def intruded(connection: ConnectionCore, batch: list[EncodedPacket]) -> bool:
        sent = send_packets(connection, batch)
        for socket in running.io.sockets.values():  # its CONNECT is out, what comes now is held back still
            socket.disconnect()
            socket.emit("to it")
        running.io.emit("to all")
        return sent

    with served(runtime) as running:
        monkeypatch.setattr(ConnectionCore, "send_packets", intruded)
        client = Client(running.port)
        assert client.next() == "41"
        assert client.listen(0.1) == []
        client.close()
