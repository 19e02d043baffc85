"""The server as a whole: options, tasks, closing, forking, and what is promised of threads."""

from __future__ import annotations

import logging
import os
import pickle
import re
import signal
import threading
import traceback

import pytest

from socketio_sync import Server
from socketio_sync.adapters.adapter import Adapter
from socketio_sync.server.client_connection import ClientConnection
from tests.server.peer import Peer
from tests.server.peer import served
from tests.server.peer import virtual
from tests.support.timing import scaled
from tests.support.wire import Closed
from tests.support.wire import fetch
from tests.support.wire import open_websocket
from tests.support.wire import until


def test_building_one_starts_nothing():
    threads = threading.active_count()
    io = Server()
    io.on("m", print)
    io.of("/chat").use(lambda socket: None)
    assert not io.engine.started
    assert threading.active_count() == threads
    assert io.options.path == "/socket.io/"


def test_options_are_checked():
    with pytest.raises(TypeError, match="ping_interval"):
        Server(pingInterval=5)
    with pytest.raises(ValueError):
        Server(ping_interval=25_000)
    with pytest.raises(TypeError):
        Server("/")


def test_repr_and_pickle():
    io = served()
    Peer(io).connect()
    assert repr(io) == "<Server '/socket.io/' namespaces=1 clients=1>"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(io)


def test_a_parser_may_be_given():
    from socketio_sync import parsers

    io = served(parser=parsers.default(encode=lambda value: sorted(value)))
    peer = Peer(io)
    peer.connect()
    io.emit("m", {2, 1})
    assert peer.received() == ['2["m",[1,2]]']


def test_an_adapter_factory_must_make_an_adapter():
    with pytest.raises(TypeError, match="must return an adapters.Adapter, got None"):
        Server(adapter=lambda nsp: None)


def test_a_closed_server_cannot_listen_again():
    io = Server()
    io.close()
    with pytest.raises(RuntimeError, match="build a new one"), io.listening():
        pass


def test_an_adapter_may_be_given():
    made = []

    class Ours(Adapter):
        def __init__(self, nsp):
            super().__init__(nsp)
            made.append(nsp.name)

    io = Server(adapter=Ours)
    io.of("/a")
    assert made == ["/", "/a"]
    assert isinstance(io.adapter, Ours)


def test_background_tasks_and_sleep():
    io = served()
    seen = []

    def work(a, b=0):
        io.sleep(2)
        seen.append((a, b))

    task = io.start_background_task(work, 1, b=2)
    io.engine.runtime.advance(1)
    assert (seen, task.done) == ([], False)
    assert task.join(5)
    assert (seen, task.done) == ([(1, 2)], True)


def test_a_background_task_that_fails_is_logged(caplog):
    io = served()
    io.start_background_task(lambda: 1 / 0)
    io.engine.runtime.run_until_idle()
    assert "ZeroDivisionError" in caplog.text


# Closing


def test_close_tells_every_handler_and_waits_for_it():
    io = served()
    seen = []

    @io.on("disconnect")
    def gone(socket, reason):
        io.sleep(1)
        seen.append(reason)

    io.of("/chat").on("disconnect", gone)
    peer = Peer(io)
    peer.connect()
    peer.connect("/chat")
    io.close()
    assert seen == ["server shutting down"] * 2
    assert (peer.closed, peer.received()) == (True, [])
    assert io.engine.closing
    io.close()


def test_close_waits_for_what_another_thread_does_late(monkeypatch):
    io = served()
    seen = []
    io.on("disconnect", lambda socket, reason: seen.append(reason))
    Peer(io).connect()
    on_close = ClientConnection.on_close

    def late(self, *why):
        io.engine.runtime.timers.call_later(0.5, on_close, self, *why)

    monkeypatch.setattr(ClientConnection, "on_close", late)
    io.close()
    assert seen == ["server shutting down"]


def test_close_waits_no_longer_than_its_timeout():
    io = served()
    seen = []
    io.on("disconnect", lambda socket: io.sleep(60) or seen.append("late"))
    Peer(io).connect()
    before = io.engine.runtime.now()
    io.close(timeout=3)
    assert seen == []
    assert io.engine.runtime.now() - before == pytest.approx(3, abs=0.1)


def test_close_from_a_handler():
    io = served()
    seen = []
    io.on("stop", lambda socket: io.close())
    io.on("disconnect", lambda socket, reason: seen.append(reason))
    peer, other = Peer(io), Peer(io)
    peer.connect()
    other.connect()
    before = io.engine.runtime.now()
    peer.send('2["stop"]')
    io.engine.runtime.advance(6)
    assert seen == ["server shutting down"] * 2
    assert io.engine.runtime.now() - before >= 6


def test_with_closes_and_closing_what_never_ran_is_nothing():
    closed = []

    class Watched(Adapter):
        def close(self):
            closed.append(self.nsp.name)

    with Server(adapter=Watched) as io:
        virtual(io)
        io.of("/a")
    assert closed == ["/", "/a"]
    with Server() as io:
        pass
    assert io.engine.closing
    assert not io.engine.started


# Logs


def test_one_debug_line_for_each_packet_in_and_out(caplog):
    io = served()
    peer = Peer(io)
    io.on("m", lambda socket: "answer")
    with caplog.at_level(logging.DEBUG, "socketio_sync.server"):
        id = peer.connect("/", {"token": "x"})
        peer.send('21["m"]', "39[]")
        io.emit("b", b"\x01")
        peer.send("0/zz,")
        peer.send("1")
    lines = [record.getMessage() for record in caplog.records]
    assert len([line for line in lines if line.startswith("received")]) == 5
    sent = [line.rpartition(": ")[2] for line in lines if line.startswith("sent")]
    assert [text.strip("[]'\"")[:2] for text in sent] == ["0.", "31", "51", "4/"]
    assert any("no answer 9" in line for line in lines)
    assert not any(peer.connection.id in line or "token" in line for line in lines)
    assert any(id[:4] in line for line in lines)


def test_nothing_is_logged_of_ordinary_traffic(caplog):
    io = served()
    peer = Peer(io)
    with caplog.at_level(logging.INFO):
        peer.connect()
        peer.send('21["m"]')
        peer.lose()
    assert caplog.records == []


# Served: threads, real sockets


@pytest.fixture
def live():
    with Server(runtime="threads") as io, io.listening() as listening:
        yield io, listening


def joined(port, nsp=""):
    wire = open_websocket(port)
    wire.send_text(f"40{nsp}")
    assert str(wire.receive()).startswith(f"40{nsp}{{")
    return wire


def test_listening(live):
    io, listening = live
    io.on("m", lambda socket, *args: args)
    with joined(listening.port) as wire:
        wire.send_text('421["m",1,"x"]')
        assert wire.receive() == '431[1,"x"]'
        io.emit("b", b"\x01\x02")
        assert wire.receive() == '451-["b",{"_placeholder":true,"num":0}]'
        assert wire.receive() == b"\x01\x02"
        assert next(iter(io.sockets.values())).conn.transport == "websocket"
        io.close()
        assert isinstance(wire.receive(), Closed)
    assert fetch(listening.port, "/socket.io/?EIO=4&transport=polling").status == 503


def test_listen_serves_until_it_is_closed(capsys):
    io = Server(runtime="threads")
    closer = threading.Timer(0.2, io.close)
    closer.start()
    io.listen(0)
    closer.join()
    assert "http://127.0.0.1:" in capsys.readouterr().out


def test_what_one_thread_emits_arrives_in_that_order_and_nothing_is_torn(live):
    io, listening = live
    wire = joined(listening.port)
    (socket,) = until(lambda: list(io.sockets.values()))
    per_thread = 200

    def push(name):
        for number in range(per_thread):
            if number % 2:
                socket.emit("m", name, number, f"{name}{number}".encode())
            else:
                io.emit("m", name, number, f"{name}{number}".encode())

    pushers = [threading.Thread(target=push, args=(name,)) for name in "abcd"]
    for pusher in pushers:
        pusher.start()
    seen = {name: [] for name in "abcd"}
    for _ in range(4 * per_thread):
        head = wire.receive()
        _, name, number = head.split("[")[1].split(",")[:3]
        assert wire.receive() == f"{name[1]}{number}".encode()
        seen[name[1]].append(int(number))
    for pusher in pushers:
        pusher.join()
    wire.close()
    assert all(numbers == list(range(per_thread)) for numbers in seen.values())


def test_a_handler_waits_for_its_own_client_while_events_come(live):
    io, listening = live
    io.on("ask", lambda socket: socket.emit_with_ack("question"))
    with joined(listening.port) as wire:
        wire.send_text('421["ask"]')
        assert wire.receive() == '420["question"]'
        wire.send_text("430[5]")
        assert wire.receive() == "431[5]"


def test_clients_come_and_go_while_everybody_is_sent_to(live):
    io, listening = live
    io.on("connection", lambda socket: socket.join(["a", "b"]))
    gone = []
    io.on("disconnect", lambda socket: gone.append(socket.rooms))
    stop = threading.Event()

    def shout():
        while not stop.is_set():
            io.to(["a", "b"]).emit("m", "x" * 100)
            for socket in io.sockets.values():
                socket.emit("n")

    shouter = threading.Thread(target=shout)
    shouter.start()
    try:
        for _ in range(20):
            wire = joined_amid_noise(listening.port)
            wire.close()
        until(lambda: len(gone) == 20, scaled(10))
    finally:
        stop.set()
        shouter.join()
    assert len(io.sockets) == 0
    assert io.adapter.sids() == set()
    assert gone == [frozenset()] * 20


def joined_amid_noise(port):
    """The first packet is the reply, whatever else is sent."""
    wire = open_websocket(port)
    wire.send_text("40")
    assert wire.receive().startswith("40{")
    assert wire.receive().startswith("42[")
    return wire


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_empty():
    io = Server(runtime="threads")
    io.engine.start().stop()
    virtual(io)
    peer = Peer(io)
    io.sockets[peer.connect()].join("room")
    seen = []
    io.on("m", lambda socket: seen.append("m"))
    io._registry.acquire()  # as if another thread held it at that moment
    pid = os.fork()
    if pid == 0:
        try:
            virtual(io)
            assert len(io.sockets) == 0
            assert io.engine.clients_count == 0
            assert io.adapter.sids() == set()
            mine = Peer(io)
            mine.connect()
            mine.send('2["m"]')
            assert seen == ["m"]
            assert list(io.namespaces) == ["/"]
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    io._registry.release()
    assert os.waitpid(pid, 0)[1] == 0
    assert len(io.sockets) == 1


def test_a_forked_child_may_register_what_a_thread_of_the_parent_was_registering():
    io = served()
    parent = io.of(re.compile("/org-.*"))
    io.once("m", lambda socket: None)
    hooks = (io._root.hooks, io.error_hooks, parent.hooks)
    locks = [lock for each in hooks for lock in (each._lock, each.listeners._lock, each.server_side._lock)]
    for lock in locks:
        lock.acquire()
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        try:
            virtual(io)
            parent.on("x", lambda socket: None)
            parent.use(lambda socket: None)
            io.on_error(lambda error: None)
            io.on_server_side("x", lambda: None)
            mine = Peer(io)
            mine.connect()
            mine.send('2["m"]')
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    for lock in locks:
        lock.release()
    assert os.waitpid(pid, 0)[1] == 0
