"""The tutorial's chat in two real browser windows, through a restart of its server as in its sixth step."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.test_tutorial import steps
from tests.docs.test_tutorial import write
from tests.support.javascript import JavaScript
from tests.support.programs import chromium
from tests.support.programs import free_port
from tests.support.programs import node_modules
from tests.support.programs import python
from tests.support.programs import running

OPEN = """
    kept.pages = kept.pages || {};
    const page = await browse(browser, "about:blank");
    page.on("dialog", (dialog) => dialog.accept(name));
    page.on("pageerror", (error) => (kept.fault = error.stack));
    await page.goto(url);
    kept.pages[name] = page;
"""
SHOWS = "await kept.pages[name].locator(selector, { hasText: text }).first().waitFor({ timeout: 20000 });"
SAY = """
    await kept.pages[name].fill("input", text);
    await kept.pages[name].press("input", "Enter");
"""


class Window:
    """A browser window of one person."""

    def __init__(self, js: JavaScript, name: str, url: str) -> None:
        self.js = js
        self.name = name
        js(OPEN, name=name, url=url, browser=chromium(), patience=30)

    def shows(self, selector: str, text: str) -> None:
        self.js(SHOWS, name=self.name, selector=selector, text=text, patience=30)

    def say(self, text: str) -> None:
        self.js(SAY, name=self.name, text=text)


@pytest.mark.long
@pytest.mark.timeout(120)
def test_every_step_in_windows(js: JavaScript, tmp_path: Path) -> None:
    for program, page in steps():
        script = write(tmp_path, program, page)
        with running(python(str(script)), PORT=str(free_port()), NODE_PATH=str(node_modules())) as server:
            window = Window(js, "Ann", server.url)
            window.shows("#state", "In the lobby: Ann" if '"people"' in page else "connected")
            if "onsubmit" in page:
                window.say("hello")
                window.shows("#messages li", "hello")
    assert js("return kept.fault || null;") is None


@pytest.mark.long
@pytest.mark.timeout(120)
def test_two_windows_through_a_restart(js: JavaScript, tmp_path: Path) -> None:
    script, port = write(tmp_path, *steps()[-1]), str(free_port())
    with ExitStack() as first:
        server = first.enter_context(running(python(str(script)), PORT=port, NODE_PATH=str(node_modules())))
        ann, bob = (Window(js, name, f"{server.url}/#attic") for name in ("Ann", "Bob"))
        ann.shows("#state", "In the attic: Ann, Bob")
        ann.say("hello <b>Bob</b>")
        bob.shows("#messages li", "Ann: hello <b>Bob</b>")
        bob.say("x" * 501)
        bob.shows("#state", "a message has 1 to 500 letters")
        first.close()
        ann.shows("#state", "not connected")
        ann.say("is anybody there?")
        first.enter_context(running(python(str(script)), PORT=port, NODE_PATH=str(node_modules())))
        for window in (ann, bob):
            window.shows("#state", "In the attic: Ann, Bob")
        ann.shows("#messages li", "Ann: is anybody there?")
    assert js("return kept.fault || null;") is None
