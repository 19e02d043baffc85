"""Every example is started as its first lines say, and does what they say, seen by somebody else's client."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio
import websockets.sync.client

from tests.support.programs import ROOT
from tests.support.programs import python
from tests.support.programs import serving
from tests.support.timing import scaled
from tests.support.visitor import Visitor
from tests.support.visitor import visiting

GUNICORN = ["-m", "gunicorn", "-k", "gevent", "-b", "127.0.0.1:{port}"]


@pytest.fixture
def visit() -> Iterator[Callable[..., Visitor]]:
    """Connects a Visitor to an address; all leave when the test ends."""
    with ExitStack() as stack:

        def connect(url: str, nsp: str = "/", **options: Any) -> Visitor:
            return stack.enter_context(visiting(url, nsp, **options))

        yield connect


def hosts(*paths: str) -> Any:
    """Runs a test for an example's own server and under gunicorn."""
    script, app = paths
    cases = [pytest.param([script], id="alone"), pytest.param([*GUNICORN, app], id="gunicorn", marks=pytest.mark.long)]
    return pytest.mark.parametrize("command", cases)


def test_every_example_has_a_test() -> None:
    text = Path(__file__).read_text()
    found = [*(ROOT / "examples").glob("*.py"), ROOT / "examples" / "chat" / "app.py"]
    assert len(found) >= 7
    for example in found:
        assert f"examples/{example.relative_to(ROOT / 'examples')}" in text


def test_acks(visit: Callable[..., Visitor]) -> None:
    with serving(python("examples/acks.py")) as url:
        alice, bob = visit(url), visit(url)
        assert alice.call("add", (1, 2)) == 3
        assert alice.call("divide", (7, 2)) == (3, 1)
        assert alice.call("slow") == "done"
        for person, answer in ((alice, "tea"), (bob, "coffee")):
            person.on("question", lambda question, answer=answer: f"{question} {answer}")
        answers = alice.call("survey", "tea or coffee?")["answers"]
        assert sorted(answers) == ["tea or coffee? coffee", "tea or coffee? tea"]


def test_auth(visit: Callable[..., Visitor]) -> None:
    with serving(python("examples/auth.py")) as url:
        bob = visit(url, auth={"token": "bob's token"})
        assert bob.call("whoami") == "bob"
        for token, nsp in (("guess", "/"), (None, "/"), ("bob's token", "/admin")):
            with pytest.raises(socketio.exceptions.ConnectionError):
                visit(url, nsp, auth={"token": token})
        admin = visit(url, "/admin", auth={"token": "alice's token"})
        admin.emit("warn", ("bob", "behave"), namespace="/admin")
        assert bob.next("warning") == ("behave",)


@hosts("examples/flask_app.py", "examples.flask_app:app")
def test_flask(visit: Callable[..., Visitor], command: list[str]) -> None:
    with serving(python(*command)) as url:
        visitor = visit(url)
        assert visitor.next("news") == ("welcome",)
        assert "socket.io.js" in requests.get(url, timeout=10).text
        assert requests.post(f"{url}/news", data={"text": "hello"}, timeout=10).status_code == 204
        assert visitor.next("news") == ("hello",)


@hosts("examples/django_app.py", "examples.django_app:application")
def test_django(visit: Callable[..., Visitor], command: list[str]) -> None:
    with serving(python(*command)) as url:
        visitor = visit(url)
        assert visitor.call("greet", "Ada") == "hello Ada"
        assert requests.get(f"{url}/online", timeout=10).json() == {"online": 1}


@hosts("examples/plain_wsgi.py", "examples.plain_wsgi:app")
def test_plain_wsgi(visit: Callable[..., Visitor], command: list[str]) -> None:
    with serving(python(*command)) as url:
        assert requests.get(f"{url}/anything", timeout=10).text == "an ordinary page"
        visitor = visit(url)
        assert visitor.next("time") < visitor.next("time")


@hosts("examples/raw_engine.py", "examples.raw_engine:app")
def test_raw_engine(command: list[str]) -> None:
    with serving(python(*command)) as url:
        address = f"{url.replace('http', 'ws')}/engine.io/?EIO=4&transport=websocket"
        with websockets.sync.client.connect(address) as ws:
            assert str(ws.recv(scaled(10))).startswith("0{")
            assert ws.recv(scaled(10)) == "4welcome"
            for data in ("4hello", b"\x00\x01"):
                ws.send(data)
                assert ws.recv(scaled(10)) == data


@hosts("examples/chat/app.py", "examples.chat.app:app")
def test_chat(visit: Callable[..., Visitor], command: list[str]) -> None:
    with serving(python(*command)) as url:
        assert "<title>Chat</title>" in requests.get(url, timeout=10).text
        with pytest.raises(socketio.exceptions.ConnectionError):
            visit(url, auth={"nickname": " ", "room": "lobby"})
        alice = visit(url, auth={"nickname": "Alice", "room": "lobby"})
        bob = visit(url, auth={"nickname": "Bob", "room": "lobby"})
        assert bob.next("people") == (["Alice", "Bob"],)
        alice.emit("typing")
        assert bob.next("typing") == ("Alice",)
        assert alice.call("say", "hello") is None
        assert bob.next("said") == ("Alice", "hello")
        assert "error" in alice.call("say", {"not": "a text"})
        assert "error" in alice.call("picture", b"<svg>")
        alice.emit("picture", b"\x89PNG" + bytes(200_000))
        assert bob.next("picture") == ("Alice", "image/png", b"\x89PNG" + bytes(200_000))
        assert bob.call("enter", "attic") is None
        assert bob.next("people") == (["Bob"],)
