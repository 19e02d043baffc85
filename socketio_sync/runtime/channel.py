"""A connected socket that is read by the I/O thread and written by whoever has something to say."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol
from typing import cast

from . import native
from .native import NativeLock
from .rings import FEW

if TYPE_CHECKING:
    from .base import Runtime
    from .ring import ReceiveRing

logger = logging.getLogger("socketio_sync.engine")

READ = 1
WRITE = 4
"""What a channel is watched for, in the values of epoll."""

READ_SIZE = 16_384
MAX_READ_SIZE = 262_144
LONGEST_LINGER = 30.0
"""Seconds after which a finished channel is closed whatever its other side does (the limit of npm's ws)."""
SMALL = 4096
"""The most bytes of a write that waits for others when corked."""
COALESCE = 65_536
"""Bytes of backlog that are joined for one call to the kernel."""

Buffer = bytes | memoryview
Input = tuple["Channel", bytes | int]
"""What was read for a channel: bytes, none at the end, or an error's number, negative."""

_get_ident = native.original("_thread", "get_ident")

_NOT_NOW = (-errno.EAGAIN, -errno.EINTR)
_MORE_COMES: int = getattr(socket, "MSG_MORE", 0)  # Linux: the segment waits a little for what follows

_IDLE, _DATA, _LOOK, _DISCARD = range(4)  # what becomes of input


class ChannelReceiver(Protocol):
    """Who is told what a channel reads. All calls come from the I/O thread, without the channel's lock."""

    @property
    def wanted(self) -> int:
        """How many bytes would be useful next; 0: no idea."""

    def on_data(self, data: bytes) -> None:
        """Bytes came, at least one; after ``look`` they are still there."""

    def on_lost(self, error: OSError | None) -> None:
        """The connection ended, by its end (None) or a fault. Once, and nothing comes after it."""

    def on_drained(self) -> None:
        """All that had to wait has been given to the kernel."""


class _Nobody:
    """The receiver of a closed channel, lest a channel and its receiver keep each other alive."""

    wanted = 0

    def on_data(self, data: bytes) -> None:
        """Nothing comes."""

    def on_lost(self, error: OSError | None) -> None:
        """It was told."""

    def on_drained(self) -> None:
        """Nothing waits."""


_NOBODY = _Nobody()


class _HotChannel:
    """What each write needs, in one cache line: the slots of a base come first in memory."""

    __slots__ = ("_backlog", "_lock", "closed", "corked", "direct_fd", "sock", "waiting")


class Channel(_HotChannel):
    """A raw non-blocking socket with a backlog; one class for both runtimes.

    ``write`` and ``write_last`` need the lock. ``abort``, ``finish``, ``pause`` and ``resume`` neither need nor take
    it, so they may be called with or without it, from any thread. They take effect at once for the caller; a
    receiver's call that is already on its way in the I/O thread may still arrive.

    Attributes:
        waiting: bytes kept because the kernel took no more.
        closed: nothing more can be written.
        receiver: who is told what is read.
        gone: the receiver has heard its last word.
        corked: a list while small writes are gathered, of those that were; else None.
        on_closed: if set, called in the I/O thread when the socket has been closed, whoever ended it.
        sock, fd: the socket and its descriptor.
        direct_fd: the descriptor, where one may send there without ``sock``, as long as it is not ``closed``; else -1.
        interest: for the runtime: what it watches the descriptor for.
    """

    __slots__ = (
        "_eof_sent", "_mode", "_paused", "_runtime",
        "fd", "gone", "interest", "on_closed", "receiver",
    )  # fmt: skip

    def __init__(self, runtime: Runtime, sock: Any, lock: NativeLock, receiver: ChannelReceiver) -> None:
        self._runtime = runtime
        self._lock = lock
        self.receiver = receiver
        self.sock = sock
        self.fd: int = sock.fileno()
        self.direct_fd = self.fd
        self.waiting = 0
        self.closed = False
        self.corked: list[bytes] | None = None
        self.on_closed: Callable[[], object] | None = None
        self.interest = 0
        self._backlog: deque[Buffer] | None = None  # None: empty; most channels never have one
        self._mode = _IDLE
        self._paused = False
        self.gone = False
        self._eof_sent = False

    # Reading

    def start(self, initial: bytes = b"") -> None:
        """Begin to read. ``initial``, bytes that somebody read before, is delivered first."""
        self._runtime.call_soon(self._start, initial)

    def _start(self, initial: bytes) -> None:
        if self.gone:
            return
        self._mode = _DATA
        if initial:
            self._deliver(initial)
        self._watch()

    def look(self) -> None:
        """Show the receiver once what comes, and leave it where it is, for ``take`` or ``start``. I/O thread only.

        The other side's end is reported as ever, unless something comes before it.
        """
        if not self.gone:
            self._mode = _LOOK
            self._watch()

    def take(self, size: int) -> bool:
        """Take so many bytes that were shown away. I/O thread only. False: the connection is lost meanwhile."""
        try:
            taken = len(self.sock.recv(size))
        except OSError as error:
            self._lose(error)
            return False
        if taken != size:  # cut short, by urgent data: the rest must not be taken for something else
            self._lose(None)
        return taken == size

    def release(self) -> Any:
        """Let go of the socket, which is returned as it is. I/O thread only, and only while nothing waits."""
        self._runtime.forget(self)
        self.closed = self.gone = True
        self._mode = _IDLE
        self.fd = -1
        self.receiver = _NOBODY
        return self.sock

    def pause(self) -> None:
        """Stop reading, until ``resume``."""
        self._paused = True
        self._rewatch()

    def resume(self) -> None:
        """Go on reading."""
        self._paused = False
        self._rewatch()

    def read_now(self) -> None:
        """Read once what may have come. I/O thread only; for a last look before a deadline is enforced."""
        if self._mode == _DATA and not self._paused:
            self._read()

    def on_readable(self) -> None:
        """For the runtime: input, its end or an error is there."""
        if self._mode == _DATA:
            if not self._paused:
                self._read()
        elif self._mode == _LOOK:
            self._show()
        elif self._mode == _DISCARD:
            self._discard_input()
        else:
            self._watch()  # nobody looks now, and it would be reported for ever

    def _read(self) -> bool:
        """One read, without blocking. True if it brought bytes."""
        receiver = self.receiver
        wanted = receiver.wanted
        try:
            data = self.sock.recv(min(wanted, MAX_READ_SIZE) if wanted else READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._lose(error)
            return False
        if not data:
            self._lose(None)
            return False
        if not self.gone:
            try:  # as _deliver does, without its frame
                receiver.on_data(data)
            except Exception as error:
                self.failed(error)
        return True

    def on_read(self, result: bytes | int) -> None:
        """In the I/O thread: what was read for it: bytes, none at the end, or an error's number, negative."""
        try:
            if result.__class__ is bytes and result:
                if not self.gone:  # somebody else's input, read in the same call, may have ended it
                    self.receiver.on_data(result)
            elif not result:
                self._lose(None)
            elif result not in _NOT_NOW:
                self._lose(OSError(-result, os.strerror(-result)))  # type: ignore[operator]
        except Exception as error:
            self.failed(error)

    def _deliver(self, data: bytes) -> None:
        if self.gone:
            return
        try:
            self.receiver.on_data(data)
        except Exception as error:
            self.failed(error)

    def failed(self, error: Exception) -> None:
        """In the I/O thread: a fault of ours. This connection's state is unknown, the others' is not."""
        logger.exception("a receiver failed: %r", self.receiver)
        try:
            self._lose(OSError(f"internal error: {error!r}"))
        except Exception:
            logger.exception("an I/O call failed: %r", self)

    def _show(self) -> None:
        try:
            data = self.sock.recv(READ_SIZE, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            # What the runtime watches for stays: mostly the receiver takes it, and looks again soon.
            self._mode = _IDLE
            self._deliver(data)
        else:
            self._lose(None)

    # Writing

    def cork(self, data: bytes) -> None:
        """Keep data back until the next ``write``, or ``uncork``. Before anything else is sent; needs the lock."""
        self.corked = [data]

    def offer(self, data: bytes) -> bool:
        """As ``write``, but takes the lock itself, and in a job small data may wait for the next ``write``.

        At the latest the runtime sends it, with what others have gathered: ``Runtime.gatherer``.

        Returns:
            False: it is closed, or something waits already; nothing was done.
        """
        runtime = self._runtime
        with self._lock:
            if self.closed or self._backlog is not None:
                return False
            if runtime.gatherer != _get_ident() or len(data) > SMALL:
                self.write(data)
            elif self.corked is not None:
                self.corked.append(data)
            else:
                self.corked = [data]
                runtime.gathered.append(self)
                if not runtime.gatherer:  # it was sent behind that, and perhaps too early for this
                    self.uncork()
            return True

    def uncork(self) -> None:
        """Write what was gathered or kept back, and gather no more. Needs the lock."""
        gathered, self.corked = self.corked, None
        if gathered:
            self.write(b"".join(gathered))

    def write(self, data: bytes) -> None:
        """Send, or keep what the kernel does not take. The caller holds the lock. Nothing happens when closed."""
        if self.closed:
            return
        if self.corked:
            self.corked.append(data)
            data = b"".join(self.corked)
            self.corked.clear()
        if self._backlog is None:
            try:
                sent = self.sock.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._break(error)
                return
            if sent != len(data):
                self._keep(memoryview(data)[sent:] if sent else data)
        else:
            self._backlog.append(data)
            self.waiting += len(data)

    def write_last(self, data: bytes) -> None:
        """As ``write``, in the I/O thread and with ``finish`` right behind it: both leave in one segment.

        So the kernel sends once, and the client wakes up once. Were the I/O thread held up before the end, the kernel
        would send the data after 0.2 s or the connection's retransmission timeout.
        """
        if self._backlog is not None or self.corked or self.direct_fd < 0:
            self.write(data)
        elif not self.closed:
            try:
                sent = self.sock.send(data, _MORE_COMES)
            except OSError as error:
                sent = -(error.errno or errno.EIO)
            self.sent(data, sent)

    def sent(self, data: bytes, result: int) -> None:
        """Under the lock: the kernel was given data. ``result``: how much it took, or an error's number, negative."""
        if result >= 0 or result in _NOT_NOW:
            taken = max(result, 0)
            if taken != len(data):
                self._keep(memoryview(data)[taken:] if taken else data)
        else:
            self._break(OSError(-result, os.strerror(-result)))

    def _keep(self, rest: Buffer) -> None:
        """Under the lock, without a backlog: begin one with what the kernel did not take."""
        self._backlog = deque((rest,))
        self.waiting = len(rest)
        self._rewatch()

    def on_writable(self) -> None:
        """For the runtime: the kernel takes bytes again."""
        with self._lock:
            drained = self._flush()
        if self._backlog is None:
            self._watch()
        if not drained:
            return
        if self._mode == _DISCARD:
            self._end_output()
        elif not self.gone:
            self.receiver.on_drained()

    def _flush(self) -> bool:
        """Under the lock: write what is kept. True when that emptied the backlog."""
        backlog = self._backlog
        if backlog is None:
            return False
        while backlog:
            head = backlog[0] if len(backlog) == 1 else self._joined(backlog)
            try:
                sent = self.sock.send(head)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                self._break(error)
                return False
            self.waiting -= sent
            if sent < len(head):
                backlog[0] = memoryview(head)[sent:]
                return False
            backlog.popleft()
        self._backlog = None
        return True

    @staticmethod
    def _joined(backlog: deque[Buffer]) -> Buffer:
        """Replace small buffers in front by one, so that a long backlog does not cost a system call each."""
        parts: list[Buffer] = []
        size = 0
        while backlog and (not parts or size + len(backlog[0]) <= COALESCE):
            parts.append(backlog.popleft())
            size += len(parts[-1])
        backlog.appendleft(parts[0] if len(parts) == 1 else b"".join(parts))
        return backlog[0]

    def _break(self, error: OSError) -> None:
        """Under the lock: writing has failed. What the other side sent before may still lie unread."""
        self.closed = True
        self._drop_backlog()
        self._runtime.call_soon(self._lose_after_reading, error)

    def _lose_after_reading(self, error: OSError) -> None:
        for _ in range(64):  # its last words matter: a goodbye is another reason than a reset
            if self._mode != _DATA or self._paused or self.gone or not self._read():
                break
        self._lose(error)

    # Ends

    def abort(self) -> None:
        """Close at once, without sending what waits. The receiver hears nothing more."""
        self.closed = True
        self.gone = True
        self._runtime.call_soon(self._dispose)

    def finish(self, linger: float = 2.0) -> None:
        """Send what waits, end our half, ignore input until the other side ends its half, then close.

        What was gathered is not sent any more: a last ``write`` comes before this.

        The receiver hears nothing more. A side that neither takes our bytes nor ends for ``linger`` seconds is closed,
        and after ``LONGEST_LINGER`` seconds any.
        """
        self.closed = True
        self.gone = True
        self._runtime.call_soon(self._finish, linger)

    def _finish(self, linger: float) -> None:
        if self.fd < 0 or self._mode == _DISCARD:
            return
        self._mode = _DISCARD
        self._runtime.timers.call_later(linger, self._linger_over, linger, self.waiting, LONGEST_LINGER - linger)
        if self.waiting:
            self._watch()
        else:
            self._end_output()

    def _linger_over(self, linger: float, before: int, left: float) -> None:
        if 0 < self.waiting < before and left > 0:  # slow, but it takes our bytes
            self._runtime.timers.call_later(linger, self._linger_over, linger, self.waiting, left - linger)
        else:
            self._dispose()

    def _end_output(self) -> None:
        if self._eof_sent:
            return
        self._eof_sent = True
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._dispose()
        else:
            self._watch()

    def _discard_input(self) -> None:
        try:
            if self.sock.recv(READ_SIZE):  # a larger buffer would be mapped and unmapped each time
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self._dispose()

    def _lose(self, error: OSError | None) -> None:
        """In the I/O thread: the connection is over, and not by us."""
        if self._mode == _DISCARD or self.gone:
            self._dispose()
            return
        self.closed = True
        self.gone = True
        receiver = self.receiver
        self._dispose()
        receiver.on_lost(error)

    def _dispose(self) -> None:
        """In the I/O thread: the socket is watched no more, then closed while nobody writes."""
        if self.fd < 0:
            return
        self.closed = True
        self._mode = _IDLE
        self._runtime.forget(self)
        with self._lock:
            self.fd = -1
            self._drop_backlog()
            complaint = self._close()
        self.receiver = _NOBODY
        if complaint is not None:
            logger.debug("closing a socket failed: %r", complaint)
        if self.on_closed is not None:
            self.on_closed()

    def discard(self) -> None:
        """For the runtime in a forked child: let go of the copy of a descriptor that is the parent's."""
        self.closed = True
        self.gone = True
        self.fd = -1
        self._drop_backlog()
        self._close()
        self.receiver = _NOBODY

    # Helpers

    def _rewatch(self) -> None:
        self._runtime.call_soon(self._watch)

    def _watch(self) -> None:
        """In the I/O thread: have the runtime report what matters now."""
        if self.fd >= 0:
            self._runtime.set_interest(self, self._wants_read(), self._wants_write())

    def _wants_read(self) -> bool:
        return self._mode == _DISCARD or (self._mode != _IDLE and not self._paused and not self.gone)

    def _wants_write(self) -> bool:
        return self._backlog is not None

    def _drop_backlog(self) -> None:
        self._backlog = None
        self.waiting = 0

    def _close(self) -> OSError | None:
        """Close the socket; returns what it complains about, as some TLS objects do of a peer that left first."""
        try:
            self.sock.close()
        except OSError as error:
            return error
        return None


def take_each(came: Iterable[Input]) -> None:
    """Give every channel what was read for it."""
    for channel, result in came:
        channel.on_read(result)


def read_together(
    ring: ReceiveRing | None,
    ready: list[tuple[int, int]],
    watched: Mapping[int, object],
    take: Callable[[Iterator[Input]], object],
) -> list[tuple[int, int]]:
    """Read those that are ready for nothing else, and want no more than a usual piece. I/O thread only.

    Measured: this runs for every message.

    Args:
        ring: what reads them in one call, where there is one, and enough of them.
        ready: descriptors, and what for; as many as the ring takes at most.
        watched: whose they are.
        take: told what was read, as ``Runtime.take_input``.

    Returns:
        The others.
    """
    crowd = [
        channel
        for fd, events in ready
        if events == READ and (channel := watched.get(fd)).__class__ is Channel and channel._mode == _DATA
        and not channel._paused and not channel.receiver.wanted
    ]  # fmt: skip
    fds = [channel.fd for channel in crowd]
    others: list[tuple[int, int]] = []
    if len(crowd) != len(ready):
        taken = set(fds)
        others = [entry for entry in ready if entry[0] not in taken]
    if ring is None or len(crowd) < FEW:
        _give(take, _read_in_turn(crowd))
        return others
    try:
        ring.receive(fds)
    finally:
        came = zip(crowd, ring.received(), strict=False)
        try:
            _give(take, came)
        finally:  # Ctrl-C met one of them: the others hear later what was read
            for channel, result in came:
                channel._runtime.call_soon(channel.on_read, result)
    return others


def _give(take: Callable[[Iterator[Input]], object], came: Iterator[Input]) -> None:
    try:
        take(came)
    except Exception:
        logger.exception("what was read could not be given to %r", take)
        take_each(came)


def _read_in_turn(channels: Iterable[Channel]) -> Iterator[Input]:
    for channel in channels:
        if channel._mode != _DATA or channel._paused:  # since somebody else's input was taken
            continue
        try:
            data = channel.sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            continue
        except OSError as error:
            yield channel, -(error.errno or errno.EIO)
        else:
            yield channel, data


class _NoChannel:
    """In a list of channels: one that takes nothing."""

    _lock = nullcontext()
    _backlog = corked = None
    closed = True
    direct_fd = -1

    @staticmethod
    def offer(data: bytes) -> bool:
        return False


NO_CHANNEL = cast(Channel, _NoChannel)
