"""The documentation names what there is: every option with its default, every public name."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import socketio_sync
from socketio_sync.config import EngineOptions
from socketio_sync.config import ServerOptions
from tests.support import pages
from tests.support.names import resolve
from tests.support.pages import read_samples
from tests.support.programs import ROOT
from tests.test_layers import RANKS

REFERENCE = pages.DOCS / "reference"
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


# Names, in the text and in the samples

ROLES = re.compile(r":(?:class|meth|func|attr|exc|mod|data):`~?(socketio_sync[\w.]*|[A-Z]\w+)`")
LITERALS = re.compile(r"``([^`]+)``")
MEMBERS = re.compile(r"(?<![\w.\]\"/)])(io|nsp|socket)\.([a-z_]+)(?![\w.]*\.js)(?![A-Za-z])")
IMPORTS = re.compile(r"from (socketio_sync[\w.]*) import ([\w, ]+)")
TEXTS = {page: (pages.DOCS / page).read_text() for page in pages.pages()}
TEXTS |= {name: (ROOT / name).read_text() for name in ("README.rst", "CONTRIBUTING.rst", "CHANGES.rst")}


@pytest.mark.parametrize("page", sorted(TEXTS.keys() - {"performance/results.rst"}))  # that one is a program's output
def test_the_names_that_a_page_uses_exist(page: str) -> None:
    text = TEXTS[page]
    python = "".join(sample.code for sample in read_samples(page, text) if sample.language in ("python", "pycon"))
    literals = "\n".join(LITERALS.findall(text))
    names = {f"{first}.{member}" for first, member in MEMBERS.findall(python + literals)} - {"socket.io"}
    names |= {name.removeprefix("socketio_sync.") for name in ROLES.findall(text)}
    for module, imported in IMPORTS.findall(python):
        names |= {f"{module}.{name.strip()}".removeprefix("socketio_sync.") for name in imported.split(",")}
    unknown = []
    for name in sorted(names):
        try:
            resolve(name)
        except (AttributeError, ImportError):
            unknown.append(name)
    assert unknown == []


def test_the_samples_of_each_page_are_run_by_a_test() -> None:
    sources = [path for path in (ROOT / "tests").rglob("test_*.py") if "node_modules" not in path.parts]
    text = "".join(source.read_text() for source in sources)
    assert [page for page in pages.pages() if pages.samples(page, "python") and page not in text] == []


def test_every_page_is_within_reach_of_the_first() -> None:
    reached: set[str] = set()
    todo = ["index.rst"]
    while todo:
        page = todo.pop()
        if page in reached:
            continue
        reached.add(page)
        folder = Path(page).parent
        for tree in re.findall(r"^\.\. toctree::\n((?:   .*\n|\n)+)", TEXTS[page], re.MULTILINE):
            todo += [str(folder / f"{entry}.rst") for entry in re.findall(r"^   ([\w/]+)$", tree, re.MULTILINE)]
    assert reached == set(pages.pages())


def test_the_page_of_the_layers_shows_the_ranks() -> None:
    (table,) = pages.samples("design/layers.rst", "text")
    shown = {name: int(rank) for rank, *names in map(str.split, table.code.splitlines()) for name in names}
    package = Path(socketio_sync.__file__).parent
    assert shown == {name: rank for name, rank in RANKS.items() if [*package.glob(f"{name}.py"), *package.glob(name)]}
