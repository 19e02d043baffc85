"""The machine of a connection's namespaces: every state with every packet."""

from __future__ import annotations

import pytest

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol import socketio_mux as mux
from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import CONNECT
from socketio_sync.protocol.socketio_packet import CONNECT_ERROR
from socketio_sync.protocol.socketio_packet import DISCONNECT
from socketio_sync.protocol.socketio_packet import EVENT

NAMES = {CONNECT: "CONNECT", DISCONNECT: "DISCONNECT", EVENT: "EVENT", ACK: "ACK", CONNECT_ERROR: "CONNECT_ERROR"}


def connection(state: str) -> mux.Mux:
    """A machine whose namespace /a is in this state."""
    machine = mux.Mux(10)
    if state != "unknown":
        machine.join("/a")
    if state in ("connected", "left", "ended"):
        machine.accepted("/a")
    if state == "left":
        machine.left("/a")
    if state in ("ended", "refused"):
        machine.ended("/a")
    return machine


@pytest.mark.parametrize(
    ("state", "legal"),
    [
        ("unknown", {CONNECT: mux.JOIN}),
        ("left", {CONNECT: mux.JOIN}),
        ("connecting", {EVENT: mux.DELIVER, DISCONNECT: mux.LEAVE}),
        ("connected", {EVENT: mux.DELIVER, ACK: mux.ANSWER, DISCONNECT: mux.LEAVE}),
        ("ended", {CONNECT: mux.JOIN, EVENT: mux.IGNORE, ACK: mux.IGNORE, DISCONNECT: mux.IGNORE}),
        ("refused", {CONNECT: mux.JOIN, EVENT: mux.IGNORE, ACK: mux.IGNORE, DISCONNECT: mux.IGNORE}),
    ],
)
@pytest.mark.parametrize("type", NAMES, ids=NAMES.get)
def test_every_packet_in_every_state(state: str, legal: dict[int, str], type: int):
    machine = connection(state)
    if type in legal:
        assert machine.receive(type, "/a") == legal[type]
    else:
        with pytest.raises(ProtocolError, match="invalid state"):
            machine.receive(type, "/a")


def test_namespaces_do_not_know_of_each_other():
    machine = connection("connected")
    with pytest.raises(ProtocolError):
        machine.receive(EVENT, "/b")


def test_joining_once_is_remembered():
    machine = mux.Mux(10)
    machine.join("/a")
    assert not machine.ever_joined
    machine.accepted("/a")
    machine.left("/a")
    assert machine.ever_joined


def test_so_many_ended_ones_are_remembered():
    machine = mux.Mux(2)
    machine.join("/open")
    machine.accepted("/open")
    for name in ("/1", "/2", "/3"):
        machine.join(name)
        machine.ended(name)
    with pytest.raises(ProtocolError):
        machine.receive(EVENT, "/1")
    assert machine.receive(EVENT, "/2") == mux.IGNORE
    assert machine.receive(EVENT, "/3") == mux.IGNORE
    assert machine.receive(EVENT, "/open") == mux.DELIVER


def test_ending_again_makes_it_the_youngest():
    machine = mux.Mux(2)
    for name in ("/1", "/2", "/1", "/3"):
        machine.join(name)
        machine.ended(name)
    assert machine.receive(EVENT, "/1") == mux.IGNORE
    with pytest.raises(ProtocolError):
        machine.receive(EVENT, "/2")
