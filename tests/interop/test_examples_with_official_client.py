"""The examples without a page, worked by the official clients under Node."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.javascript import JavaScript
from tests.support.programs import ROOT
from tests.support.programs import python
from tests.support.programs import serving


def readme(language: str) -> str:
    """The README's first code in a language, as it stands there."""
    found = re.search(rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", (ROOT / "README.rst").read_text())
    assert found is not None
    return re.sub(r"^    ", "", found.group(1), flags=re.MULTILINE)


def test_the_sample_of_the_readme(js: JavaScript, tmp_path: Path) -> None:
    script = tmp_path / "sample.py"
    script.write_text(readme("python").replace("io.listen(3000)", "import os; io.listen(int(os.environ['PORT']))"))
    page = "\n".join(re.findall(r"<script>\n(.*?)</script>", readme("html"), re.DOTALL))
    assert "emitWithAck" in page
    with serving(python(str(script))) as url:
        said = js(
            """
            const lines = [];
            const other = await connect(url);
            other.emit("chat", "nowhere", "unheard");
            const console = { log: (line) => lines.push(line) };
            const sockets = [];
            const script = page.replaceAll("http://127.0.0.1:3000", url);
            // The page's io() and console, with a client that is closed when the test is over.
            new Function("io", "console", script)((to) => sockets.push(dial(to, {})) && sockets[0], console);
            await until(() => lines.length >= 2);
            await until(() => other.received.some(([event]) => event === "chat"));
            return [lines.sort(), sockets[0].id, other.received];
            """,
            url=url,
            page=page,
        )
        lines, id, received = said
        assert lines == ["somebody came", "stored"]
        assert ["chat", id, "hello"] in received


def test_acks(js: JavaScript) -> None:
    with serving(python("examples/acks.py")) as url:
        answers = js(
            """
            const [alice, bob] = [await connect(url), await connect(url)];
            alice.on("question", (question, answer) => answer("tea"));
            bob.on("question", (question, answer) => answer("coffee"));
            const divided = await new Promise((resolve) => alice.emit("divide", 7, 2, (...parts) => resolve(parts)));
            return [
              await alice.emitWithAck("add", 1, 2),
              divided,
              await alice.emitWithAck("slow"),
              (await bob.emitWithAck("survey", "tea or coffee?")).answers.sort(),
              await alice.emitWithAck("add", 1, undefined),
              await alice.emitWithAck("divide", 1, 0),
            ];
            """,
            url=url,
        )
    assert answers[:4] == [3, [3, 1], "done", ["coffee", "tea"]]
    assert [list(answer) for answer in answers[4:]] == [["error"], ["error"]]


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], ["polling", "websocket"]], ids="+".join)
def test_raw_engine(js: JavaScript, transports: list[str]) -> None:
    with serving(python("examples/raw_engine.py")) as url:
        received, ended = js(
            """
            const { Socket } = dependency("socket.io-client", "engine.io-client");
            const client = new Socket(url, { path: "/engine.io/", transports });
            const received = [];
            client.on("message", (data) => received.push(data));
            await once(client, "open");
            client.send("hello");
            client.send(Buffer.from([0, 1, 255]));
            await until(() => received.length === 3);
            const closed = once(client, "close");
            client.close();
            return [received, (await closed)[0]];
            """,
            url=url,
            transports=transports,
        )
    assert received == ["welcome", "hello", b"\x00\x01\xff"]
    assert ended == "forced close"


def test_auction(js: JavaScript) -> None:
    with serving(python("examples/auction/auction.py")) as url:
        stranger, bids, seen = js(
            """
            const stranger = await refused(url, { auth: { name: ["Ada"] } });
            const ada = await connect(url, { auth: { name: "Ada" } });
            const bob = await connect(url, { auth: { name: "Bob" } });
            ada.on("really?", (price, answer) => answer(price < 5000));
            const bids = [];
            for (const price of [10, "11", 9, 4000, 6000]) bids.push(await ada.emitWithAck("bid", price));
            await until(() => bob.received.length === 2);
            return [stranger.message, bids, bob.received];
            """,
            url=url,
        )
    assert stranger == "who are you?"
    assert bids == [True, False, False, True, False]
    assert [event[:2] for event in seen] == [["price", 10], ["price", 4000]]
