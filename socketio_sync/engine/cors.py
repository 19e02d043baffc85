"""Cross-origin rules: who may connect, and the headers that tell a browser so (the Fetch standard's CORS protocol).

Other than in the reference, the origin is checked for every transport: a browser lets any page open a WebSocket
anywhere, so that headers alone would protect long-polling only (CVE-2019-13611).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import Protocol

from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.exceptions import ConnectError

log = logging.getLogger("socketio_sync.engine")

Origins = None | str | Sequence[str] | re.Pattern[str] | Callable[[str, dict[str, Any]], bool]

# What the reference announces.
_METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE"
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
# Characters that cannot stand in a header's value (RFC 9110, 5.5), and so not in an answer that repeats the origin.
_ILLEGAL = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


class CorsOptions(Protocol):
    """The options that matter here; ``cors_allowed_headers`` is None for those that are asked for."""

    @property
    def cors_allowed_origins(self) -> Origins: ...
    @property
    def cors_credentials(self) -> bool: ...
    @property
    def cors_allowed_headers(self) -> Sequence[str] | None: ...
    @property
    def cors_exposed_headers(self) -> Sequence[str]: ...
    @property
    def cors_max_age(self) -> int | float | None: ...


def origin_is_legal(origin: str | None) -> bool:
    """Whether an Origin header could be sent back in a header; the reference refuses others with its code 3."""
    return origin is None or not _ILLEGAL.search(origin)


def origin_is_allowed(options: CorsOptions, request: Request) -> bool:
    """Whether the page that a request comes from may connect. No Origin header: it comes from no page, and may.

    A callable that raises, or answers something other than True or False, refuses, and is logged.
    """
    origin = request.header("origin")
    if origin is None:
        return True
    allowed = options.cors_allowed_origins
    if allowed is None:
        return is_same_origin(origin, request.header("host"))
    if isinstance(allowed, str):
        return allowed in ("*", origin)
    if isinstance(allowed, re.Pattern):
        return allowed.fullmatch(origin) is not None
    if callable(allowed):
        return _ask(allowed, origin, request.environ)
    return origin in allowed or "*" in allowed


def _ask(callback: Callable[[str, dict[str, Any]], bool], origin: str, environ: dict[str, Any]) -> bool:
    try:
        answer = callback(origin, environ)
    except ConnectError:
        return False
    except Exception:
        log.exception("cors_allowed_origins raised; the origin %r is refused", origin)
        return False
    if not isinstance(answer, bool):
        log.error("cors_allowed_origins returned %r, not True or False; the origin %r is refused", answer, origin)
        return False
    return answer


def is_same_origin(origin: str, host: str | None) -> bool:
    """Whether an origin's host and port are those of the Host header.

    The scheme is not compared: behind a proxy that ends TLS the page is https and we see http.
    """
    scheme, separator, authority = origin.lower().partition("://")
    if not separator or not host:
        return False
    port = _DEFAULT_PORTS.get(scheme, "")
    return authority.removesuffix(port) == host.lower().removesuffix(port)


def response_headers(options: CorsOptions, request: Request) -> list[tuple[str, str]]:
    """The headers for a response, the 101 too, to a request whose origin is allowed."""
    allowed = options.cors_allowed_origins
    if allowed is None:
        return []
    headers = []
    origin = request.header("origin")
    if allowed == "*" and not options.cors_credentials:
        headers.append(("Access-Control-Allow-Origin", "*"))
    else:
        # The answer depends on the origin, also where there is none: a cache must know.
        headers.append(("Vary", "Origin"))
        if origin is not None:
            headers.append(("Access-Control-Allow-Origin", origin))
    if options.cors_credentials:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    if options.cors_exposed_headers:
        headers.append(("Access-Control-Expose-Headers", ",".join(options.cors_exposed_headers)))
    return headers


def preflight(options: CorsOptions, request: Request) -> Response:
    """The answer to an OPTIONS request whose origin is allowed: 204, and what may be asked."""
    headers = response_headers(options, request)
    if options.cors_allowed_origins is not None:
        headers.append(("Access-Control-Allow-Methods", _METHODS))
        wanted = request.header("access-control-request-headers")
        if options.cors_allowed_headers is not None:
            headers.append(("Access-Control-Allow-Headers", ",".join(options.cors_allowed_headers)))
        elif wanted and not _ILLEGAL.search(wanted):
            headers.append(("Access-Control-Allow-Headers", wanted))
        if options.cors_allowed_headers is None:
            headers.append(("Vary", "Access-Control-Request-Headers"))
        if options.cors_max_age is not None:
            headers.append(("Access-Control-Max-Age", str(int(options.cors_max_age))))
    headers.append(("Content-Length", "0"))
    return Response("204 No Content", headers)
