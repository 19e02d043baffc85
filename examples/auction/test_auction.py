from __future__ import annotations

import pytest
from auction import make_io

from socketio_sync import ConnectError


@pytest.fixture
def io():
    return make_io()


@pytest.fixture
def alice(io, socketio_client):
    return socketio_client(io, auth={"name": "Alice"})


@pytest.fixture
def bob(io, socketio_client):
    return socketio_client(io, auth={"name": "Bob"})


def test_a_stranger_is_refused(io, socketio_client):
    with pytest.raises(ConnectError, match="who are you?"):
        socketio_client(io)


def test_everybody_sees_a_bid(alice, bob):
    assert alice.emit_with_ack("bid", 10) is True
    assert bob.receive() == ("price", 10)


def test_a_lower_bid_is_nothing(alice, bob):
    alice.emit("bid", 10)
    assert bob.emit_with_ack("bid", 9) is False
    assert bob.received() == [("price", 10)]


def test_what_is_no_price_is_nothing(alice):
    for price in ("10", None, [10], {"price": 10}):
        assert alice.emit_with_ack("bid", price) is False


def test_the_last_bid_before_ten_quiet_seconds_wins(alice, bob):
    alice.emit("bid", 10)
    alice.advance(9)
    bob.emit("bid", 11)
    alice.advance(9.9)
    assert alice.received() == [("price", 10), ("price", 11)]
    alice.advance(0.1)
    assert alice.received() == [("sold", "Bob", 11)]


def test_who_was_away_misses_nothing(alice, bob):
    bob.cut()
    alice.emit("bid", 10)
    alice.advance(60)
    bob.connect()
    assert bob.recovered
    assert bob.received() == [("price", 10), ("sold", "Alice", 10)]


def test_much_money_is_asked_about(alice):
    answers = []

    @alice.on("really?")
    def really(price):
        answers.append(price)
        return price < 5000

    assert alice.emit_with_ack("bid", 4000) is True
    assert alice.emit_with_ack("bid", 6000) is False
    assert answers == [4000, 6000]


def test_silence_is_no_yes(alice):
    bids = []
    alice.emit("bid", 4000, callback=bids.append)  # the handler waits for the answer to its question
    assert alice.receive() == ("really?", 4000)
    alice.advance(4.9)
    assert bids == []
    alice.advance(0.1)
    assert bids == [False]
