"""One call to the kernel for many sockets: Linux's io_uring, through ctypes.

What is asked for is written into memory that the kernel shares, a whole column in one slice: the descriptors of all,
then the addresses, then the sizes. Everything is asked for with ``MSG_DONTWAIT``: the kernel does it, or says that it
cannot now, before it looks at the next. So all answers are there, in order, when the call returns, and nothing goes on
between two calls. The numbers and the layout are those of ``linux/io_uring.h``, ``io_uring_setup(2)`` and
``io_uring_enter(2)``.
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
from typing import Any

SIZE = 256
"""The most sockets of one call, a power of two. More gain nothing, and who sends holds all their locks."""

READ_SIZE = 16_384
"""Bytes that are read of one socket."""

_NR_SETUP, _NR_ENTER = 425, 426  # on every processor but Alpha
_ENTRIES_OFFSET = 0x1000_0000
_OP_SEND, _OP_RECV = 26, 27
_FEATURE_SINGLE_MMAP = 1
# struct io_uring_params: sq_entries, cq_entries, ..., features, ...; struct io_sqring_offsets; struct io_cqring_offsets
_PARAMS = struct.Struct("=2I3II4I8IQ8IQ")
_ENTRY_SIZE, _ANSWER_SIZE = 64, 16
_FLAGS_AT = 28  # in an entry
NOT_NOW = -errno.EAGAIN
"""The answer of a socket that takes nothing, or has nothing."""


_GOING_ON = -errno.EIO


class Ring:
    """Up to ``SIZE`` calls of one kind at once. One thread's at a time; its memory and descriptor go with the object.

    Raises:
        OSError, AttributeError: the system has no io_uring, or does not allow it, as many containers do not.
    """

    def __init__(self, operation: int) -> None:
        if not sys.platform.startswith("linux"):
            raise OSError(errno.ENOSYS, "io_uring is Linux's")
        self._syscall: Any = ctypes.CDLL(None, use_errno=True).syscall
        params = ctypes.create_string_buffer(_PARAMS.size)
        self._fd: int = self._syscall(_NR_SETUP, SIZE, params)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        weakref.finalize(self, os.close, self._fd).atexit = False
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
        self._results = shared[answers : answers + _ANSWER_SIZE * answer_count].cast("i")[2::4]
        entries = memoryview(mmap.mmap(self._fd, _ENTRY_SIZE * SIZE, offset=_ENTRIES_OFFSET))
        for start in range(0, _ENTRY_SIZE * SIZE, _ENTRY_SIZE):
            entries[start] = operation
            struct.pack_into("=I", entries, start + _FLAGS_AT, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        self._fds = entries.cast("i")[1::16]
        self._addresses = entries.cast("Q")[2::8]
        self._sizes = entries.cast("I")[6::16]

    def _enter(self, fds: Sequence[int]) -> list[int]:
        """Do it for these. Returns for each how many bytes, or an error's number, negative."""
        count = len(fds)
        self._fds[:count] = array("i", fds)
        begin = self._tail[0]
        # The kernel goes round its list of entries; the first is to be the first all the same.
        first = -begin % SIZE
        self._order[:] = self._orders[first : first + SIZE]
        self._tail[0] = (begin + count) & 0xFFFF_FFFF
        accepted = max(self._syscall(_NR_ENTER, self._fd, count, 0, 0, None, 0), 0)
        self._tail[0] = self._head[0]  # what it had no memory for it shall not look at later
        head, end = self._answers_head[0], self._answers_tail[0]
        self._answers_head[0] = end
        done = (end - head) & 0xFFFF_FFFF
        first = head & self._answers_mask
        results: list[int] = self._results[first : first + done].tolist()
        if len(results) < done:
            results += self._results[: done - len(results)].tolist()
        if done < count:  # none is still going on, on a kernel that has passed the tests below
            results += [_GOING_ON] * (accepted - done) + [NOT_NOW] * (count - accepted)
        return results


class SendRing(Ring):
    """Sends to many. Who calls sees to it that no socket is closed meanwhile, and that nobody else sends there."""

    def __init__(self) -> None:
        super().__init__(_OP_SEND)
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            with suppress(BlockingIOError):
                while one.send(b"x" * READ_SIZE):
                    pass
            one.shutdown(socket.SHUT_RD)
            if self.send_to_all([other.fileno(), one.fileno()], b"x") != [-errno.EPIPE, NOT_NOW]:
                raise OSError(errno.ENOSYS, "the kernel's io_uring does not send as it should")

    def send_to_all(self, fds: Sequence[int], data: bytes) -> list[int]:
        """Send the same to at most ``SIZE``. Returns for each how many bytes, or an error's number, negative."""
        count = len(fds)
        address = _address_of(data)
        self._addresses[:count] = array("Q", (address,)) * count
        self._sizes[:count] = array("I", (len(data),)) * count
        return self._enter(fds)

    def send_to_each(self, fds: Sequence[int], pieces: Sequence[bytes]) -> list[int]:
        """Send a piece to each of at most ``SIZE``; returns as ``send_to_all``."""
        count = len(fds)
        sizes = [*map(len, pieces)]
        data = b"".join(pieces)  # one address is enough
        address = _address_of(data)
        self._addresses[:count] = array("Q", accumulate(sizes[:-1], initial=address))
        self._sizes[:count] = array("I", sizes)
        return self._enter(fds)


def _address_of(data: bytes) -> int:
    return ctypes.c_size_t.from_buffer(ctypes.c_char_p(data)).value


class ReceiveRing(Ring):
    """Reads at most ``READ_SIZE`` bytes from each of at most ``width`` sockets, two at least."""

    def __init__(self, width: int) -> None:
        super().__init__(_OP_RECV)
        self._buffer = mmap.mmap(-1, READ_SIZE * width)  # of which small messages touch a page each
        self._parts = [memoryview(self._buffer)[READ_SIZE * index :][:READ_SIZE] for index in range(width)]
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._buffer))
        self._addresses[:width] = array("Q", range(base, base + READ_SIZE * width, READ_SIZE))
        self._sizes[:width] = array("I", (READ_SIZE,)) * width
        one, other = socket.socketpair()
        with one, other:
            one.send(b"x")
            if self.receive([one.fileno(), other.fileno()]) != [NOT_NOW, b"x"]:
                raise OSError(errno.ENOSYS, "the kernel's io_uring does not receive as it should")

    def receive(self, fds: Sequence[int]) -> list[bytes | int]:
        """What came for each: bytes, none at the end, or an error's number, negative."""
        return [
            bytes(part[:result]) if result >= 0 else result
            for part, result in zip(self._parts, self._enter(fds), strict=False)
        ]

