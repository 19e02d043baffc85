"""The line that is being typed. ``readline`` cannot be used: it lets nobody else print or look while it waits."""

from __future__ import annotations

import re
import unicodedata

PROMPT = "> "

# One key: an escape sequence, or a character.
_KEY = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])|[^\x1b]|\x1b(?=[^\[O])", re.DOTALL)

_NAMES = {
    "\r": "submit", "\n": "submit", "\x03": "leave", "\x04": "leave_or_delete",
    "\x7f": "backspace", "\x08": "backspace", "\x1b[3~": "delete",
    "\x15": "kill_to_start", "\x0b": "kill_to_end", "\x17": "kill_word",
    "\x02": "left", "\x1b[D": "left", "\x1bOD": "left", "\x06": "right", "\x1b[C": "right", "\x1bOC": "right",
    "\x01": "home", "\x1b[H": "home", "\x1bOH": "home", "\x1b[1~": "home",
    "\x05": "end", "\x1b[F": "end", "\x1bOF": "end", "\x1b[4~": "end",
    "\x10": "older", "\x1b[A": "older", "\x1bOA": "older", "\x0e": "newer", "\x1b[B": "newer", "\x1bOB": "newer",
}  # fmt: skip


class Editor:
    """Keys go in, finished lines come out; nothing is read or written here.

    Attributes:
        left: whether Ctrl-C was typed, or Ctrl-D in an empty line.
    """

    def __init__(self) -> None:
        self.left = False
        self._before = ""  # the cursor
        self._after = ""
        self._lines: list[str] = []
        self._history: list[str] = []
        self._past: list[str] = []  # what "older" goes through, and what "newer" comes back to
        self._future: list[str] = []
        self._rest = ""  # the beginning of an escape sequence

    def feed(self, keys: str) -> list[str]:
        """The lines that these keys finish."""
        self._rest += keys
        while found := _KEY.match(self._rest):
            self._rest = self._rest[found.end() :]
            key = found.group()
            if key in _NAMES:
                getattr(self, f"_{_NAMES[key]}")()
            elif key.isprintable():
                self._before += key
        lines, self._lines = self._lines, []
        return lines

    def look(self, columns: int) -> str:
        """What draws it: the prompt and as much of the line as fits, with the cursor at its place."""
        room = max(columns - len(PROMPT) - 1, 1)
        before = _fitting(self._before[::-1], room)[::-1]
        after = _fitting(self._after, room - _width(before))
        back = _width(after)
        return f"\r\x1b[K{PROMPT}{before}{after}" + (f"\x1b[{back}D" if back else "")

    def _submit(self) -> None:
        line = self._before + self._after
        if line.strip() and self._history[-1:] != [line]:
            self._history.append(line)
        self._past, self._future = self._history.copy(), []
        self._before = self._after = ""
        self._lines.append(line)

    def _leave(self) -> None:
        self.left = True

    def _leave_or_delete(self) -> None:
        if self._before or self._after:
            self._delete()
        else:
            self.left = True

    def _backspace(self) -> None:
        self._before = self._before[:-1]

    def _delete(self) -> None:
        self._after = self._after[1:]

    def _kill_to_start(self) -> None:
        self._before = ""

    def _kill_to_end(self) -> None:
        self._after = ""

    def _kill_word(self) -> None:
        self._before = re.sub(r"\S+\s*\Z", "", self._before)

    def _left(self) -> None:
        self._before, self._after = self._before[:-1], self._before[-1:] + self._after

    def _right(self) -> None:
        self._before, self._after = self._before + self._after[:1], self._after[1:]

    def _home(self) -> None:
        self._before, self._after = "", self._before + self._after

    def _end(self) -> None:
        self._before, self._after = self._before + self._after, ""

    def _older(self) -> None:
        self._travel(self._past, self._future)

    def _newer(self) -> None:
        self._travel(self._future, self._past)

    def _travel(self, there: list[str], back: list[str]) -> None:
        if there:
            back.append(self._before + self._after)
            self._before, self._after = there.pop(), ""


def _width(text: str) -> int:
    """How many columns a text takes."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _fitting(text: str, room: int) -> str:
    """As much of the beginning as fits into ``room`` columns."""
    for end, character in enumerate(text):
        room -= _columns(character)
        if room < 0:
            return text[:end]
    return text
