"""Many threads do everything to few clients: nothing may be lost, left behind or locked for ever."""

from __future__ import annotations

import json
import random
import re
import threading

import pytest

from socketio_sync import DisconnectedError
from socketio_sync import Server
from socketio_sync.engine.connection import Connection
from socketio_sync.engine.polling import PayloadFormat
from tests.server.peer import request
from tests.support.timing import scaled
from tests.support.wire import until


class Client(threading.Thread):
    """Joins, talks, leaves and is cut off, again and again, as fast as it can."""

    def __init__(self, io, seed, rounds):
        super().__init__()
        self.io = io
        self.dice = random.Random(seed)
        self.rounds = rounds
        self.claims = {}
        self.failure = None

    def run(self):
        try:
            for _ in range(self.rounds):
                self.session()
        except BaseException as error:
            self.failure = error
            raise

    def session(self):
        asked = request()
        engine = self.io.engine
        connection = Connection(engine, engine.new_sid(asked), asked, "polling", PayloadFormat(4, False, None))
        engine.admit(connection)
        for nsp in self.dice.sample(["", "/a,", "/org-1,", "/org-2,", "/none,"], 3):
            claim = self.claims.pop(nsp, {}) if self.dice.random() < 0.7 else {}
            connection.receive_message(f"0{nsp}{json.dumps(claim)}")
            if self.dice.random() < 0.5:
                connection.receive_message(f'2{nsp}["m",1]')
            if self.dice.random() < 0.5:
                # Sent again if it comes too early: that costs the connection, as it should.
                connection.receive_message(f'2{nsp}7["ask"]')
            if self.dice.random() < 0.3:
                connection.receive_message(f"1{nsp}")
        with connection.lock:
            taken = connection.session.take()
        for packet in taken:
            text = packet.messages[0] if packet.type == "4" else ""
            match = re.fullmatch(r'0(/[^,]*,)?(\{.*"pid".*\})', str(text))
            if match:
                self.claims[match[1] or ""] = {"pid": json.loads(match[2])["pid"]}
        if self.dice.random() < 0.5:
            connection.fail("transport close")
        else:
            connection.close(discard=True)


@pytest.mark.parametrize("recovery", [False, True])
def test_everything_at_once(recovery, caplog):
    accepted, gone = [], []
    with Server(
        runtime="threads", connection_state_recovery=recovery or None, cleanup_empty_child_namespaces=True
    ) as io:
        parent = io.of(re.compile(r"/org-\d"))
        for nsp in (io, io.of("/a"), parent):

            @nsp.on("connection")
            def connection(socket):
                accepted.append(socket)
                socket.join(["x", socket.id])

            @nsp.on("disconnect")
            def disconnect(socket):
                gone.append(socket)

            @nsp.on("m")
            def m(socket, n):
                socket.to("x").emit("m", n)
                if n % 2:
                    socket.leave("x")

            @nsp.on("ask")
            def ask(socket):
                try:
                    socket.timeout(0.01).emit_with_ack("q")
                except (TimeoutError, DisconnectedError):
                    pass
                if len(socket.id) % 2 == 0 and hash(socket.id) % 3 == 0:
                    socket.disconnect()

        clients = [Client(io, seed, 40) for seed in range(6)]
        for client in clients:
            client.start()
        while any(client.is_alive() for client in clients):
            io.emit("all", 1)
            parent.to("x").emit("x", 2)
            io.of("/a").emit("q", callback=lambda answers: None)
            io.in_("x").disconnect_sockets()
        for client in clients:
            client.join()
            assert client.failure is None
        until(lambda: io.engine.runtime.active_jobs == 0, scaled(20))
        until(lambda: len(gone) == len(accepted), scaled(20))
        assert set(gone) == set(accepted)
        assert len(accepted) > 50
        assert io.engine.clients_count == 0
        assert set(io.namespaces) == {"/", "/a"}
        for nsp in io.namespaces.values():
            assert (len(nsp.sockets), nsp.population, nsp.adapter.sids()) == (0, 0, set())
            assert nsp._by_pid == {}
    assert [record for record in caplog.records if record.levelname != "WARNING"] == []
