"""What a client said when it came: the frozen ``socket.handshake``."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from datetime import timezone
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import quote

if TYPE_CHECKING:
    from socketio_sync.engine.connection import Connection

# What may stand unescaped in a path (RFC 3986 pchar and "/"), besides letters and digits.
_PATH_SAFE = "/-._~!$&'()*+,;=:@"


class Headers(Mapping[str, str]):
    """Request headers, read-only, looked up in any case; the names come out in lower case, as Node has them."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, str]) -> None:
        self._items = {name.lower(): value for name, value in items.items()}

    @classmethod
    def of_environ(cls, environ: Mapping[str, Any]) -> Headers:
        """The headers that a WSGI environ has; the server has joined repeated ones."""
        items = {}
        for key, value in environ.items():
            if key.startswith("HTTP_"):
                items[key[5:].replace("_", "-")] = value
            elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
                items[key.replace("_", "-")] = value
        return cls(items)

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<Headers {list(self._items)}>"


@dataclass(frozen=True)
class Handshake:
    """How a socket came to be.

    Attributes:
        headers: of the first request; any case, read-only.
        query: of the first request, read-only; of repeated names the last.
        auth: what the client gave as ``auth``; {} without. With protocol 3 the query of the namespace.
        url: path and query of the first request.
        address: of the peer.
        secure: whether the request came by https, as the web server sees it.
        xdomain: whether the request had an Origin header.
        issued: when, in seconds since the epoch.
    """

    headers: Mapping[str, str]
    query: Mapping[str, str]
    auth: dict[str, Any]
    url: str
    address: str
    secure: bool
    xdomain: bool
    issued: float

    @classmethod
    def of_connection(cls, connection: Connection, auth: dict[str, Any], issued: float) -> Handshake:
        """Read it from what is kept of the connection's first request."""
        environ = connection.environ
        path = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), _PATH_SAFE, encoding="latin-1")
        query = environ.get("QUERY_STRING", "")
        return cls(
            headers=Headers.of_environ(environ),
            query=MappingProxyType(connection.query),
            auth=auth,
            url=f"{path}?{query}" if query else path,
            address=connection.remote_address,
            secure=environ.get("wsgi.url_scheme") == "https",
            xdomain="HTTP_ORIGIN" in environ,
            issued=issued,
        )

    @property
    def time(self) -> datetime:
        """``issued`` as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.issued, timezone.utc)

    def __repr__(self) -> str:
        # Not auth, nor the query, which may carry a token as well.
        return f"<Handshake {self.address!r} at {self.time:%Y-%m-%d %H:%M:%S}Z>"
