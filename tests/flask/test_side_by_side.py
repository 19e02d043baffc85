"""Flask-SocketIO itself, and ours in its place: the same names and signatures, and the same outcome of one session.

``session.json`` is what the official client sees of ``apps/documented.py``; Flask-SocketIO is asked again, too.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import flask_socketio
import pytest

import socketio_sync.flask
from tests.support.javascript import JavaScript
from tests.support.programs import python
from tests.support.programs import serving

HERE = Path(__file__).parent
APP = "tests.flask.apps.documented"
GUNICORN = ["-m", "gunicorn", "-b", "127.0.0.1:{port}", f"{APP}:app"]
SERVERS = {
    "Flask-SocketIO": ["-m", APP],
    "socketio.run": ["-m", APP],
    "flask run": ["-m", "flask", "--app", f"{APP}:create_app", "run", "--port", "{port}"],
    "gunicorn gevent": [*GUNICORN, "-k", "gevent"],
    "gunicorn gthread": [*GUNICORN, "-k", "gthread", "--threads", "2"],
}


@pytest.mark.long
@pytest.mark.parametrize("name", SERVERS)
def test_a_client_sees_the_same_of_the_documented_application(name: str, js: JavaScript) -> None:
    flavour = "theirs" if name == "Flask-SocketIO" else "ours"
    with serving(python(*SERVERS[name]), FLAVOUR=flavour) as url:
        outcome = js((HERE / "session.js").read_text(), url=url, patience=60)
    expected = json.loads((HERE / "session.json").read_text())
    assert dict(map(tuple, _plain(outcome))) == dict(map(tuple, expected))


def _plain(value: Any) -> Any:
    """As JSON has it: bytes as a list of numbers."""
    return json.loads(json.dumps(value, default=list))


def _signatures(module: Any) -> dict[str, list[tuple[str, Any, Any]]]:
    functions = {name: getattr(module, name) for name in ("emit", "send", "call", "join_room", "leave_room")}
    functions |= {name: getattr(module, name) for name in ("close_room", "rooms", "disconnect")}
    for name in ("SocketIO", "Namespace", "SocketIOTestClient"):
        theirs = getattr(flask_socketio, name)
        for method in ["__init__", *(method for method in dir(theirs) if not method.startswith("_"))]:
            if inspect.isfunction(getattr(theirs, method)):
                functions[f"{name}.{method}"] = getattr(getattr(module, name), method, None)
    return {name: _parameters(function) for name, function in functions.items() if function is not None}


def _parameters(function: Any) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]


def test_the_signatures_are_the_same() -> None:
    theirs, ours = _signatures(flask_socketio), _signatures(socketio_sync.flask)
    # What a Namespace inherits from python-socketio and Flask-SocketIO does not document.
    missing = {"get_session", "save_session", "session", "is_asyncio_based"}
    assert set(theirs) - set(ours) == {f"Namespace.{name}" for name in missing}
    assert {name: ours[name] for name in ours} == {name: theirs[name] for name in ours}


def test_the_reasons_are_the_same() -> None:
    theirs = flask_socketio.SocketIO.reason
    names = [name for name in vars(theirs) if name.isupper()]
    assert len(names) == 5
    for name in names:
        assert getattr(socketio_sync.flask.SocketIO.reason, name) == getattr(theirs, name)
