from __future__ import annotations

import copy
import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import pytest

from socketio_sync import parsers
from socketio_sync.config import CompressionOptions
from socketio_sync.config import CookieOptions
from socketio_sync.config import DeflateOptions
from socketio_sync.config import EngineOptions
from socketio_sync.config import RecoveryOptions
from socketio_sync.config import ServerOptions
from socketio_sync.config import check_duration


def get(name: str, value: Any) -> Any:
    return getattr(ServerOptions.from_kwargs({name: value}), name)


def test_the_defaults() -> None:
    assert dataclasses.asdict(ServerOptions()) == {
        "path": "/socket.io/",
        "add_trailing_slash": True,
        "ping_interval": 25,
        "ping_timeout": 20,
        "connect_timeout": 45,
        "upgrade_timeout": 10,
        "ack_timeout": 20,
        "max_http_buffer_size": 1_000_000,
        "max_send_buffer": 16 * 2**20,
        "max_pending_events": 1000,
        "max_connections": None,
        "max_held_requests": None,
        "max_namespaces": 100,
        "max_rooms": 10_000,
        "max_pending_acks": 1000,
        "max_attachments": 10,
        "transports": ("polling", "websocket"),
        "allow_upgrades": True,
        "cors_allowed_origins": None,
        "cors_credentials": False,
        "cors_allowed_headers": None,
        "cors_exposed_headers": (),
        "cors_max_age": None,
        "allow_request": None,
        "generate_id": None,
        "allow_eio3": False,
        "cleanup_empty_child_namespaces": False,
        "cookie": None,
        "per_message_deflate": None,
        "http_compression": {"threshold": 1024},
        "connection_state_recovery": None,
        "serve_client": True,
        "client_dir": None,
        "parser": None,
        "adapter": None,
        "runtime": "auto",
        "handler_threads": 64,
        "io_uring": True,
        "keep_environ": (),
        "ordered_events": True,
    }
    assert EngineOptions().path == "/engine.io/"


def test_options_are_frozen() -> None:
    options = ServerOptions()
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.path = "/x/"  # type: ignore[misc]
    assert dataclasses.replace(options, ping_interval=5).ping_interval == 5
    assert copy.copy(options) == options


def test_the_values_given_are_not_kept_themselves() -> None:
    origins = ["https://a.example"]
    options = ServerOptions.from_kwargs({"cors_allowed_origins": origins})
    origins.append("https://b.example")
    assert options.cors_allowed_origins == ("https://a.example",)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pingInterval", "'pingInterval' is no option; here it is ping_interval$"),
        ("maxHttpBufferSize", "here it is max_http_buffer_size$"),
        ("allowEIO3", "here it is allow_eio3$"),
        ("connectionStateRecovery", "here it is connection_state_recovery$"),
        ("cleanupEmptyChildNamespaces", "here it is cleanup_empty_child_namespaces$"),
        ("cors", "here it is cors_allowed_origins"),
        ("wsEngine", "no option: the WebSocket"),
        ("async_mode", "here it is runtime"),
        ("async_handlers", "here it is ordered_events, which is its opposite$"),
        ("client_manager", "here it is adapter$"),
        ("always_connect", "'always_connect' is no option: handlers"),
        ("namespaces", "'namespaces' is no option: clients may join"),
        ("message_queue", "here it is adapter$"),
        ("logger", "getLogger"),
        ("socketio_path", "here it is path$"),
        ("ping_intervall", "here it is ping_interval$"),
        ("xyzzy", "'xyzzy' is no option$"),
    ],
)
def test_an_unknown_name_is_told_ours(name: str, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        ServerOptions.from_kwargs({name: 1})


def test_an_option_of_the_server_is_none_of_the_engine() -> None:
    with pytest.raises(TypeError, match="'max_rooms' is no option$"):
        EngineOptions.from_kwargs({"max_rooms": 1})


def test_a_name_that_is_no_text() -> None:
    with pytest.raises(TypeError, match="1 is no key of cookie$"):
        get("cookie", {1: 2})


@pytest.mark.parametrize(
    "name", ["ping_interval", "ping_timeout", "connect_timeout", "upgrade_timeout", "ack_timeout"]
)
def test_durations(name: str) -> None:
    for value in 0.01, 1, 999, 999.9:
        assert get(name, value) == value
    for value in 1000, 5000, 1e9:
        with pytest.raises(ValueError, match=rf"^{name}=.* minutes; durations are seconds$"):
            get(name, value)
    for value in 0, -1, math.nan, math.inf:
        with pytest.raises(ValueError, match=f"^{name}=.*: allowed is a duration in seconds, above 0$"):
            get(name, value)
    for wrong in "5", None, True, (25, 5), 5j:
        with pytest.raises(TypeError, match=f"^{name}=.*: allowed is a number of seconds$"):
            get(name, wrong)


def test_a_duration_in_milliseconds_is_told_so() -> None:
    with pytest.raises(ValueError, match="^timeout=5000: 5000 s is 83 minutes; durations are seconds$"):
        check_duration("timeout", 5000)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("max_http_buffer_size", 1),
        ("max_send_buffer", 1),
        ("max_pending_events", 1),
        ("max_connections", 1),
        ("max_held_requests", 0),
        ("max_namespaces", 1),
        ("max_rooms", 1),
        ("max_pending_acks", 1),
        ("max_attachments", 0),
        ("handler_threads", 1),
    ],
)
def test_counts(name: str, least: int) -> None:
    assert get(name, least) == least
    assert get(name, 10**9) == 10**9
    with pytest.raises(ValueError, match=f"^{name}={least - 1}: allowed is an int of at least {least}$"):
        get(name, least - 1)
    for wrong in "5", 1e6, True, [1]:
        with pytest.raises(TypeError, match=f"^{name}=.*: allowed is an int$"):
            get(name, wrong)


@pytest.mark.parametrize(
    "name",
    [
        "add_trailing_slash",
        "allow_upgrades",
        "io_uring",
        "cors_credentials",
        "allow_eio3",
        "cleanup_empty_child_namespaces",
        "serve_client",
        "ordered_events",
    ],
)
def test_switches(name: str) -> None:
    assert get(name, True) is True
    assert get(name, False) is False
    for wrong in 1, 0, None, "yes":
        with pytest.raises(TypeError, match=f"^{name}=.*: allowed is True or False$"):
            get(name, wrong)


@pytest.mark.parametrize(
    ("path", "slash", "kept"),
    [
        ("/socket.io/", True, "/socket.io/"),
        ("/socket.io", True, "/socket.io/"),
        ("socket.io", True, "/socket.io/"),
        ("/a/b/", False, "/a/b"),
        ("//a//", True, "/a/"),
        ("/", True, "/"),
        ("", False, "/"),
    ],
)
def test_path(path: str, slash: bool, kept: str) -> None:
    assert ServerOptions.from_kwargs({"path": path, "add_trailing_slash": slash}).path == kept


@pytest.mark.parametrize("path", ["/a?b", "/a#b", "/a b", "/a\n"])
def test_a_wrong_path(path: str) -> None:
    with pytest.raises(ValueError, match="^path="):
        get("path", path)
    with pytest.raises(TypeError, match="^path=.*: allowed is a str$"):
        get("path", path.encode())


def test_transports() -> None:
    assert get("transports", ["websocket"]) == ("websocket",)
    assert get("transports", ("websocket", "polling")) == ("websocket", "polling")
    for wrong in [], ["polling", "polling"], ["webtransport"], ["polling", "WebSocket"]:
        with pytest.raises(ValueError, match="^transports="):
            get("transports", wrong)
    for bad in "websocket", None, [1]:
        with pytest.raises(TypeError, match="^transports="):
            get("transports", bad)


class TestOrigins:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            (None, None),
            ("*", "*"),
            ("null", "null"),
            ("https://example.org", "https://example.org"),
            ("https://Example.org:443", "https://example.org"),
            ("http://example.org:80", "http://example.org"),
            ("http://example.org:443", "http://example.org:443"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("capacitor://localhost", "capacitor://localhost"),
            (["https://a.example", "http://b.example:8000"], ("https://a.example", "http://b.example:8000")),
            ((), ()),
        ],
    )
    def test_given_as_text(self, given: Any, kept: Any) -> None:
        assert get("cors_allowed_origins", given) == kept

    def test_given_as_pattern_or_function(self) -> None:
        pattern = re.compile(r"https://.*\.example\.org")
        assert get("cors_allowed_origins", pattern) is pattern

        def allowed(origin: str, environ: dict[str, Any]) -> bool:
            return True

        assert get("cors_allowed_origins", allowed) is allowed

    @pytest.mark.parametrize(
        "origin", ["https://example.org/", "example.org", "", "//example.org", "https://u@example.org", "https://a b"]
    )
    def test_no_origin(self, origin: str) -> None:
        for given in origin, [origin]:
            with pytest.raises(ValueError, match="^cors_allowed_origins=.*no path, no / at the end$"):
                get("cors_allowed_origins", given)

    def test_a_star_within_an_origin(self) -> None:
        for given in "https://*.example.org", ["https://*.example.org"]:
            with pytest.raises(ValueError, match="^cors_allowed_origins=.*re.compile; an origin has no"):
                get("cors_allowed_origins", given)

    @pytest.mark.parametrize("wrong", [5, True, re.compile(b"x"), {"a": 1}, [1]])
    def test_a_wrong_type(self, wrong: Any) -> None:
        with pytest.raises(TypeError, match="^cors_allowed_origins="):
            get("cors_allowed_origins", wrong)

    @pytest.mark.parametrize("origins", ["*", ["https://a.example", "*"]])
    def test_everybody_with_credentials(self, origins: Any) -> None:
        with pytest.raises(ValueError, match="^cors_credentials=True: "):
            ServerOptions.from_kwargs({"cors_allowed_origins": origins, "cors_credentials": True})

    def test_credentials(self) -> None:
        options = {"cors_allowed_origins": ["https://a.example"], "cors_credentials": True}
        assert ServerOptions.from_kwargs(options).cors_credentials


def test_cors_headers() -> None:
    assert get("cors_allowed_headers", None) is None
    assert get("cors_allowed_headers", ["X-A"]) == ("X-A",)
    assert get("cors_exposed_headers", ["X-A", "X-B"]) == ("X-A", "X-B")
    for name in "cors_allowed_headers", "cors_exposed_headers":
        with pytest.raises(TypeError, match=f"^{name}='X-A': allowed is a list or tuple$"):
            get(name, "X-A")
        with pytest.raises(ValueError, match=f"^{name}="):
            get(name, ["X-A\r\nX-Evil: 1"])


def test_cors_max_age() -> None:
    assert get("cors_max_age", 86_400) == 86_400
    assert get("cors_max_age", 0) == 0
    for wrong in -1, math.inf, math.nan:
        with pytest.raises(ValueError, match="^cors_max_age="):
            get("cors_max_age", wrong)
    with pytest.raises(TypeError, match="^cors_max_age="):
        get("cors_max_age", "1")


async def asynchronous(environ: dict[str, Any]) -> bool:
    return True


@pytest.mark.parametrize("name", ["allow_request", "generate_id", "adapter"])
def test_functions(name: str) -> None:
    assert get(name, None) is None
    assert get(name, len) is len
    for wrong in 5, "len", asynchronous:
        with pytest.raises(TypeError, match=f"^{name}=.*: allowed is a function, which is no coroutine function$"):
            get(name, wrong)


def test_a_coroutine_function_cannot_judge_origins() -> None:
    with pytest.raises(TypeError, match="^cors_allowed_origins="):
        get("cors_allowed_origins", asynchronous)


class TestCookie:
    @pytest.mark.parametrize(
        ("given", "header"),
        [
            (True, "io=S; Path=/; HttpOnly; SameSite=Lax"),
            ("sticky", "sticky=S; Path=/; HttpOnly; SameSite=Lax"),
            ({}, "io=S; Path=/; HttpOnly; SameSite=Lax"),
            ({"name": "a", "path": "/x", "http_only": False, "same_site": "Strict"}, "a=S; Path=/x; SameSite=Strict"),
            (
                {"path": None, "domain": "example.org", "same_site": "none", "secure": True, "max_age": 86_400},
                "io=S; Max-Age=86400; Domain=example.org; HttpOnly; Secure; SameSite=None",
            ),
            ({"same_site": None}, "io=S; Path=/; HttpOnly"),
            (CookieOptions(name="b"), "b=S; Path=/; HttpOnly; SameSite=Lax"),
        ],
    )
    def test_the_header(self, given: Any, header: str) -> None:
        assert get("cookie", given).header("S") == header

    def test_none(self) -> None:
        assert get("cookie", None) is None
        assert get("cookie", False) is None

    def test_the_value_is_quoted(self) -> None:
        assert CookieOptions().header("a;b/c é").startswith("io=a%3Bb%2Fc%20%C3%A9; ")

    @pytest.mark.parametrize(
        ("given", "error", "message"),
        [
            ("a b", ValueError, "^cookie: name='a b'"),
            ("", ValueError, "^cookie: name="),
            ({"path": "/;x"}, ValueError, "^cookie: path="),
            ({"domain": "a\r\nb"}, ValueError, "^cookie: domain="),
            ({"same_site": "some"}, ValueError, "^cookie: same_site="),
            ({"same_site": "none"}, ValueError, "^cookie: .* unless it has secure=True$"),
            ({"max_age": -1}, ValueError, "^cookie: max_age="),
            ({"max_age": 1.5}, TypeError, "^cookie: max_age="),
            ({"secure": 1}, TypeError, "^cookie: secure="),
            ({"httpOnly": True}, TypeError, "^'httpOnly' is no key of cookie; here it is http_only$"),
            ({"max_aeg": 1}, TypeError, "here it is max_age$"),
            (5, TypeError, "^cookie=5: allowed is True, False or a dict of name, path, "),
        ],
    )
    def test_wrong(self, given: Any, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            get("cookie", given)


@pytest.mark.parametrize(
    ("name", "kind", "keys"),
    [
        ("per_message_deflate", DeflateOptions, "threshold, client_no_context_takeover, client_max_window_bits"),
        ("http_compression", CompressionOptions, "threshold"),
    ],
)
def test_compression(name: str, kind: type[CompressionOptions], keys: str) -> None:
    assert get(name, True) == kind(1024)
    assert get(name, False) is None
    assert get(name, {"threshold": 0}) == kind(0)
    with pytest.raises(ValueError, match=f"^{name}: threshold=-1: allowed is an int of at least 0$"):
        get(name, {"threshold": -1})
    with pytest.raises(TypeError, match=f"^'level' is no key of {name}$"):
        get(name, {"level": 1})
    with pytest.raises(TypeError, match=f"^{name}='on': allowed is True, False or a dict of {keys}$"):
        get(name, "on")


def test_what_clients_may_keep_for_compressing() -> None:
    name = "per_message_deflate"
    assert get(name, True) == DeflateOptions(1024, False, 15)
    given = {"client_no_context_takeover": True, "client_max_window_bits": 8}
    assert get(name, given) == DeflateOptions(1024, True, 8)
    for wrong in (7, 16):
        message = f"^{name}: client_max_window_bits={wrong}: allowed is an int from 8 to 15$"
        with pytest.raises(ValueError, match=message):
            get(name, {"client_max_window_bits": wrong})
    with pytest.raises(TypeError, match="^'clientNoContextTakeover' is no key of .*; here it is client_no_context_"):
        get(name, {"clientNoContextTakeover": True})


def test_connection_state_recovery() -> None:
    name = "connection_state_recovery"
    assert get(name, True) == get(name, {}) == RecoveryOptions(120, True, 64 * 2**20)
    assert get(name, {"max_disconnection_duration": 86_400}).max_disconnection_duration == 86_400
    assert get(name, {"skip_middlewares": False, "max_buffer": 1}) == RecoveryOptions(120, False, 1)
    assert get(name, None) is None
    with pytest.raises(ValueError, match="max_disconnection_duration=86401: allowed is a duration in seconds, at most"):
        get(name, {"max_disconnection_duration": 86_401})
    with pytest.raises(TypeError, match="here it is max_disconnection_duration$"):
        get(name, {"maxDisconnectionDuration": 1})
    with pytest.raises(TypeError, match="skip_middlewares=0"):
        get(name, {"skip_middlewares": 0})


def test_client_dir(tmp_path: Path) -> None:
    assert get("client_dir", tmp_path) == str(tmp_path)
    assert get("client_dir", str(tmp_path)) == str(tmp_path)
    with pytest.raises(ValueError, match="^client_dir=.*: allowed is an existing folder$"):
        get("client_dir", tmp_path / "none")
    with pytest.raises(TypeError, match="^client_dir=.*: allowed is a path$"):
        get("client_dir", 5)


class OwnParser:
    def encode(self, packet: parsers.Packet) -> tuple[str, ...]:
        return ()

    def decoder(self, max_attachments: int) -> None:
        return None


def test_parser() -> None:
    for parser in parsers.default, parsers.msgpack, OwnParser():
        assert get("parser", parser) is parser
    for wrong in "msgpack", OwnParser, parsers, object():
        with pytest.raises(TypeError, match="^parser=.*: allowed is an object with encode"):
            get("parser", wrong)


def test_runtime() -> None:
    for name in "auto", "gevent", "threads":
        assert get("runtime", name) == name
    with pytest.raises(ValueError, match="^runtime='eventlet': allowed is 'auto', 'gevent', 'threads'$"):
        get("runtime", "eventlet")
    with pytest.raises(TypeError, match="^runtime="):
        get("runtime", None)


def test_keep_environ() -> None:
    assert get("keep_environ", ["app.user"]) == ("app.user",)
    for wrong in "app.user", [1]:
        with pytest.raises(TypeError, match="^keep_environ="):
            get("keep_environ", wrong)


def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(TypeError) as caught:
        get("ping_interval", "x" * 10_000)
    assert len(str(caught.value)) < 200


def test_a_number_that_no_float_can_hold() -> None:
    with pytest.raises(ValueError, match="durations are seconds"):
        get("ping_timeout", 10**400)
