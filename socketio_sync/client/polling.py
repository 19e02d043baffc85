"""The long-polling transport: one task that keeps a GET open, one that POSTs while there is something to send."""

from __future__ import annotations

import http.client
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress

from socketio_sync.client.address import Address
from socketio_sync.client.address import refused
from socketio_sync.client.address import shut
from socketio_sync.client.transport import TransportReceiver
from socketio_sync.client.websocket import MAX_MESSAGE_SIZE
from socketio_sync.exceptions import DisconnectDetails
from socketio_sync.exceptions import ProtocolError
from socketio_sync.exceptions import TransportError
from socketio_sync.protocol.engineio_client_session import ClientSession
from socketio_sync.protocol.engineio_client_session import split_bodies
from socketio_sync.protocol.engineio_packet import CLOSE
from socketio_sync.protocol.engineio_packet import EncodedPacket
from socketio_sync.protocol.engineio_payload import decode_payload
from socketio_sync.protocol.engineio_payload import encode_payload
from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.native import NativeLock

log = logging.getLogger("socketio_sync.client")


class Requests:
    """One request after the other over one connection, which is kept open in between."""

    def __init__(self, address: Address, connect_timeout: float, timeout: float | None) -> None:
        self._address = address
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None
        self._aborted = False

    def send(self, method: str, sid: str, body: str | None = None) -> str:
        """Make a request and return the answer's body.

        Raises:
            TransportError: it failed, or the status is not 200.
        """
        what = f"xhr {'post' if method == 'POST' else 'poll'} error"
        try:
            connection = self._fresh_connection()
            headers = {"Content-Type": "text/plain;charset=UTF-8"} if body is not None else {}
            connection.request(
                method,
                self._address.target("polling", sid),
                None if body is None else body.encode(),
                self._address.headers(headers),
            )
            response = connection.getresponse()
            content = response.read(MAX_MESSAGE_SIZE + 1)
            if len(content) > MAX_MESSAGE_SIZE:
                raise TransportError(f"{what}: an answer of more than {MAX_MESSAGE_SIZE} bytes", status=response.status)
            if response.length:  # http.client does not mind when it was asked for so many bytes at most
                raise http.client.IncompleteRead(content, response.length)
            self._address.keep_cookies(response.headers)
            if response.status != 200:
                raise refused(what, response, content)
            return content.decode()
        except TransportError:
            self.close()
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise TransportError(f"{what}: {str(error) or type(error).__name__}") from error

    def _fresh_connection(self) -> http.client.HTTPConnection:
        """The kept connection if it still lives: a request that may have been received is never sent again."""
        connection = self._connection
        if connection is not None and (connection.sock is None or _has_ended(connection)):
            self.close()
            connection = None
        if connection is None:
            self._connection = connection = self._address.open(self._timeout or self._connect_timeout)
            connection.sock.settimeout(self._timeout)
        if self._aborted:
            raise ConnectionAbortedError("closed while it was being opened")
        return connection

    def abort(self) -> None:
        """Wake the one that waits for an answer, from any thread."""
        self._aborted = True
        if self._connection is not None:
            shut(self._connection)

    def close(self) -> None:
        """Close the connection, in the task that uses it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has closed a connection that rests; bytes on it would be nobody's answer."""
    sock = connection.sock
    timeout = sock.gettimeout()
    sock.settimeout(0)
    try:
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        sock.settimeout(timeout)
    return True


class PollingTransport:
    """Long-polling for one session.

    Args:
        lock: the connection's.
        session: the connection's; the first answer gives it its id.
        receiver: told what comes.
        take: called with the lock held; returns the packets to send next.
        connect_timeout, timeout: seconds, for reaching the server and for each request.
    """

    name = "polling"

    def __init__(
        self,
        runtime: Runtime,
        lock: NativeLock,
        address: Address,
        session: ClientSession,
        receiver: TransportReceiver,
        take: Callable[[], list[EncodedPacket]],
        connect_timeout: float,
        timeout: float | None,
    ) -> None:
        self._runtime = runtime
        self._lock = lock
        self._session = session
        self._receiver = receiver
        self._take = take
        self._gets = Requests(address, connect_timeout, timeout)
        self._posts = Requests(address, connect_timeout, timeout)
        self._sending = 0  # bytes of what a POST carries now
        self._getting = self._posting = False
        self._paused = 0  # by an upgrade, by full mailboxes
        self._closing = self._aborted = False
        # Up while no GET, or no POST, is under way. Raised and cleared under the lock, with the two above: else a task
        # that ends could raise what the next one has just cleared.
        self._got = runtime.event()
        self._posted = runtime.event()
        self.closed = runtime.event()
        self._got.set()
        self._posted.set()

    @property
    def waiting(self) -> int:
        """Bytes that are being sent."""
        return self._sending

    def open(self) -> None:
        """Make the first request: it brings the session. Raises TransportError."""
        with self._lock:
            self._begin_getting_locked()
        try:
            body = self._gets.send("GET", "")
            if not body.startswith("0"):
                text = " ".join(body[:60].split())
                raise TransportError(f"xhr poll error: this is no Socket.IO server, it says {text!r}", status=200)
            self._receive(body)
        finally:
            with self._lock:
                self._end_getting_locked()
            self._close_if_over()

    def start(self) -> None:
        """Begin to poll."""
        self._go_on()

    # -- the task that receives ----------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Start the polling task, if it may run and does not."""
        with self._lock:
            start = self._may_poll() and not self._getting
            if start:
                self._begin_getting_locked()
        if start:
            self._runtime.spawn(self._poll)

    def _may_poll(self) -> bool:
        return not (self._paused or self._closing or self._aborted)

    def _poll(self) -> None:
        try:
            while True:
                with self._lock:
                    if not self._may_poll():
                        self._end_getting_locked()
                        break
                self._receive(self._gets.send("GET", self._session.sid))
        except TransportError as error:
            if not (self._aborted or self._closing):
                self._fail(error)
            with self._lock:  # behind the failure: who waits for rest has to see it
                self._end_getting_locked()
        except Exception as error:  # a fault of ours, or of a parser: this connection's state is unknown
            log.exception("receiving failed")
            self._fail(TransportError(f"internal error: {error!r}"))
            with self._lock:
                self._end_getting_locked()
        self._close_if_over()

    def _begin_getting_locked(self) -> None:
        self._getting = True
        self._got.clear()

    def _end_getting_locked(self) -> None:
        self._getting = False
        self._got.set()

    def _receive(self, body: str) -> None:
        try:
            packets = decode_payload(body)
        except ProtocolError as error:
            raise TransportError(f"xhr poll error: {error.reason}", status=200) from error
        for type, data in packets:
            if isinstance(data, bytes):
                self._receiver.on_binary(self, data)
            else:
                self._receiver.on_text(self, type + data)

    # -- the task that sends -------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something is there to be sent."""
        with self._lock:
            start = not (self._posting or self._aborted)
            if start:
                self._posting = True
                self._posted.clear()
        if start:
            self._runtime.spawn(self._post)

    def _post(self) -> None:
        try:
            while bodies := self._next_bodies():
                for body in bodies:
                    self._posts.send("POST", self._session.sid, encode_payload(body))
        except TransportError as error:
            if not self._aborted:
                self._fail(error)
            with self._lock:  # behind the failure: who waits for rest has to see it
                self._end_posting_locked()
        except Exception as error:  # as in _poll
            log.exception("sending failed")
            self._fail(TransportError(f"internal error: {error!r}"))
            with self._lock:
                self._end_posting_locked()
        self._close_if_over()

    def _end_posting_locked(self) -> None:
        self._posting = False
        self._sending = 0
        self._posted.set()

    def _next_bodies(self) -> list[list[str]]:
        """What to send now; when that is nothing the task ends, and the next ``wake`` starts another."""
        with self._lock:
            packets = [] if self._aborted else self._take()
            if not packets:
                self._end_posting_locked()
                return []
            self._sending = sum(packet.size for packet in packets)
        return split_bodies(packets, self._session.max_payload)

    # -- pauses and the end --------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Make no further request for packets, until ``resume`` was called as often."""
        with self._lock:
            self._paused += 1

    def resume(self) -> None:
        """Go on."""
        with self._lock:
            self._paused -= 1
        self._go_on()

    def wait_for_rest(self, timeout: float) -> bool:
        """Wait until no request is under way. False: not in time."""
        until = self._runtime.now() + timeout
        return self._got.wait(timeout) and self._posted.wait(max(until - self._runtime.now(), 0))

    def _fail(self, error: TransportError) -> None:
        details = DisconnectDetails(error.message, error.status, error.__cause__ or error)
        self._receiver.on_lost(self, "transport error", details)

    def finish(self, timeout: float) -> None:
        """Send what waits, say goodbye and end. Blocks, at most twice ``timeout`` seconds."""
        self.wake()
        with self._lock:
            self._closing = True
        if self._posted.wait(timeout) and not self._aborted:
            # The goodbye needs a limit of its own: the server's answer to it is not waited for longer.
            limit = self._runtime.timers.call_later(timeout, self.abort)
            with suppress(TransportError):
                self._posts.send("POST", self._session.sid, CLOSE)
            limit.cancel()
        self._closing = False
        self.abort()

    def abort(self) -> None:
        """End at once."""
        with self._lock:
            self._aborted = True
        self._gets.abort()
        self._posts.abort()
        self._close_if_over()

    def _close_if_over(self) -> None:
        """Close the connections when it is over and no task uses them."""
        with self._lock:
            over = self._aborted and not (self._getting or self._posting or self._closing)
        if over:
            self._gets.close()
            self._posts.close()
            self.closed.set()
