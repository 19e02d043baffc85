"""The code samples of the documentation's pages: found, and run as one program per page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.programs import ROOT

DOCS = ROOT / "docs"

_DIRECTIVE = re.compile(r"( *)\.\. code-block:: (\S+)")
_OPTION = re.compile(r" +:(\w+): *(.*)")


@dataclass(frozen=True)
class Sample:
    """One ``code-block``: its page, the line its code begins at, its language, caption ("" without) and code."""

    page: str
    line: int
    language: str
    caption: str
    code: str


def pages() -> list[str]:
    """All pages by their path in docs."""
    return sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.rst") if "_build" not in path.parts)


def samples(page: str, *languages: str) -> list[Sample]:
    """The samples of a page in their order; only those of these languages, if some are named."""
    found = read_samples(page, (DOCS / page).read_text())
    return [sample for sample in found if not languages or sample.language in languages]


def read_samples(page: str, text: str) -> list[Sample]:
    """The samples of a text; ``page`` is its name."""
    found = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        directive = _DIRECTIVE.fullmatch(lines[at])
        at += 1
        if directive is None:
            continue
        caption = ""
        while option := _OPTION.fullmatch(lines[at]):
            caption = option[2] if option[1] == "caption" else caption
            at += 1
        while not lines[at].strip():
            at += 1
        start = at
        depth = len(lines[at]) - len(lines[at].lstrip())
        assert depth > len(directive[1]), f"{page}:{at + 1}: a code-block without code"
        while at < len(lines) and (not lines[at].strip() or lines[at].startswith(" " * depth)):
            at += 1
        code = "\n".join(line[depth:] for line in lines[start:at]).strip("\n") + "\n"
        found.append(Sample(page, start + 1, directive[2], caption, code))
    return found


def run(page: str, **names: Any) -> dict[str, Any]:
    """Run the Python samples of a page, one after the other, as one program; returns its names.

    Args:
        names: what the program finds defined, for pages that leave out what their reader has.
    """
    program: dict[str, Any] = {"__name__": Path(page).stem, **names}
    for sample in samples(page, "python"):
        # Line numbers as in the page, for the tracebacks of its functions.
        exec(compile("\n" * (sample.line - 1) + sample.code, DOCS / page, "exec"), program)
    return program
