"""The README's sample and its commands are what they say."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.programs import ROOT
from tests.support.programs import python
from tests.support.programs import serving
from tests.support.visitor import visiting

README = (ROOT / "README.rst").read_text()


def sample() -> str:
    """The README's first Python code."""
    found = re.search(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", README)
    assert found is not None
    return re.sub(r"^    ", "", found.group(1), flags=re.MULTILINE)


def test_the_sample_runs(tmp_path: Path) -> None:
    script = tmp_path / "sample.py"
    script.write_text(sample().replace("io.listen(3000)", "import os; io.listen(int(os.environ['PORT']))"))
    with serving(python(str(script))) as url, visiting(url) as alice, visiting(url) as bob:
        assert alice.next("welcome") == ({"id": alice.get_sid()},)
        assert alice.next("news") == ("somebody came",)
        assert bob.call("chat", ("lobby", "hello")) == "stored"
        assert alice.next("chat") == (bob.get_sid(), "hello")
        bob.disconnect()
        assert alice.next("news")[0].startswith("somebody left: ")


def test_the_commands_name_what_is_there() -> None:
    commands = re.findall(r"^ *\$ (python3 -m venv .*)$", README, flags=re.MULTILINE)
    chat, tests, *_ = commands
    assert chat.endswith(" && .venv/bin/socketio-sync demo")
    assert tests.endswith(" pytest")


def test_the_links_lead_somewhere() -> None:
    targets = re.findall(r"<([\w./]+)>`_|^\.\. image:: (\S+)$", README, flags=re.MULTILINE)
    missing = [target for pair in targets for target in pair if target and not (ROOT / target).exists()]
    assert missing == []
