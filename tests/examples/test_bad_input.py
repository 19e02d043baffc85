"""What clients should not send to the examples: it is answered, logged by nobody, and changes nothing."""

from __future__ import annotations

import logging
import runpy
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest

from socketio_sync import ConnectError
from socketio_sync.testing import TestClient
from tests.support.programs import ROOT

Example = Callable[[str], dict[str, Any]]
ODD = [None, True, -1, 2**60, 1.5, "", " ", "x" * 3000, "<b>", [], [1], {}, {"a": 1}, b"\x00", [[]], {"to": {}}]
AUTH = [odd for odd in ODD if not isinstance(odd, bytes)]  # what a handshake can carry


@pytest.fixture
def example(caplog: pytest.LogCaptureFixture) -> Iterator[Example]:
    """Loads an example afresh; what it logs as a warning or an error fails the test."""
    yield lambda name: runpy.run_path(str(ROOT / "examples" / name))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_acks(example: Example) -> None:
    io = example("acks.py")["io"]
    with TestClient(io) as alice:
        for odd in set(map(repr, ODD)) - {"True", "-1"}:
            value = eval(odd)
            assert "error" in alice.emit_with_ack("add", 1, value)
            assert "error" in alice.emit_with_ack("divide", value, 1)
        assert "error" in alice.emit_with_ack("divide", 1, 0)
        assert "error" in alice.emit_with_ack("survey", "x" * 201)


@pytest.mark.parametrize(
    "stroke",
    [
        ("1", "#000000", 4, [1, 1]),
        (1, "black", 4, [1, 1]),
        (1, "#000000;x", 4, [1, 1]),
        (1, ["#000000"], 4, [1, 1]),
        (1, "#000000", 0, [1, 1]),
        (1, "#000000", 61, [1, 1]),
        (1, "#000000", 4.5, [1, 1]),
        (1, "#000000", 4, []),
        (1, "#000000", 4, [1]),
        (1, "#000000", 4, [1, 1, 1]),
        (1, "#000000", 4, [1, 1001]),
        (1, "#000000", 4, [1601, 1]),
        (1, "#000000", 4, [-1, 1]),
        (1, "#000000", 4, [1.5, 1]),
        (1, "#000000", 4, [None, 1]),
        (1, "#000000", 4, {"0": 1, "1": 1}),
        (1, "#000000", 4, "11"),
        (1, "#000000", 4, [1] * 1002),
    ],
)
def test_strokes(example: Example, stroke: tuple[Any, ...]) -> None:
    module = example("whiteboard/app.py")
    with TestClient(module["io"]) as alice, TestClient(module["io"]) as bob:
        bob.received()
        assert "error" in alice.emit_with_ack("draw", *stroke)
        alice.emit("cursor", *stroke[:2])
        assert bob.received() == []
        assert module["board"].strokes == {}


def test_the_board_has_an_end(example: Example) -> None:
    module = example("whiteboard/app.py")
    with TestClient(module["io"]) as alice:
        for number in range(210):
            alice.emit("draw", number, "#000000", 4, [7] * 1000)
        alice.received()
        with TestClient(module["io"]) as late:
            _, strokes = late.receive("board")
            assert sum(len(points) for _, _, points in strokes.values()) == 200_000 == module["board"].size
            assert list(strokes)[0] == f"{alice.id} 10"
            late.emit("clear")
            assert module["board"].size == 0
            late.emit("draw", 1, "#000000", 4, [7] * 1000)
            for _ in range(210):  # one endless stroke goes as a whole
                late.emit("draw", 1, "#000000", 4, [7] * 1000)
            assert module["board"].size <= 200_000


def test_messages(example: Example) -> None:
    io = example("devices/app.py")["io"]
    for odd in AUTH:
        with pytest.raises(ConnectError, match="Who are you"):
            TestClient(io, auth={"user": odd}).connect()
    with TestClient(io, auth={"user": "Ada"}) as ada, TestClient(io, auth={"user": "Bob"}) as bob:
        for odd in [*ODD, "Ada"]:
            assert "error" in ada.emit_with_ack("send", odd, "text", "key")
            assert "error" in ada.emit_with_ack("mark", odd, "read", 1)
            assert "error" in ada.emit_with_ack("mark", "Bob", odd, 1)
            assert "error" in ada.emit_with_ack("mark", "Bob", "read", odd)
            assert "error" in ada.emit_with_ack("send", "Bob", "text", odd) or odd in ("", " ", "<b>", "Ada")
        for odd in [*ODD[:8], *ODD[9:]]:
            assert "error" in ada.emit_with_ack("send", "Bob", odd, "key")
        assert all(name != "marks" for name, *_ in bob.received())


def test_a_message_is_stored_once_and_seen_by_two(example: Example) -> None:
    io = example("devices/app.py")["io"]
    with TestClient(io, auth={"user": "Ada"}) as ada, TestClient(io, auth={"user": "Bob"}) as bob:
        with TestClient(io, auth={"user": "Cleo"}) as cleo:
            first, again = (ada.emit_with_ack("send", "Bob", "hello", "key") for _ in range(2))
            assert first == again
            assert bob.receive("message")[1]["text"] == "hello"
            assert all(name != "message" for client in (bob, cleo) for name, *_ in client.received())
            assert "error" in cleo.emit_with_ack("mark", "Ada", "read", first["message"]["id"])
            assert bob.emit_with_ack("mark", "Ada", "read", first["message"]["id"]) is None
            assert ada.receive("marks")[1:] == ("Bob", "Ada", {"delivered": 1, "read": 1})
            bob.cut()
            assert ada.emit_with_ack("send", "Bob", "are you there?", "other")["message"]["id"] == 2
            bob.connect()
            assert bob.recovered
            assert bob.receive("message")[1]["text"] == "are you there?"
        assert messages_of(io, "Cleo") == []


def messages_of(io: Any, user: str) -> list[Any]:
    """The messages that a new device of ``user`` gets."""
    with TestClient(io, auth={"user": user}) as client:
        messages: list[Any] = client.receive("state")[1]["messages"]
    return messages


def test_tokens(example: Example) -> None:
    module = example("jwt/app.py")
    io, issue = module["io"], module["issue"]
    unsigned = module["jwt"].encode({"aud": "access", "sub": "ada", "login": "1", "exp": 2**32}, "", "none")
    for odd in [*AUTH, issue("refresh", "ada", "1", 60), unsigned, issue("access", "ada", "1", 60)[:-2]]:
        with pytest.raises(ConnectError, match="log in first") as refusal:
            TestClient(io, auth={"token": odd}).connect()
        assert refusal.value.data == {"code": "invalid"}
    with pytest.raises(ConnectError) as refusal:
        TestClient(io, auth={"token": issue("access", "ada", "1", -1)}).connect()
    assert refusal.value.data == {"code": "expired"}
    with pytest.raises(ConnectError, match="admins only"):
        TestClient(io, "/admin", auth={"token": issue("access", "bob", "1", 60)}).connect()
    with TestClient(io, "/admin", auth={"token": issue("access", "ada", "1", 60)}) as ada:
        for odd in (None, "", "x" * 201, {}, []):
            assert "error" in ada.emit_with_ack("announce", odd)
    site = module["app"].test_client()
    for odd in ({"json": [1]}, {"json": {"name": ["ada"]}}, {"json": {}}, {"data": b"{"}, {"data": b"x" * 20_000}):
        assert site.post("/login", **odd).status_code in (401, 413)
    for cookie in ("", "x.y.z", issue("access", "ada", "1", 60)):
        site.set_cookie("refresh", cookie, path="/token")
        assert site.post("/token").status_code == 401


def test_votes(example: Example) -> None:
    module = example("bottle/app.py")
    for cookie in ("", "voter=me", 'voter="!x?y"', "\x00;;="):
        with pytest.raises(ConnectError, match="open the page first"):
            TestClient(module["io"], headers={"Cookie": cookie}).connect()
    value = module["bottle"].BaseResponse()
    value.set_cookie("voter", "somebody", secret=module["SECRET"])
    cookie = value._cookies["voter"].OutputString()
    with TestClient(module["io"], headers={"Cookie": cookie}) as ada:
        for odd in ODD:
            assert "error" in ada.emit_with_ack("vote", odd)
        assert ada.emit_with_ack("vote", "Tea") is None
        assert module["votes"] == {"somebody": "Tea"}


def test_reports(example: Example) -> None:
    module = example("cherrypy/app.py")
    for cookie in ("", "session_id=guess", "session_id", "\x01=;,"):
        with pytest.raises(ConnectError, match="no session"):
            TestClient(module["io"], headers={"Cookie": cookie}).connect()
    module["cherrypy"].lib.sessions.RamSession.cache["mine"] = ({}, None)
    with TestClient(module["io"], headers={"Cookie": "session_id=mine"}) as ada:
        for odd in ODD:
            assert "error" in ada.emit_with_ack("cancel", odd)
    del module["cherrypy"].lib.sessions.RamSession.cache["mine"]
