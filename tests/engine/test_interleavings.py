"""What another thread may do between any two steps of the interpreter, tried at each of them."""

from __future__ import annotations

from typing import Any

from socketio_sync.engine.connection import Connection
from socketio_sync.engine.polling import AdoptedReply
from tests.engine.test_in_virtual_time import CLOSE_FRAME
from tests.engine.test_in_virtual_time import HANDSHAKE
from tests.engine.test_in_virtual_time import World
from tests.engine.test_in_virtual_time import received
from tests.support.steps import interrupted

STEPS = range(1, 150)


def parked_answer(step: int) -> bytes:
    """What a client gets whose poll was answered before it was parked; the answer's last part comes at this step."""
    world = World()
    query = world.open_polling()
    connection = world.connections[0]
    polls: list[Any] = []
    poll = connection.poll

    def answered(reply: AdoptedReply) -> None:
        poll(reply)
        with connection.lock:
            connection._get = None
            reply.answer(connection.format.encode([]))
        polls.append(reply)

    class Answered(Connection):
        __slots__ = ()
        poll = staticmethod(answered)  # type: ignore[assignment]

    connection.__class__ = Answered
    code = AdoptedReply.park.__code__
    taken: list[Any] = []
    interrupted(step, code, lambda: polls[0].finish(), lambda: taken.append(world.request(query)[1]))
    answer = received(taken[0])
    world.runtime.stop()
    return answer


def test_a_poll_that_is_answered_while_it_is_parked() -> None:
    assert [step for step in STEPS if not parked_answer(step).startswith(b"HTTP/1.1 200 OK")] == []


def answer_after_upgrade(step: int) -> bytes:
    """What comes back on the WebSocket of a client that is read again at this step of the upgrade."""
    world = World()
    query = world.open_polling()
    connection = world.connections[0]
    connection.pause_reading()
    sock = world.open_websocket(query.removeprefix("transport=polling"))
    paused = True

    def resume() -> None:
        nonlocal paused
        if not connection.lock.locked():
            paused = False
            connection.resume_reading()

    interrupted(step, Connection.act.__code__, resume, lambda: world.send(sock, "5"))
    if paused:
        connection.resume_reading()
    world.send(sock, "4hello")
    answer = received(sock)
    world.runtime.stop()
    return answer


def test_a_client_that_is_read_again_while_it_upgrades() -> None:
    assert [step for step in STEPS if b"4hello" not in answer_after_upgrade(step)] == []


def test_a_websocket_whose_session_is_closed_before_it_is_there() -> None:
    """As by a server that is closing; it would be open for ever."""
    world = World()
    sessions = world.engine.connections
    world.engine.on("initial_headers", lambda *args: [each.close(discard=True) for each in [*sessions.values()]])
    _, sock = world.request("transport=websocket", **HANDSHAKE)
    assert received(sock).partition(b"\r\n\r\n")[2] == CLOSE_FRAME
    assert world.engine.clients_count == 0
    world.runtime.stop()
