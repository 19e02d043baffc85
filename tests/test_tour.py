"""The tour of the documentation leads through files and names that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOUR = (ROOT / "docs" / "tour.rst").read_text()
STOPS = re.findall(r"^``(\S+\.py)`` +``([\w.]+)`` ", TOUR, flags=re.MULTILINE)


def names(path: Path) -> set[str]:
    """The functions and classes of a file, and the classes' methods as Class.method."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
    return found


@pytest.mark.parametrize(("file", "name"), STOPS)
def test_a_stop_of_the_tour_exists(file: str, name: str) -> None:
    assert name in names(ROOT / "socketio_sync" / file)


@pytest.mark.parametrize(("file", "name"), STOPS)
def test_a_stop_called_pure_is_in_the_protocol_folder(file: str, name: str) -> None:
    line = next(line for line in TOUR.splitlines() if file in line and name in line)
    assert line.endswith("(pure)") == file.startswith("protocol/")


def test_the_tour_has_its_stops() -> None:
    assert len(STOPS) >= 20
