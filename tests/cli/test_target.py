"""``module:app``: whatever leads to Socket.IO is found, and what does not is told why."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from socketio_sync import Engine
from socketio_sync import Server
from socketio_sync import WSGIApp
from socketio_sync.cli.target import BrokenModule
from socketio_sync.cli.target import TargetError
from socketio_sync.cli.target import find
from socketio_sync.cli.target import load
from tests.cli.commands import CHAT
from tests.cli.commands import forget_modules


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Writes a module that can be imported as long as the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)

    def write(name: str, text: str) -> None:
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    yield write
    forget_modules(set(sys.modules) - before)


class Around:
    """A middleware that is an object."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = self.app(environ, start_response)
        return answer

    def handle(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        return self(environ, start_response)


def closure(app: Any) -> Any:
    def around(environ: Any, start_response: Any) -> Any:
        return app(environ, start_response)

    return around


def in_flask(app: WSGIApp) -> Flask:
    flask = Flask("test")
    flask.wsgi_app = ProxyFix(WSGIApp(app.io, flask.wsgi_app))  # type: ignore[method-assign]
    return flask


def decorated(app: Any) -> Any:
    @functools.wraps(app)
    def around(*args: Any) -> Any:
        return app(*args)

    return around


@pytest.mark.parametrize(
    ("wrap", "around"),
    [
        (lambda app: app, []),
        (Around, ["Around"]),
        (lambda app: Around(app).handle, ["method", "Around"]),
        (closure, ["function"]),
        (decorated, ["function"]),
        (lambda app: functools.partial(closure(app)), ["partial", "function"]),
        (in_flask, ["Flask", "ProxyFix"]),
        (lambda app: DispatcherMiddleware(Flask("site"), {"/chat": app}), ["DispatcherMiddleware"]),
    ],
)
def test_what_is_wrapped_is_found(wrap: Callable[[Any], Any], around: list[str]) -> None:
    io = Server()
    mounts, layers = find(wrap(WSGIApp(io)))
    assert [mount.io for mount in mounts] == [io]
    assert [type(layer).__name__ for layer in layers] == around


def test_one_around_another_is_found_first() -> None:
    outer, inner = Engine(), Server()
    mounts, _ = find(Around(WSGIApp(outer, WSGIApp(inner))))
    assert [mount.io for mount in mounts] == [outer, inner]


PROXIES = """
from flask import Flask, current_app, request, session
from socketio_sync import Server, WSGIApp

io = Server()
mount = WSGIApp(io)
plain = Flask("test")
plain.extensions["test"] = request

def app(environ, start_response):
    return (request, session, current_app) and mount(environ, start_response)
"""


def test_proxies_of_what_is_not_there_do_no_harm(write: Callable[[str, str], None]) -> None:
    write("proxies", PROXIES)
    assert load("proxies:app").mounts[0].io is sys.modules["proxies"].io
    for spec in ("proxies:nix", "proxies:plain", "proxies:request"):
        with pytest.raises(TargetError):
            load(spec)


def test_an_application_without_it_has_none() -> None:
    assert find(Around(Flask("test"))) == ([], [])


FACTORY = f"""{CHAT}
calls = []

def create_app(*args):
    calls.append(args)
    return WSGIApp(Server(path="/made/"))

class Settings:
    application = app
"""


@pytest.mark.parametrize(
    "spec", ["chat:io", "chat:app", "chat", "chat:Settings.application", "chat:create_app()", "chat:create_app('x', 3)"]
)
def test_it_is_loaded(write: Callable[[str, str], None], spec: str) -> None:
    write("chat", FACTORY)
    target = load(spec)
    module = sys.modules["chat"]
    assert module.calls == ([] if "create" not in spec else [("x", 3) if "x" in spec else ()])
    path = target.mounts[0].io.options.path
    assert path == ("/made/" if "create" in spec else "/socket.io/")


MISTAKES = {
    "nix:app": "no module 'nix'",
    "nix.deep:app": "no module 'nix'",
    "chat:nix": "no 'nix'; what can be served there: chat:io, chat:app",
    "chat:create_app": "call it: chat:create_app()",
    "chat:create_app(x)": "only literals",
    "chat:create_app(": "neither a name nor a call",
    "chat:calls": "is a list",
    "./chat.py:app": "named with dots: chat:app",
    "a-b:app": "is no module:app",
    "": "is no module:app",
    "empty": "has none of app, application",
    "unwrapped:app": "app.wsgi_app = WSGIApp(io, app.wsgi_app)",
    "unwrapped:plain": "plain = WSGIApp(io, plain)",
    "extension:socketio": "application is needed; what can be served there: extension:app",
    "beside:app": "Serve what wraps it: beside:application",
}


@pytest.mark.parametrize("spec", MISTAKES)
def test_a_mistake_is_explained(write: Callable[[str, str], None], spec: str) -> None:
    write("chat", FACTORY)
    write("empty", "")
    flask = "from flask import Flask\nfrom socketio_sync import *\napp = Flask('x')\nio = Server()\n"
    write("unwrapped", f"{flask}def plain(environ, start_response): return []")
    write("extension", f"{flask}from socketio_sync.flask import SocketIO\nsocketio = SocketIO(app)")
    write("beside", f"{flask}application = WSGIApp(io, app)")
    with pytest.raises(TargetError) as caught:
        load(spec)
    assert MISTAKES[spec] in caught.value.message
    assert "Traceback" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def fail():\n    1 / 0\nfail()", ["in fail", "ZeroDivisionError", "broken.py", "line 2"]),
        ("x =", ["SyntaxError", "broken.py", "line 1"]),
        ("import nothing_like_this", ["No module named 'nothing_like_this'", "line 1"]),
        ("raise SystemExit(3)", ["SystemExit: 3"]),
    ],
)
def test_a_module_that_raises_shows_its_traceback(
    write: Callable[[str, str], None], text: str, told: list[str]
) -> None:
    write("broken", text)
    with pytest.raises(BrokenModule) as caught:
        load("broken:app")
    message = caught.value.message
    assert all(part in message for part in ["importing broken failed", *told])
    assert "importlib" not in message
    assert "cli/target.py" not in message


def test_a_factory_that_raises_shows_its_traceback(write: Callable[[str, str], None]) -> None:
    write("factory", "def create_app():\n    return {}['key']")
    with pytest.raises(BrokenModule, match="(?s)create_app.. failed.*KeyError: 'key'"):
        load("factory:create_app()")
