"""The tutorial, followed step by step: each step's program runs, and the last one is what the page shows in the end."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import socketio

from tests.support import pages
from tests.support.programs import python
from tests.support.programs import run_to_its_end
from tests.support.programs import serving
from tests.support.visitor import visiting

ALL = "chat.py: all of it"


def statements(code: str) -> list[str]:
    """The top-level statements of a program, with their decorators."""
    lines = code.splitlines()
    found = []
    for node in ast.parse(code).body:
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
        found.append("\n".join(lines[first - 1 : node.end_lineno]))
    return found


def name_of(statement: str) -> str:
    """By what a statement is found again when the reader is told to change it."""
    node = ast.parse(statement).body[0]
    return str(getattr(node, "name", None) or getattr(node, "module", None) or statement)


def follow(program: str, sample: pages.Sample) -> str:
    """The program after the reader did what a sample's caption says."""
    parts = statements(program)
    for new in statements(sample.code):
        names = [name_of(part) for part in parts]
        if name_of(new) in names:
            parts[names.index(name_of(new))] = new
        elif "behind page" in sample.caption:
            parts.insert(names.index("page") + 1, new)
        else:
            parts.insert(names.index("page"), new)
    return "\n".join(parts)


def steps() -> list[tuple[str, str]]:
    """chat.py and chat.html as they are whenever the reader is to look at them, and in the end."""
    found = []
    program = page = ""
    for sample in pages.samples("tutorial.rst", "python", "html"):
        if sample.caption == "chat.py":
            program = sample.code
        elif sample.caption.startswith("chat.py: ") and sample.caption != ALL:
            program = follow(program, sample)
        elif sample.language == "html":
            page = sample.code if sample.caption == "chat.html" else page[: page.rindex("<script>")] + sample.code
            found.append((program, page))
    return [*found, (program, page)]


def write(folder: Path, program: str, page: str) -> Path:
    """The two files, with a port from outside; returns the program's."""
    script = folder / "chat.py"
    script.write_text(program.replace("io.listen(3000,", "import os; io.listen(int(os.environ['PORT']),"))
    (folder / "chat.html").write_text(page)
    return script


def test_the_steps_lead_to_the_whole() -> None:
    (whole,) = (sample.code for sample in pages.samples("tutorial.rst", "python") if sample.caption == ALL)
    last = steps()[-1][0]
    assert sorted(statements(last)) == sorted(statements(whole))


@pytest.mark.long
def test_the_first_step(tmp_path: Path) -> None:
    with serving(python(str(write(tmp_path, *steps()[0])))) as url, visiting(url) as ann:
        assert ann.connected


@pytest.mark.long
def test_the_second_step(tmp_path: Path) -> None:
    program, page = steps()[1]
    assert "def say" in program
    with serving(python(str(write(tmp_path, program, page)))) as url, visiting(url) as ann, visiting(url) as bob:
        ann.emit("say", "hello")
        assert ann.next("said") == bob.next("said") == ("hello",)


def test_the_whole(tmp_path: Path) -> None:
    script = write(tmp_path, *steps()[-1])
    command = ["-m", "gunicorn", "--threads", "4", "--bind", "127.0.0.1:{port}", "--chdir", str(tmp_path)]
    with serving(python(*command, f"{script.stem}:app")) as url:
        with pytest.raises(socketio.exceptions.ConnectionError), visiting(url, auth={"name": ""}):
            pass
        auths = [{"name": "Ann", "room": "attic"}, {"name": "Bob", "room": "attic"}]
        with visiting(url, auth=auths[0]) as ann, visiting(url, auth=auths[1]) as bob:
            assert bob.next("people") == (["Ann", "Bob"],)
            assert "error" in bob.call("say", "")
            assert bob.call("say", "hello") == {"ok": True}
            assert ann.next("said") == ("Bob", "hello")
            bob.disconnect()
            assert ann.next("people") == (["Ann"],)


@pytest.mark.long
def test_its_tests(tmp_path: Path) -> None:
    write(tmp_path, *steps()[-1])
    (tests,) = (sample.code for sample in pages.samples("tutorial.rst", "python") if sample.caption == "test_chat.py")
    (tmp_path / "test_chat.py").write_text(tests)
    # The plugin is found by itself where the package is installed; here it need not be.
    (tmp_path / "conftest.py").write_text("from socketio_sync.testing.pytest_plugin import socketio_client\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    assert "2 passed" in run_to_its_end(python("-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)))
