"""WebSocket framing, both sides (RFC 6455), with permessage-deflate (RFC 7692): bytes in, messages out, no I/O.

Frames to send are made by functions and are finished bytes without a mask, as a server sends them, so that every
recipient of a broadcast shares them; ``masked`` makes the client's form of them. Frames received go through one
``WebSocketCodec`` a connection. It judges a length from the header, before anything is buffered, and refuses what Node's
``ws`` refuses, with the same close codes.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass

from socketio_sync.exceptions import ProtocolError

CONTINUATION = 0
TEXT = 1
BINARY = 2
CLOSE = 8
PING = 9
PONG = 10

_FIN = 0x80
_RSV1 = 0x40  # with permessage-deflate: this message is compressed (RFC 7692, 6)
_MASKED = 0x80
_LONGEST_SHORT = 125  # the longest payload with a header of two bytes, and of a control frame (RFC 6455, 5.5)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_SYNC_FLUSH_END = b"\x00\x00\xff\xff"  # what a sender cuts off, and a receiver puts back (RFC 7692, 7.2)
_UNMASK_CHUNK = 16384  # big integers are worked on in pieces that stay in the cache: twice as fast at 1 MB
_READ_SIZE = 16384
_TEXT_HEADERS = tuple(bytes((_FIN | TEXT, length)) for length in range(_LONGEST_SHORT + 1))

_from_bytes = int.from_bytes


class WebSocketError(ProtocolError):
    """The peer broke the protocol, or a limit; close with ``code`` (1002, 1007, 1008 or 1009).

    ``events`` has what was decoded from the same bytes before the fault.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.events: list[Event] = []


class HandshakeError(ProtocolError):
    """An opening handshake is refused; answer with the HTTP ``status``, the text and these ``headers``."""

    def __init__(self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers


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


# Frames to send


def text_frame(text: str) -> bytes:
    """One text message. Raises UnicodeEncodeError for a lone surrogate, which UTF-8 cannot carry."""
    payload = text.encode()
    length = len(payload)
    if length <= _LONGEST_SHORT:
        return _TEXT_HEADERS[length] + payload
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
    if length > _LONGEST_SHORT:
        start += 2 if length == 126 else 8
        length = _from_bytes(frames[position + 2 : start], "big")
    return start, start + length


def _frame(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length <= _LONGEST_SHORT:
        return bytes((first, length)) + payload
    if length < 0x10000:
        return b"%c\x7e%b%b" % (first, length.to_bytes(2, "big"), payload)
    return b"%c\x7f%b%b" % (first, length.to_bytes(8, "big"), payload)


def _control_frame(opcode: int, payload: bytes) -> bytes:
    if len(payload) > _LONGEST_SHORT:
        raise ValueError(f"a control frame carries at most {_LONGEST_SHORT} bytes, not {len(payload)}")
    return _frame(_FIN | opcode, payload)


def _deflated_frame(opcode: int, payload: bytes) -> bytes:
    # The window need not be larger than the message; it is what a compressor costs (15 bits: 256 KiB). zlib cannot do 8 bits.
    window_bits = min(15, max(9, len(payload).bit_length()))
    compressor = zlib.compressobj(wbits=-window_bits)
    deflated = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    if len(deflated) - len(_SYNC_FLUSH_END) >= len(payload):
        return _frame(_FIN | opcode, payload)
    return _frame(_FIN | _RSV1 | opcode, deflated[: -len(_SYNC_FLUSH_END)])


def _unmask(payload: bytes, key: bytes) -> bytes:
    """``payload`` XOR the repeated four bytes of ``key``: masks and unmasks (RFC 6455, 5.3)."""
    length = len(payload)
    if length <= _UNMASK_CHUNK:
        repeated = (key * ((length + 3) >> 2))[:length]
        return (_from_bytes(payload, "little") ^ _from_bytes(repeated, "little")).to_bytes(length, "little")
    return b"".join(
        _unmask(payload[start : start + _UNMASK_CHUNK], key) for start in range(0, length, _UNMASK_CHUNK)
    )


def _is_close_code(code: int) -> bool:
    """Whether a close frame may carry it: RFC 6455, 7.4, and the codes registered since (1012 to 1014)."""
    return 1000 <= code <= 1014 and code not in (1004, 1005, 1006) or 3000 <= code <= 4999


# Frames received


class WebSocketCodec:
    """Decodes what one peer sends.

    Args:
        max_message_size: bytes of one message, over all its fragments, before and after inflating; beyond it 1009.
        client: True on the client's side, where the peer's frames come without a mask.
        inflate: what ``negotiate`` agreed on; None = compressed frames are a fault.
        max_fragments: of one message, beyond it 1008 (empty fragments cost memory too: CVE-2026-48779).
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
    )

    def __init__(
        self, *, max_message_size: int, client: bool = False, inflate: Inflate | None = None, max_fragments: int = 16384
    ) -> None:
        self._max_message_size = max_message_size
        self._max_fragments = max_fragments
        self._mask_bit = 0 if client else _MASKED
        self._inflate = inflate
        self._finished = False
        # An incomplete frame: its bytes so far, and how many it must have before it is looked at again.
        self._partial: bytearray | None = None
        self._need = 0
        # An incomplete message: its fragments so far, their bytes, and the first byte of the first one's header.
        self._fragments: list[bytes] | None = None
        self._size = 0
        self._first = 0

    @property
    def wanted(self) -> int:
        """How many bytes complete the frame being read; 0 where none is, or a read of the usual size is enough."""
        missing = 0 if self._partial is None else self._need - len(self._partial)
        return missing if missing > _READ_SIZE else 0

    def receive(self, data: bytes) -> list[Event]:
        """The messages (str is text, bytes is binary) and control frames that ``data`` completes, in order.

        Raises:
            WebSocketError: the peer broke the protocol or a limit. After it, and after a Close, input is ignored.
        """
        events: list[Event] = []
        if self._finished:
            return events
        partial = self._partial
        if partial is not None:
            partial += data
            if len(partial) < self._need:
                return events
            data = bytes(partial)
            self._partial = None
        try:
            rest = self._decode(data, events)
        except WebSocketError as error:
            self._finished = True
            error.events = events
            raise
        if rest < len(data) and not self._finished:
            self._partial = bytearray(data[rest:])
        return events

    def _decode(self, data: bytes, events: list[Event]) -> int:
        """Decode the complete frames in ``data``; returns where the first incomplete one starts."""
        position = 0
        end = len(data)
        mask_bit = self._mask_bit
        shortest = 6 if mask_bit else 2
        short_limit = min(_LONGEST_SHORT, self._max_message_size)
        while end - position >= 2:
            length = data[position + 1] ^ mask_bit  # above the limit if the mask bit is not as it must be
            start = position + shortest
            stop = start + length
            if data[position] == _FIN | TEXT and length <= short_limit and stop <= end and self._fragments is None:
                # Nearly every frame of this protocol; the same as below, without the calls.
                payload = data[start:stop]
                if mask_bit:
                    repeated = (data[position + 2 : start] * ((length + 3) >> 2))[:length]
                    bits = _from_bytes(payload, "little") ^ _from_bytes(repeated, "little")
                    payload = bits.to_bytes(length, "little")
                events.append(_decode_text(payload))
            else:
                stop = self._decode_frame(data, position, events)
                if stop == position or self._finished:
                    return stop
            position = stop
        self._need = 2
        return position

    def _decode_frame(self, data: bytes, position: int, events: list[Event]) -> int:
        """Decode the frame at ``position``; returns where it ends, or ``position`` if it is not complete yet."""
        first = data[position]
        length = data[position + 1] & 0x7F
        self._judge(first, data[position + 1], length)
        start = position + 2
        if length > _LONGEST_SHORT:
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
            self._take_control(first & 0x0F, payload, events)
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
            if length > _LONGEST_SHORT:
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
            return
        self._fragments.append(payload)
        self._size += len(payload)
        if first & _FIN:
            payload = b"".join(self._fragments)
            self._fragments = None
            self._size = 0
            events.append(self._message(self._first, payload))

    def _message(self, first: int, payload: bytes) -> str | bytes:
        if first & _RSV1:
            assert self._inflate is not None  # judged with the header
            payload = self._inflate.message(payload, self._max_message_size)
        return _decode_text(payload) if first & TEXT else payload

    def _take_control(self, opcode: int, payload: bytes, events: list[Event]) -> None:
        if opcode == PING:
            events.append(Ping(payload))
        elif opcode == PONG:
            events.append(Pong(payload))
        else:
            events.append(_decode_close(payload))
            self._finished = True


def _decode_text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise WebSocketError(1007, "invalid UTF-8 sequence") from None


def _decode_close(payload: bytes) -> Close:
    if not payload:
        return Close(None, "")
    code = _from_bytes(payload[:2], "big")
    if len(payload) == 1 or not _is_close_code(code):
        raise WebSocketError(1002, "invalid close code")
    return Close(code, _decode_text(payload[2:]))


# permessage-deflate


class Inflate:
    """The receiving half of permessage-deflate, for one connection.

    Args:
        window_bits: the largest window the peer may use, 8 to 15.
        context_takeover: whether the peer may refer to earlier messages; if not, nothing is kept between messages.
    """

    __slots__ = ("_context_takeover", "_stream", "_window_bits")

    def __init__(self, *, window_bits: int = 15, context_takeover: bool = True) -> None:
        self._window_bits = window_bits
        self._context_takeover = context_takeover
        self._stream: zlib._Decompress | None = None  # made at the first compressed message

    def message(self, payload: bytes, limit: int) -> bytes:
        """The message in ``payload``, of which never more than ``limit`` bytes and one are made.

        Raises:
            WebSocketError: 1009 for a larger message, 1007 for what is no deflate stream.
        """
        stream = self._stream or zlib.decompressobj(-self._window_bits)
        try:
            message = stream.decompress(payload + _SYNC_FLUSH_END, limit + 1)
        except zlib.error:
            raise WebSocketError(1007, "invalid compressed data") from None
        if len(message) > limit:
            raise WebSocketError(1009, "message too big")
        # A sender may end the stream with the message (RFC 7692, 7.2.3.4); the next one then starts a new stream.
        self._stream = stream if self._context_takeover and not stream.eof else None
        return message


def negotiate(
    offers: str | None, *, client_no_context_takeover: bool = False, client_max_window_bits: int = 15
) -> tuple[str, Inflate] | None:
    """Choose from a Sec-WebSocket-Extensions header of a client (RFC 7692, 5.1 and 7.1).

    The first offer of permessage-deflate that can be kept is taken; what is unknown, broken or wants more is passed
    over. The answer always has ``server_no_context_takeover``, which makes deflated frames the same for everybody.

    Args:
        offers: the header, or None.
        client_no_context_takeover: forbid the client references to earlier messages (saves up to 40 KiB a connection).
        client_max_window_bits: 8 to 15; asked of clients that can.

    Returns:
        The Sec-WebSocket-Extensions header of the answer and what decodes the client's messages, or None.
    """
    for name, parameters in _parse_extensions(offers or ""):
        if name != "permessage-deflate" or not _is_acceptable_offer(parameters):
            continue
        answer = ["permessage-deflate", "server_no_context_takeover"]
        context_takeover = not (client_no_context_takeover or "client_no_context_takeover" in parameters)
        if not context_takeover:
            answer.append("client_no_context_takeover")
        window_bits = 15
        if "client_max_window_bits" in parameters:
            window_bits = min(client_max_window_bits, int(parameters["client_max_window_bits"] or 15))
            if window_bits < 15:
                answer.append(f"client_max_window_bits={window_bits}")
        return "; ".join(answer), Inflate(window_bits=window_bits, context_takeover=context_takeover)
    return None


_WINDOW_BITS = frozenset(map(str, range(8, 16)))
_DEFLATE_PARAMETERS = {
    "server_no_context_takeover": frozenset((None,)),
    "client_no_context_takeover": frozenset((None,)),
    # Our frames are shared by all recipients, so their window cannot be made smaller for one of them.
    "server_max_window_bits": frozenset(("15",)),
    "client_max_window_bits": _WINDOW_BITS | {None},
}


def _is_acceptable_offer(parameters: dict[str, str | None] | None) -> bool:
    return parameters is not None and all(
        name in _DEFLATE_PARAMETERS and value in _DEFLATE_PARAMETERS[name] for name, value in parameters.items()
    )


def _parse_extensions(header: str) -> Iterator[tuple[str, dict[str, str | None] | None]]:
    """Each extension with its parameters, or with None where one comes twice. In linear time; no broken header raises."""
    # Of the values that we know, quoted or not, none has a sign in it: other strings only must not look like syntax.
    header = _QUOTED.sub(lambda match: match[1] if match[1].isalnum() else "?", header)
    if '"' in header or "\\" in header:
        return
    for extension in header.split(","):
        name, *rest = extension.split(";")
        parameters: dict[str, str | None] = {}
        for parameter in rest:
            key, equals, value = parameter.partition("=")
            parameters[key.strip()] = value.strip() if equals else None
        yield name.strip(), parameters if len(parameters) == len(rest) else None


_QUOTED = re.compile(r'"([^"\\]*)"')


# The opening handshake


def accept_key(key: str) -> str:
    """The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455, 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def check_handshake(method: str, header: Callable[[str], str | None]) -> None:
    """Judge a client's request for a WebSocket (RFC 6455, 4.2.1), with the answers of Node's ``ws``.

    Args:
        method: of the request.
        header: the value of a header by its name, or None.

    Raises:
        HandshakeError: it must be refused.
    """
    if method != "GET":
        raise HandshakeError(405, "Invalid HTTP method", (("Allow", "GET"),))
    if (header("Upgrade") or "").lower() != "websocket":
        raise HandshakeError(400, "Invalid Upgrade header")
    if "upgrade" not in _tokens((header("Connection") or "").lower()):
        raise HandshakeError(400, "Invalid Connection header")
    if not _KEY.fullmatch(header("Sec-WebSocket-Key") or ""):
        raise HandshakeError(400, "Missing or invalid Sec-WebSocket-Key header")
    if header("Sec-WebSocket-Version") != "13":
        reason = "Missing or invalid Sec-WebSocket-Version header"
        raise HandshakeError(400, reason, (("Sec-WebSocket-Version", "13"),))


def choose_subprotocol(header: str | None) -> str | None:
    """The first protocol of a Sec-WebSocket-Protocol header, as ``ws`` chooses: a browser that asked wants an answer.

    Raises:
        HandshakeError: 400, the header is no list of distinct tokens.
    """
    if header is None:
        return None
    names = _tokens(header)
    if len(set(names)) != len(names) or not all(map(_TOKEN.fullmatch, names)):
        raise HandshakeError(400, "Invalid Sec-WebSocket-Protocol header")
    return names[0]


_KEY = re.compile(r"[+/0-9A-Za-z]{22}==")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def _tokens(header: str) -> list[str]:
    return [token.strip(" \t") for token in header.split(",")]
