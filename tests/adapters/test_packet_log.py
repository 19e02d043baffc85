"""Offsets and the log of packets: pure, so by example and against a model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.adapters.packet_log import OVERHEAD
from socketio_sync.adapters.packet_log import Offset
from socketio_sync.adapters.packet_log import PacketLog
from socketio_sync.protocol.engineio_packet import EncodedPacket

PACKET = EncodedPacket(["x" * 99])  # 100 bytes: one for the message itself
COST = 100 + OVERHEAD


def log_of(*times, max_age=100.0, max_bytes=10**9):
    """A log with one packet for all at each of these times, whose offsets are the times in milliseconds."""
    log = PacketLog(max_age, max_bytes)
    for time in times:
        log.append(log.last.next(int(time * 1000)), PACKET, time, None)
    return log


def text(seconds):
    return str(Offset(int(seconds * 1000), 0))


def positions(log, position):
    return [packet.position for packet in log.since(position)]


def test_offsets_are_written_as_the_reference_does():
    # The reference's wire has "Q85KdoJ" for this millisecond; repeats of one millisecond count from ".0".
    offset = Offset.parse("Q85KdoJ")
    assert offset is not None
    assert str(offset) == "Q85KdoJ"
    assert str(offset.next(offset.milliseconds)) == "Q85KdoJ.0"
    assert str(offset.next(offset.milliseconds).next(offset.milliseconds)) == "Q85KdoJ.1"
    assert str(Offset(0, 0)) == "0"
    assert str(Offset(64, 65)) == "10.10"


def test_offsets_grow_also_when_the_clock_is_set_back():
    offset = Offset(5000, 0)
    assert offset < offset.next(5001) == Offset(5001, 0)
    assert offset < offset.next(4000) == Offset(5000, 1)


@given(st.integers(0, 2**60), st.integers(0, 2**30))
def test_an_offset_survives_its_text(milliseconds, repeat):
    offset = Offset(milliseconds, repeat)
    assert Offset.parse(str(offset)) == offset


@pytest.mark.parametrize("wrong", ["", ".", "a.", ".a", "a.b.c", "ä", "a b", "x" * 13, "a." + "0" * 13, "+1", "1\n"])
def test_what_is_no_offset(wrong):
    assert Offset.parse(wrong) is None


def test_since_gives_what_came_later():
    log = log_of(1, 2, 3)
    assert log.position == 3
    assert positions(log, 0) == [1, 2, 3]
    assert positions(log, 2) == [3]
    assert positions(log, 3) == []
    assert log.find(text(2)) == 2


def test_unknown_offsets():
    log = log_of(10, 20)
    for unknown in (text(15), text(21), "nonsense!", str(Offset(20_000, 1))):
        assert log.find(unknown) is None
    assert PacketLog(100, 100).find(text(1)) is None


def test_old_packets_go_but_their_owners_can_go_on():
    log = log_of(10, 20, 150)
    assert len(log) == 1
    # Who has the packet of 20 misses nothing but that of 150; so does who was served up to 10: 20 was not for it.
    assert log.find(text(20)) == log.find(text(10)) == 2
    assert log.reaches_back_to(0)
    assert positions(log, 2) == [3]
    assert log.drop_old(200) == 250
    assert log.drop_old(250) is None
    assert len(log) == 0
    assert log.find(text(150)) == 3
    assert positions(log, 0) == []


def test_too_many_bytes_cut_off_who_stands_before_the_cut():
    log = log_of(1, 2, 3, 4, max_bytes=2 * COST)
    assert len(log) == 2
    assert log.find(text(1)) is None
    assert not log.reaches_back_to(1)
    # Who has the last one that was dropped has lost nothing.
    assert log.find(text(2)) == 2
    assert log.reaches_back_to(2)
    assert positions(log, 2) == [3, 4]


def test_one_packet_that_is_too_big_is_lost_at_once():
    log = log_of(1, max_bytes=COST - 1)
    assert len(log) == 0
    assert not log.reaches_back_to(0)
    assert log.find(text(1)) == 1


def test_a_loss_is_forgotten_when_age_would_have_caused_it():
    log = log_of(1, 2, 3, max_bytes=COST)
    assert not log.reaches_back_to(0)
    log.drop_old(101)
    assert log.find(text(1)) is None
    log.drop_old(102)
    assert log.find(text(1)) == 2
    assert log.reaches_back_to(0)


def test_an_offset_must_follow():
    log = log_of(2)
    with pytest.raises(AssertionError):
        log.append(Offset(1000, 0), PACKET, 3, None)


def test_clear():
    log = log_of(1, 2)
    log.clear()
    assert len(log) == 0
    assert positions(log, 0) == []
    log.append(log.last.next(3000), PACKET, 3, None)
    assert positions(log, 0) == [3]


@pytest.mark.parametrize(
    ("rooms", "except_", "session_rooms", "wanted"),
    [
        (None, (), ("a",), True),
        (("red",), (), ("a", "red"), True),
        (("red",), (), ("a",), False),
        (None, ("red",), ("a", "red"), False),
        (("red", "blue"), ("a",), ("a", "red"), False),
        (("red",), ("blue",), ("a", "red"), True),
    ],
)
def test_for_whom_a_packet_is(rooms, except_, session_rooms, wanted):
    log = PacketLog(100, 10**6)
    packet = log.append(
        Offset(1, 0), PACKET, 0, None if rooms is None else frozenset(rooms), except_=frozenset(except_)
    )
    assert packet.is_for(frozenset(session_rooms)) is wanted


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 6))
def test_whoever_is_found_gets_all_that_came_later(pauses, room_for):
    """Against a list of everything: nothing is missing unless it is older than the age."""
    log = PacketLog(100, room_for * COST)
    now, everything = 0, []
    for pause in pauses:
        now += pause
        everything.append(log.append(log.last.next(now * 1000), PACKET, now, None))
    for index, packet in enumerate(everything):
        later = [other for other in everything[index + 1 :] if other.time > now - 100]
        found = log.find(str(packet.offset))
        if found is None:
            assert len(later) > len(log)
        else:
            assert list(log.since(found)) == later
            assert log.reaches_back_to(found)
    assert len(log) <= room_for
