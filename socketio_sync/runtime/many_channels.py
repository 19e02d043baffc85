"""Sending to many channels in one go: a broadcast, or what has been gathered.

With io_uring, where there is one, that is one call to the kernel; else one for each channel. Nobody *waits* for a lock
while he has another: of many, those that are free are taken, and whose is not free has its turn alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from collections.abc import Sequence
from itertools import groupby
from itertools import islice
from operator import attrgetter
from operator import methodcaller
from typing import TYPE_CHECKING

from .channel import Channel
from .native import NativeLock
from .rings import FEW
from .rings import Rings

if TYPE_CHECKING:
    from .ring import SendRing

WIDTH = 256
"""The most channels of one call, no more than ``ring.SIZE``: others wait for their locks meanwhile."""

LONG = 16_384
"""Bytes: to send more takes the kernel so long that one call for each costs no more."""

_lock_of = attrgetter("_lock")
_acquire = methodcaller("acquire", False)
_release = methodcaller("release")


def write_to_all(rings: Rings, locks: Iterable[NativeLock], channels: Iterable[Channel], data: bytes) -> list[int]:
    """Write the same to those of many channels that can take it at once; any thread.

    Measured: a broadcast spends its time here. As ``Channel.write``, without what few channels need; and a lock that
    several share is taken once for them.

    Args:
        locks: those of the channels, in the same order.
        channels: asked for under their locks; without io_uring, the first of neighbours that share one before.

    Returns:
        The indices of the others, to which nothing was written: ``Channel.write`` sees why.
    """
    others: list[int] = []
    start = 0
    locks, channels = iter(locks), iter(channels)
    ring = rings.take() if len(data) <= LONG else None
    if ring is not None:
        while len(crowd := list(islice(locks, WIDTH))) >= FEW:
            _write_in_one_call(ring, crowd, islice(channels, len(crowd)), data, start, others)
            start += len(crowd)
        rings.give(ring)
    _write_one_by_one(channels, data, start, others)
    return others


def _write_in_one_call(
    ring: SendRing, locks: list[NativeLock], channels: Iterable[Channel], data: bytes, start: int, others: list[int]
) -> None:
    wanted = set(locks)
    taken: list[NativeLock] = []
    try:
        taken.extend(filter(_acquire, wanted))  # one step for Ctrl-C: each is taken and in the list, or neither
        crowd = list(channels)
        fds = [
            -1 if channel._backlog is not None or channel.corked or channel.closed else channel.direct_fd
            for channel in crowd
        ]
        if len(taken) != len(wanted):
            busy = wanted.difference(taken)
            fds = [-1 if lock in busy else fd for lock, fd in zip(locks, fds, strict=True)]
        results = ring.send_to_all(fds, data)
        if results.count(len(data)) != len(results):
            for index, (channel, fd, result) in enumerate(zip(crowd, fds, results, strict=True), start):
                if fd < 0:
                    others.append(index)
                else:
                    channel.sent(data, result)
    finally:
        deque(map(_release, taken), 0)


def _write_one_by_one(channels: Iterable[Channel], data: bytes, start: int, others: list[int]) -> None:
    size = len(data)
    index = start - 1
    for lock, neighbours in groupby(channels, _lock_of):
        with lock:
            for channel in neighbours:
                index += 1
                if channel._backlog is not None or channel.corked or channel.closed:
                    others.append(index)
                    continue
                try:
                    sent = channel.sock.send(data)
                except (BlockingIOError, InterruptedError):
                    sent = 0
                except OSError:
                    others.append(index)
                    continue
                if sent != size:  # in the same breath: TLS that took nothing wants these bytes before any other
                    channel._keep(memoryview(data)[sent:] if sent else data)


def send_gathered(rings: Rings, channels: Sequence[Channel]) -> None:
    """End the gathering of each, and send what was gathered; any thread."""
    ring = rings.take() if len(channels) >= FEW else None
    rest: list[Channel] = []
    if ring is not None:
        for start in range(0, len(channels), WIDTH):
            rest += _send_in_one_call(ring, channels[start : start + WIDTH])
        rings.give(ring)
    for channel in channels if ring is None else rest:
        with channel._lock:
            channel.uncork()


def _send_in_one_call(ring: SendRing, channels: Sequence[Channel]) -> list[Channel]:
    """Returns those whose locks are not free."""
    wanted = {channel._lock for channel in channels}
    taken: list[NativeLock] = []
    rest: list[Channel] = []
    try:
        taken.extend(filter(_acquire, wanted))
        if len(taken) != len(wanted):
            free = set(taken)
            rest = [channel for channel in channels if channel._lock not in free]
            channels = [channel for channel in channels if channel._lock in free]
        crowd: list[Channel] = []
        fds: list[int] = []
        pieces: list[bytes] = []
        for channel in channels:
            gathered = channel.corked
            channel.corked = None
            if not gathered:
                continue
            if channel._backlog is None and not channel.closed and channel.direct_fd >= 0:
                crowd.append(channel)
                fds.append(channel.direct_fd)
                pieces.append(b"".join(gathered))  # of one it makes no copy
            else:
                channel.write(b"".join(gathered))
        results = ring.send_to_each(fds, pieces) if fds else []
        if results != [*map(len, pieces)]:
            for channel, data, result in zip(crowd, pieces, results, strict=True):
                channel.sent(data, result)
    finally:
        deque(map(_release, taken), 0)
    return rest

