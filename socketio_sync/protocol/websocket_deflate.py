"""permessage-deflate (RFC 7692): what the two sides agree on, compressing a message, inflating one within a limit."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

_FLUSH_END = b"\x00\x00\xff\xff"  # what a sender cuts off, and a receiver puts back (RFC 7692, 7.2)
_QUOTED = re.compile(r'"([^"\\]*)"')

# What an offer may say, and which values. None: the parameter stands alone.
_PARAMETERS: dict[str, frozenset[str | None]] = {
    "server_no_context_takeover": frozenset((None,)),
    "client_no_context_takeover": frozenset((None,)),
    # Our frames are shared by all recipients, so their window cannot be made smaller for one of them.
    "server_max_window_bits": frozenset(("15",)),
    "client_max_window_bits": frozenset((None, "8", "9", "10", "11", "12", "13", "14", "15")),
}


class Inflate:
    """The receiving half, for one connection.

    Args:
        window_bits: the largest window the peer may use, 8 to 15.
        context_takeover: whether the peer may refer to earlier messages; if not, nothing is kept between messages.
    """

    __slots__ = ("_stream", "context_takeover", "window_bits")

    def __init__(self, *, window_bits: int = 15, context_takeover: bool = True) -> None:
        self.window_bits = window_bits
        self.context_takeover = context_takeover
        self._stream: zlib._Decompress | None = None  # made at the first compressed message

    def message(self, payload: bytes, limit: int) -> bytes:
        """The message in ``payload``, or of a larger one the first ``limit`` + 1 bytes.

        Raises:
            zlib.error: ``payload`` is no deflate stream. The connection cannot go on.
        """
        stream = self._stream or zlib.decompressobj(-self.window_bits)
        message = stream.decompress(payload + _FLUSH_END, limit + 1)
        # A sender may end the stream with the message (RFC 7692, 7.2.3.4); the next one then starts a new stream.
        self._stream = stream if self.context_takeover and not stream.eof else None
        return message


def deflate(payload: bytes) -> bytes | None:
    """``payload`` compressed on its own, without reference to earlier messages; None if that makes it no shorter."""
    # A compressor costs memory by its window (256 KiB at 15 bits), which need not be larger than the message. 8 bits,
    # which the RFC would allow, are beyond zlib.
    window_bits = min(15, max(9, len(payload).bit_length()))
    compressor = zlib.compressobj(wbits=-window_bits)
    deflated = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    deflated = deflated[: -len(_FLUSH_END)]
    return deflated if len(deflated) < len(payload) else None


def negotiate(
    offers: str | None, *, client_no_context_takeover: bool = False, client_max_window_bits: int = 15
) -> tuple[str, Inflate] | None:
    """Choose from the Sec-WebSocket-Extensions header of a client (RFC 7692, 5.1 and 7.1).

    The first offer of permessage-deflate that can be kept is taken; what is unknown, broken or asks for more is passed
    over. The answer always has ``server_no_context_takeover``, so that one deflated frame serves every recipient.

    Args:
        offers: the header, or None.
        client_no_context_takeover: forbid the client references to earlier messages; saves about 40 KiB a connection.
        client_max_window_bits: 8 to 15; asked of clients that can change theirs.

    Returns:
        The Sec-WebSocket-Extensions header of the answer and what inflates the client's messages, or None.
    """
    for name, parameters in _parse_extensions(offers or ""):
        if name != "permessage-deflate" or parameters is None or not _is_acceptable(parameters):
            continue
        answer = "permessage-deflate; server_no_context_takeover"
        if "server_max_window_bits" in parameters:
            answer += "; server_max_window_bits=15"  # who asks wants an answer (7.1.2.1), though nothing has changed
        context_takeover = not (client_no_context_takeover or "client_no_context_takeover" in parameters)
        if not context_takeover:
            answer += "; client_no_context_takeover"
        window_bits = 15
        if "client_max_window_bits" in parameters:
            window_bits = min(client_max_window_bits, int(parameters["client_max_window_bits"] or 15))
            if window_bits < 15:
                answer += f"; client_max_window_bits={window_bits}"
        return answer, Inflate(window_bits=window_bits, context_takeover=context_takeover)
    return None


def _is_acceptable(parameters: dict[str, str | None]) -> bool:
    return all(value in _PARAMETERS.get(name, ()) for name, value in parameters.items())


def _parse_extensions(header: str) -> Iterator[tuple[str, dict[str, str | None] | None]]:
    """Each extension and its parameters, or None for these if one comes twice. Linear in time; never raises."""
    # Values may be quoted. None that we know has a sign in it; of the others only the syntax must not show.
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
