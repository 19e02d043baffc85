"""One call to the kernel for many sockets: Linux's io_uring, through ctypes.

What is asked for is written into memory that the kernel shares, a whole column in one slice: the descriptors of all,
then the addresses, then the sizes. Everything is asked for with ``MSG_DONTWAIT``: the kernel does it, or says that it
cannot now, before it looks at the next. So all answers are there when the call returns, and nothing goes on between two
calls. The numbers and the layout are those of ``linux/io_uring.h``, ``io_uring_setup(2)`` and ``io_uring_enter(2)``.

Asking is one step and looking at the answers another, for which callers have a ``finally``: when Ctrl-C comes while the
kernel works, what was sent was sent.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import struct
import sys
import weakref
from array import array
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate
from itertools import islice
from typing import Any

from . import native

SIZE = 256
"""The most sockets of one call, a power of two. More gain nothing, and who sends holds all their locks."""

READ_SIZE = 16_384
"""Bytes that are read of one socket."""

_NR_SETUP, _NR_ENTER = 425, 426  # where that is something else, the system says ENOSYS
_ENTRIES_OFFSET = 0x1000_0000
_OP_SEND, _OP_RECV = 26, 27
_FEATURE_SINGLE_MMAP = 1
# struct io_uring_params: sq_entries, cq_entries, ..., features, ...; struct io_sqring_offsets; struct io_cqring_offsets
_PARAMS = struct.Struct("=2I3II4I8IQ8IQ")
_ENTRY_SIZE, _ANSWER_SIZE = 64, 16
_FLAGS_AT = 28  # in an entry
NOT_NOW = -errno.EAGAIN
"""The answer of a socket that takes nothing, or has nothing."""


class Ring:
    """Up to ``SIZE`` calls of one kind at once. One thread's at a time; its memory and descriptor go with the object.

    Attributes:
        trouble: why it is of no more use, once the kernel did not do what it was asked for at all.

    Raises:
        OSError, AttributeError: the system has no io_uring, or does not allow it, as many containers do not.
    """

    trouble: OSError | None = None

    def __init__(self, operation: int) -> None:
        if not sys.platform.startswith("linux") or sys.implementation.name != "cpython":
            raise OSError(errno.ENOSYS, "io_uring is Linux's, and used from CPython")
        self._syscall: Any = ctypes.CDLL(None, use_errno=True).syscall
        params = ctypes.create_string_buffer(_PARAMS.size)
        self._fd: int = self._syscall(_NR_SETUP, SIZE, params)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        weakref.finalize(self, os.close, self._fd).atexit = False
        self._asked = 0
        self._map(_PARAMS.unpack(params.raw), operation)
        unsigned = ctypes.c_uint
        self._syscall.argtypes = (
            ctypes.c_long, ctypes.c_int, unsigned, unsigned, unsigned, ctypes.c_void_p, ctypes.c_size_t
        )  # fmt: skip

    def _map(self, params: Sequence[int], operation: int) -> None:
        answer_count = params[1]
        if not params[5] & _FEATURE_SINGLE_MMAP:
            raise OSError(errno.ENOSYS, "the kernel's io_uring is too old")
        head, tail, _, _, _, _, order = params[10:17]
        answers_head, answers_tail, _, _, _, answers = params[19:25]
        end = max(order + 4 * SIZE, answers + _ANSWER_SIZE * answer_count)
        shared = memoryview(mmap.mmap(self._fd, end))
        self._head, self._tail = (shared[at : at + 4].cast("I") for at in (head, tail))
        self._answers_head, self._answers_tail = (shared[at : at + 4].cast("I") for at in (answers_head, answers_tail))
        self._order = shared[order : order + 4 * SIZE].cast("I")
        self._orders = array("I", [*range(SIZE), *range(SIZE)])
        self._answers_mask = answer_count - 1
        all_answers = shared[answers : answers + _ANSWER_SIZE * answer_count]
        self._numbers, self._results = all_answers.cast("Q")[::2], all_answers.cast("i")[2::4]
        entries = memoryview(mmap.mmap(self._fd, _ENTRY_SIZE * SIZE, offset=_ENTRIES_OFFSET))
        for number in range(SIZE):
            start = number * _ENTRY_SIZE
            entries[start] = operation
            struct.pack_into("=IQ", entries, start + _FLAGS_AT, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL, number)
        self._fds = entries.cast("i")[1::16]
        self._addresses = entries.cast("Q")[2::8]
        self._sizes = entries.cast("I")[6::16]
        self._in_order = list(range(SIZE))

    def _ask(self, fds: Sequence[int]) -> None:
        """Have it done for these, which exist."""
        count = len(fds)
        self._fds[:count] = array("i", fds)
        begin = self._tail[0]
        # The kernel goes round its list of entries; the first is to be the first all the same.
        first = -begin % SIZE
        self._order[:] = self._orders[first : first + SIZE]
        self._asked = count
        self._tail[0] = (begin + count) & 0xFFFF_FFFF
        if count and self._syscall(_NR_ENTER, self._fd, count, 0, 0, None, 0) < 0:
            self.trouble = OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def results(self) -> list[int]:
        """How many bytes for each that was asked for, or an error's number, negative. To be called once, whatever came.

        Those that the kernel did not look at, for want of memory, are NOT_NOW; none at all if asking was interrupted.
        """
        asked, self._asked = self._asked, 0
        not_looked_at = (self._tail[0] - self._head[0]) & 0xFFFF_FFFF
        self._tail[0] = self._head[0]  # nor shall it look at them later
        head, end = self._answers_head[0], self._answers_tail[0]
        self._answers_head[0] = end
        done = (end - head) & 0xFFFF_FFFF
        numbers = self._wrapped(self._numbers, head, done)
        results = self._wrapped(self._results, head, done)
        if done == asked and numbers == self._in_order[:asked]:
            return results
        if done + not_looked_at != asked:  # no kernel that passes the tests below goes on with something
            self.trouble = OSError(errno.EIO, "the kernel's io_uring owes answers")
        answers = dict(zip(numbers, results, strict=True))
        missing = [NOT_NOW if number >= asked - not_looked_at else -errno.EIO for number in range(asked)]
        return [answers.get(number, missing[number]) for number in range(asked)]

    def _wrapped(self, column: Any, head: int, count: int) -> list[int]:
        first = head & self._answers_mask
        values: list[int] = column[first : first + count].tolist()
        if len(values) < count:
            values += column[: count - len(values)].tolist()
        return values


class SendRing(Ring):
    """Sends to many. Who calls sees to it that no socket is closed meanwhile, and that nobody else sends there."""

    def __init__(self) -> None:
        super().__init__(_OP_SEND)
        one, other = native.wake_pair()
        try:
            with suppress(BlockingIOError):
                while one.send(b"x" * READ_SIZE):
                    pass
            one.shutdown(socket.SHUT_RD)
            well, well_peer = native.wake_pair()
            try:
                self.send_to_all([well.fileno(), other.fileno(), one.fileno(), well.fileno()], b"x")
            finally:
                well.close()
                well_peer.close()
            if self.results() != [1, -errno.EPIPE, NOT_NOW, 1]:
                raise OSError(errno.ENOSYS, "the kernel's io_uring does not send as it should")
        finally:
            one.close()
            other.close()

    def send_to_all(self, fds: Sequence[int], data: bytes) -> None:
        """Send the same to at most ``SIZE``; see ``results``."""
        count = len(fds)
        self._addresses[:count] = array("Q", (_address_of(data),)) * count
        self._sizes[:count] = array("I", (len(data),)) * count
        self._ask(fds)

    def send_to_each(self, fds: Sequence[int], pieces: Sequence[bytes]) -> None:
        """Send a piece to each of at most ``SIZE``; see ``results``."""
        count = len(fds)
        sizes = [*map(len, pieces)]
        data = b"".join(pieces)  # one address is enough
        ends = accumulate(sizes, initial=_address_of(data))
        self._addresses[:count] = array("Q", islice(ends, count))
        self._sizes[:count] = array("I", sizes)
        self._ask(fds)


def _address_of(data: bytes) -> int:
    return ctypes.c_size_t.from_buffer(ctypes.c_char_p(data)).value


class ReceiveRing(Ring):
    """Reads at most ``READ_SIZE`` bytes from each of at most ``width`` sockets, three at least."""

    def __init__(self, width: int) -> None:
        super().__init__(_OP_RECV)
        self._buffer = mmap.mmap(-1, READ_SIZE * width)  # of which small messages touch a page each
        self._starts = [READ_SIZE * index for index in range(width)]
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._buffer))
        self._addresses[:width] = array("Q", range(base, base + READ_SIZE * width, READ_SIZE))
        self._sizes[:width] = array("I", (READ_SIZE,)) * width
        one, other = native.wake_pair()
        try:
            one.send(b"x" * (READ_SIZE + 1))
            self.receive([other.fileno(), one.fileno(), other.fileno()])
            if self.received() != [b"x" * READ_SIZE, NOT_NOW, b"x"]:
                raise OSError(errno.ENOSYS, "the kernel's io_uring does not receive as it should")
        finally:
            one.close()
            other.close()

    def receive(self, fds: Sequence[int]) -> None:
        """Read what came for each; see ``received``."""
        self._ask(fds)

    def received(self) -> list[bytes | int]:
        """What came for each: bytes, none at the end, or an error's number, negative. Once, as ``results``."""
        buffer = self._buffer
        return [
            buffer[start : start + result] if result >= 0 else result
            for start, result in zip(self._starts, self.results(), strict=False)
        ]
