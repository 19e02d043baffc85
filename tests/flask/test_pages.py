"""The pages on Flask: their programs do what they say, and no name of Flask-SocketIO is missing."""

from __future__ import annotations

import inspect
import re
from typing import Any

import flask_socketio
import pytest

from socketio_sync.testing import TestClient
from tests.support import pages

GUIDE = "howto/flask.rst"
MIGRATION = "howto/migrate_from_flask_socketio.rst"


@pytest.fixture
def guide() -> dict[str, Any]:
    return pages.run(GUIDE)


def test_the_guides_tests_pass(guide: dict[str, Any]) -> None:
    guide["test_a_message_reaches_the_lobby"]()
    guide["test_strangers_are_refused"]()


def test_the_guides_events(guide: dict[str, Any]) -> None:
    app, socketio = guide["app"], guide["socketio"]
    browser = app.test_client()
    browser.get("/name/Ada")
    cookie = {"Cookie": f"session={browser.get_cookie('session').value}", "Accept-Language": "de"}
    with TestClient(socketio.server, headers=cookie) as ada, TestClient(socketio.server, headers=cookie) as other:
        ada.emit("export", "sheet")
        ada.advance(1)
        assert [event for event in ada.received() if event[0] == "progress"] == [
            ("progress", "sheet", percent) for percent in (0, 50, 100)
        ]
        for client, answer in ((ada, "here"), (other, "there")):
            client.on("where?", lambda answer=answer: answer)
        assert sorted(other.emit_with_ack("where are you")) == ["here", "there"]
        assert browser.post("/announce/lunch").status_code == 204
        guide["tick"](7)
        assert ada.received() == [("announcement", "lunch"), ("price", 7)]
        assert {socket.data["language"] for socket in socketio.server.sockets.values()} == {"de"}
        other.disconnect()
        assert ada.receive() == ("left", "Ada")


def test_the_guides_factory(guide: dict[str, Any]) -> None:
    app = guide["create_app"]()
    with guide["chat"].test_client(app, "/chat") as client:
        assert client.emit("ping", namespace="/chat", callback=True) == "pong"


def test_the_import_line_is_all() -> None:
    program = pages.run(MIGRATION)
    assert {program["SocketIO"].__module__, program["emit"].__module__} == {
        "socketio_sync.flask.extension",
        "socketio_sync.flask.functions",
    }


def test_every_name_and_option_of_flask_socketio_is_in_the_tables() -> None:
    text = (pages.DOCS / MIGRATION).read_text()
    cells = re.findall(r"^   \* - (.*)$", text, re.MULTILINE)
    told = {name for cell in cells for name in re.findall(r"``(\w+)", cell)}
    functions = {name for name, value in vars(flask_socketio).items() if inspect.isfunction(value)}
    methods = {name for name, value in vars(flask_socketio.SocketIO).items() if not name.startswith("_")}
    classes = {"SocketIO", "Namespace", "SocketIOTestClient", "ConnectionRefusedError", "server"}
    options = set(re.findall(r":param (\w+):", flask_socketio.SocketIO.__doc__)) - {"app", "kwargs"}
    borrowed = {"has_request_context", "wraps", "run_with_reloader"}
    assert told == (functions - borrowed) | methods | classes | options
