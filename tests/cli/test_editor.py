"""The line that is typed."""

from __future__ import annotations

import pytest

from socketio_sync.cli.editor import Editor

UP, DOWN, RIGHT, LEFT, HOME, END, DELETE = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[3~"
BACKSPACE, TO_START, TO_END, WORD = "\x7f", "\x15", "\x0b", "\x17"


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ("say hi\r", ["say hi"]),
        ("a\nb\n", ["a", "b"]),
        (f"sax{BACKSPACE}y\r", ["say"]),
        (f"{BACKSPACE}{LEFT}{DELETE}{TO_START}x\r", ["x"]),
        (f"ac{LEFT}b\r", ["abc"]),
        (f"bc{HOME}a{END}d\r", ["abcd"]),
        (f"abxc{LEFT}{LEFT}{DELETE}{RIGHT}d\r", ["abcd"]),
        (f"say hello  you{WORD}{WORD}bye\r", ["say bye"]),
        (f"one two{LEFT}{LEFT}{LEFT}{TO_START}\r", ["two"]),
        (f"one two{LEFT}{LEFT}{LEFT}{TO_END}\r", ["one "]),
        (f"one\rtwo\r{UP}{UP}\r", ["one", "two", "one"]),
        (f"one\rtwo\rthr{UP}{DOWN}ee\r", ["one", "two", "three"]),
        (f"one\r{UP}{UP}{UP}s{DOWN}{DOWN}x\r", ["one", "x"]),
        (f"same\rsame\r{UP}{UP}\r", ["same", "same", "same"]),
        ("größe 日本 é\r", ["größe 日本 é"]),
        ("a\tb\x00\x1b[5~\x1b[99;5Zc\r", ["abc"]),
        ("ab\x04\r", ["ab"]),
    ],
)
def test_keys_become_lines(keys: str, lines: list[str]) -> None:
    assert Editor().feed(keys) == lines
    one_by_one = Editor()
    assert [line for key in keys for line in one_by_one.feed(key)] == lines  # sequences may come in pieces


@pytest.mark.parametrize(("keys", "left"), [("\x04", True), ("x\x04", False), ("x\x03", True), ("\x1b\x03", True)])
def test_it_is_left(keys: str, left: bool) -> None:
    editor = Editor()
    assert editor.feed(keys) == []
    assert editor.left is left


@pytest.mark.parametrize(
    ("keys", "columns", "shown"),
    [
        ("abc", 80, "> abc"),
        (f"abc{LEFT}{LEFT}", 80, "> abc\x1b[2D"),
        ("0123456789", 8, "> 56789"),
        (f"0123456789{HOME}", 8, "> 01234\x1b[5D"),
        ("日本語", 8, "> 本語"),
        (f"日本語{HOME}", 8, "> 日本\x1b[4D"),
        ("ee\u0301", 5, "> ee\u0301"),
        ("abc", 1, "> c"),
    ],
)
def test_it_is_drawn_in_one_row(keys: str, columns: int, shown: str) -> None:
    editor = Editor()
    editor.feed(keys)
    assert editor.look(columns) == f"\r\x1b[K{shown}"
