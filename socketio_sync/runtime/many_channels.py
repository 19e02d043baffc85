"""Sending to many channels in one go: a broadcast, or what has been gathered.

With io_uring, where there is one, that is one call to the kernel; else one for each channel. Nobody *waits* for a lock
while he has another: of many, those that are free are taken, and whose is not free has its turn alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from collections.abc import Iterator
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


def write_to_all(rings: Rings, locks: Sequence[NativeLock], channels: Iterator[Channel], data: bytes) -> list[int]:
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
    ring = rings.take() if len(locks) >= FEW and len(data) <= LONG else None
    if ring is not None:
        while len(locks) - start >= FEW and ring.trouble is None:
            crowd = locks[start : start + WIDTH]
            _write_in_one_call(ring, crowd, islice(channels, len(crowd)), data, start, others)
            start += len(crowd)
        rings.give(ring)
    _write_one_by_one(channels, data, start, others)
    return others


def _write_in_one_call(
    ring: SendRing,
    locks: Sequence[NativeLock],
    channels: Iterable[Channel],
    data: bytes,
    start: int,
    others: list[int],
) -> None:
    wanted = set(locks)
    taken: list[NativeLock] = []
    # For Ctrl-C, which may come behind any call: a lock is taken and in the list, or neither; and all are let go.
    letting_go = map(_release, taken)
    try:
        taken.extend(filter(_acquire, wanted))
        crowd = list(channels)
        fds = [
            -1 if channel._backlog is not None or channel.corked or channel.closed else channel.direct_fd
            for channel in crowd
        ]
        if len(taken) != len(wanted):
            busy = wanted.difference(taken)
            fds = [-1 if lock in busy else fd for lock, fd in zip(locks, fds, strict=True)]
        if -1 in fds:
            others += [index for index, fd in enumerate(fds, start) if fd < 0]
            crowd = [channel for channel, fd in zip(crowd, fds, strict=True) if fd >= 0]
            fds = [fd for fd in fds if fd >= 0]
        try:
            ring.send_to_all(fds, data)
        finally:
            results = ring.results()
            if results.count(len(data)) != len(results):
                for channel, result in zip(crowd, results, strict=False):
                    channel.sent(data, result)
    finally:
        deque(letting_go, 0)


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


def send_gathered(rings: Rings, channels: Iterable[Channel]) -> None:
    """End the gathering of each, and send what was gathered; any thread."""
    rest = [*dict.fromkeys(channels)]
    ring = rings.take() if len(rest) >= FEW else None
    if ring is not None:
        channels, rest = rest, []
        for start in range(0, len(channels), WIDTH):
            crowd = channels[start : start + WIDTH]
            rest += _send_in_one_call(ring, crowd) if ring.trouble is None else crowd
        rings.give(ring)
    for channel in rest:
        with channel._lock:
            channel.uncork()


def _send_in_one_call(ring: SendRing, channels: list[Channel]) -> list[Channel]:
    """Returns those whose locks are not free."""
    wanted = {channel._lock for channel in channels}
    taken: list[NativeLock] = []
    letting_go = map(_release, taken)  # as above
    rest: list[Channel] = []
    try:
        taken.extend(filter(_acquire, wanted))
        if len(taken) != len(wanted):
            free = set(taken)
            rest = [channel for channel in channels if channel._lock not in free]
            channels = [channel for channel in channels if channel._lock in free]
        crowd = [
            channel
            for channel in channels
            if channel.corked and channel._backlog is None and not channel.closed and channel.direct_fd >= 0
        ]
        if len(crowd) != len(channels):
            for channel in set(channels).difference(crowd):
                channel.uncork()
        pieces = [b"".join(channel.corked) for channel in crowd]  # type: ignore[arg-type]  # of one it makes no copy
        try:
            ring.send_to_each([channel.direct_fd for channel in crowd], pieces)
        finally:
            results = ring.results()
            if results != [*map(len, pieces)]:
                for channel, data, result in zip(crowd, pieces, results, strict=False):
                    if result != len(data):
                        channel.sent(data, result)
            for channel in crowd[: len(results)]:  # none, if Ctrl-C came before anything was sent
                channel.corked = None
    finally:
        deque(letting_go, 0)
    return rest
