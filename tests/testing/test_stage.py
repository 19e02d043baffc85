"""What a TestClient leaves behind: nothing; and that a test goes the same way every time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync.testing import TestClient
from tests.support.programs import ROOT
from tests.support.timing import scaled


@pytest.fixture
def io():
    return Server(connection_state_recovery=True)


def assert_at_rest(io):
    assert not io.engine.started
    assert io.engine.clients_count == 0
    assert len(io.sockets) == 0
    assert io.adapter.sids() == set()


def test_one_server_serves_many_tests(io):
    counts = []
    io.on("count", lambda socket: counts.append(len(io.sockets)))
    for _ in range(3):
        with TestClient(io) as alice:
            io.sockets[alice.id].join("room")
            alice.emit("count")
            with TestClient(io) as bob:
                bob.emit("count")
            assert io.engine.started
        assert_at_rest(io)
    assert counts == [1, 2] * 3


def test_a_test_that_fails_leaves_nothing_either(io):
    with pytest.raises(ZeroDivisionError), TestClient(io) as alice:
        alice.on("x", lambda: None)
        1 / 0  # noqa: B018
    assert_at_rest(io)
    with pytest.raises(ZeroDivisionError), TestClient(io) as alice:
        alice.on("disconnect", lambda reason, details: 1 / 0)
    assert_at_rest(io)


def test_a_refused_client_leaves_nothing(io):
    @io.use
    def refuse(socket):
        raise ConnectError("no")

    with pytest.raises(ConnectError), TestClient(io):
        pass
    assert_at_rest(io)


def test_without_a_with_block_disconnect_is_the_end(io):
    alice = TestClient(io)
    alice.connect()
    alice.cut()
    assert io.engine.started
    alice.connect()
    alice.disconnect()
    assert_at_rest(io)
    alice.connect()
    alice.disconnect()
    assert_at_rest(io)


def test_the_clients_may_leave_in_any_order(io):
    alice, bob = TestClient(io), TestClient(io)
    alice.connect()
    bob.connect()
    alice.disconnect()
    bob.advance(100)
    assert bob.connected
    bob.disconnect()
    assert_at_rest(io)


def test_handlers_that_still_wait_are_ended(io):
    seen = []

    @io.on("slow")
    def slow(socket):
        try:
            io.sleep(1000)
        except Exception:
            seen.append("caught")
        finally:
            seen.append("ended")
            io.sleep(1)
            seen.append("never")

    @io.on("disconnect")
    def gone(socket, reason):
        seen.append(reason)
        io.sleep(5)
        seen.append("never")

    @io.on("ask")
    def ask(socket):
        try:
            socket.emit_with_ack("question")
        except Exception as error:
            seen.append(type(error).__name__)

    with TestClient(io) as alice, TestClient(io) as bob:
        io.start_background_task(io.sleep, 1000)
        alice.emit("slow")
        bob.emit("ask")
        assert seen == []
    assert seen == ["DisconnectedError", "client namespace disconnect", "ended", "client namespace disconnect"]
    assert_at_rest(io)


def test_a_client_in_silence_is_closed_at_the_end(io):
    reasons = []
    io.on("disconnect", lambda socket, reason: reasons.append(reason))
    with TestClient(io) as alice:
        alice.cut(silent=True)
    assert reasons == ["transport close"]
    assert_at_rest(io)


def test_kept_sessions_end_with_the_test(io):
    alice = TestClient(io)
    with alice:
        io.emit("news", 1)
        alice.cut()
    with alice:
        assert not alice.recovered
        io.emit("news", 2)
        assert alice.received() == [("news", 1), ("news", 2)]


def test_who_watches_the_rooms_goes_on_watching(io):
    seen = []
    io.adapter.on("join_room", lambda room, id: seen.append(room))
    for _ in range(2):
        with TestClient(io) as alice:
            io.sockets[alice.id].join("red")
            alice.advance(0)
    assert [room for room in seen if room == "red"] == ["red", "red"]


def test_the_wall_clock_is_now_and_never_goes_back(io):
    issued = []
    io.on("connection", lambda socket: issued.append(socket.handshake.issued))
    with TestClient(io) as alice:
        alice.advance(1000)
    with TestClient(io):
        pass
    assert issued[1] - issued[0] >= 1000


def test_a_client_may_come_into_a_stage_that_turns(io):
    clients = []
    with TestClient(io) as alice:
        alice.on("come", lambda: clients.append(TestClient(io)) or clients[0].connect())
        io.emit("come")
        assert alice.connected
        (bob,) = clients
        assert len(io.sockets) == 2
        bob.disconnect()
    assert_at_rest(io)


# Real time


def test_a_server_that_runs_in_real_time_is_refused(io):
    io.start_background_task(int).join()
    with pytest.raises(RuntimeError, match=r"runs in real time already \(threads\)"):
        TestClient(io).connect()
    io.close()


def test_a_server_cannot_listen_meanwhile_but_afterwards(io):
    with TestClient(io), pytest.raises(RuntimeError, match="virtual clock"), io.listening():
        pass
    with io.listening() as server:
        assert server.port
    io.close()


def test_closing_the_server_in_a_test(io):
    done = []

    @io.on("slow")
    def slow(socket):
        io.sleep(3)
        done.append("slow")

    with TestClient(io) as alice:
        alice.emit("slow")
        io.close()  # waits for handlers
        assert done == ["slow"]
        with pytest.raises(ConnectError, match="shutting down"):
            alice.connect()
    assert_at_rest(io)


def test_closing_the_server_in_a_handler(io):
    @io.on("stop")
    def stop(socket):
        io.close()

    with TestClient(io) as alice:
        alice.emit("stop")
        assert not alice.connected
    assert_at_rest(io)


def test_no_thread_is_left(io):
    before = threading.active_count()
    with TestClient(io) as alice:
        alice.advance(60)
        assert threading.active_count() == before


# The same every time

STORY = """
import sys
if "patched" in sys.argv:
    from gevent import monkey
    monkey.patch_all()
import time
from socketio_sync import AckTimeout, Server
from socketio_sync.testing import TestClient

io = Server(connection_state_recovery=True)
names, story = {}, []
log = story.append

@io.on("connection")
def connection(socket):
    socket.join(["all", socket.handshake.auth["name"]])
    names[socket.id] = socket.handshake.auth["name"]

@io.on("chat")
def chat(socket, text):
    socket.to("all").emit("chat", names[socket.id], text)
    for k in range(3):
        io.sleep(0.7)
        log((names[socket.id], text, k, round(io.engine.runtime.now(), 4)))
        io.to("all").emit("step", k)
    if "patched" in sys.argv:
        time.sleep(0.001)
    try:
        return io.to("all").emit_with_ack("who")
    except AckTimeout as error:
        return error.responses

@io.on("disconnect")
def gone(socket, reason):
    log((names[socket.id], reason, round(io.engine.runtime.now(), 4)))

clients = [TestClient(io, auth={"name": name}) for name in ("alice", "bob", "carol")]
for client in clients:
    client.connect()
    client.on("who", lambda name=client.auth["name"]: name)
for n, client in enumerate(clients * 3):
    client.emit("chat", n, callback=log)
    client.advance(0.3)
clients[0].cut(silent=True)
clients[1].advance(50)
log([client.received() for client in clients])
clients[0].connect()
for client in clients:
    client.disconnect()
print(story)
"""


@pytest.mark.parametrize("mode", ["plain", "patched"])
def test_a_story_is_the_same_every_time(mode):
    told = set()
    for seed in ("0", "1", "2"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", STORY, mode],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=scaled(50),
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        told.add(done.stdout)
    (story,) = told
    assert "['alice', 'bob', 'carol']" in story
    assert "ping timeout" in story
