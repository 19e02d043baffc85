"""The options themselves: durations are seconds, sizes bytes.

Options are checked when made, and frozen. What may be given in several forms, a bool or a dict, is one small value or
None afterwards.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import TypeVar
from urllib.parse import quote

from socketio_sync.config import checks
from socketio_sync.config.checks import Check
from socketio_sync.config.checks import boolean
from socketio_sync.config.checks import check_duration
from socketio_sync.config.checks import check_names
from socketio_sync.config.checks import function
from socketio_sync.config.checks import integer
from socketio_sync.config.checks import one_of
from socketio_sync.config.checks import or_none
from socketio_sync.config.checks import several
from socketio_sync.config.checks import string
from socketio_sync.config.checks import switch

_Options = TypeVar("_Options", bound="EngineOptions")

_DAY = 86_400


def _option(default: Any, check: Check) -> Any:
    """A field with the check that its value has to pass, the default's too."""
    return dataclasses.field(default=default, metadata={"check": check})


def _check_all(options: Any) -> None:
    for field in dataclasses.fields(options):
        value = field.metadata["check"](field.name, getattr(options, field.name))
        object.__setattr__(options, field.name, value)


@dataclass(frozen=True)
class CompressionOptions:
    """``http_compression``: what is shorter than ``threshold`` bytes is left as it is."""

    threshold: int = _option(1024, integer(0))

    def __post_init__(self) -> None:
        _check_all(self)


@dataclass(frozen=True)
class DeflateOptions(CompressionOptions):
    """``per_message_deflate``: besides the threshold, what the clients' compressors may keep (RFC 7692, 7.1).

    Both save memory: what inflates a client's messages holds its window, 32 KiB at 15 bits, between them.

    Attributes:
        client_no_context_takeover: clients may not refer to earlier messages; nothing is held between them.
        client_max_window_bits: a smaller window, for those clients that offer to change theirs.
    """

    client_no_context_takeover: bool = _option(False, boolean)
    client_max_window_bits: int = _option(15, integer(8, 15))


@dataclass(frozen=True)
class RecoveryOptions:
    """``connection_state_recovery``: how long a lost client's session is kept, and within how many bytes."""

    max_disconnection_duration: float = _option(120, checks.duration(longest=_DAY))
    skip_middlewares: bool = _option(True, boolean)
    max_buffer: int = _option(64 * 2**20, integer(1))

    def __post_init__(self) -> None:
        _check_all(self)


@dataclass(frozen=True)
class CookieOptions:
    """``cookie``: the attributes of the cookie that carries the session's id (RFC 6265)."""

    name: str = _option("io", checks.token)
    path: str | None = _option("/", or_none(checks.cookie_attribute))
    domain: str | None = _option(None, or_none(checks.cookie_attribute))
    http_only: bool = _option(True, boolean)
    same_site: str | None = _option("lax", or_none(checks.same_site))
    secure: bool = _option(False, boolean)
    max_age: int | None = _option(None, or_none(integer(0)))

    def __post_init__(self) -> None:
        _check_all(self)
        if self.same_site == "none" and not self.secure:
            raise ValueError("browsers drop one with same_site='none' unless it has secure=True")

    def header(self, sid: str) -> str:
        """Return the value of the Set-Cookie header."""
        parts = [f"{self.name}={quote(sid, safe='')}"]
        if self.max_age is not None:
            parts.append(f"Max-Age={self.max_age}")
        if self.domain is not None:
            parts.append(f"Domain={self.domain}")
        if self.path is not None:
            parts.append(f"Path={self.path}")
        if self.http_only:
            parts.append("HttpOnly")
        if self.secure:
            parts.append("Secure")
        if self.same_site is not None:
            parts.append(f"SameSite={self.same_site.capitalize()}")
        return "; ".join(parts)


def _cookie(name: str, value: Any) -> Any:
    return switch(CookieOptions)(name, {"name": value} if isinstance(value, str) else value)


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What an Engine.IO server may be told.

    Attributes:
        path: compared exactly with PATH_INFO; kept with its slashes, the last one if ``add_trailing_slash``.
        ping_interval, ping_timeout: from a pong to the next ping; what a client may take to answer one.
        upgrade_timeout: from a WebSocket's first frame to the end of its probe.
        max_http_buffer_size: of one message or body from a client; announced as maxPayload.
        max_send_buffer: of what waits for one slow client; one that finds more is closed.
        max_pending_events: behind a running handler; beyond it the client is not read.
        max_connections: beyond it a handshake gets 503; None is no limit.
        max_held_requests: long polls that hold a thread of the web server each; None is half of its threads.
        transports, allow_upgrades: enforced, not only announced.
        cors_allowed_origins: None (the same origin), "*", an origin, a tuple of them, a pattern, or a callable.
        cors_credentials, cors_allowed_headers, cors_exposed_headers, cors_max_age: see the Fetch standard.
        allow_request: ``callable(environ) -> bool`` at each handshake.
        generate_id: ``callable(environ) -> str``, the session's id.
        allow_eio3: let clients of protocol 3 (Socket.IO 2) in.
        cookie: CookieOptions, or None for no cookie.
        per_message_deflate, http_compression: DeflateOptions, CompressionOptions, or None for none.
        runtime: "auto", "gevent" or "threads".
        handler_threads: handlers that run at once on threads.
        io_uring: read from and send to many clients in one call to the kernel, where Linux allows it.
        keep_environ: names of entries to keep in ``environ`` besides the strings.
    """

    path: str = _option("/engine.io/", checks.path)
    add_trailing_slash: bool = _option(True, boolean)
    ping_interval: float = _option(25, check_duration)
    ping_timeout: float = _option(20, check_duration)
    upgrade_timeout: float = _option(10, check_duration)
    max_http_buffer_size: int = _option(1_000_000, integer(1))
    max_send_buffer: int = _option(16 * 2**20, integer(1))
    max_pending_events: int = _option(1000, integer(1))
    max_connections: int | None = _option(None, or_none(integer(1)))
    max_held_requests: int | None = _option(None, or_none(integer(0)))
    transports: tuple[str, ...] = _option(("polling", "websocket"), checks.transports)
    allow_upgrades: bool = _option(True, boolean)
    cors_allowed_origins: None | str | tuple[str, ...] | re.Pattern[str] | Callable[[str, dict[str, Any]], bool] = (
        _option(None, or_none(checks.origins))
    )
    cors_credentials: bool = _option(False, boolean)
    cors_allowed_headers: tuple[str, ...] | None = _option(None, or_none(several(checks.token)))
    cors_exposed_headers: tuple[str, ...] = _option((), several(checks.token))
    cors_max_age: float | None = _option(None, or_none(checks.max_age))
    allow_request: Callable[[dict[str, Any]], bool] | None = _option(None, or_none(function))
    generate_id: Callable[[dict[str, Any]], str] | None = _option(None, or_none(function))
    allow_eio3: bool = _option(False, boolean)
    cookie: CookieOptions | None = _option(None, _cookie)
    per_message_deflate: DeflateOptions | None = _option(False, switch(DeflateOptions))
    http_compression: CompressionOptions | None = _option(True, switch(CompressionOptions))
    runtime: str = _option("auto", one_of("auto", "gevent", "threads"))
    handler_threads: int = _option(64, integer(1))
    io_uring: bool = _option(True, boolean)
    keep_environ: tuple[str, ...] = _option((), several(string))

    def __post_init__(self) -> None:
        _check_all(self)
        path = "/" + self.path.strip("/")
        if self.add_trailing_slash and path != "/":
            path += "/"
        object.__setattr__(self, "path", path)
        origins = self.cors_allowed_origins
        if self.cors_credentials and (origins == "*" or (isinstance(origins, tuple) and "*" in origins)):
            raise ValueError('cors_credentials=True: browsers refuse it with cors_allowed_origins="*": name them')

    @classmethod
    def from_kwargs(cls: type[_Options], kwargs: Mapping[str, Any]) -> _Options:
        """Return the options given as keywords.

        Raises:
            TypeError: an unknown name or a wrong type.
            ValueError: a wrong value.
        """
        check_names(kwargs, {field.name for field in dataclasses.fields(cls)}, "option")
        return cls(**kwargs)


@dataclass(frozen=True, kw_only=True)
class ServerOptions(EngineOptions):
    """What a Socket.IO server may be told, besides what its engine may.

    Attributes:
        connect_timeout: for a client to join its first namespace.
        ack_timeout: of blocking waits for acknowledgements, unless ``timeout()`` says another.
        max_namespaces: of one connection.
        max_rooms, max_pending_acks: of one socket.
        max_attachments: of one packet, in both directions.
        cleanup_empty_child_namespaces: remove a dynamic namespace when its last socket has left.
        connection_state_recovery: RecoveryOptions, or None for none.
        serve_client, client_dir: serve the browsers' script under ``path``, from this folder.
        parser: an object with the parser interface (see ``parsers``); None is ``parsers.default``.
        adapter: ``factory(nsp) -> Adapter``; None is the one in memory.
        ordered_events: one socket's events one at a time, in order.
    """

    path: str = _option("/socket.io/", checks.path)
    connect_timeout: float = _option(45, check_duration)
    ack_timeout: float = _option(20, check_duration)
    max_namespaces: int = _option(100, integer(1))
    max_rooms: int = _option(10_000, integer(1))
    max_pending_acks: int = _option(1000, integer(1))
    max_attachments: int = _option(10, integer(0))
    cleanup_empty_child_namespaces: bool = _option(False, boolean)
    connection_state_recovery: RecoveryOptions | None = _option(None, switch(RecoveryOptions))
    serve_client: bool = _option(True, boolean)
    client_dir: str | None = _option(None, or_none(checks.folder))
    parser: Any = _option(None, or_none(checks.parser))
    adapter: Callable[[Any], Any] | None = _option(None, or_none(function))
    ordered_events: bool = _option(True, boolean)
