"""The page of the command line names every command and option, and its commands run."""

from __future__ import annotations

import re
import subprocess

import click
import pytest

from socketio_sync import Server
from socketio_sync.cli.main import main
from tests.support import pages
from tests.support.programs import python
from tests.support.timing import scaled

PAGE = (pages.DOCS / "reference" / "command_line.rst").read_text()


def sections() -> dict[str, str]:
    """The text about each command."""
    parts = re.split(r"^(\w+)\n-+\n", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def options(command: str) -> set[str]:
    parameters = [p for p in main.commands[command].params if isinstance(p, click.Option) and not p.hidden]
    return {name for p in parameters for name in (*p.opts, *p.secondary_opts)} - {"--help", "-h"}


def test_every_command_has_a_section() -> None:
    assert set(sections()) == set(main.commands)


@pytest.mark.parametrize("command", sorted(set(main.commands) - {"demo"}))
def test_every_option_is_described_and_no_other(command: str) -> None:
    table = sections()[command].partition("list-table")[2]
    rows = re.findall(r"^   \* - (.*)$", table, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"``(--?[\w-]+)``", row)} == options(command)


def test_the_demo_takes_what_serve_takes() -> None:
    assert options("demo") == options("serve") - {"--reload"}


def test_a_script_asks() -> None:
    io = Server()
    io.on("add", lambda socket, a, b: a + b)
    (given,) = re.findall(r"\$ echo '(.*)' \| socketio-sync connect localhost:3000 --ack", PAGE)
    with io.listening() as server:
        command = python("-m", "socketio_sync", "connect", server.url, "--ack")
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=scaled(30), check=False, cwd=pages.ROOT
        )
    assert (done.returncode, done.stdout.strip()) == (0, '{"ack":[3],"of":"add"}'), done.stderr
