"""What the application may say about a handshake: allow_request, middlewares, hooks, cookie, ids, limits."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any
from wsgiref.headers import Headers

import pytest

from socketio_sync.exceptions import ConnectError
from tests.engine.served import PATH
from tests.engine.served import Served
from tests.engine.served import served
from tests.support.wire import Reply
from tests.support.wire import until

POLLING = "?EIO=4&transport=polling"
WEBSOCKET = f"{PATH}?EIO=4&transport=websocket"


def upgrade(server: Served) -> Reply | None:
    """None if a WebSocket is granted."""
    return server.wire().upgrade(WEBSOCKET)


# -- allow_request -----------------------------------------------------------------------------------------------------


def _raise(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("allow", "message"),
    [
        (lambda environ: False, "Forbidden"),
        (lambda environ: _raise(ConnectError("no token")), "no token"),
        (lambda environ: _raise(ConnectError()), "Forbidden"),
    ],
)
def test_refused_requests(runtime: str, allow: Callable[[dict[str, Any]], bool], message: str) -> None:
    with served(runtime, allow_request=allow) as server:
        reply = server.fetch(POLLING)
        assert reply.status == 403
        assert json.loads(reply.body) == {"code": 4, "message": message}
        refusal = upgrade(server)
        assert refusal is not None
        assert (refusal.status, refusal.text) == (400, message)
        assert server.engine.clients_count == 0


@pytest.mark.parametrize("result", [None, 1, "yes", ConnectError("returned"), ValueError("secret")])
def test_what_is_unclear_is_refused_and_logged(runtime: str, result: object, caplog: pytest.LogCaptureFixture) -> None:
    def allow(environ: dict[str, Any]) -> Any:
        return _raise(result) if isinstance(result, ValueError) else result

    with served(runtime, allow_request=allow) as server, caplog.at_level(logging.ERROR):
        reply = server.fetch(POLLING)
        assert json.loads(reply.body) == {"code": 4, "message": "internal error"}
        assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_allow_request_is_asked_at_handshakes_only(runtime: str) -> None:
    asked: list[str] = []

    def allow(environ: dict[str, Any]) -> bool:
        asked.append(environ["QUERY_STRING"])
        return environ.get("HTTP_X_TOKEN") != "bad"

    with served(runtime, allow_request=allow) as server:
        client = server.polling()
        client.post("4x")
        client.get()
        server.upgraded(client)
        server.websocket()
        assert len(asked) == 2
        assert server.fetch(POLLING, headers={"X-Token": "bad"}).status == 403


# -- middlewares -------------------------------------------------------------------------------------------------------


def test_middlewares_see_every_request(runtime: str) -> None:
    with served(runtime) as server:
        seen: list[tuple[int, str]] = []
        server.engine.use(lambda environ: seen.append((1, environ["REQUEST_METHOD"])))
        server.engine.use(lambda environ: seen.append((2, environ["REQUEST_METHOD"])))
        client = server.polling()
        client.post("4x")
        client.get()
        server.probe(client)
        assert seen == [(number, method) for method in ("GET", "POST", "GET", "GET") for number in (1, 2)]


@pytest.mark.parametrize("outcome", [ConnectError("no"), ValueError("bug"), False, "no"])
def test_a_middleware_that_refuses(runtime: str, outcome: object) -> None:
    with served(runtime) as server:
        infos: list[Any] = []
        later: list[object] = []
        server.engine.on("connection_error", infos.append)
        server.engine.use(lambda environ: _raise(outcome) if isinstance(outcome, Exception) else outcome)
        server.engine.use(later.append)
        reply = server.fetch(POLLING)
        assert reply.status == 400
        assert json.loads(reply.body) == {"code": 3, "message": "Bad request"}
        refusal = upgrade(server)
        assert refusal is not None
        assert (refusal.status, refusal.text) == (400, "Bad request")
        assert [info.context for info in infos] == [{"name": "MIDDLEWARE_FAILURE"}] * 2
        assert later == []


def test_what_is_no_middleware_or_hook(runtime: str) -> None:
    with served(runtime) as server:
        with pytest.raises(TypeError):
            server.engine.use("no function")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            server.engine.on("headers", "no function")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="no event 'message'"):
            server.engine.on("message", print)


# -- headers -----------------------------------------------------------------------------------------------------------


def test_header_hooks(runtime: str) -> None:
    with served(runtime) as server:

        @server.engine.on("initial_headers")
        def first(headers: Headers, environ: dict[str, Any]) -> None:
            headers["X-First"] = environ["REQUEST_METHOD"]

        @server.engine.on("headers")
        def every(headers: Headers, environ: dict[str, Any]) -> None:
            headers["X-Every"] = "yes"

        reply = server.fetch(POLLING)
        assert (reply.headers["x-first"], reply.headers["x-every"]) == ("GET", "yes")
        client = server.polling()
        for reply in (server.fetch(client.target, "POST", b"4x"), server.fetch(client.target)):
            assert reply.headers["x-every"] == "yes"
            assert "x-first" not in reply.headers
        parked = server.park(client)
        server.engine.connections[client.sid].send("x")
        assert parked.answer().headers["x-every"] == "yes"
        for target, expected in ((WEBSOCKET, True), (f"{WEBSOCKET}&sid={client.sid}", False)):
            wire = server.wire()
            key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n"
            wire.send(head.encode())
            status, headers = wire.head()
            assert status == 101
            assert headers["x-every"] == "yes"
            assert ("x-first" in headers) is expected
        # Refusals do not fire them.
        assert "x-every" not in server.fetch("?EIO=4&transport=abc").headers


def test_a_hook_that_fails_does_no_harm(runtime: str, caplog: pytest.LogCaptureFixture) -> None:
    with served(runtime) as server:
        server.engine.on("headers", lambda headers, environ: 1 / 0)
        server.engine.on("connection_error", lambda info: 1 / 0)
        assert server.fetch(POLLING).status == 200
        assert server.fetch("?EIO=4").status == 400
        assert len(caplog.records) == 2


# -- cookie and ids ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cookie", "attributes"),
    [
        (True, "io={sid}; Path=/; HttpOnly; SameSite=Lax"),
        ("sticky", "sticky={sid}; Path=/; HttpOnly; SameSite=Lax"),
        (
            {"name": "a", "path": "/x", "http_only": False, "same_site": "none", "secure": True, "max_age": 60},
            "a={sid}; Max-Age=60; Path=/x; Secure; SameSite=None",
        ),
    ],
)
def test_the_cookie_is_set_on_both_transports(runtime: str, cookie: object, attributes: str) -> None:
    with served(runtime, cookie=cookie) as server:
        reply = server.fetch(POLLING)
        sid = json.loads(reply.text[1:])["sid"]
        assert reply.headers["set-cookie"] == attributes.format(sid=sid)
        # With the first response only.
        parked = server.fetch(f"{POLLING}&sid={sid}", "POST", b"4x")
        assert "set-cookie" not in parked.headers
        wire = server.wire()
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        wire.send(
            f"GET {WEBSOCKET} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\n".encode()
        )
        _, headers = wire.head()
        sid = json.loads(str(wire.receive())[1:])["sid"]
        assert headers["set-cookie"] == attributes.format(sid=sid)


def test_ids_are_long_and_differ(runtime: str) -> None:
    with served(runtime) as server:
        sids = {server.polling().sid for _ in range(20)}
        assert len(sids) == 20
        assert {len(sid) for sid in sids} == {20}


def test_ids_of_ones_own(runtime: str) -> None:
    with served(runtime, generate_id=lambda environ: environ["HTTP_X_ID"]) as server:
        reply = server.fetch(POLLING, headers={"X-Id": "mine"})
        assert '"sid":"mine"' in reply.text
        assert server.fetch(f"{POLLING}&sid=mine", "POST", b"4x").status == 200
        # Taken, empty, missing: refused before the 101.
        for headers in ({"X-Id": "mine"}, {"X-Id": ""}, {}):
            reply = server.fetch(POLLING, headers=headers)
            assert json.loads(reply.body) == {"code": 3, "message": "Bad request"}
            refusal = server.wire().upgrade(WEBSOCKET, headers)
            assert refusal is not None
            assert (refusal.status, refusal.text) == (400, "Bad request")
        assert server.engine.clients_count == 1


# -- limits ------------------------------------------------------------------------------------------------------------


def test_max_connections(runtime: str) -> None:
    with served(runtime, max_connections=2) as server:
        first = server.polling()
        wire = server.websocket()
        reply = server.fetch(POLLING)
        assert reply.status == 503
        refusal = upgrade(server)
        assert refusal is not None
        assert refusal.status == 503
        # Those who are in are served, and upgrade.
        server.upgraded(first).send_text("4x")
        assert server.message() == "x"
        wire.close()
        until(lambda: server.engine.clients_count == 1)
        assert server.fetch(POLLING).status == 200


def test_what_is_kept_of_the_environ(runtime: str) -> None:
    with served(runtime, keep_environ=("wsgi.errors", "no.such")) as server:
        server.fetch(POLLING + "&token=a%20b&token=c", headers={"X-Header": "yes"})
        connection = server.connection()
        assert connection.environ["HTTP_X_HEADER"] == "yes"
        assert connection.environ["wsgi.url_scheme"] == "http"
        assert connection.environ["wsgi.input"].read() == b""
        assert "wsgi.errors" in connection.environ
        others = {key for key, value in connection.environ.items() if type(value) is not str}
        assert others == {"wsgi.input", "wsgi.errors"}
        assert connection.query["token"] == "c"
        assert connection.remote_address == "127.0.0.1"
