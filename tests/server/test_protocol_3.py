"""Clients of Socket.IO 2, which speak protocol 3 of Engine.IO: what is different for them."""

from __future__ import annotations

import pytest

from socketio_sync import ConnectError
from tests.server.peer import Peer
from tests.server.peer import served


@pytest.fixture
def io():
    return served(allow_eio3=True)


def test_the_root_is_joined_without_being_asked(io):
    peer = Peer(io, protocol=3)
    assert peer.received() == ["0"]
    (socket,) = io.sockets.values()
    assert socket.id == peer.connection.id
    assert socket.handshake.auth == {}


def test_a_connect_for_the_root_is_one_too_many(io):
    peer = Peer(io, protocol=3)
    peer.send("0")
    assert peer.closed


def test_a_query_of_the_namespace_is_the_auth(io):
    admin = io.of("/admin")
    seen = []
    admin.on("m", lambda socket, n: seen.append(n))
    peer = Peer(io, protocol=3)
    peer.received()
    peer.send("0/admin?token=1&a=%20b&empty=,")
    assert peer.received() == ["0/admin,"]
    (socket,) = admin.sockets.values()
    assert socket.handshake.auth == {"token": "1", "a": " b", "empty": ""}
    assert socket.id == f"/admin#{peer.connection.id}"
    peer.send('2/admin?token=1,["m",1]', '2/admin,["m",2]')
    assert seen == [1, 2]
    peer.send("1/admin?token=1,")
    assert not admin.sockets


def test_names_are_percent_encoded(io):
    nsp = io.of("/caf%C3%A9")
    peer = Peer(io, protocol=3)
    peer.send("0/café,")
    assert len(nsp.sockets) == 1


def test_attachments_for_what_is_not_joined_are_refused(io):
    io.of("/admin")
    peer = Peer(io, protocol=3)
    peer.send('51-/admin?x=1,["m",{"_placeholder":true,"num":0}]')
    assert peer.closed


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (ConnectError("no"), '4/mw,"no"'),
        (ConnectError("no", {"code": 1}), '4/mw,{"code":1}'),
        (ValueError("secret"), '4/mw,"internal error"'),
    ],
)
def test_errors_have_their_old_form(io, error, reply):
    @io.of("/mw").use
    def refuse(socket):
        raise error

    peer = Peer(io, protocol=3)
    peer.received()
    peer.send("0/mw,", "0/zz,")
    assert peer.received() == [reply, '4/zz,{"message":"Invalid namespace"}']


def test_a_middleware_may_refuse_the_root(io):
    @io.use
    def refuse(socket):
        raise ConnectError("no")

    peer = Peer(io, protocol=3)
    assert peer.received() == ['4"no"']
    assert not peer.closed
