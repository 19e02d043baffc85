"""WebSocket framing, both sides (RFC 6455): bytes in, messages out, no I/O.

Frames to send are made by functions and are finished bytes without a mask, as a server sends them, so that every
recipient of a broadcast shares them; ``masked`` makes the client's form of them. Frames received go through one
``WebSocketCodec`` a connection. It judges a length from the header, before anything is buffered, and refuses what
Node's ``ws`` refuses, with the same close codes.
"""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.websocket_deflate import Inflate
from socketio_sync.protocol.websocket_deflate import deflate

try:
    from websockets import speedups
except ImportError:
    apply_mask: Callable[[bytes, bytes], bytes] | None = None
else:  # C for the one thing here that Python is slow at: 25 us instead of 2.8 ms for 1 MB
    apply_mask = speedups.apply_mask

CONTINUATION = 0
TEXT = 1
BINARY = 2
CLOSE = 8
PING = 9
PONG = 10

_FIN = 0x80
_RSV1 = 0x40  # with permessage-deflate: this message is compressed (RFC 7692, 6)
_MASKED = 0x80
LONGEST_SHORT = 125  # the longest payload with a header of two bytes, and of a control frame (RFC 6455, 5.5)
_UNMASK_CHUNK = 16384
_READ_SIZE = 16384
_WHOLE_TEXT = _FIN | TEXT
SHORT_HEADERS = tuple(bytes((_FIN | TEXT, length)) for length in range(LONGEST_SHORT + 1))
# To unmask a short payload as one integer: the key times _REPEATS[length] is the repeated key, _ONES[length] cuts it.
_REPEATS = tuple(sum(1 << 8 * at for at in range(0, length, 4)) for length in range(LONGEST_SHORT + 1))
_ONES = tuple((1 << 8 * length) - 1 for length in range(LONGEST_SHORT + 1))

_from_bytes = int.from_bytes


class WebSocketError(ProtocolError):
    """The peer broke the protocol, or a limit; close with ``code`` (1002, 1007, 1008 or 1009).

    ``events`` has what was decoded from the same bytes before the fault.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.events: list[Event] = []


@dataclass(frozen=True, slots=True)
class Ping:
    """A ping; to be answered by ``pong_frame(data)``."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """A pong, asked for or not."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The peer closes; ``code`` is None where it gave none. Nothing is decoded behind it."""

    code: int | None
    reason: str


Event = str | bytes | Ping | Pong | Close


def text_frame(text: str) -> bytes:
    """One text message. Raises UnicodeEncodeError for a lone surrogate, which UTF-8 cannot carry."""
    return utf8_frame(text.encode())


def utf8_frame(payload: bytes) -> bytes:
    """One text message, given as UTF-8."""
    length = len(payload)
    if length <= LONGEST_SHORT:
        return SHORT_HEADERS[length] + payload
    return _frame(_FIN | TEXT, payload)


def binary_frame(data: bytes) -> bytes:
    """One binary message."""
    return _frame(_FIN | BINARY, data)


def deflated_text_frame(text: str) -> bytes:
    """One text message, compressed on its own, so that the frame fits every connection which agreed on deflate."""
    return _deflated_frame(TEXT, text.encode())


def deflated_binary_frame(data: bytes) -> bytes:
    """One binary message, compressed on its own."""
    return _deflated_frame(BINARY, data)


def ping_frame(data: bytes = b"") -> bytes:
    """A ping; ``data`` is at most 125 bytes."""
    return _control_frame(PING, data)


def pong_frame(data: bytes = b"") -> bytes:
    """A pong; ``data`` is that of the ping."""
    return _control_frame(PONG, data)


def close_frame(code: int | None = None, reason: str = "") -> bytes:
    """A close frame; without a code the peer sees 1005. ``reason`` is at most 123 bytes of UTF-8."""
    if code is None:
        if reason:
            raise ValueError("a close reason needs a close code")
        return _control_frame(CLOSE, b"")
    if not _is_close_code(code):
        raise ValueError(f"{code} cannot be sent as a close code")
    return _control_frame(CLOSE, code.to_bytes(2, "big") + reason.encode())


def masked(frames: bytes, key: bytes | None = None) -> bytes:
    """The client's form of one or more finished frames; every frame gets a fresh key, or ``key`` (four bytes)."""
    parts = []
    position = 0
    while position < len(frames):
        start, stop = _payload_span(frames, position)
        mask = secrets.token_bytes(4) if key is None else key
        parts.append(bytes((frames[position], frames[position + 1] | _MASKED)))
        parts.append(frames[position + 2 : start])
        parts.append(mask)
        parts.append(_unmask(frames[start:stop], mask))
        position = stop
    return b"".join(parts)


def _payload_span(frames: bytes, position: int) -> tuple[int, int]:
    """Where the payload of the complete, unmasked frame at ``position`` starts and stops."""
    length = frames[position + 1]
    start = position + 2
    if length > LONGEST_SHORT:
        start += 2 if length == 126 else 8
        length = _from_bytes(frames[position + 2 : start], "big")
    return start, start + length


def _frame(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length <= LONGEST_SHORT:
        return bytes((first, length)) + payload
    if length < 0x10000:
        return b"%c\x7e%b%b" % (first, length.to_bytes(2, "big"), payload)
    return b"%c\x7f%b%b" % (first, length.to_bytes(8, "big"), payload)


def _control_frame(opcode: int, payload: bytes) -> bytes:
    if len(payload) > LONGEST_SHORT:
        raise ValueError(f"a control frame carries at most {LONGEST_SHORT} bytes, not {len(payload)}")
    return _frame(_FIN | opcode, payload)


def _deflated_frame(opcode: int, payload: bytes) -> bytes:
    deflated = deflate(payload)
    if deflated is None:
        return _frame(_FIN | opcode, payload)
    return _frame(_FIN | _RSV1 | opcode, deflated)


def _unmask(payload: bytes, key: bytes) -> bytes:
    """``payload`` XOR the repeated four bytes of ``key``: masks and unmasks (RFC 6455, 5.3)."""
    if apply_mask is not None:
        return apply_mask(payload, key)
    length = len(payload)
    if length <= _UNMASK_CHUNK:
        repeated = (key * ((length + 3) >> 2))[:length]
        return (_from_bytes(payload, "little") ^ _from_bytes(repeated, "little")).to_bytes(length, "little")
    # In pieces that stay in the cache: twice as fast at 1 MB.
    repeated_key = _from_bytes(key * (_UNMASK_CHUNK // 4), "little")
    last = length - length % _UNMASK_CHUNK
    parts = [
        (_from_bytes(payload[at : at + _UNMASK_CHUNK], "little") ^ repeated_key).to_bytes(_UNMASK_CHUNK, "little")
        for at in range(0, last, _UNMASK_CHUNK)
    ]
    return b"".join(parts) + _unmask(payload[last:], key)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_close_code(code: int) -> bool:
    """Whether a close frame may carry it: RFC 6455, 7.4, and the codes registered since (1012 to 1014)."""
    return 1000 <= code <= 1014 and code not in (1004, 1005, 1006) or 3000 <= code <= 4999


class WebSocketCodec:
    """Decodes what one peer sends.

    Args:
        max_message_size: bytes of one message, over all its fragments, before and after inflating; beyond it 1009.
        client: True on the client's side, where the peer's frames come without a mask.
        inflate: what ``negotiate`` agreed on; None = compressed frames are a fault.
        max_fragments: of one message, beyond it 1008 (empty fragments cost memory too: CVE-2026-48779).

    Attributes:
        wanted: how many bytes complete the frame being read; 0 where none is, or a read of the usual size is enough.
        short: the longest text that may be taken without a look at what came before; less than 0 where that matters.
    """

    __slots__ = (
        "_finished",
        "_first",
        "_fragments",
        "_inflate",
        "_mask_bit",
        "_max_fragments",
        "_max_message_size",
        "_need",
        "_partial",
        "_size",
        "short",
        "wanted",
    )

    def __init__(
        self, *, max_message_size: int, client: bool = False, inflate: Inflate | None = None, max_fragments: int = 16384
    ) -> None:
        self._max_message_size = max_message_size
        self._max_fragments = max_fragments
        self._mask_bit = 0 if client else _MASKED
        self._inflate = inflate
        self._finished = False
        self.wanted = 0
        # An incomplete frame: its bytes so far, and how many it must have before it is looked at again.
        self._partial: bytearray | None = None
        self._need = 2
        # An incomplete message: its fragments so far, their bytes, and the first byte of the first one's header.
        self._fragments: list[bytes] | None = None
        self._size = 0
        self._first = 0
        self._look_back()

    def _look_back(self) -> None:
        """To be called when one of these three has changed."""
        matters = self._partial is not None or self._fragments is not None or self._finished
        self.short = -1 if matters else min(LONGEST_SHORT, self._max_message_size)

    def short_text(self, data: bytes, position: int) -> bytes | None:
        """The UTF-8 of the message at ``position`` of what a client sent, if it is one short text in a whole frame.

        Nearly every message of Engine.IO is. Its frame has six bytes more. None: ``receive`` must look at it, and
        nothing was done.
        """
        try:
            length = data[position + 1] ^ _MASKED  # above any limit without the mask bit
        except IndexError:
            return None
        start = position + 6
        stop = start + length
        if data[position] != _WHOLE_TEXT or length > self.short or stop > len(data):
            return None
        if apply_mask is not None:
            text = apply_mask(data[start:stop], data[position + 2 : start])
        else:
            bits = _from_bytes(data[position + 2 : stop], "little")  # the key and, behind it, the text
            bits = bits >> 32 ^ (bits & 0xFFFFFFFF) * _REPEATS[length] & _ONES[length]
            text = bits.to_bytes(length, "little")
        return text if text.isascii() or _is_utf8(text) else None

    def _short_bare_text(self, data: bytes, position: int) -> bytes | None:
        """The same for what a server sent, with two bytes more."""
        length = data[position + 1]
        text = data[position + 2 : position + 2 + length]
        if data[position] != _WHOLE_TEXT or length > self.short or len(text) != length:
            return None
        return text if text.isascii() or _is_utf8(text) else None

    def receive(self, data: bytes) -> list[Event]:
        """The messages (str is text, bytes is binary) and control frames that ``data`` completes, in order.

        Raises:
            WebSocketError: the peer broke the protocol or a limit. After it, and after a Close, input is ignored.
        """
        events: list[Event] = []
        if self._partial is not None or self._finished:
            data = self._join(data)
        position = 0
        end = len(data)
        try:
            while end - position >= 2:
                # Nearly every frame of Engine.IO is one short text: it goes the short way.
                text = self.short_text(data, position) if self._mask_bit else self._short_bare_text(data, position)
                if text is not None:
                    events.append(text.decode())
                    position += len(text) + (6 if self._mask_bit else 2)
                    continue
                stop = self._decode_frame(data, position, events)
                if stop == position or self._finished:
                    break
                position = stop
        except WebSocketError as error:
            raise self._failed(error, events) from None
        except UnicodeDecodeError:
            raise self._failed(WebSocketError(1007, "invalid UTF-8 sequence"), events) from None
        if position < end and not self._finished:
            self._keep(bytearray(data[position:]))
        return events

    def _join(self, data: bytes) -> bytes:
        """What can be decoded now that ``data`` has come: nothing, until the incomplete frame is complete."""
        if self._finished or self._partial is None:
            return b""
        self._partial += data
        if len(self._partial) < self._need:
            self._keep(self._partial)
            return b""
        data = bytes(self._partial)
        self._partial = None
        self._need = 2
        self.wanted = 0
        self._look_back()
        return data

    def _keep(self, partial: bytearray) -> None:
        self._partial = partial
        self.short = -1
        missing = self._need - len(partial)
        self.wanted = missing if missing > _READ_SIZE else 0

    def _failed(self, error: WebSocketError, events: list[Event]) -> WebSocketError:
        self._finished = True
        self.short = -1
        error.events = events
        return error

    def _decode_frame(self, data: bytes, position: int, events: list[Event]) -> int:
        """Decode the frame at ``position``; returns where it ends, or ``position`` if it is not complete yet."""
        first = data[position]
        length = data[position + 1] & 0x7F
        self._judge(first, data[position + 1], length)
        start = position + 2
        if length > LONGEST_SHORT:
            start += 2 if length == 126 else 8
            if start > len(data):
                self._need = start - position
                return position
            length = _from_bytes(data[position + 2 : start], "big")
        if not first & CLOSE:
            self._judge_size(length)
        if self._mask_bit:
            start += 4
        stop = start + length
        if stop > len(data):
            self._need = stop - position
            return position
        payload = data[start:stop]
        if self._mask_bit:
            payload = _unmask(payload, data[start - 4 : start])
        if first & CLOSE:
            events.append(_control_event(first & 0x0F, payload))
            self._finished = first & 0x0F == CLOSE
            self._look_back()
        else:
            self._take_data(first, payload, events)
        return stop

    def _judge(self, first: int, second: int, length: int) -> None:
        """What the first two bytes of a frame tell (RFC 6455, 5.2, 5.4 and 5.5)."""
        opcode = first & 0x0F
        if first & 0x30:
            raise WebSocketError(1002, "RSV2 and RSV3 must be clear")
        if first & _RSV1 and (self._inflate is None or opcode not in (TEXT, BINARY)):
            raise WebSocketError(1002, "RSV1 must be clear")
        if opcode in (CLOSE, PING, PONG):
            if not first & _FIN:
                raise WebSocketError(1002, "a control frame must not be fragmented")
            if length > LONGEST_SHORT:
                raise WebSocketError(1002, "a control frame must not be longer than 125 bytes")
        elif opcode > BINARY or (opcode == CONTINUATION) != (self._fragments is not None):
            raise WebSocketError(1002, f"invalid opcode {opcode}")
        if second & _MASKED != self._mask_bit:
            raise WebSocketError(1002, "MASK must be set" if self._mask_bit else "MASK must be clear")

    def _judge_size(self, length: int) -> None:
        """The limits of a message, of which a fragment with ``length`` bytes is announced."""
        if self._size + length > self._max_message_size:
            raise WebSocketError(1009, "message too big")
        if self._fragments is not None and len(self._fragments) >= self._max_fragments:
            raise WebSocketError(1008, "too many message fragments")

    def _take_data(self, first: int, payload: bytes, events: list[Event]) -> None:
        if self._fragments is None:
            if first & _FIN:
                events.append(self._message(first, payload))
            else:
                self._first = first
                self._fragments = [payload]
                self._size = len(payload)
                self._look_back()
            return
        self._fragments.append(payload)
        self._size += len(payload)
        if first & _FIN:
            payload = b"".join(self._fragments)
            self._fragments = None
            self._size = 0
            self._look_back()
            events.append(self._message(self._first, payload))

    def _message(self, first: int, payload: bytes) -> str | bytes:
        if first & _RSV1:
            payload = self._inflated(payload)
        return payload.decode() if first & TEXT else payload

    def _inflated(self, payload: bytes) -> bytes:
        assert self._inflate is not None  # RSV1 was judged with the header
        try:
            message = self._inflate.message(payload, self._max_message_size)
        except zlib.error:
            raise WebSocketError(1007, "invalid compressed data") from None
        if len(message) > self._max_message_size:
            raise WebSocketError(1009, "message too big")
        return message


def _control_event(opcode: int, payload: bytes) -> Ping | Pong | Close:
    if opcode == PING:
        return Ping(payload)
    if opcode == PONG:
        return Pong(payload)
    if not payload:
        return Close(None, "")
    code = _from_bytes(payload[:2], "big")
    if len(payload) == 1 or not _is_close_code(code):
        raise WebSocketError(1002, "invalid close code")
    return Close(code, payload[2:].decode())
