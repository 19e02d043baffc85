"""What a client may be told: checked when it is made, and frozen."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from socketio_sync.config import CompressionOptions
from socketio_sync.config import check_duration
from socketio_sync.config import checks
from socketio_sync.config.checks import Check
from socketio_sync.config.checks import boolean
from socketio_sync.config.checks import integer
from socketio_sync.config.checks import or_none

# What the query of a request says by itself.
_OUR_QUERY = ("EIO", "transport", "sid")

# What others call it, where the name in our spelling is not ours.
_ELSEWHERE = {
    "headers": "extra_headers",
    "wait_timeout": "timeout",
    "socketio_path": "path",
    "ssl_verify": "ssl_context, an ssl.SSLContext that verifies as you want it",
    "reject_unauthorized": "ssl_context, an ssl.SSLContext that verifies as you want it",
    "ca": "ssl_context, an ssl.SSLContext with your certificates",
    "serializer": "parser",
    "json": "parser",
    "namespace": "the path of the URL, or Manager(url).client(namespace)",
    "namespaces": "the path of the URL, or Manager(url).client(namespace)",
}
_NEEDLESS = {
    "force_new": "every Client has a connection of its own; Manager(url).client(...) shares one",
    "multiplex": "every Client has a connection of its own; Manager(url).client(...) shares one",
    "auto_connect": "connect() connects, or the function socketio_sync.connect",
    "handle_sigint": "no signal is touched",
    "logger": 'it is logging.getLogger("socketio_sync.client")',
    "engineio_logger": 'it is logging.getLogger("socketio_sync.client")',
}


def _option(default: Any, check: Check) -> Any:
    return dataclasses.field(default=default, metadata={"check": check})


def _texts(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}={value!r}: allowed is a dict of str")
    for key, item in value.items():
        if not isinstance(key, str) or not isinstance(item, str):
            raise TypeError(f"{name}: {key!r}: {item!r}: allowed is a str with a str")
    return dict(value)


def _query(name: str, value: Any) -> dict[str, str]:
    query = _texts(name, value)
    for key in _OUR_QUERY:
        if key in query:
            raise ValueError(f"{name}: {key!r} is the protocol's own")
    return query


def _headers(name: str, value: Any) -> dict[str, str]:
    headers = _texts(name, value)
    for key, item in headers.items():
        checks.token(name, key)
        if any(character in item for character in "\r\n\0"):
            raise ValueError(f"{name}: {key!r} has a line break")
        if not item.isascii():
            raise ValueError(f"{name}: {key!r} is not ASCII: encode it, with urllib.parse.quote for instance")
    return headers


def _auth(name: str, value: Any) -> Any:
    if value is None or isinstance(value, dict):
        return value
    if not callable(value):
        raise TypeError(f"{name}={value!r}: allowed is a dict, a function that returns one, or None")
    return checks.function(name, value)


def _share(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}={value!r}: allowed is a number")
    if not 0 <= value <= 1:
        raise ValueError(f"{name}={value!r}: allowed is a number from 0 to 1")
    return value


def _tls(name: str, value: Any) -> ssl.SSLContext:
    if not isinstance(value, ssl.SSLContext):
        raise TypeError(f"{name}={value!r}: allowed is an ssl.SSLContext or None")
    return value


class _Options:
    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = field.metadata["check"](field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)


@dataclass(frozen=True, kw_only=True)
class ManagerOptions(_Options):
    """What concerns a connection.

    Attributes:
        path: of the server's Socket.IO.
        query, extra_headers: sent with every request, str by str.
        transports: the first is opened, the others are what it may be upgraded to.
        upgrade, remember_upgrade, try_all_transports: try the others; open with the one that worked last; open with
            the next one if one fails.
        force_base64: ask for binary as text.
        with_credentials: keep the server's cookies and send them back.
        ssl_context: None verifies the server's certificate.
        timeout: for one attempt to reach the server, and for ``connect`` as a whole.
        request_timeout: of one HTTP request; None leaves that to the heartbeat.
        reconnection, reconnection_attempts: come back after a loss; how often to try, None for ever.
        reconnection_delay, reconnection_delay_max, randomization_factor: see ``Backoff``.
        parser, per_message_deflate, runtime: as the server's.
    """

    path: str = _option("/socket.io/", checks.path)
    query: dict[str, str] | None = _option(None, or_none(_query))
    extra_headers: dict[str, str] | None = _option(None, or_none(_headers))
    transports: tuple[str, ...] = _option(("polling", "websocket"), checks.transports)
    upgrade: bool = _option(True, boolean)
    remember_upgrade: bool = _option(False, boolean)
    try_all_transports: bool = _option(False, boolean)
    force_base64: bool = _option(False, boolean)
    with_credentials: bool = _option(False, boolean)
    ssl_context: ssl.SSLContext | None = _option(None, or_none(_tls))
    timeout: float = _option(20, check_duration)
    request_timeout: float | None = _option(None, or_none(check_duration))
    reconnection: bool = _option(True, boolean)
    reconnection_attempts: int | None = _option(None, or_none(integer(1)))
    reconnection_delay: float = _option(1, check_duration)
    reconnection_delay_max: float = _option(5, check_duration)
    randomization_factor: float = _option(0.5, _share)
    parser: Any = _option(None, or_none(checks.parser))
    per_message_deflate: CompressionOptions | None = _option(False, checks.switch(CompressionOptions))
    runtime: str = _option("auto", checks.one_of("auto", "gevent", "threads"))


@dataclass(frozen=True, kw_only=True)
class ClientOptions(_Options):
    """What concerns one namespace.

    Attributes:
        auth: a dict, or a function that returns one and is called at each connect and reconnect.
        ack_timeout: for an acknowledgement, unless ``timeout()`` says another.
        retries: how often an event that is not acknowledged is sent again.
        max_send_buffer: bytes that may wait to be sent.
        inbox: how many events without a handler are kept for ``receive``.
    """

    auth: dict[str, Any] | Callable[[], dict[str, Any] | None] | None = _option(None, _auth)
    ack_timeout: float = _option(20, check_duration)
    retries: int = _option(0, integer(0))
    max_send_buffer: int = _option(16 * 2**20, integer(1))
    inbox: int = _option(0, integer(0))


CLIENT_NAMES = frozenset(field.name for field in dataclasses.fields(ClientOptions))
_MANAGER_NAMES = frozenset(field.name for field in dataclasses.fields(ManagerOptions))


def manager_options(given: Mapping[str, Any]) -> ManagerOptions:
    """Raises TypeError for an unknown name or a wrong type, ValueError for a wrong value."""
    _check_names(given, _MANAGER_NAMES)
    return ManagerOptions(**given)


def client_options(given: Mapping[str, Any]) -> ClientOptions:
    """As ``manager_options``."""
    _check_names(given, CLIENT_NAMES)
    return ClientOptions(**given)


def split_options(given: Mapping[str, Any]) -> tuple[ManagerOptions, ClientOptions]:
    """The options of a Client with a connection of its own."""
    _check_names(given, _MANAGER_NAMES | CLIENT_NAMES)
    own = {name: value for name, value in given.items() if name in CLIENT_NAMES}
    rest = {name: value for name, value in given.items() if name not in CLIENT_NAMES}
    return ManagerOptions(**rest), ClientOptions(**own)


def _check_names(given: Mapping[str, Any], known: frozenset[str]) -> None:
    for name in given:
        if name in known:
            continue
        if name in _NEEDLESS:
            raise TypeError(f"{name!r} is no option of a client: {_NEEDLESS[name]}")
        if name in _ELSEWHERE:
            raise TypeError(f"{name!r} is no option of a client; here it is {_ELSEWHERE[name]}")
    checks.check_names(given, set(known), "option of a client")
