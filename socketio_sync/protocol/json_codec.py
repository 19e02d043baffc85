"""JSON as JavaScript reads and writes it: orjson, and the standard library for the few texts that orjson refuses."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any
from typing import NoReturn

import orjson

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.payload import MAX_INT
from socketio_sync.protocol.payload import MIN_INT
from socketio_sync.protocol.payload import is_surely_finite
from socketio_sync.protocol.payload import to_plain

# orjson would write a dataclass's __dict__, which may have more than its fields.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS
_PLACEHOLDER = b'"_placeholder":true'
_LONGEST_FINITE = 400
_N = ord("n")
_NULL = b"null"

decode = orjson.loads
"""``loads`` for ordinary texts: a ValueError does not mean yet that the text is wrong."""


def dumps(
    value: Any,
    *,
    attachments: list[bytes] | None = None,
    encode: Callable[[Any], Any] | None = None,
    root: str = "data",
    skip: int = 0,
) -> str:
    """Return the JSON text of a payload; one C call where it is made of ordinary values.

    Args:
        attachments: takes the binary values, each replaced by a numbered placeholder; None: no binary here.
        encode, root, skip: see :func:`socketio_sync.protocol.payload.to_plain`.

    Raises:
        TypeError, ValueError: see :func:`socketio_sync.protocol.payload.to_plain`.
    """
    text = dumps_ordinary(value)
    return dumps_walked(value, attachments, encode, root, skip) if text is None else text.decode()


def dumps_ordinary(value: Any) -> bytes | None:
    """The JSON text as UTF-8, by one C call, or None: the value must be walked, for it has something unusual."""
    try:
        text = orjson.dumps(value, None, _OPTIONS)
    except TypeError:
        return None
    # NaN and the infinities come out as null: look at the values only when there is one in the text. To look for one
    # letter first takes a quarter of the time, and ``in`` would first try to make a number of b"null".
    return text if _N not in text or text.find(_NULL) < 0 or is_surely_finite(value) else None


def dumps_walked(
    value: Any, attachments: list[bytes] | None, encode: Callable[[Any], Any] | None, root: str, skip: int
) -> str:
    """The same as ``dumps`` for values that ``dumps_ordinary`` cannot take."""

    def placeholder(data: bytes) -> dict[str, Any]:
        assert attachments is not None
        attachments.append(data)
        return {"_placeholder": True, "num": len(attachments) - 1}

    binary = None if attachments is None else placeholder
    plain = to_plain(value, binary=binary, encode=encode, root=root, skip=skip)
    try:
        text = orjson.dumps(plain)
    except TypeError:
        # Lone surrogates: UTF-8 cannot carry them, so they travel escaped, as JSON.stringify writes them.
        text = json.dumps(plain, separators=(",", ":"), allow_nan=False).encode()
    if attachments and text.count(_PLACEHOLDER) != len(attachments):
        # Node sends it; its receiver swaps in an attachment or closes the connection, and relayed input could do that.
        raise ValueError(f'{root} has binary values and a dict with "_placeholder": True, which would be taken for one')
    return text.decode()


def loads(text: str) -> Any:
    """Return the value of a JSON text of the peer's, in the meaning JavaScript gives it (huge ints are floats).

    Raises:
        ProtocolError: no JSON, a number beyond a float's range, too many levels (orjson: 1024).
    """
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    if "\\u" not in text and text.isascii():
        # Nothing here that only the standard library takes.
        raise ProtocolError("invalid payload")
    try:
        return _LENIENT.decode(text)
    except (ValueError, RecursionError):
        raise ProtocolError("invalid payload") from None


def _parse_int(digits: str) -> int | float:
    # Judged by its length before int(), which refuses more than 4300 digits.
    if len(digits) <= _LONGEST_FINITE:
        number = int(digits)
        if MIN_INT <= number <= MAX_INT:
            return number
    return _parse_float(digits)


def _parse_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


# For lone surrogates, which JavaScript's strings may hold and orjson refuses.
_LENIENT = json.JSONDecoder(parse_int=_parse_int, parse_float=_parse_float, parse_constant=_refuse_constant)
