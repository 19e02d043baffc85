from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.exceptions import ProtocolError
from socketio_sync.protocol.json_codec import dumps
from socketio_sync.protocol.json_codec import loads

# Surrogates too: JavaScript's strings may have lone ones.
texts = st.text(st.characters())
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda children: st.lists(children) | st.dictionaries(texts, children),
    max_leaves=20,
)


def as_javascript_sees(value: Any) -> Any:
    """Two surrogates in a row are one character; Python can keep them apart."""
    return json.loads(json.dumps(value))


@given(values)
def test_what_is_sent_comes_back(value: Any) -> None:
    text = dumps(value)
    assert loads(text) == as_javascript_sees(value)
    text.encode("utf-8")
    assert json.loads(text) == as_javascript_sees(value)


@given(st.text() | st.text("[]{}\",:\\u0dD8eE+-.1tfn "))
def test_any_text_is_a_value_or_a_protocol_error(text: str) -> None:
    try:
        value = loads(text)
    except ProtocolError:
        return
    assert dumps(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "b": [True, None, "é"]}, '{"a":1,"b":[true,null,"é"]}'),
        ((1, (2,)), "[1,[2]]"),
        ("\ud800", r'"\ud800"'),
        ({"\udc00": "😀"}, r'{"\udc00":"\ud83d\ude00"}'),
        ("\u2028", '"\u2028"'),
        (2**64 - 1, "18446744073709551615"),
        ({1: "a"}, '{"1":"a"}'),
        ([None, 0.5], "[null,0.5]"),
    ],
)
def test_golden(value: Any, text: str) -> None:
    assert dumps(value) == text


@pytest.mark.parametrize("value", [[math.nan], [None, math.inf], {"a": -math.inf}, ("null", math.nan)])
def test_numbers_that_json_does_not_have_are_never_sent(value: Any) -> None:
    with pytest.raises(ValueError, match="a number that JSON does not have"):
        dumps(value)


def test_attachments_become_placeholders() -> None:
    attachments: list[bytes] = []
    text = dumps(["a", b"1", {"b": bytearray(b"2")}], attachments=attachments)
    assert text == '["a",{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1}}]'
    assert attachments == [b"1", b"2"]


def test_binary_needs_a_place_for_it() -> None:
    with pytest.raises(TypeError, match="data is bytes: only events and acknowledgements carry binary"):
        dumps(b"1")


def test_a_dict_that_looks_like_a_placeholder_is_refused_beside_binary() -> None:
    fake = {"_placeholder": True, "num": 7}
    with pytest.raises(ValueError, match="_placeholder"):
        dumps([b"1", fake], attachments=[])
    assert dumps([fake], attachments=[]) == '[{"_placeholder":true,"num":7}]'
    # In a text it does no harm.
    assert dumps([b"1", dumps(fake)], attachments=[])


def test_lone_surrogates_beside_binary() -> None:
    attachments: list[bytes] = []
    assert dumps(["\ud800", b"1"], attachments=attachments) == r'["\ud800",{"_placeholder":true,"num":0}]'


def test_encode_takes_what_is_unknown() -> None:
    assert dumps([Decimal("1.5")], encode=str) == '["1.5"]'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9" * 30, 1e30),
        (f'["é",{"9" * 30},-{"9" * 30},18446744073709551615]', ["é", 1e30, -1e30, 18446744073709551615]),
        (rf'["\ud800",{"9" * 30},-7,1.5,true]', ["\ud800", 1e30, -7, 1.5, True]),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\udc00\ud800"', "\udc00\ud800"),
        ('"\ud800"', "\ud800"),
        ('{"a":1,"a":2}', {"a": 2}),
        ("-0", 0),
    ],
)
def test_what_javascript_sends_is_understood(text: str, value: Any) -> None:
    assert loads(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "[1]x",
        "[1,]",
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1e400",
        "9" * 400,
        "9" * 5000,
        # The same for the standard library, which is asked because of the surrogate:
        r'["\ud800",NaN]',
        r'["\ud800",-Infinity]',
        r'["\ud800",1e400]',
        rf'["\ud800",{"9" * 400}]',
        rf'["\ud800",{"9" * 5000}]',
        r'["\ud800"',
        "['\ud800']",
        "\ufeff[1]",
        "[01]",
        '"\x00"',
    ],
)
def test_anything_else_is_a_protocol_error(text: str) -> None:
    with pytest.raises(ProtocolError, match="invalid payload"):
        loads(text)


@pytest.mark.parametrize("opening", ["[", '{"a":', '["\\ud800",'])
def test_endless_nesting_is_a_protocol_error(opening: str) -> None:
    with pytest.raises(ProtocolError, match="invalid payload"):
        loads(opening * 100_000)
