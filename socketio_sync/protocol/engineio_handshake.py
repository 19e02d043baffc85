"""What the query of a request says, what a refused one is told, and the packet that opens a session."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from socketio_sync.protocol.json_codec import dumps

UNKNOWN_TRANSPORT = 0
UNKNOWN_SID = 1
BAD_HANDSHAKE_METHOD = 2
BAD_REQUEST = 3
FORBIDDEN = 4
UNSUPPORTED_PROTOCOL_VERSION = 5

MESSAGES = {
    UNKNOWN_TRANSPORT: "Transport unknown",
    UNKNOWN_SID: "Session ID unknown",
    BAD_HANDSHAKE_METHOD: "Bad handshake method",
    BAD_REQUEST: "Bad request",
    FORBIDDEN: "Forbidden",
    UNSUPPORTED_PROTOCOL_VERSION: "Unsupported protocol version",
}

# What is read of a query; tokens in it are common, so a good deal more than the web servers' own habit.
MAX_QUERY_LENGTH = 65_536
MAX_QUERY_FIELDS = 256
# A query no longer than this is mostly "EIO=4&transport=websocket", as of the client before: it is read once.
_COMMON_LENGTH = 32


class EngineError(Exception):
    """A request that is refused, as the value that answers it.

    Attributes:
        code: one of the codes above.
        context: what the reference's ``connection_error`` event tells about it.
        message: the text that the client sees.
        status: the status line of an HTTP answer. (An upgrade is always refused with 400.)
        json: the body of an HTTP answer.
    """

    def __init__(self, code: int, context: Mapping[str, Any] | None = None, message: str | None = None) -> None:
        self.code = code
        self.context = dict(context or {})
        self.message = MESSAGES[code] if message is None else message
        super().__init__(self.message)

    @property
    def status(self) -> str:
        return "403 Forbidden" if self.code == FORBIDDEN else "400 Bad Request"

    @property
    def json(self) -> str:
        return dumps({"code": self.code, "message": self.message})


def parse_query(query_string: str) -> dict[str, str]:
    """Return the fields of a query string as WSGI hands it over; of a repeated one the last.

    Raises:
        EngineError: it is longer, or has more fields, than is read.
    """
    if len(query_string) <= _COMMON_LENGTH:
        return _common_fields(query_string).copy()
    return _fields(query_string)


def _fields(query_string: str) -> dict[str, str]:
    if len(query_string) > MAX_QUERY_LENGTH:
        raise EngineError(BAD_REQUEST, {"name": "QUERY_TOO_LONG"})
    # WSGI strings are bytes in the clothes of latin-1 (PEP 3333).
    text = query_string.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS))
    except ValueError:
        raise EngineError(BAD_REQUEST, {"name": "QUERY_TOO_LONG"}) from None


_common_fields = lru_cache(maxsize=64)(_fields)


def parse_revision(query: Mapping[str, str]) -> int:
    """Return the Engine.IO revision that a client speaks: exactly ``EIO=4`` is 4, anything else 3."""
    return 4 if query.get("EIO") == "4" else 3


def open_packet(
    sid: str, upgrades: Sequence[str], ping_interval: float, ping_timeout: float, max_payload: int
) -> str:
    """Return the data of the open packet, behind its type digit; durations are given in seconds."""
    return dumps(
        {
            "sid": sid,
            "upgrades": upgrades,
            "pingInterval": round(ping_interval * 1000),
            "pingTimeout": round(ping_timeout * 1000),
            "maxPayload": max_payload,
        }
    )
