"""Faults of other servers, each reproduced there: ours must not have them."""

from __future__ import annotations

import pytest

from tests.server.peer import Peer
from tests.server.peer import served


def test_a_client_that_is_being_authenticated_receives_no_broadcast():
    io = served()
    io.use(lambda socket: io.sleep(2))
    peer = Peer(io)
    peer.send("0")
    io.emit("secret")
    assert peer.received() == []
    io.engine.runtime.advance(2)
    assert [message[:2] for message in peer.received()] == ["0{"]


@pytest.mark.parametrize("name", ["connect", "disconnect", "disconnecting", "connect_error"])
def test_no_event_of_the_client_runs_a_life_cycle_handler(name):
    io = served()
    seen = []
    io.on("connect", lambda socket: seen.append("connect"))
    io.on("disconnect", lambda socket, reason: seen.append(reason))
    peer = Peer(io)
    peer.connect()
    peer.send(f'2["{name}","x"]')
    assert peer.closed
    assert seen == ["connect", "forced close"]


def test_a_handler_with_a_type_error_of_its_own_runs_once():
    io = served()
    calls = []

    @io.on("connection")
    def connection(socket):
        calls.append("connection")
        len(5)

    Peer(io).send("0")
    assert calls == ["connection"]


def test_an_event_named_error_harms_nobody():
    # CVE-2024-38355
    peer = Peer(served())
    peer.connect()
    peer.send('2["error"]', '21["error",{}]')
    assert not peer.closed


@pytest.mark.parametrize("name", ["__proto__", "constructor", "toString", "", "a,b", "é\u0000"])
def test_names_mean_nothing_to_us(name):
    io = served()
    seen = []
    io.on(name, lambda socket, value: seen.append(value))
    peer = Peer(io)
    socket = io.sockets[peer.connect()]
    socket.join(name)
    io.to(name).emit(name, name)
    assert len(peer.received()) == 1
    peer.send('2["' + name.replace("\u0000", "\\u0000") + '",1]')
    assert seen == [1]


def test_joining_and_leaving_without_end_leaves_nothing_behind():
    io = served(cleanup_empty_child_namespaces=True)
    parent = io.of(lambda name, auth: True)
    peer = Peer(io)
    for number in range(300):
        peer.send(f"0/{number},", f"1/{number},", f"0/x{number},")
        io.of(f"/x{number}").disconnect_sockets()
        io.engine.runtime.run_until_idle()
    assert len(parent.children) == 0
    receiver = peer.connection.receiver
    assert receiver.sockets == {}
    assert len(receiver._mux._states) <= io.options.max_namespaces
