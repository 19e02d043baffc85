from __future__ import annotations

import pytest

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.socketio_packet import ACK
from socketio_sync.protocol.socketio_packet import CONNECT
from socketio_sync.protocol.socketio_packet import EVENT
from socketio_sync.protocol.socketio_packet import RESERVED_EVENTS
from socketio_sync.protocol.socketio_packet import Packet
from socketio_sync.protocol.socketio_packet import check_event
from socketio_sync.protocol.socketio_packet import shown


def test_packets_with_the_same_content_are_equal() -> None:
    assert Packet(EVENT, "/", ["a"], 1) == Packet(EVENT, "/", ["a"], 1)
    assert Packet(EVENT, "/", ["a"], 1) != Packet(ACK, "/", ["a"], 1)
    assert Packet(EVENT, "/", ["a"]) != Packet(EVENT, "/x", ["a"])
    assert Packet(EVENT, "/", ["a"]) != ["a"]


def test_repr_shows_the_content() -> None:
    assert repr(Packet(EVENT, "/x", ["a"], 1)) == "Packet(type=2, nsp='/x', data=['a'], id=1)"


@pytest.mark.parametrize(
    ("sent", "name"), [("chat", "chat"), ("", ""), (1, "1"), (-2, "-2"), (1.0, "1"), (0.5, "0.5"), ("error", "error")]
)
def test_an_event_has_a_name_which_is_text(sent: object, name: str) -> None:
    data = [sent, "more"]
    check_event(data)
    assert data == [name, "more"]


@pytest.mark.parametrize("data", [[], [None], [True], [{}], [["a"]], *([name] for name in sorted(RESERVED_EVENTS))])
def test_an_event_without_a_usable_name_is_refused(data: list[object]) -> None:
    with pytest.raises(ProtocolError, match="invalid payload"):
        check_event(data)


def test_log_lines_show_no_secrets() -> None:
    assert "secret" not in repr(Packet(CONNECT, "/", {"token": "secret", "pid": "secret"}))
    assert shown(['0/admin,{"sid":"x","pid":"secret"}']) == "0/admin,..."
    assert shown(['0{"sid":"x","pid":"secret"}']) == "0..."
    assert shown(['51-["a",{"_placeholder":true,"num":0}]', b"secret"]) == '51-["a",{"_placeholder":true,"num":0}]'
    assert shown([b"secret"]) == "6 bytes"
