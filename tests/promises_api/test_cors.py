"""Who may connect from another origin, and what a browser is told: in real HTTP, for every form of the option."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from socketio_sync import ConnectError
from tests.support.served import RUNTIMES
from tests.support.served import Served
from tests.support.served import served
from tests.support.wire import Reply
from tests.support.wire import Wire
from tests.support.wire import fetch

PATH = "/socket.io/?EIO=4&transport="
GOOD = "https://good.example"
EVIL = "https://good.example.evil.example"


def by_function(origin: str, environ: dict[str, Any]) -> bool:
    if "raise" in origin:
        raise ConnectError("no")
    return origin == GOOD and environ["PATH_INFO"] == "/socket.io/"


RULES: dict[str, Any] = {
    "an origin": GOOD,
    "a list": ["http://other.example", GOOD],
    "a pattern": re.compile(r"https://(\w+\.)?good\.example"),
    "a function": by_function,
}


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=RULES)
def server(request: pytest.FixtureRequest, runtime: str) -> Iterator[Served]:
    options = {"cors_credentials": True, "cors_exposed_headers": ["X-One", "X-Two"], "cors_max_age": 600}
    with served(runtime, cors_allowed_origins=RULES[request.param], **options) as server:
        yield server


def get(server: Served, origin: str | None, transport: str = "polling", method: str = "GET", **more: str) -> Reply:
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    if origin is not None:
        headers["Origin"] = origin
    return fetch(server.port, PATH + transport, method, headers=headers)


def ask_before(server: Served, origin: str, headers: str = "content-type") -> Reply:
    """The answer to a preflight (the Fetch standard, CORS-preflight request)."""
    more = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": headers}
    return get(server, origin, method="OPTIONS", **more)


def upgrade(server: Served, origin: str | None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to a WebSocket's handshake."""
    with Wire(server.port) as wire:
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        wire.ask("GET", PATH + "websocket", headers=headers if origin is None else {**headers, "Origin": origin})
        status, found = wire.head()
        return status, found, wire.read(int(found.get("content-length", 0)))


def test_whom_the_rule_names(server: Served) -> None:
    for reply in (get(server, GOOD), ask_before(server, GOOD)):
        assert reply.status == (200 if reply.body else 204)
        assert reply.headers["access-control-allow-origin"] == GOOD
        assert reply.headers["access-control-allow-credentials"] == "true"
        assert reply.headers["access-control-expose-headers"] == "X-One,X-Two"
        assert "vary" in reply.headers
    status, headers, _ = upgrade(server, GOOD)
    assert (status, headers["access-control-allow-origin"]) == (101, GOOD)


@pytest.mark.parametrize("origin", [EVIL, "http://good.example", "https://good.example:8443", "null", "https://raise"])
def test_whom_it_does_not(server: Served, origin: str) -> None:
    """The scheme and the port are parts of an origin; a browser's "null" is one, too."""
    reply = get(server, origin)
    assert (reply.status, json.loads(reply.body)["code"]) == (403, 4)
    assert "access-control-allow-origin" not in reply.headers
    assert ask_before(server, origin).status == 403
    status, headers, body = upgrade(server, origin)
    assert (status, body) == (400, b"Forbidden")
    assert "access-control-allow-origin" not in headers
    assert server.io.engine.clients_count == 0


def test_who_comes_from_no_page(server: Served) -> None:
    """A program sends no Origin; a cache must know that it makes a difference."""
    reply = get(server, None)
    assert reply.status == 200
    assert "access-control-allow-origin" not in reply.headers
    assert "Origin" in reply.headers["vary"]
    assert upgrade(server, None)[0] == 101


def test_preflight(server: Served) -> None:
    reply = ask_before(server, GOOD, "content-type,x-token")
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["access-control-allow-methods"] == "GET,HEAD,PUT,PATCH,POST,DELETE"
    assert reply.headers["access-control-allow-headers"] == "content-type,x-token"
    assert reply.headers["access-control-max-age"] == "600"
    assert reply.headers["content-length"] == "0"


def test_errors_can_be_read_by_whom_the_rule_names(server: Served) -> None:
    """The client has to tell an unknown session, after which it begins anew, from a network that is away."""
    reply = fetch(server.port, PATH + "polling&sid=gone", headers={"Origin": GOOD})
    assert (reply.status, json.loads(reply.body)["code"]) == (400, 1)
    assert reply.headers["access-control-allow-origin"] == GOOD


def test_requests_of_a_session_are_judged_too(server: Served) -> None:
    sid = json.loads(get(server, GOOD).text[1:])["sid"]
    for origin, status in ((EVIL, 403), (GOOD, 200)):
        headers = {"Origin": origin, "Content-Type": "text/plain;charset=UTF-8"}
        assert fetch(server.port, f"{PATH}polling&sid={sid}", "POST", b"40", headers).status == status
    assert fetch(server.port, f"{PATH}polling&sid={sid}", headers={"Origin": GOOD}).text.startswith("40{")


def test_everybody(runtime: str) -> None:
    with served(runtime, cors_allowed_origins="*", cors_allowed_headers=["X-Token"]) as server:
        for origin in (GOOD, EVIL, "null"):
            reply = get(server, origin)
            assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "*")
            assert "access-control-allow-credentials" not in reply.headers
            assert upgrade(server, origin)[0] == 101
        reply = ask_before(server, GOOD, "x-other")
        assert reply.headers["access-control-allow-headers"] == "X-Token"


def test_the_same_origin_by_default(runtime: str) -> None:
    with served(runtime) as server:
        own = f"http://127.0.0.1:{server.port}"
        assert get(server, own).status == 200
        assert get(server, own.replace("http", "https")).status == 200  # a proxy may end TLS
        assert upgrade(server, own)[0] == 101
        for origin in (GOOD, f"http://localhost:{server.port}", "http://127.0.0.1:1", "null"):
            assert get(server, origin).status == 403
            assert upgrade(server, origin)[0] == 400
        reply = ask_before(server, own)
        assert (reply.status, "access-control-allow-methods" in reply.headers) == (204, False)


def test_a_refusal_is_logged_with_the_origin(runtime: str, caplog: pytest.LogCaptureFixture) -> None:
    with served(runtime) as server:
        get(server, EVIL)
        assert EVIL in caplog.text
