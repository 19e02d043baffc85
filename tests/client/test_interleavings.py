"""A client that is left while another of its threads is between two steps, tried at each: the server hears of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from http.client import HTTPResponse
from typing import Any

import pytest

from socketio_sync import Client
from socketio_sync import TransportError
from socketio_sync.client.address import Address
from socketio_sync.client.address import ServerURL
from socketio_sync.client.engine_client import EngineClient
from socketio_sync.client.life import WAITING
from socketio_sync.client.life import Life
from socketio_sync.client.options import manager_options
from socketio_sync.client.polling import PollingTransport
from socketio_sync.exceptions import DisconnectDetails
from socketio_sync.protocol.engineio_client_session import OPEN
from socketio_sync.protocol.engineio_client_session import POLLING
from socketio_sync.protocol.engineio_client_session import ClientSession
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.runtime import choose
from socketio_sync.runtime import native
from tests.client.raw import answering
from tests.client.raw import reply
from tests.support.served import Served
from tests.support.steps import failing_steps
from tests.support.steps import interrupted
from tests.support.wire import TIMEOUT

RUNTIME = choose("threads")


class Nobody:
    """Uses a connection, and is a transport's receiver; nothing matters to it."""

    def on_message(self, engine: EngineClient, data: str | bytes) -> None: ...

    def on_ping(self) -> None: ...

    def on_close(self, engine: EngineClient, reason: str, details: DisconnectDetails | None) -> None: ...

    def on_text(self, transport: object, text: str) -> None: ...

    def on_binary(self, transport: object, data: bytes) -> None: ...

    def on_lost(self, transport: object, reason: str, details: DisconnectDetails | None) -> None: ...


def left_behind(server: Served) -> bool:
    """Whether the server still has a session; it has none afterwards."""
    left = [*server.io.engine.connections.values()]
    for connection in left:
        connection.close(discard=True)
    return left != []


@pytest.mark.parametrize("function", [EngineClient._receive_control, EngineClient._open])
def test_one_that_is_left_as_soon_as_it_is_open(server: Served, function: Any) -> None:
    options = manager_options({"transports": ["polling"]})

    def fails(step: int, reached: list[int]) -> bool:
        lock = native.new_lock()
        engine = EngineClient(RUNTIME, lock, Address(ServerURL(server.url), options), options, Nobody())
        gone: list[Callable[[float], object]] = []

        def leave() -> None:
            reached.append(step)
            if engine.session.life == OPEN and not lock.locked():
                gone.append(engine.leave("forced close"))

        try:
            interrupted(step, function.__code__, leave, engine.open)
        except TransportError:
            assert gone
        for wait in gone or [engine.leave("forced close")]:
            wait(TIMEOUT)
        return left_behind(server)

    assert failing_steps(fails) == []


@pytest.mark.parametrize("function", [HTTPConnection.send, HTTPConnection.getresponse, HTTPResponse.begin])
def test_one_that_is_left_amid_its_first_request(server: Served, function: Any) -> None:
    options = manager_options({"transports": ["polling"]})

    def fails(step: int, reached: list[int]) -> bool:
        lock = native.new_lock()
        engine = EngineClient(RUNTIME, lock, Address(ServerURL(server.url), options), options, Nobody())

        def leave() -> None:
            reached.append(step)
            engine.leave("forced close")

        try:
            interrupted(step, function.__code__, leave, engine.open)
        except TransportError:
            return False
        except Exception:
            return True
        engine.abort()
        return bool(reached)

    assert failing_steps(fails) == []
    left_behind(server)  # it cannot know of those that were left before they knew their session


def test_one_that_is_left_before_its_connecting_task_runs(server: Served) -> None:
    def fails(step: int, reached: list[int]) -> bool:
        client = Client(server.url, transports=["polling"], reconnection=False, runtime="threads")
        life = client._life
        connector = life.connector
        assert connector.runtime.name == "threads"
        with connector.lock:
            life.state = WAITING
            connector.enlist(life)
        token = connector._running
        assert token is not None

        def connect() -> None:
            reached.append(step)
            if not connector.lock.locked():
                connector._run(token, False)

        interrupted(step, Life.close.__code__, connect, client.disconnect)
        return left_behind(server)

    assert failing_steps(fails) == []


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_request_that_begins_while_one_ends_is_waited_for(method: str) -> None:
    """By the goodbye, which may not come amid another request, and by the upgrade."""
    options = manager_options({})
    held: list[tuple[threading.Event, threading.Event]] = []

    def answer(sock: socket.socket, request: bytes) -> None:
        if held:
            arrived, release = held.pop()
            arrived.set()
            release.wait()
        sock.sendall(reply("200 OK", b"ok" if request.startswith(b"POST") else b"6"))

    def fails(step: int, reached: list[int]) -> bool:
        lock = native.new_lock()
        address = Address(ServerURL(f"http://127.0.0.1:{port}"), options)
        packets = [EncodedPacket(("first",))]

        def take() -> list[EncodedPacket]:
            return [packets.pop()] if packets else []

        session = ClientSession(POLLING)
        transport = PollingTransport(RUNTIME, lock, address, session, Nobody(), take, TIMEOUT, TIMEOUT)
        arrived, release = threading.Event(), threading.Event()
        begun = False

        def begin_another() -> None:
            nonlocal begun
            reached.append(step)
            begun = not (transport._posting or transport._getting or lock.locked())
            if not begun:
                return
            held.append((arrived, release))
            if method == "POST":
                packets.append(EncodedPacket(("second",)))
                transport.wake()
            else:
                transport.resume()
            assert arrived.wait()

        # As ``wake`` and ``_go_on`` begin them, but for the thread.
        if method == "POST":
            transport._posting = True
            transport._posted.clear()
            interrupted(step, PollingTransport._post.__code__, begin_another, transport._post)
        else:
            transport.pause()
            transport._getting = True
            transport._got.clear()
            interrupted(step, PollingTransport._poll.__code__, begin_another, transport._poll)
        overlooked = begun and transport.wait_for_rest(0)
        release.set()
        transport.abort()
        return overlooked

    with answering(answer) as port:
        assert failing_steps(fails) == []
