"""Events as lines: what a person types and reads, and JSON for scripts."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from socketio_sync import ConnectError

# JSON has no bytes: they are an object with this one key.
BASE64 = "$base64"

# A line for a person ends after so many characters.
_LONGEST = 2000
_BYTES_SHOWN = 16


def parse_typed(line: str) -> tuple[str, list[Any]]:
    """``event json-args...``: the name is a word or a JSON string; an argument that is no JSON is a text, too.

    Raises:
        ValueError: what begins like JSON is none.
    """
    values: list[Any] = []
    rest = line.strip()
    while rest:
        value, rest = _value(rest, first=not values)
        values.append(value)
    if not values or not isinstance(values[0], str):
        raise ValueError('a line is an event and its arguments, as in: say "hello" 3 {"to": "all"}')
    return values[0], values[1:]


def _value(text: str, first: bool) -> tuple[Any, str]:
    word, _, rest = text.partition(" ")
    if text[0] in '"[{' or not first:
        try:
            value, end = json.JSONDecoder(object_hook=_to_bytes).raw_decode(text)
        except json.JSONDecodeError as error:
            if text[0] in '"[{':
                raise ValueError(f"{text!r} is no JSON: {error.msg} at character {error.pos + 1}") from None
        else:
            if not text[end:] or text[end] == " ":
                return value, text[end:].lstrip()
            if text[0] in '"[{':
                raise ValueError(f"{text!r}: a space is missing after character {end}")
    return word, rest.lstrip()


def parse_json(line: str) -> tuple[str, list[Any]]:
    """``["event", args...]``.

    Raises:
        ValueError: it is none.
    """
    try:
        values = json.loads(line, object_hook=_to_bytes)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg} at character {error.pos + 1}") from None
    if not isinstance(values, list) or not values or not isinstance(values[0], str):
        raise ValueError('not of the form ["event", args...]')
    return values[0], values[1:]


def _to_bytes(value: dict[str, Any]) -> Any:
    if list(value) != [BASE64]:
        return value
    try:
        return base64.b64decode(value[BASE64], validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise ValueError(f"{value!r}: that is not base64") from None


def to_json(value: Any) -> str:
    """One line of JSON in ASCII."""
    return json.dumps(value, default=_from_bytes, separators=(",", ":"))


def _from_bytes(value: Any) -> Any:
    return {BASE64: base64.b64encode(value).decode()}


def readable(args: tuple[Any, ...]) -> str:
    """The arguments of an event for a person, in one line, and harmless for a terminal."""
    text = " ".join(json.dumps(_without_bytes(arg), ensure_ascii=False) for arg in args)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}... ({len(text)} characters)"
    return printable(text)


def printable(text: str) -> str:
    """Control characters, and what turns the direction of writing, become visible."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def told(error: ConnectError) -> str:
    """Why there is no connection."""
    text = str(error) or type(error).__name__
    return printable(text if error.data is None else f"{text} {json.dumps(error.data, ensure_ascii=False)}")


def _without_bytes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_bytes(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_bytes(item) for item in value]
    if not isinstance(value, bytes):
        return value
    shown = value[:_BYTES_SHOWN].hex(" ")
    return f"<{len(value)} bytes: {shown}{'...' if len(value) > _BYTES_SHOWN else ''}>"
