"""The table of the reference's API in the documentation: every row names a test that exists, or a reason."""

from __future__ import annotations

import ast
import csv
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs" / "reference" / "parity.csv"


def rows() -> list[list[str]]:
    with TABLE.open(newline="") as file:
        return list(csv.reader(file))[1:]


@functools.cache
def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}: {row[1]}")
def test_a_row_names_a_test_or_a_reason(row: list[str]) -> None:
    _, theirs, ours, shown = row
    assert theirs
    if not shown.startswith("tests/"):
        assert len(shown.split()) >= 4, "a reason is a sentence"
        return
    assert ours
    file, _, function = shown.partition("::")
    assert function in functions_of(ROOT / file)


def test_no_row_stands_twice() -> None:
    keys = [(row[0], row[1]) for row in rows()]
    assert len(keys) == len(set(keys)) > 100
