"""Flask-SocketIO's options as this package's: translated, or refused with what to do instead."""

from __future__ import annotations

import inspect
import json
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any

import flask.json

from socketio_sync import parsers

if TYPE_CHECKING:
    from flask import Flask

RUN_OPTIONS = ("host", "port", "debug", "use_reloader", "reloader_options", "log_output", "allow_unsafe_werkzeug")

_EVENTLET = (
    "eventlet is no longer maintained, and gunicorn has no worker for it any more. Leave async_mode out:"
    " gevent is used where it runs (gunicorn -k gevent), threads elsewhere"
)
# Who asks for gevent gets it where the host has it, and in socketio.run: on another host it could not run.
_MODES = {"threading": "threads", "gevent": "auto"}
_REFUSED_MODES = {
    "eventlet": _EVENTLET,
    "gevent_uwsgi": "leave async_mode out: under uWSGI, with --gevent or with --threads, nothing has to be chosen",
}
_COOKIE_KEYS = {"samesite": "same_site", "httponly": "http_only", "max-age": "max_age"}
_MESSAGE_QUEUE = (
    "message_queue comes with the Redis adapter, which this version does not have: leave it out and run one worker"
    " process, which carries thousands of clients"
)


def server_options(given: dict[str, Any], app: Flask) -> dict[str, Any]:
    """The options of a Server that mean what these of Flask-SocketIO mean; the Server's own may be among them.

    Raises:
        NotImplementedError: ``message_queue``.
        TypeError, ValueError: an option that does not exist here; the text says what to do.
    """
    options = dict(given)
    for name, translate in _TRANSLATIONS.items():
        if name in options:
            translate(options, options.pop(name))
    for name in RUN_OPTIONS:
        if name in options:
            raise TypeError(f"{name!r} is no option of SocketIO: give it to socketio.run()")
    _translate_json(options, app)
    options.setdefault("ordered_events", False)
    origins = options.get("cors_allowed_origins")
    several = not isinstance(origins, str) and origins is not None
    if "cors_credentials" not in options:
        # Theirs allows credentials to any origin: with "*" every page of the web could use the visitor's login.
        options["cors_credentials"] = several and not (isinstance(origins, (list, tuple)) and "*" in origins)
    return options


def _translate_async_mode(options: dict[str, Any], mode: Any) -> None:
    if mode is None:
        return
    if mode in _REFUSED_MODES:
        raise ValueError(f"async_mode={mode!r}: {_REFUSED_MODES[mode]}")
    if mode not in _MODES:
        raise ValueError(f'async_mode={mode!r}: allowed is "threading", "gevent", or None for what fits')
    options.setdefault("runtime", _MODES[mode])


def _translate_async_handlers(options: dict[str, Any], value: Any) -> None:
    if "ordered_events" in options:
        raise TypeError("async_handlers and ordered_events are opposites: give one of them")
    if not isinstance(value, bool):
        raise TypeError(f"async_handlers={value!r}: allowed is True or False")
    options["ordered_events"] = not value


def _translate_ping_interval(options: dict[str, Any], value: Any) -> None:
    if isinstance(value, (tuple, list)):
        value, grace = value
        options["ping_timeout"] = options.get("ping_timeout", 20) + grace
    options["ping_interval"] = value


def _translate_size(options: dict[str, Any], value: Any) -> None:
    whole = isinstance(value, float) and value.is_integer()  # 1e8 is a common way to write it
    options["max_http_buffer_size"] = int(value) if whole else value


def _translate_threshold(options: dict[str, Any], value: Any) -> None:
    if options.get("http_compression", True):
        options["http_compression"] = {"threshold": value}


def _translate_cookie(options: dict[str, Any], value: Any) -> None:
    if isinstance(value, dict):
        value = {_COOKIE_KEYS.get(str(key).lower(), str(key).lower()): item for key, item in value.items()}
    options["cookie"] = value


def _translate_origins(options: dict[str, Any], value: Any) -> None:
    if isinstance(value, (list, tuple)) and not value:
        raise ValueError(
            "cors_allowed_origins=[] let any page of the web connect: say so by '*', name those that may,"
            " or leave it out for the same origin"
        )
    if callable(value) and not inspect.iscoroutinefunction(value):
        value = _with_environ(value)
    options["cors_allowed_origins"] = value


def _with_environ(function: Callable[..., Any]) -> Callable[[str, dict[str, Any]], bool]:
    try:
        inspect.signature(function).bind("", {})
    except TypeError:
        return lambda origin, environ: bool(function(origin))
    return lambda origin, environ: bool(function(origin, environ))


def _translate_serializer(options: dict[str, Any], value: Any) -> None:
    if value == "msgpack":
        options["parser"] = parsers.msgpack
    elif value != "default":
        raise ValueError(f'serializer={value!r}: allowed is "default" or "msgpack"; parser= takes one of your own')


def _translate_json(options: dict[str, Any], app: Flask) -> None:
    module = options.pop("json", None)
    if module is flask.json:
        # What the application's provider has a rule for; what both know is written as in every other program here.
        options.setdefault("parser", parsers.default(encode=getattr(app.json, "default", None)))
    elif module is not None and module is not json:
        raise TypeError(
            "json= takes flask.json or the standard library's json: events are encoded by orjson; for more kinds of"
            " values use parser=parsers.default(encode=function)"
        )


def _translate_logger(name: str) -> Callable[[dict[str, Any], Any], None]:
    def translate(options: dict[str, Any], value: Any) -> None:
        logger = logging.getLogger(f"socketio_sync.{name}")
        if isinstance(value, logging.Logger):
            _forward(logger, value)
        elif value is True:
            logger.setLevel(logging.DEBUG)
            if not logger.hasHandlers():
                handler = logging.StreamHandler(sys.stderr)
                handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
                logger.addHandler(handler)
        elif value not in (False, None):
            raise TypeError(f"the logger of socketio_sync.{name} may be True, False or a logging.Logger, not {value!r}")

    return translate


class _Forwarder(logging.Handler):
    def __init__(self, target: logging.Logger) -> None:
        super().__init__()
        self.target = target

    def emit(self, record: logging.LogRecord) -> None:
        if self.target.isEnabledFor(record.levelno):
            self.target.handle(record)


def _forward(logger: logging.Logger, target: logging.Logger) -> None:
    if not any(isinstance(handler, _Forwarder) and handler.target is target for handler in logger.handlers):
        logger.addHandler(_Forwarder(target))
    logger.setLevel(target.getEffectiveLevel())
    logger.propagate = False


def _refuse(error: type[Exception], text: str) -> Callable[[dict[str, Any], Any], None]:
    def translate(options: dict[str, Any], value: Any) -> None:
        if value:
            raise error(text)

    return translate


def _only_true(name: str, text: str) -> Callable[[dict[str, Any], Any], None]:
    def translate(options: dict[str, Any], value: Any) -> None:
        if value is not True:
            raise ValueError(f"{name}={value!r}: {text}")

    return translate


def _nothing(options: dict[str, Any], value: Any) -> None:
    """An option that nothing depends on here."""


_TRANSLATIONS: dict[str, Callable[[dict[str, Any], Any], None]] = {
    "message_queue": _refuse(NotImplementedError, _MESSAGE_QUEUE),
    "client_manager": _refuse(TypeError, "client_manager is python-socketio's: the option here is adapter"),
    "channel": _nothing,
    "async_mode": _translate_async_mode,
    "async_handlers": _translate_async_handlers,
    # What a connect handler emits is held back until its client is accepted, so both orders look the same to it.
    "always_connect": _nothing,
    "monitor_clients": _only_true("monitor_clients", "every client is watched, by ping_interval and ping_timeout"),
    "ping_interval": _translate_ping_interval,
    "max_http_buffer_size": _translate_size,
    "compression_threshold": _translate_threshold,
    "cookie": _translate_cookie,
    "cors_allowed_origins": _translate_origins,
    "serializer": _translate_serializer,
    "logger": _translate_logger("server"),
    "engineio_logger": _translate_logger("engine"),
}
