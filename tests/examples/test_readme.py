"""The README's sample and its commands are what they say."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import socketio

from tests.support.programs import ROOT
from tests.support.programs import python
from tests.support.programs import serving
from tests.support.timing import scaled

README = (ROOT / "README.rst").read_text()


def sample() -> str:
    """The README's first Python code."""
    found = re.search(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", README)
    assert found is not None
    return re.sub(r"^    ", "", found.group(1), flags=re.MULTILINE)


def test_the_sample_runs(tmp_path: Path) -> None:
    script = tmp_path / "sample.py"
    script.write_text(sample().replace("io.listen(3000)", "import os; io.listen(int(os.environ['PORT']))"))
    with serving(python(str(script))) as url:
        alice, bob = socketio.Client(reconnection=False), socketio.Client(reconnection=False)
        heard = {name: threading.Event() for name in ("welcome", "somebody came", "chat")}
        alice.on("welcome", lambda data: data["id"] == alice.get_sid() and heard["welcome"].set())
        alice.on("news", lambda text: text in heard and heard[text].set())
        alice.on("chat", lambda sid, text: (sid, text) == (bob.get_sid(), "hello") and heard["chat"].set())
        alice.connect(url)
        bob.connect(url)
        try:
            assert bob.call("chat", ("lobby", "hello")) == "stored"
            assert {name: event.wait(scaled(10)) for name, event in heard.items()} == dict.fromkeys(heard, True)
        finally:
            alice.disconnect()
            bob.disconnect()


def test_the_commands_name_what_is_there() -> None:
    commands = re.findall(r"^ *\$ (python3 -m venv .*)$", README, flags=re.MULTILINE)
    chat, tests = commands
    assert (ROOT / chat.split()[-1]).is_file()
    assert tests.endswith(" pytest")
