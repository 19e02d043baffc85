"""The checks of options: each takes name and value and returns the value as it is kept.

All raise TypeError for a wrong type and ValueError for a wrong value, naming the option, what came and what is allowed.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
import os
import re
import reprlib
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

Check = Callable[[str, Any], Any]

# A duration from here on is taken for milliseconds, which Node's users are used to.
TOO_LONG = 1000

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_COOKIE_ATTRIBUTE = re.compile(r"[\x20-\x3a\x3c-\x7e]+")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.\-]*://[^\s/?#@]*")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def check_duration(name: str, value: Any, *, longest: float | None = None) -> float:
    """Return a duration in seconds that an option or an argument gives.

    Raises:
        TypeError: it is no number.
        ValueError: it is not above 0, not finite, or so long that milliseconds must be meant.
    """
    _check_number(name, value)
    if not 0 < value < math.inf:
        raise _wrong(ValueError, name, value, "a duration in seconds, above 0")
    if longest is None and value >= TOO_LONG:
        value = min(value, 10**15)  # an int may be too large for a float
        raise ValueError(f"{name}={value!r}: {value:g} s is {value / 60:.0f} minutes; durations are seconds")
    if longest is not None and value > longest:
        raise _wrong(ValueError, name, value, f"a duration in seconds, at most {longest:g}")
    return value  # type: ignore[no-any-return]


def duration(*, longest: float) -> Check:
    """A duration that may be longer than most."""
    return lambda name, value: check_duration(name, value, longest=longest)


def _wrong(error: type[Exception], name: str, value: Any, allowed: str) -> Exception:
    return error(f"{name}={reprlib.repr(value)}: allowed is {allowed}")


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(TypeError, name, value, "a number of seconds")


def boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(TypeError, name, value, "True or False")
    return value


def integer(least: int, most: float = math.inf) -> Check:
    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong(TypeError, name, value, "an int")
        if not least <= value <= most:
            allowed = f"an int of at least {least}" if most == math.inf else f"an int from {least} to {most}"
            raise _wrong(ValueError, name, value, allowed)
        return value

    return check


def or_none(check: Check) -> Check:
    return lambda name, value: None if value is None else check(name, value)


def string(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(TypeError, name, value, "a str")
    return value


def matching(pattern: re.Pattern[str], allowed: str) -> Check:
    def check(name: str, value: Any) -> str:
        if pattern.fullmatch(string(name, value)) is None:
            raise _wrong(ValueError, name, value, allowed)
        return value  # type: ignore[no-any-return]

    return check


token = matching(_TOKEN, "letters, digits and !#$%&'*+-.^_`|~")
cookie_attribute = matching(_COOKIE_ATTRIBUTE, "ASCII without ; and control characters")


def one_of(*choices: str) -> Check:
    def check(name: str, value: Any) -> str:
        if string(name, value) not in choices:
            raise _wrong(ValueError, name, value, ", ".join(map(repr, choices)))
        return value  # type: ignore[no-any-return]

    return check


def several(check: Check) -> Check:
    """A tuple of what ``check`` takes. A lone str is refused: it would be taken letter by letter."""

    def check_all(name: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple, set, frozenset)):
            raise _wrong(TypeError, name, value, "a list or tuple")
        return tuple(check(name, item) for item in value)

    return check_all


def function(name: str, value: Any) -> Any:
    if not callable(value) or inspect.iscoroutinefunction(value):
        raise _wrong(TypeError, name, value, "a function, which is no coroutine function")
    return value


def path(name: str, value: Any) -> str:
    if re.search(r"[?#\s]", string(name, value)):
        raise _wrong(ValueError, name, value, "a URL's path: no ?, no #, no blank")
    return value  # type: ignore[no-any-return]


def transports(name: str, value: Any) -> tuple[str, ...]:
    transports: tuple[str, ...] = several(one_of("polling", "websocket"))(name, value)
    if not transports or len(set(transports)) < len(transports):
        raise _wrong(ValueError, name, value, "at least one, and each once")
    return transports


def _origin(name: str, value: Any) -> str:
    origin = string(name, value).lower()
    if origin in ("*", "null"):
        return origin
    if "*" in origin:
        raise _wrong(ValueError, name, value, "'*' by itself, or a pattern made by re.compile; an origin has no *")
    if _ORIGIN.fullmatch(origin) is None:
        raise _wrong(ValueError, name, value, 'an origin as "https://example.org:8443": no path, no / at the end')
    return origin.removesuffix(_DEFAULT_PORTS.get(origin.partition(":")[0], ":"))


def origins(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return _origin(name, value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return several(_origin)(name, value)
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        return value
    if callable(value):
        return function(name, value)
    raise _wrong(TypeError, name, value, "None, '*', an origin, a list of origins, a str pattern or a function")


def max_age(name: str, value: Any) -> float:
    _check_number(name, value)
    if not 0 <= value < math.inf:
        raise _wrong(ValueError, name, value, "a number of seconds, not below 0")
    return value  # type: ignore[no-any-return]


def same_site(name: str, value: Any) -> Any:
    return one_of("strict", "lax", "none")(name, string(name, value).lower())


def folder(name: str, value: Any) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise _wrong(TypeError, name, value, "a path")
    path = os.fspath(value)
    if not isinstance(path, str) or not os.path.isdir(path):
        raise _wrong(ValueError, name, value, "an existing folder")
    return path


def parser(name: str, value: Any) -> Any:
    interface = (getattr(value, "encode", None), getattr(value, "decoder", None))
    if isinstance(value, type) or not all(map(callable, interface)):
        raise _wrong(TypeError, name, value, "an object with encode() and decoder(), such as parsers.msgpack")
    return value


def switch(options: type[Any]) -> Check:
    """True (the defaults), False, None or a dict of what ``options`` takes: the options, or None."""

    def check(name: str, value: Any) -> Any:
        if value is None or value is False:
            return None
        if value is True:
            return options()
        if isinstance(value, options):
            return value
        known = [field.name for field in dataclasses.fields(options)]
        if not isinstance(value, Mapping):
            raise _wrong(TypeError, name, value, f"True, False or a dict of {', '.join(known)}")
        check_names(value, set(known), f"key of {name}")
        try:
            return options(**value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None

    return check


_NONE = "no option"

# What other servers call it, where the name in our spelling is not ours.
_ELSEWHERE = {
    "cors": "cors_allowed_origins, cors_credentials ...",
    "async_mode": 'runtime: "auto", "gevent" or "threads"',
    "async_handlers": "ordered_events, which is its opposite",
    "client_manager": "adapter",
    "message_queue": "adapter",
    "json": "parser",
    "serializer": "parser",
    "compression_threshold": 'http_compression={"threshold": ...}',
    "websocket_compression": "per_message_deflate",
    "resource": "path",
    "socketio_path": "path",
    "engineio_path": "path",
    "logger": 'logging.getLogger("socketio_sync")',
    "engineio_logger": 'logging.getLogger("socketio_sync.engine")',
    "always_connect": 'no option: handlers of "connection" run after the client was accepted',
    "namespaces": "no option: clients may join what of() was called with",
    "monitor_clients": "no option: ping_interval and ping_timeout are always watched",
    "ws_engine": "no option: the WebSocket implementation is built in",
    "initial_packet": 'no option: emit in the handler of "connection"',
    "destroy_upgrade": "no option: upgrades that are not ours go to your application",
    "destroy_upgrade_timeout": "no option: upgrades that are not ours go to your application",
}


def check_names(given: Mapping[str, Any], known: set[str], what: str) -> None:
    for name in given:
        if name in known:
            continue
        hint = ""
        if isinstance(name, str):
            snake = _snake_case(name)
            close = difflib.get_close_matches(snake, known, 1)
            ours = snake if snake in known else _ELSEWHERE.get(snake) or (close[0] if close else None)
            if ours is not None:
                hint = ours.removeprefix(_NONE) if ours.startswith(_NONE) else f"; here it is {ours}"
        raise TypeError(f"{name!r} is no {what}{hint}")


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
