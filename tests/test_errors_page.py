"""The page of error messages names every text that the package raises or logs as a warning, and none besides."""

from __future__ import annotations

import ast
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from socketio_sync import AckTimeout
from socketio_sync import DisconnectedError
from socketio_sync import DisconnectReason
from socketio_sync.protocol.engineio_handshake import MESSAGES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "socketio_sync"
PAGE = ROOT / "docs" / "reference" / "errors.rst"

# What makes a call one whose texts somebody may have to look up: an exception, or a line in the log.
RAISED = re.compile(r"(Error|Exception|Timeout|Unavailable|Details|^_wrong)$")
LOGGED = {"warning", "error", "exception", "critical", "warn"}
DIRECTIVE = re.compile(r"%[-+ #0]*\d*(?:\.\d+)?[a-z]")


def templates(node: ast.expr, names: dict[str, list[ast.expr]]) -> Iterator[str]:
    """The texts that an expression may be, with … for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from templates(node.body, names)
        yield from templates(node.orelse, names)
    elif isinstance(node, ast.BinOp):
        left, right = (list(templates(side, names)) or ["…"] for side in (node.left, node.right))
        yield from (f"{a}{b if isinstance(node.op, ast.Add) else ''}" for a in left for b in right)
    elif isinstance(node, (ast.Name, ast.Attribute)):
        name = name_of(node)
        for value in names.get(name, []) or CONSTANTS.get(name, []):
            yield from templates(value, {})


def normal(text: str) -> str:
    """One form for the code's text and the page's: … for what is filled in, single blanks."""
    return re.sub(r"(…\s*)+…", "…", re.sub(r"\s+", " ", DIRECTIVE.sub("…", text))).strip()


def assigned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """What each plain name of a module is set to, anywhere in it."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
    return found


SOURCES = {path: path.read_text() for path in sorted(PACKAGE.rglob("*.py")) if "demo" not in path.parts}
CONSTANTS = {
    name: values
    for source in SOURCES.values()
    for name, values in assigned(ast.parse(source)).items()
    if name.isupper() and len(values) == 1
}


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def messages(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of all that a module raises or logs."""
    tree = ast.parse(source)
    names = assigned(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        logs = name in LOGGED and isinstance(node.func, ast.Attribute)
        if not logs and not RAISED.search(name):
            continue
        for argument in node.args[:1] if logs else node.args:
            for text in map(normal, templates(argument, names)):
                if " " in text:  # an option's name or an event's is no message
                    yield node.lineno, text


def in_the_package() -> dict[str, str]:
    """Each message, and where it is."""
    found: dict[str, str] = {}
    for path, source in SOURCES.items():
        for line, text in messages(source):
            found.setdefault(text, f"{path.relative_to(ROOT)}:{line}")
    return found


def on_the_page() -> list[str]:
    """The literals of the tables' first column: a row may have several, each in a line of its own."""
    column = re.compile(r"^   \* - (``.*?``(?:\n\n       ``.*?``)*)\n     - ", re.MULTILINE | re.DOTALL)
    cells = column.findall(PAGE.read_text())
    return [normal(text) for cell in cells for text in re.findall(r"``(.*?)``(?!`)", cell, re.DOTALL)]


# Texts that no line raises by itself.
KNOWN_ELSEWHERE = {
    *typing.get_args(DisconnectReason),
    *MESSAGES.values(),
    str(DisconnectedError("…")),
    str(AckTimeout()),
}


def test_every_message_is_on_the_page() -> None:
    page = set(on_the_page())
    missing = [f"{where}: {text}" for text, where in in_the_package().items() if text not in page]
    assert missing == [], f"give each a row in {PAGE.name}, with cause and cure"


def test_every_reason_and_refusal_is_on_the_page() -> None:
    assert set(on_the_page()) >= KNOWN_ELSEWHERE


def test_the_page_names_no_message_that_is_gone() -> None:
    assert set(on_the_page()) - set(in_the_package()) - KNOWN_ELSEWHERE == set()


def test_a_row_stands_once() -> None:
    page = [text for text in on_the_page() if text not in KNOWN_ELSEWHERE]
    assert sorted(text for text in set(page) if page.count(text) > 1) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise ValueError(f"{name!r} is no name")', ["… is no name"]),
        ('raise ConnectError("not " "authorized", {"a key": 1})', ["not authorized"]),
        ('refused(LimitError("max_rooms", f"more than {limit} rooms"))', ["more than … rooms"]),
        ('log.warning("waited %.1f s for %r", late, who)', ["waited … s for …"]),
        ('WHY = "too late for it"\nlogger.exception(WHY)', ["too late for it"]),
        ('raise TypeError("this one" if a else "that one")', ["this one", "that one"]),
        ('raise TypeError(why + "; so go away")', ["…; so go away"]),
        ('log.debug("only for %s", developers)', []),
        ('raise KeyError("name")', []),
    ],
)
def test_a_message_is_found_however_it_is_written(source: str, found: list[str]) -> None:
    assert [text for _, text in messages(source)] == found
