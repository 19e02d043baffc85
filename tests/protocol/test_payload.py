from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import math
import sys
from collections import OrderedDict
from collections import namedtuple
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from socketio_sync.protocol.payload import MAX_DEPTH
from socketio_sync.protocol.payload import is_surely_finite
from socketio_sync.protocol.payload import to_plain


class Text(str):
    def __str__(self) -> str:
        return "not this"


class Whole(int):
    pass


class Real(float):
    pass


class Color(enum.Enum):
    RED = "red"
    ONE = 1


class Level(enum.IntEnum):
    HIGH = 3


class Kind(str, enum.Enum):
    A = "a"


@dataclasses.dataclass
class Point:
    x: int
    _y: Any = None


Pair = namedtuple("Pair", "left right")
ID = UUID("12345678-1234-5678-1234-567812345678")
NOON = datetime(2026, 1, 2, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
        (0.5, 0.5),
        ("a", "a"),
        ((1, (2,)), [1, [2]]),
        ({"a": [{"b": ()}]}, {"a": [{"b": []}]}),
        (Text("a"), "a"),
        (Whole(1), 1),
        (Real(0.5), 0.5),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (Kind.A, "a"),
        (Pair(1, 2), [1, 2]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (Point(1, [2]), {"x": 1, "_y": [2]}),
        (ID, str(ID)),
        (NOON, "2026-01-02T12:00:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(1, 2), "01:02:00"),
        ({Text("a"): 1, 2: 2, Color.ONE: 3}, {"a": 1, "2": 2, "1": 3}),
        ({ID: 1, NOON: 2}, {str(ID): 1, NOON.isoformat(): 2}),
    ],
)
def test_what_is_allowed_becomes_plain(value: Any, plain: Any) -> None:
    result = to_plain(value)
    assert result == plain
    assert_plain(result)


def assert_plain(value: Any) -> None:
    assert type(value) in (str, int, float, bool, type(None), list, dict)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        assert_plain(item)
    if isinstance(value, dict):
        assert {type(key) for key in value} <= {str}


def test_a_dataclass_is_sent_with_its_fields_and_nothing_that_was_hung_on_it() -> None:
    point = Point(1)
    point.cache = "secret"  # type: ignore[attr-defined]
    assert to_plain(point) == {"x": 1, "_y": None}


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ({"price": Decimal(1)}, TypeError, r'args\[0\]\["price"\] is a Decimal.*send str\(value\) or float\(value\)'),
        ({1, 2}, TypeError, r"args\[0\] is a set.*send a list"),
        (frozenset(), TypeError, r"args\[0\] is a frozenset.*send a list"),
        (range(3), TypeError, "send a list"),
        (iter([]), TypeError, "is a list_iterator.*send a list"),
        (object(), TypeError, r"parsers\.default\(encode=\.\.\.\)"),
        (list, TypeError, r"is a type, .*encode="),
        (Point, TypeError, r"is a type, .*encode="),
        (lambda: None, TypeError, r"args\[0\] is a function.*callback="),
        (functools.partial(print), TypeError, "callback="),
        (print, TypeError, "callback="),
        ([math.nan], ValueError, r"args\[0\]\[0\] is nan"),
        ({"a": {"b": math.inf}}, ValueError, r'args\[0\]\["a"\]\["b"\] is inf'),
        (Real("-inf"), ValueError, "is -inf"),
        (2**64, ValueError, r"args\[0\] is an int of more than 64 bits: send it as a str"),
        (-(2**63) - 1, ValueError, "64 bits"),
        pytest.param(10**5000, ValueError, "64 bits", id="huge"),
        ({None: 1}, TypeError, r"args\[0\] has the key None \(NoneType\); keys may be str, int, UUID, Enum or"),
        ({1.5: 1}, TypeError, r"the key 1\.5 \(float\)"),
        ({True: 1}, TypeError, r"the key True \(bool\)"),
        ({b"a": 1}, TypeError, r"the key b'a' \(bytes\)"),
        ({(1, 2): 1}, TypeError, "the key"),
        ({10**30: 1}, ValueError, "64 bits"),
        ({1: "a", "1": "b"}, ValueError, r"args\[0\] has two keys that are sent as '1'"),
        (b"a", TypeError, r"args\[0\] is bytes: only events and acknowledgements carry binary"),
        ({"k" * 500: {1}}, TypeError, r'args\[0\]\["k{80}\.\.\."\] is a set'),
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_refused_with_its_path(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        to_plain(["event", value], root="args", skip=1)
    assert type(caught.value) is error


def test_the_path_counts_as_the_caller_of_emit_does() -> None:
    with pytest.raises(TypeError, match="the event's name is a set"):
        to_plain([{1}], root="args", skip=1)
    with pytest.raises(TypeError, match=r"^args\[0\] is a set"):
        to_plain([{1}], root="args")
    with pytest.raises(TypeError, match="^data is a set"):
        to_plain({1})
    with pytest.raises(TypeError, match=r'^data\["a"\] is a set'):
        to_plain({"a": {1}}, skip=1)


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_nesting_has_a_limit() -> None:
    assert to_plain(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    with pytest.raises(ValueError, match=r"data(\[0\]){12}\.\.\. is nested deeper than 254 levels, or contains itself"):
        to_plain(nested(MAX_DEPTH + 1))


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    with pytest.raises(ValueError, match="contains itself"):
        to_plain(loop)


def test_a_caller_near_the_recursion_limit_gets_a_value_error() -> None:
    def deeper(frames: int) -> None:
        if frames:
            deeper(frames - 1)
        else:
            to_plain(nested(MAX_DEPTH))

    with pytest.raises(ValueError, match="data is nested too deeply"):
        deeper(sys.getrecursionlimit() - len(inspect.stack(0)) - 100)


def test_binary_is_handed_over_depth_first_in_document_order() -> None:
    found: list[bytes] = []

    def take(data: bytes) -> int:
        found.append(data)
        return len(found)

    value = [b"1", {"a": bytearray(b"2"), "b": [memoryview(b"3")]}, Point(0, b"4"), b"5"]
    assert to_plain(value, binary=take) == [1, {"a": 2, "b": [3]}, {"x": 0, "_y": 4}, 5]
    assert found == [b"1", b"2", b"3", b"4", b"5"]
    assert {type(data) for data in found} == {bytes}


class TestEncode:
    def test_it_takes_what_is_unknown(self) -> None:
        def encode(value: Any) -> Any:
            return sorted(value) if isinstance(value, set) else str(value)

        assert to_plain([Decimal("1.5"), {"a": {2}}], encode=encode) == ["1.5", {"a": [2]}]

    def test_its_result_is_checked_too(self) -> None:
        with pytest.raises(ValueError, match=r"^data\[0\] is nan"):
            to_plain([Decimal(1)], encode=lambda value: math.nan)

    def test_its_type_error_gets_the_path(self) -> None:
        def encode(value: Any) -> Any:
            raise TypeError("no Decimals")

        with pytest.raises(TypeError, match=r"data\[0\] is a Decimal, which encode= refused: no Decimals"):
            to_plain([Decimal(1)], encode=encode)

    def test_one_that_returns_its_argument_comes_to_an_end(self) -> None:
        with pytest.raises(ValueError, match="contains itself"):
            to_plain([Decimal(1)], encode=lambda value: value)

    def test_it_is_not_asked_for_functions(self) -> None:
        with pytest.raises(TypeError, match="callback="):
            to_plain([print], encode=str)


@pytest.mark.parametrize(
    ("value", "finite"),
    [
        (None, True),
        ([None, 1, 0.5, "a", {"b": (True, NOON, ID)}], True),
        ([None, math.nan], False),
        ({"a": [(math.inf,)]}, False),
        (-math.inf, False),
        # Only a walk can tell:
        ([Color.RED], False),
        ([Real(1)], False),
    ],
)
def test_a_look_at_the_numbers(value: Any, finite: bool) -> None:
    assert is_surely_finite(value) is finite
