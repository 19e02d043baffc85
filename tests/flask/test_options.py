"""Flask-SocketIO's options, translated or refused; and what else goes wrong before anything runs."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import flask
import pytest
from flask import Flask

from socketio_sync import Server
from socketio_sync import parsers
from socketio_sync.flask import SocketIO
from socketio_sync.flask import emit

Make = Callable[..., Any]


def options_of(**given: Any) -> Any:
    """The Server's options that these become."""
    return SocketIO(Flask("site"), **given).server.options


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({}, "ordered_events", False),
        ({"async_handlers": True}, "ordered_events", False),
        ({"async_handlers": False}, "ordered_events", True),
        ({}, "runtime", "auto"),
        ({"async_mode": None}, "runtime", "auto"),
        ({"async_mode": "threading"}, "runtime", "threads"),
        ({"async_mode": "gevent"}, "runtime", "auto"),
        ({}, "path", "/socket.io/"),
        ({"path": "chat"}, "path", "/chat/"),
        ({"resource": "/chat"}, "path", "/chat/"),
        ({"ping_interval": (5, 3)}, "ping_interval", 5),
        ({"ping_interval": (5, 3), "ping_timeout": 10}, "ping_timeout", 13),
        ({"max_http_buffer_size": 1e8}, "max_http_buffer_size", 100_000_000),
        ({"http_compression": False, "compression_threshold": 9}, "http_compression", None),
        ({"transports": ["websocket"]}, "transports", ("websocket",)),
        ({"allow_upgrades": False}, "allow_upgrades", False),
        ({"serializer": "default"}, "parser", None),
        ({"serializer": "msgpack"}, "parser", parsers.msgpack),
        ({"json": json}, "parser", None),
        ({"cors_allowed_origins": "*"}, "cors_credentials", False),
        ({"cors_allowed_origins": ["*"]}, "cors_credentials", False),
        ({"cors_allowed_origins": "https://a.org"}, "cors_credentials", False),
        ({"cors_allowed_origins": ["https://a.org"]}, "cors_credentials", True),
        ({"cors_allowed_origins": ["https://a.org"], "cors_credentials": False}, "cors_credentials", False),
        ({"message_queue": None, "channel": "x", "always_connect": True, "monitor_clients": True}, "adapter", None),
        ({"message_queue": "", "client_manager": None, "logger": False}, "adapter", None),
        ({"max_rooms": 7}, "max_rooms", 7),
    ],
)
def test_options_are_translated(given: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(options_of(**given), name) == value


def test_options_within_options_are_translated() -> None:
    assert options_of(compression_threshold=9).http_compression.threshold == 9
    cookie = options_of(cookie={"name": "sid", "SameSite": "Strict", "httponly": False, "path": "/x"}).cookie
    assert (cookie.name, cookie.same_site, cookie.http_only, cookie.path) == ("sid", "strict", False, "/x")
    assert options_of(cookie="io").cookie.name == "io"


@pytest.mark.parametrize("function", [lambda origin: origin == "good", lambda origin, environ: origin == "good"])
def test_a_function_of_the_origin_may_do_without_the_environ(function: Any) -> None:
    allowed = options_of(cors_allowed_origins=function).cors_allowed_origins
    assert [allowed("good", {}), allowed("bad", {})] == [True, False]


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"message_queue": "redis://"}, NotImplementedError, "Redis adapter.*leave it out"),
        ({"client_manager": object()}, TypeError, "adapter"),
        ({"async_mode": "eventlet"}, ValueError, "Leave async_mode out"),
        ({"async_mode": "gevent_uwsgi"}, ValueError, "leave async_mode out"),
        ({"async_mode": "asyncio"}, ValueError, '"threading", "gevent"'),
        ({"async_handlers": "no"}, TypeError, "True or False"),
        ({"async_handlers": True, "ordered_events": True}, TypeError, "opposites"),
        ({"cors_allowed_origins": []}, ValueError, "any page"),
        ({"cors_allowed_origins": "*", "cors_credentials": True}, ValueError, "name them"),
        ({"serializer": "pickle"}, ValueError, "msgpack"),
        ({"json": object()}, TypeError, "parsers.default"),
        ({"monitor_clients": False}, ValueError, "ping_timeout"),
        ({"logger": "yes"}, TypeError, "Logger"),
        ({"debug": True}, TypeError, "socketio.run"),
        ({"ping_timeout": 60000}, ValueError, "seconds"),
        ({"pingTimeout": 60}, TypeError, "ping_timeout"),
        ({"cors_allow_origins": "*"}, TypeError, "cors_allowed_origins"),
        ({"nonsense": 1}, TypeError, "nonsense"),
    ],
)
def test_options_that_cannot_be_are_refused_with_what_to_do(given: Any, error: type[Exception], text: str) -> None:
    app = Flask("site")
    wsgi_app = app.wsgi_app
    with pytest.raises(error, match=text):
        SocketIO(app, **given)
    assert app.wsgi_app == wsgi_app
    later = SocketIO(**{**given, "message_queue": None})
    with pytest.raises((error, TypeError)):
        later.init_app(app, **given)
    assert "socketio" not in app.extensions


def test_a_queue_without_an_application_is_refused_as_well() -> None:
    with pytest.raises(NotImplementedError, match="Redis adapter"):
        SocketIO(message_queue="redis://localhost")


def test_the_options_of_init_app_count_more() -> None:
    io = SocketIO(max_rooms=1, path="early", async_handlers=False, manage_session=False)
    io.init_app(Flask("site"), max_rooms=2, path="late")
    options = io.server.options
    assert (options.max_rooms, options.path, options.ordered_events, io.manage_session) == (2, "/late/", True, False)


def test_flasks_json_adds_the_kinds_of_values_that_it_knows(site: Make) -> None:
    here = site(json=flask.json)
    here.socketio.on("values")(lambda: emit("values", {"price": Decimal("1.50"), "day": date(2026, 1, 2)}))
    client = here.client()
    client.emit("values")
    assert here.events(client) == [("values", [{"price": "1.50", "day": "2026-01-02"}])]


def test_loggers(site: Make) -> None:
    lines: list[str] = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    mine = logging.Logger("mine", logging.DEBUG)
    mine.addHandler(Collecting())
    ours = [logging.getLogger(f"socketio_sync.{name}") for name in ("server", "engine")]
    before = [(logger.level, logger.propagate, logger.handlers[:]) for logger in ours]
    try:
        here = site(logger=mine, engineio_logger=True)
        here.client().emit("chat")
        assert any("chat" in line for line in lines)
        assert ours[1].level == logging.DEBUG
    finally:
        for logger, (level, propagate, handlers) in zip(ours, before, strict=True):
            logger.setLevel(level)
            logger.propagate = propagate
            logger.handlers[:] = handlers


def test_an_application_is_wrapped_once_for_each_path() -> None:
    app = Flask("shop")
    io = SocketIO(app)
    other = SocketIO()
    for again in (lambda: SocketIO(app), lambda: io.init_app(app), lambda: other.init_app(app, path="/socket.io/")):
        with pytest.raises(ValueError, match="'shop' has a Socket.IO server at '/socket.io/' already.*another path="):
            again()
    assert app.extensions["socketio"] is io
    SocketIO(app, path="other")


def test_what_is_no_application() -> None:
    for app in (None, "site:app", object()):
        with pytest.raises(TypeError, match="needs a Flask application"):
            SocketIO().init_app(app)
    with pytest.raises(RuntimeError, match="init_app"):
        _ = SocketIO().server


def test_the_whole_server_is_there(site: Make) -> None:
    io = site(async_mode="threading").socketio
    assert isinstance(io.server, Server)
    assert (io.async_mode, SocketIO(Flask("a"), async_mode="gevent").async_mode) == ("threading", "gevent")
    assert SocketIO(Flask("a")).async_mode == "threading"


def test_without_flask_there_is_a_message() -> None:
    script = (
        "import sys; sys.modules['flask'] = None\n"
        "try:\n    import socketio_sync.flask\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "socketio_sync.flask needs Flask: pip install 'socketio_sync[flask]'"
