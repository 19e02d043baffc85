"""Where the server is: its URL, the requests' targets and headers, opened HTTP connections, cookies."""

from __future__ import annotations

import http.client
import secrets
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http.cookies import CookieError
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import urlencode
from urllib.parse import urlsplit

from socketio_sync.client.options import ManagerOptions
from socketio_sync.exceptions import TransportError

# As the reference: nothing sensible is longer.
MAX_URL_LENGTH = 8000

_SCHEMES = {"http": False, "ws": False, "https": True, "wss": True}


class ServerURL:
    """A URL as users give it, taken apart.

    Attributes:
        origin: "https://example.org:8443", for people.
        host, port, secure: where.
        nsp: the namespace, which is the URL's path.
        query: its query, last wins.

    Raises:
        TypeError, ValueError: it is no URL of a server.
    """

    def __init__(self, url: str) -> None:
        if not isinstance(url, str):
            raise TypeError(f"the URL must be a str, got {url!r}")
        if len(url) > MAX_URL_LENGTH:
            raise ValueError(f"the URL has {len(url)} characters; at most {MAX_URL_LENGTH} are allowed")
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError(f'{url!r}: allowed is a URL as "https://example.org" or "http://localhost:3000/admin"')
        if parts.username is not None or parts.password is not None:
            raise ValueError("a URL carries no password here: use auth= or extra_headers={'Authorization': ...}")
        self.secure = _SCHEMES[parts.scheme]
        self.host = parts.hostname
        self.port = parts.port or (443 if self.secure else 80)
        name = f"[{self.host}]" if ":" in self.host else self.host
        default = parts.port is None or parts.port == (443 if self.secure else 80)
        self.origin = f"{'https' if self.secure else 'http'}://{name}" + ("" if default else f":{self.port}")
        self.nsp = parts.path or "/"
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))


class Address:
    """How requests of one connection are made.

    Args:
        url: where the server is.
        options: the connection's.
    """

    def __init__(self, url: ServerURL, options: ManagerOptions) -> None:
        self.url = url
        self._options = options
        self._query = url.query if options.query is None else options.query
        self._path = f"/{options.path.strip('/')}/".replace("//", "/")
        self._cookies: dict[str, str] | None = {} if options.with_credentials else None

    def target(self, transport: str, sid: str = "") -> str:
        """The target of a request: the user's query first, as the reference has it."""
        query = {**self._query, "EIO": "4", "transport": transport}
        if sid:
            query["sid"] = sid
        if transport == "polling":
            query["t"] = secrets.token_urlsafe(6)  # no cache has seen it
        if self._options.force_base64 and not sid:
            query["b64"] = "1"
        return f"{self._path}?{urlencode(query)}"

    def headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The headers of a request."""
        headers = {"Accept": "*/*", **(self._options.extra_headers or {}), **(more or {})}
        if self._cookies:
            own = [f"{name}={value}" for name, value in self._cookies.items()]
            headers["Cookie"] = "; ".join([headers["Cookie"], *own] if "Cookie" in headers else own)
        return headers

    def keep_cookies(self, headers: http.client.HTTPMessage) -> None:
        """Remember what an answer sets, and forget what it lets expire."""
        if self._cookies is None:
            return
        for line in headers.get_all("Set-Cookie", []):
            with suppress(CookieError):
                for name, morsel in SimpleCookie(line).items():
                    if _expired(morsel):
                        self._cookies.pop(name, None)
                    else:
                        self._cookies[name] = morsel.value

    def open(self, timeout: float) -> http.client.HTTPConnection:
        """Connect, verify the certificate, and return the connection; each step may take ``timeout`` seconds.

        Raises:
            OSError: the server was not reached, or its certificate is not trusted.
        """
        url = self.url
        connection: http.client.HTTPConnection
        if url.secure:
            context = self._options.ssl_context or ssl.create_default_context()
            connection = http.client.HTTPSConnection(url.host, url.port, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(url.host, url.port, timeout=timeout)
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection


def _expired(morsel: Any) -> bool:
    if morsel["max-age"]:
        with suppress(ValueError):
            return int(morsel["max-age"]) <= 0
    if morsel["expires"]:
        try:
            return parsedate_to_datetime(morsel["expires"]).timestamp() <= 1  # only the past that means "delete"
        except ValueError:
            return True
    return False


def shut(connection: http.client.HTTPConnection) -> None:
    """Wake whoever waits for this connection in another thread: its reading ends. Closing would not do that."""
    if connection.sock is not None:
        with suppress(OSError):
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)  # not TLS's own, which unmakes the object


def refused(what: str, response: http.client.HTTPResponse, body: bytes) -> TransportError:
    """The error for an answer that is not the one hoped for; what Engine.IO says is shorter than a page of HTML."""
    text = " ".join(body.decode("utf-8", "replace").split())
    if response.headers.get("Location"):
        text = f"see {response.headers['Location']}"
    text = text if len(text) <= 200 else text[:200] + "..."
    return TransportError(f"{what}: HTTP {response.status} {response.reason}: {text}", status=response.status)
