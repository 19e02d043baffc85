"""The documentation names what there is: every option with its default, every public name."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import socketio_sync
from socketio_sync.config import EngineOptions
from socketio_sync.config import ServerOptions

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
ROWS = re.findall(r"^   \* - ``(\w+)``( S)?\n     - ``(.*)``$", (REFERENCE / "options.rst").read_text(), re.MULTILINE)


def test_every_option_is_documented_with_its_default() -> None:
    documented = {name: eval(default) for name, _, default in ROWS}
    assert documented == {field.name: field.default for field in dataclasses.fields(ServerOptions)}


def test_the_options_of_the_server_alone_are_marked() -> None:
    of_engine = {field.name for field in dataclasses.fields(EngineOptions)}
    assert {name for name, mark, _ in ROWS if not mark} == of_engine


def test_every_public_name_is_documented() -> None:
    text = "".join(page.read_text() for page in REFERENCE.glob("*.rst"))
    missing = [name for name in socketio_sync.__all__ if not re.search(rf"\b{name}\b", text)]
    assert missing == []
