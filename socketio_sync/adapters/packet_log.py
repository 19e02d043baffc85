"""The packets that clients may have missed, and the offsets that name them. Pure: no lock, and time is an argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

from socketio_sync.protocol.engineio_packet import EncodedPacket

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}

_EMPTY = EncodedPacket(())

# What one packet costs besides its payload: the objects around it, and its offset.
OVERHEAD = 512


class Offset(NamedTuple):
    """The name of a packet. They order as they were made.

    As the reference's (socket.io-adapter, contrib/yeast.ts): the milliseconds in base 64, and what is behind a dot
    tells apart those of one millisecond.
    """

    milliseconds: int
    repeat: int  # 0 for the first of its millisecond, which has no dot; the second is ".0"

    def __str__(self) -> str:
        text = _base64(self.milliseconds)
        return f"{text}.{_base64(self.repeat - 1)}" if self.repeat else text

    def next(self, milliseconds: int) -> Offset:
        """The one that follows, also when the clock stands or was set back."""
        if milliseconds > self.milliseconds:
            return Offset(milliseconds, 0)
        return Offset(self.milliseconds, self.repeat + 1)

    @classmethod
    def parse(cls, text: str) -> Offset | None:
        """The offset of this text; None if it is none."""
        first, dot, second = text.partition(".")
        milliseconds = _number(first)
        repeat = _number(second) if dot else -1
        return None if milliseconds is None or repeat is None else cls(milliseconds, repeat + 1)


@lru_cache(maxsize=256)
def _base64(number: int) -> str:
    digits = ""
    while True:
        number, value = divmod(number, 64)
        digits = _DIGITS[value] + digits
        if not number:
            return digits


def _number(digits: str) -> int | None:
    if not 0 < len(digits) <= 12:  # 72 bits: no clock has more, and a client chose it
        return None
    number = 0
    for digit in digits:
        value = _VALUES.get(digit)
        if value is None:
            return None
        number = number * 64 + value
    return number


class LoggedPacket(NamedTuple):
    """A packet that was sent.

    Attributes:
        position: how many had been sent with it.
        offset: its name.
        rooms, except_: to whom it went, as in BroadcastOptions.
        encoded: what was sent, with the offset.
        time: when.
    """

    position: int
    offset: Offset
    rooms: frozenset[str] | None
    except_: frozenset[str]
    encoded: EncodedPacket
    time: float

    def is_for(self, rooms: frozenset[str]) -> bool:
        """Whether it went to who is in these rooms."""
        return (self.rooms is None or not rooms.isdisjoint(self.rooms)) and rooms.isdisjoint(self.except_)


class PacketLog:
    """The packets of the last while, in the order of sending.

    A packet that is dropped for its age had reached its clients, or they have been away for too long. One that is
    dropped for its size may be missed by somebody: who stands before it cannot go on.

    Args:
        max_age: seconds for which a packet is kept.
        max_bytes: of all packets; the oldest go first.
    """

    def __init__(self, max_age: float, max_bytes: int) -> None:
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._packets: deque[LoggedPacket] = deque()
        self._by_offset: dict[Offset, int] = {}
        self._bytes = 0
        # Where the stream stands, and the last packet of it.
        self.position = 0
        self.last = Offset(0, 0)
        # The last packet that was dropped for its size and would not have been for its age since.
        self._lost: LoggedPacket | None = None

    def __len__(self) -> int:
        return len(self._packets)

    def append(
        self,
        offset: Offset,
        encoded: EncodedPacket,
        now: float,
        rooms: frozenset[str] | None,
        except_: frozenset[str] = frozenset(),
    ) -> LoggedPacket:
        """Add a packet; its offset must be greater than ``last``."""
        assert offset > self.last
        self.position += 1
        self.last = offset
        packet = LoggedPacket(self.position, offset, rooms, except_, encoded, now)
        self._packets.append(packet)
        self._by_offset[offset] = self.position
        self._bytes += encoded.size + OVERHEAD
        self.drop_old(now)
        while self._bytes > self._max_bytes:
            self._lost = self._drop_first()._replace(encoded=_EMPTY)
        return packet

    def drop_old(self, now: float) -> float | None:
        """Drop what is past its age; returns when the next packet will be, None if there is none."""
        oldest = now - self._max_age
        while self._packets and self._packets[0].time <= oldest:
            self._drop_first()
        if self._lost is not None and self._lost.time <= oldest:
            self._lost = None
        return self._packets[0].time + self._max_age if self._packets else None

    def find(self, text: str) -> int | None:
        """The position of the packet with this offset; None if there was none, or something behind it was lost."""
        offset = Offset.parse(text)
        if offset is None or offset > self.last or (self._lost is not None and offset < self._lost.offset):
            return None
        if self._packets and offset >= self._packets[0].offset:
            return self._by_offset.get(offset)
        # It was dropped for its age, and nothing behind it was lost: its owner is at the beginning of what there is.
        return self.position - len(self._packets)

    def reaches_back_to(self, position: int) -> bool:
        """Whether nothing behind this position was lost."""
        return self._lost is None or position >= self._lost.position

    def since(self, position: int) -> Iterator[LoggedPacket]:
        """The packets behind this position that are still kept."""
        newest_first = takewhile(lambda packet: packet.position > position, reversed(self._packets))
        return reversed(list(newest_first))

    def clear(self) -> None:
        """Forget everything."""
        self._packets.clear()
        self._by_offset.clear()
        self._bytes = 0

    def _drop_first(self) -> LoggedPacket:
        packet = self._packets.popleft()
        del self._by_offset[packet.offset]
        self._bytes -= packet.encoded.size + OVERHEAD
        return packet
