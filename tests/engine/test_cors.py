"""The origin rules of API.md, and the headers that browsers and the npm cors module agree on."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any

import pytest

from socketio_sync.engine import cors
from socketio_sync.engine.http import Request
from socketio_sync.exceptions import ConnectError
from socketio_sync.wsgi.adopt import find_peer


@dataclass(frozen=True)
class Options:
    cors_allowed_origins: Any = None
    cors_credentials: bool = False
    cors_allowed_headers: tuple[str, ...] | None = None
    cors_exposed_headers: tuple[str, ...] = ()
    cors_max_age: float | None = None


def request(origin: str | None = None, host: str | None = "example.org", **environ: str) -> Request:
    full: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": "/socket.io/", **environ}
    if origin is not None:
        full["HTTP_ORIGIN"] = origin
    if host is not None:
        full["HTTP_HOST"] = host
    return Request(full, find_peer(full))


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://example.org", "example.org", True),
        ("https://example.org", "example.org", True),  # TLS ended by a proxy
        ("https://example.org:443", "example.org", True),
        ("https://example.org", "example.org:443", True),
        ("http://example.org", "example.org:80", True),
        ("http://example.org", "example.org:443", False),
        ("http://EXAMPLE.org", "Example.Org", True),
        ("http://example.org:3000", "example.org:3000", True),
        ("http://example.org:3000", "example.org", False),
        ("http://[::1]:80", "[::1]", True),
        ("http://evil.org", "example.org", False),
        ("http://example.org.evil.org", "example.org", False),
        ("http://evil.org/example.org", "example.org", False),
        ("null", "example.org", False),
        ("", "example.org", False),
        ("example.org", "example.org", False),
        ("http://example.org", None, False),
        ("http://", "", False),
    ],
)
def test_same_origin_compares_host_only(origin: str, host: str | None, same: bool) -> None:
    assert cors.is_same_origin(origin, host) is same
    assert cors.origin_is_allowed(Options(), request(origin, host)) is same


@pytest.mark.parametrize(
    ("allowed", "origin", "passes"),
    [
        (None, None, True),
        ((), None, True),
        ("*", "http://evil.org", True),
        ("*", "null", True),
        ("http://a.org", "http://a.org", True),
        ("http://a.org", "http://b.org", False),
        (["http://a.org", "http://b.org"], "http://b.org", True),
        (["http://a.org"], "http://a.org.evil.org", False),
        ([], "http://example.org", False),
        (re.compile(r"https://.*\.a\.org"), "https://x.a.org", True),
        (re.compile(r"https://.*\.a\.org"), "https://x.a.org.evil.org", False),
        (re.compile(r"https://a\.org$"), "https://a.org\n", False),
        (lambda origin, environ: origin == "http://a.org", "http://a.org", True),
        (lambda origin, environ: origin == "http://a.org", "http://b.org", False),
        (lambda origin, environ: environ["REMOTE_USER"] == "admin", "http://b.org", True),
    ],
)
def test_who_may_connect(allowed: Any, origin: str | None, passes: bool) -> None:
    answer = cors.origin_is_allowed(Options(cors_allowed_origins=allowed), request(origin, REMOTE_USER="admin"))
    assert answer is passes


def raising(origin: str, environ: dict[str, Any]) -> bool:
    raise KeyError("a bug")


def refusing(origin: str, environ: dict[str, Any]) -> bool:
    raise ConnectError("not you")


@pytest.mark.parametrize("callback", [raising, lambda origin, environ: None, lambda origin, environ: "yes"])
def test_a_callable_that_is_not_clear_refuses_and_is_logged(callback: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "socketio_sync.engine"):
        assert not cors.origin_is_allowed(Options(cors_allowed_origins=callback), request("http://a.org"))
    assert "http://a.org" in caplog.text


def test_a_callable_may_refuse_by_raising(caplog: pytest.LogCaptureFixture) -> None:
    assert not cors.origin_is_allowed(Options(cors_allowed_origins=refusing), request("http://a.org"))
    assert not caplog.text


@pytest.mark.parametrize(
    ("origin", "legal"), [(None, True), ("http://a.org", True), ("http://a\x01", False), ("ü", True)]
)
def test_an_origin_that_no_header_can_carry(origin: str | None, legal: bool) -> None:
    assert cors.origin_is_legal(origin) is legal


def test_no_headers_by_default() -> None:
    assert cors.response_headers(Options(), request("http://example.org")) == []


def test_everybody_without_credentials() -> None:
    headers = cors.response_headers(Options(cors_allowed_origins="*"), request("http://a.org"))
    assert headers == [("Access-Control-Allow-Origin", "*")]


def test_a_list_answers_with_the_origin_and_tells_caches() -> None:
    options = Options(
        cors_allowed_origins=["http://a.org"], cors_credentials=True, cors_exposed_headers=("X-One", "X-Two")
    )
    assert cors.response_headers(options, request("http://a.org")) == [
        ("Vary", "Origin"),
        ("Access-Control-Allow-Origin", "http://a.org"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "X-One,X-Two"),
    ]
    assert ("Vary", "Origin") in cors.response_headers(options, request(None))


def test_preflight_reflects_what_is_asked_for() -> None:
    asked = request("http://a.org", HTTP_ACCESS_CONTROL_REQUEST_HEADERS="x-token, content-type")
    response = cors.preflight(Options(cors_allowed_origins="*", cors_max_age=600), asked)
    assert response.status == "204 No Content"
    assert response.headers == [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE"),
        ("Access-Control-Allow-Headers", "x-token, content-type"),
        ("Vary", "Access-Control-Request-Headers"),
        ("Access-Control-Max-Age", "600"),
        ("Content-Length", "0"),
    ]


def test_preflight_with_configured_headers() -> None:
    options = Options(cors_allowed_origins="*", cors_allowed_headers=("X-Token",))
    headers = cors.preflight(options, request("http://a.org", HTTP_ACCESS_CONTROL_REQUEST_HEADERS="x-other")).headers
    assert ("Access-Control-Allow-Headers", "X-Token") in headers


def test_preflight_does_not_repeat_what_no_header_can_carry() -> None:
    headers = cors.preflight(
        Options(cors_allowed_origins="*"), request("http://a.org", HTTP_ACCESS_CONTROL_REQUEST_HEADERS="x\r\ny: z")
    ).headers
    assert "Access-Control-Allow-Headers" not in dict(headers)


def test_preflight_without_cors_allows_nothing() -> None:
    response = cors.preflight(Options(), request("http://example.org"))
    assert (response.status, response.headers) == ("204 No Content", [("Content-Length", "0")])
