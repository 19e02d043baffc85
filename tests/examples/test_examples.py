"""Every example is started as its first lines say, and does what they say, seen by somebody else's client."""

from __future__ import annotations

import re
import time
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
from tests.support.programs import run_to_its_end
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


def until(condition: Callable[[], Any]) -> None:
    """Waits until ``condition()`` is true."""
    deadline = time.monotonic() + scaled(15)
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def hosts(*paths: str) -> Any:
    """Runs a test for an example's own server and under gunicorn."""
    script, app = paths
    cases = [pytest.param([script], id="alone"), pytest.param([*GUNICORN, app], id="gunicorn", marks=pytest.mark.long)]
    return pytest.mark.parametrize("command", cases)


def test_the_index_has_every_example_and_a_test_runs_each_command() -> None:
    index = (ROOT / "examples" / "README.rst").read_text()
    entries = {path.name for path in (ROOT / "examples").iterdir()} - {"README.rst", "__pycache__"}
    assert set(re.findall(r"<([\w.]+)>`_", index)) == entries
    commands = set(re.findall(r"(?:python|pytest) (examples/[\w./]+)", index))
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("**/test_*.py"))
    assert {command.split("/")[1] for command in commands} == entries - {"deploy"}
    for command in commands:
        script = ROOT / command if command.endswith(".py") else next((ROOT / command).glob("*.py"))
        assert f" {command}" in script.read_text()
        assert command in tests


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


@hosts("examples/flask_app.py", "examples.flask_app:app")
def test_flask(visit: Callable[..., Visitor], command: list[str]) -> None:
    with serving(python(*command)) as url:
        visitor = visit(url)
        assert visitor.next("news") == ("welcome",)
        assert "socket.io.js" in requests.get(url, timeout=10).text
        assert requests.post(f"{url}/news", data={"text": "hello"}, timeout=10).status_code == 204
        assert visitor.next("news") == ("hello",)


@hosts("examples/dashboard/app.py", "examples.dashboard.app:app")
def test_dashboard(visit: Callable[..., Visitor], command: list[str]) -> None:
    with serving(python(*command)) as url:
        assert "<title>Dashboard</title>" in requests.get(url, timeout=10).text
        alice = visit(url)
        figures, history = alice.next("figures")
        assert history == []
        (first,), (second,) = alice.next("row"), alice.next("row")
        assert len(first) == 1 + len(figures) == 4
        assert second[0] > first[0]
        assert alice.call("round trip") is None
        late = visit(url)
        _, history = late.next("figures")
        assert history[:2] == [first, second]
        assert any(late.next("row")[0][3] == 2 for _ in range(10))


@hosts("examples/whiteboard/app.py", "examples.whiteboard.app:app")
def test_whiteboard(visit: Callable[..., Visitor], command: list[str]) -> None:
    with serving(python(*command)) as url:
        assert "<title>Whiteboard</title>" in requests.get(url, timeout=10).text
        alice, bob = visit(url), visit(url)
        assert bob.next("board")[0] == {}
        stroke = ("#dc2626", 4, [1, 2, 3, 4])
        for _ in range(2):
            assert alice.call("draw", (1, *stroke)) is None
            key, *seen = bob.next("draw")[:4]  # the offset for a recovery follows
            assert tuple(seen) == stroke
        alice.emit("cursor", (10, 20))
        assert bob.next("cursor") == (alice.get_sid(), 10, 20)
        late = visit(url)
        assert late.next("board")[0] == {key: ["#dc2626", 4, [1, 2, 3, 4] * 2]}
        bob.emit("undo")  # nothing of his own
        alice.emit("undo")
        assert late.next("erase")[0] == [key]


@hosts("examples/devices/app.py", "examples.devices.app:app")
def test_devices(visit: Callable[..., Visitor], command: list[str]) -> None:
    with serving(python(*command)) as url:
        assert "<title>Messages</title>" in requests.get(url, timeout=10).text
        desk, phone, bob = (visit(url, auth={"user": user}) for user in ("Ada", "Ada", "Bob"))
        message = desk.call("send", ("Bob", "hello", "1"))["message"]
        assert phone.next("message")[0] == bob.next("message")[0] == message
        bob.emit("mark", ("Ada", "delivered", message["id"]))
        assert phone.next("marks")[:3] == desk.next("marks")[:3] == ("Bob", "Ada", {"delivered": 1, "read": 0})
        bob.emit("mark", ("Ada", "read", message["id"]))
        assert phone.next("marks")[:3] == ("Bob", "Ada", {"delivered": 1, "read": 1})


@pytest.mark.long
@hosts("examples/jwt/app.py", "examples.jwt.app:app")
def test_jwt(visit: Callable[..., Visitor], command: list[str]) -> None:
    with serving(python(*command), ACCESS_SECONDS="6") as url, requests.Session() as browser:
        assert "<title>Tokens</title>" in browser.get(url, timeout=10).text
        for body in ({"name": "ada", "password": "guess"}, {"name": "eve", "password": "eve"}, ["ada"]):
            assert browser.post(f"{url}/login", json=body, timeout=10).status_code == 401
        login = browser.post(f"{url}/login", json={"name": "ada", "password": "lovelace"}, timeout=10)
        ada = visit(url, auth={"token": login.json()["token"]})
        assert ada.call("who am i")["name"] == "ada"
        admin = visit(url, "/admin", auth={"token": login.json()["token"]})
        assert admin.call("announce", "tea", namespace="/admin") is None
        assert ada.next("announcement") == ("ada", "tea")
        ada.on("token?", lambda: browser.post(f"{url}/token", timeout=10).json()["token"])
        until(lambda: not admin.connected)  # it does not know how to renew its token
        until(lambda: ada.call("who am i")["seconds"] > 3)
        assert browser.post(f"{url}/token/end", timeout=10).status_code == 200
        until(lambda: not ada.connected)
        assert browser.post(f"{url}/token", timeout=10).status_code == 401


@hosts("examples/bottle/app.py", "examples.bottle.app:app")
def test_bottle(visit: Callable[..., Visitor], command: list[str]) -> None:
    with serving(python(*command)) as url:
        with pytest.raises(socketio.exceptions.ConnectionError):
            visit(url)
        page = requests.get(url, timeout=10)
        assert "<title>Poll</title>" in page.text
        ada = visit(url, headers={"Cookie": page.headers["Set-Cookie"].split(";")[0]})
        assert ada.next("mine") == (None,)
        assert ada.call("vote", "Tea") is None
        assert ada.next("mine") == ("Tea",)
        assert requests.get(f"{url}/result", timeout=10).json()["Tea"] == 1


def test_cherrypy(visit: Callable[..., Visitor]) -> None:
    with serving(python("examples/cherrypy/app.py")) as url, requests.Session() as browser:
        assert "<title>Reports</title>" in browser.post(f"{url}/start", timeout=10).text
        cookie = f"session_id={browser.cookies['session_id']}"
        ada = visit(url, headers={"Cookie": cookie})
        assert ada.next("reports")[0][0]["state"] == "working"
        assert ada.next("report")[0]["percent"] > 0
        assert ada.call("cancel", 1) is None
        assert "error" in ada.call("cancel", 1)
        with pytest.raises(socketio.exceptions.ConnectionError):
            visit(url, headers={"Cookie": "session_id=guess"})


DJANGO = ["examples/django/manage.py", "runserver", "--noreload", "{port}"]
DJANGO_GUNICORN = ["-m", "gunicorn", "-k", "gthread", "--threads", "4", "-b", "127.0.0.1:{port}"]
DJANGO_HOSTS = [
    pytest.param(DJANGO, id="alone"),
    pytest.param(
        [*DJANGO_GUNICORN, "--chdir", "examples/django", "board.wsgi"], id="gunicorn", marks=pytest.mark.long
    ),
]


@pytest.mark.parametrize("command", DJANGO_HOSTS)
def test_django(visit: Callable[..., Visitor], command: list[str], tmp_path: Path) -> None:
    database = {"DATABASE": str(tmp_path / "db.sqlite3")}
    run_to_its_end(python("examples/django/manage.py", "migrate", "--verbosity", "0"), database)
    with serving(python(*command), **database) as url, requests.Session() as browser:
        with pytest.raises(socketio.exceptions.ConnectionError):
            visit(url, headers={"Cookie": "sessionid=guess"})
        browser.get(f"{url}/login/", timeout=10)
        form = {"username": "ada", "password": "lovelace", "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        assert "<title>Notice board</title>" in browser.post(f"{url}/login/", data=form, timeout=10).text
        ada = visit(url, headers={"Cookie": f"sessionid={browser.cookies['sessionid']}"})
        assert ada.next("notices") == ([],)
        assert ada.call("write", "cake") is None
        assert ada.next("notice")[0]["author"] == "ada"
        for odd in ("", " ", "\0", "\ud800", "x" * 501, None, ["cake"]):
            assert "error" in ada.call("write", (odd,))
        assert browser.get(f"{url}/online/", timeout=10).json() == {"users": ["ada"], "sockets": 1}
        form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        assert browser.post(f"{url}/logout/", data=form, timeout=10).status_code == 200
        until(lambda: not ada.connected)


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
