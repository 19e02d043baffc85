"""What a payload may be, and where in it the fault is: any value of the user's to plain JSON values, in one walk.

The parsers walk only when they must: the C encoders take ordinary payloads whole, and what they refuse comes here, to
be turned into something they take or to be refused with its path, ``args[0]["price"]``.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
from collections.abc import Callable
from collections.abc import Iterable
from datetime import date
from datetime import datetime
from datetime import time
from decimal import Decimal
from enum import Enum
from typing import Any
from typing import NoReturn
from uuid import UUID

# Levels of lists and dicts: what orjson can encode.
MAX_DEPTH = 254
MIN_INT = -(2**63)
MAX_INT = 2**64 - 1

_SHOWN_STEPS = 12
_SHOWN_KEY = 80
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial)
_BINARY = (bytes, bytearray, memoryview)
_ISO_8601 = (datetime, date, time)
_FINITE_LEAVES = frozenset((str, int, bool, type(None), datetime, date, time, UUID))
_GENERAL_HINT = "send a plain value, or teach the parser: parsers.default(encode=...)"


def is_surely_finite(value: Any) -> bool:
    """Whether a value contains no NaN and no infinity; False also where only a walk can tell.

    orjson writes such numbers as null without a word, so this is asked when its output contains a null.
    """
    pending = [value]
    for item in pending:
        kind = type(item)
        if kind is float:
            if not math.isfinite(item):
                return False
        elif kind is dict:
            pending.extend(item.values())
        elif kind is list or kind is tuple:
            pending.extend(item)
        elif kind not in _FINITE_LEAVES:
            return False
    return True


def to_plain(
    value: Any,
    *,
    binary: Callable[[bytes], Any] | None = None,
    encode: Callable[[Any], Any] | None = None,
    root: str = "data",
    skip: int = 0,
) -> Any:
    """Return the value as exact str, int, float, bool, None, list and dict with str keys.

    Args:
        binary: called with each bytes value, depth first in document order; its result takes the place. None: refused.
        encode: called with a value of a kind unknown here; its result takes the place.
        root: how the top is called in messages.
        skip: how many leading items of the top (the event's name) do not count in messages.

    Raises:
        TypeError: a value, or a key, of a kind that no parser carries.
        ValueError: NaN, an infinity, an int over 64 bits, too many levels or a value that contains itself.
    """
    walk = _Walk(binary, encode, root, skip)
    try:
        return walk.plain(value)
    except RecursionError:
        raise ValueError(f"{root} is nested too deeply, or contains itself") from None
    except ValueError as error:
        if not walk.too_deep:
            raise
        # Its hundreds of frames say nothing, and a client whose value is sent on could fill the log with them.
        raise error.with_traceback(None) from None


class _Walk:
    __slots__ = ("_binary", "_encode", "_path", "_root", "_skip", "too_deep")

    def __init__(
        self,
        binary: Callable[[bytes], Any] | None,
        encode: Callable[[Any], Any] | None,
        root: str,
        skip: int,
    ) -> None:
        self._binary = binary
        self._encode = encode
        self._root = root
        self._skip = skip
        self.too_deep = False
        # None is a step that the message leaves out.
        self._path: list[str | int | None] = []

    def plain(self, value: Any) -> Any:
        kind = type(value)
        if kind is str or value is None or kind is bool:
            return value
        if isinstance(value, dict):
            return self._dict(value)
        if isinstance(value, (list, tuple)):
            return self._list(value)
        if isinstance(value, Enum):
            return self.plain(value.value)
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return self._int(value)
        if isinstance(value, float):
            return self._float(value)
        if isinstance(value, _BINARY):
            return self._bytes(value)
        if isinstance(value, _ISO_8601):
            return value.isoformat()
        if isinstance(value, UUID):
            return str(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self._dict({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
        return self._unknown(value)

    def _dict(self, value: dict[Any, Any]) -> dict[str, Any]:
        self._check_depth()
        path = self._path
        result: dict[str, Any] = {}
        for key, item in value.items():
            name = key if type(key) is str else self._key(key)
            if name in result:
                raise ValueError(f"{self._where()} has two keys that are sent as {_shown(name)!r}")
            path.append(name)
            result[name] = self.plain(item)
            path.pop()
        return result

    def _list(self, value: Iterable[Any]) -> list[Any]:
        self._check_depth()
        path = self._path
        result = []
        for index, item in enumerate(value):
            path.append(index)
            result.append(self.plain(item))
            path.pop()
        return result

    def _key(self, key: Any) -> str:
        if isinstance(key, Enum):
            return self._key(key.value)
        if isinstance(key, str):
            return str.__str__(key)
        if isinstance(key, int) and not isinstance(key, bool):
            return str(self._int(key))
        if isinstance(key, UUID):
            return str(key)
        if isinstance(key, datetime):
            return key.isoformat()
        raise TypeError(
            f"{self._where()} has the key {_shown(repr(key))} ({type(key).__name__}); "
            "keys may be str, int, UUID, Enum or datetime: make it a str"
        )

    def _int(self, value: int) -> int:
        if MIN_INT <= value <= MAX_INT:
            return int(value)
        raise ValueError(f"{self._where()} is an int of more than 64 bits: send it as a str")

    def _float(self, value: float) -> float:
        if math.isfinite(value):
            return float(value)
        raise ValueError(f"{self._where()} is {float(value)}, a number that JSON does not have: send None or a str")

    def _bytes(self, value: bytes | bytearray | memoryview) -> Any:
        if self._binary is None:
            raise TypeError(f"{self._where()} is {type(value).__name__}: only events and acknowledgements carry binary")
        return self._binary(bytes(value))

    def _unknown(self, value: Any) -> Any:
        if isinstance(value, _FUNCTIONS):
            self._refuse(value, "to be called with the answer, give it by name: callback=")
        if self._encode is None:
            self._refuse(value, _hint(value))
        self._check_depth()
        try:
            replacement = self._encode(value)
        except TypeError as error:
            raise TypeError(f"{self._where()} is a {type(value).__name__}, which encode= refused: {error}") from error
        # The step counts as a level, so that an encode which returns its argument comes to an end.
        self._path.append(None)
        result = self.plain(replacement)
        self._path.pop()
        return result

    def _refuse(self, value: Any, hint: str) -> NoReturn:
        raise TypeError(f"{self._where()} is a {type(value).__name__}, which cannot be sent: {hint}")

    def _check_depth(self) -> None:
        if len(self._path) >= MAX_DEPTH:
            self.too_deep = True
            raise ValueError(f"{self._where()} is nested deeper than {MAX_DEPTH} levels, or contains itself")

    def _where(self) -> str:
        """The path to the value at hand, as the caller of ``emit`` would write it."""
        steps = [step for step in self._path if step is not None]
        if steps and self._skip and isinstance(steps[0], int):
            if steps[0] < self._skip:
                return "the event's name"
            steps[0] -= self._skip
        text = self._root + "".join(
            f"[{step}]" if isinstance(step, int) else f'["{_shown(step)}"]' for step in steps[:_SHOWN_STEPS]
        )
        return text if len(steps) <= _SHOWN_STEPS else text + "..."


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_KEY else text[:_SHOWN_KEY] + "..."


def _hint(value: Any) -> str:
    if isinstance(value, Decimal):
        return "send str(value) or float(value)"
    if isinstance(value, (set, frozenset)) or (isinstance(value, Iterable) and not isinstance(value, type)):
        return "send a list"
    return _GENERAL_HINT
