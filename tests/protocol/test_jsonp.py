from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.protocol.jsonp import unwrap
from socketio_sync.protocol.jsonp import wrap


def test_golden() -> None:
    assert wrap("0", '118:0{"sid":1}') == '___eio[0]("118:0{\\"sid\\":1}");'
    assert wrap("0", '14:42["b","a\\nb"]') == '___eio[0]("14:42[\\"b\\",\\"a\\\\nb\\"]");'
    assert unwrap("d=14%3A42%5B%22m%22%2C%22a%5C%5Cnb%22%5D") == '14:42["m","a\\nb"]'


def test_only_the_digits_of_the_index_count() -> None:
    assert wrap("1);alert(2", "") == '___eio[12]("");'
    assert wrap("٣", "") == '___eio[]("");'


@given(st.text())
def test_the_script_is_a_call_with_the_payload(payload: str) -> None:
    script = wrap("7", payload)
    assert not {"\u2028", "\u2029"} & set(script)
    literal = script.removeprefix("___eio[7](").removesuffix(");")
    assert json.loads(literal) == json.loads(json.dumps(payload))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\\\r\n")))
def test_a_form_gives_the_payload(payload: str) -> None:
    assert unwrap(urlencode({"d": payload})) == payload


def as_the_old_client_sends(payload: str) -> str:
    """What engine.io-client 3 does in transports/polling-jsonp.js."""
    return urlencode({"d": payload.replace("\\n", "\\\\n").replace("\n", "\\n")})


@pytest.mark.parametrize("payload", ['42["a\\nb"]', "a\nb", "\\n\n\\n", "\n\n", "no newline", ""])
def test_newlines_survive_the_form(payload: str) -> None:
    assert unwrap(as_the_old_client_sends(payload)) == payload


@pytest.mark.parametrize("body", ["", "e=1", "d", "x" * 100, "&" * 100_000, "a=1&" * 2000 + "d=1"])
def test_a_form_without_a_payload(body: str) -> None:
    assert unwrap(body) in (None, "")


def test_the_first_of_several_counts() -> None:
    assert unwrap("c=3&d=1&d=2") == "1"
