"""The strictest reading of an HTTP/1.1 request (RFC 9112): one that is whole, plain and beyond doubt, or nothing.

It is for a reader that can leave anything else to somebody who knows all of HTTP. So it need not be complete, but two
readers must never see two requests in the same bytes ("request smuggling"): every doubt is a no.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# A path, a query, and lines that end with CRLF; no space before a colon, no folded line, no byte beyond ASCII, and no
# underscore in a name, which is a hyphen's twin in an environ. Each part can match in one way only, so that none is
# tried twice.
_HEAD = re.compile(rb"(GET|POST) (/[!-\"$->@-~]*)\?([!$-~]*) HTTP/1\.1((?:\r\n[A-Za-z0-9-]+:[\t -~]*)+)")
_END = b"\r\n\r\n"
# Headers that change where a request ends or what becomes of its connection.
_DOUBTFUL = frozenset({"HTTP_TRANSFER_ENCODING", "HTTP_TE", "HTTP_TRAILER", "HTTP_EXPECT", "HTTP_UPGRADE"})
_UNPREFIXED = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})


@dataclass(slots=True)
class PlainRequest:
    """One request.

    Attributes:
        path: the target's path, as sent.
        environ: its method, query string and headers as a WSGI environ has them.
        body: all of it.
        size: how many bytes the request has, head and body.
    """

    path: str
    environ: dict[str, str]
    body: bytes
    size: int


def read_request(data: bytes) -> PlainRequest | None:
    """The GET or POST that ``data`` begins with, from a client that keeps its connection; None if there is any doubt.

    It has a query, no header twice, and its body's length in plain digits; what comes behind it does not matter.
    """
    head, end, rest = data.partition(_END)
    match = _HEAD.fullmatch(head) if end else None
    if match is None:
        return None
    method, path, query, lines = match.groups()
    environ = {"REQUEST_METHOD": method.decode(), "QUERY_STRING": query.decode()}
    for line in lines.decode().split("\r\n")[1:]:
        name, _, value = line.partition(":")
        key = name.upper().replace("-", "_")
        if key not in _UNPREFIXED:
            key = "HTTP_" + key
        if key in environ:
            return None
        environ[key] = value.strip(" \t")
    if "HTTP_HOST" not in environ or not _DOUBTFUL.isdisjoint(environ):
        return None
    if environ.get("HTTP_CONNECTION", "keep-alive").lower() != "keep-alive":
        return None
    length = _body_length(environ)
    if length is None or len(rest) < length:
        return None
    return PlainRequest(path.decode(), environ, rest[:length], len(head) + len(_END) + length)


def _body_length(environ: dict[str, str]) -> int | None:
    declared = environ.get("CONTENT_LENGTH")
    if environ["REQUEST_METHOD"] == "GET":
        return 0 if declared in (None, "0") else None
    if declared is None or not declared.isdigit() or len(declared) > 9 or declared != str(int(declared)):
        return None
    return int(declared)
