"""What Flask knows in handlers and callbacks: request, g, both kinds of session, Flask-Login's user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
import pytest
from cachelib import SimpleCache
from flask import copy_current_request_context
from flask import current_app
from flask import g
from flask import request
from flask import session
from flask_login import LoginManager
from flask_login import UserMixin
from flask_login import current_user
from flask_login import login_user
from flask_login import logout_user
from flask_session import Session

from socketio_sync.flask import emit
from socketio_sync.testing import TestClient

Make = Callable[..., Any]


def test_the_request_is_the_handshakes_with_sid_namespace_and_event(site: Make) -> None:
    here = site(namespaces=["/chat"])

    @here.socketio.on("look", namespace="/chat")
    def look(*args: Any) -> Any:
        assert here.socketio.server.of("/chat").sockets[request.sid].id == request.sid
        return {
            "namespace": request.namespace,
            "event": request.event,
            "header": request.headers["X-Colour"],
            "query": request.args.getlist("a"),
            "app": current_app.name,
            "path": request.path,
            "address": request.remote_addr,
        }

    client = here.client("/chat", headers={"X-Colour": "green"}, query_string="?a=1&a=2")
    assert client.emit("look", 1, "two", namespace="/chat", callback=True) == {
        "namespace": "/chat",
        "event": {"message": "look", "args": [1, "two"]},
        "header": "green",
        "query": ["1", "2"],
        "app": "site",
        "path": "/socket.io/",
        "address": "127.0.0.1",
    }


def test_each_call_has_a_g_of_its_own_and_is_torn_down(site: Make) -> None:
    here = site()
    torn: list[Any] = []
    here.app.teardown_request(lambda error: torn.append(("request", type(error).__name__)))
    here.app.teardown_appcontext(lambda error: torn.append(("app", type(error).__name__)))

    @here.socketio.on("count")
    def count(fail: bool) -> int:
        g.count = g.get("count", 0) + 1
        if fail:
            raise KeyError
        return int(g.count)

    client = here.client()
    torn.clear()
    assert [client.emit("count", False, callback=True) for _ in range(2)] == [1, 1]
    with pytest.raises(KeyError):
        client.emit("count", True)
    assert torn[:4] == [("request", "NoneType"), ("app", "NoneType")] * 2
    assert torn[4:6] == [("request", "KeyError"), ("app", "KeyError")]


def test_a_callback_has_the_context_of_the_client_whose_event_asked(site: Make) -> None:
    here = site()
    told: list[Any] = []

    def answered(*args: Any) -> None:
        told.append((request.sid, request.namespace, request.event, session.get("name")))
        emit("thanks", list(args))

    @here.socketio.on("ask")
    def ask(whom: str | None, name: str) -> None:
        session["name"] = name
        emit("question", to=whom, callback=answered)

    with TestClient(here.socketio.server) as alice, TestClient(here.socketio.server) as bob:
        bob.on("question", lambda: ("of", "bob"))
        alice.on("question", lambda: "of alice")
        alice.emit("ask", None, "alice")
        alice.emit("ask", bob.id, "alice")
        assert [event[1:] for event in alice.received()] == [(["of alice"],), (["of", "bob"],)]
        assert bob.received() == []
        args = [("of alice",), ("of", "bob")]
        assert told == [(alice.id, "/", {"message": None, "args": given}, "alice") for given in args]


def test_a_callback_from_elsewhere_and_of_several_clients(site: Make) -> None:
    here = site()
    answers: list[Any] = []
    with TestClient(here.socketio.server) as alice, TestClient(here.socketio.server) as bob:
        alice.on("question", lambda: "alice")
        bob.on("question", lambda: "bob")
        here.socketio.emit("question", callback=lambda answer: answers.append(answer))
        alice.received()
        assert sorted(answers) == ["alice", "bob"]
        here.socketio.emit("question", to=bob.id, callback=lambda: answers.append("surplus is left out"))
        alice.received()
        assert answers[2:] == ["surplus is left out"]


def test_errors_of_callbacks_go_where_those_of_handlers_go(site: Make) -> None:
    here = site()
    told: list[Any] = []
    here.socketio.on_error()(lambda error: told.append((type(error).__name__, request.event)))
    here.socketio.on("ask")(lambda: emit("question", callback=lambda answer: 1 // answer))
    with TestClient(here.socketio.server) as client:
        client.on("question", lambda: 0)
        client.emit("ask")
    assert told == [("ZeroDivisionError", {"message": None, "args": (0,)})]


def test_a_context_can_be_taken_along_into_a_background_task(site: Make) -> None:
    here = site()

    @here.socketio.on("work")
    def work() -> None:
        @copy_current_request_context
        def later() -> None:
            here.socketio.sleep(1)
            emit("done", request.event["message"])

        here.socketio.start_background_task(later)

    with TestClient(here.socketio.server) as client:
        client.emit("work")
        client.advance(2)
        assert client.received() == [("done", "work")]


def test_the_servers_own_hooks_have_the_context_too(site: Make) -> None:
    here = site()
    io = here.socketio.server
    seen: list[Any] = []
    io.use(lambda socket: seen.append(("use", request.sid == socket.id, session.get("colour"))))
    io.on("native", lambda socket, value: seen.append((request.event["message"], request.sid == socket.id, value)))
    flask_client = here.app.test_client()
    with flask_client.session_transaction() as stored:
        stored["colour"] = "green"
    here.client(flask_test_client=flask_client).emit("native", 1)
    assert seen == [("use", True, "green"), ("native", True, 1)]


def colours(here: Any) -> Any:
    """Adds a route and an event that show and set the session's colour; returns Flask's test client."""

    @here.app.get("/colour/<colour>")
    @here.app.get("/colour")
    def route(colour: str | None = None) -> Any:
        if colour:
            session["colour"] = colour
        return {"colour": session.get("colour")}

    @here.socketio.on("colour")
    def event(colour: str | None = None) -> Any:
        if colour:
            session["colour"] = colour
        return session.get("colour")

    return here.app.test_client()


def test_a_managed_session_is_a_copy_of_the_clients_own(site: Make) -> None:
    here = site()
    browser = colours(here)
    browser.get("/colour/green")
    alice, bob = here.client(flask_test_client=browser), here.client(flask_test_client=browser)
    assert alice.emit("colour", callback=True) == "green"
    assert alice.emit("colour", "red", callback=True) == "red"
    assert alice.emit("colour", callback=True) == "red"
    assert bob.emit("colour", callback=True) == "green"
    assert browser.get("/colour").json == {"colour": "green"}
    browser.get("/colour/blue")
    assert bob.emit("colour", callback=True) == "green"


def test_an_unmanaged_session_on_the_server_is_shared_with_http(site: Make) -> None:
    here = site(manage_session=False)
    here.app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache())
    Session(here.app)
    browser = colours(here)
    browser.get("/colour/green")
    client = here.client(flask_test_client=browser)
    assert client.emit("colour", callback=True) == "green"
    assert client.emit("colour", "red", callback=True) == "red"
    assert browser.get("/colour").json == {"colour": "red"}
    browser.get("/colour/blue")
    assert client.emit("colour", callback=True) == "blue"


def test_an_unmanaged_session_in_a_cookie_is_frozen(site: Make) -> None:
    here = site(manage_session=False)
    browser = colours(here)
    browser.get("/colour/green")
    client = here.client(flask_test_client=browser)
    assert client.emit("colour", "red", callback=True) == "red"
    assert client.emit("colour", callback=True) == "green"


def test_without_a_secret_key_reading_works_and_a_managed_session_too(site: Make) -> None:
    for manage, outcome in ((True, "red"), (False, RuntimeError)):
        here = site(manage_session=manage)
        here.app.secret_key = None
        colours(here)
        client = here.client()
        assert client.emit("colour", callback=True) == []
        if outcome is RuntimeError:
            with pytest.raises(RuntimeError, match="secret"):
                client.emit("colour", "red", callback=True)
        else:
            assert client.emit("colour", "red", callback=True) == outcome


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


@pytest.mark.parametrize("manage", [True, False])
def test_flask_login_knows_the_user(site: Make, manage: bool) -> None:
    here = site(manage_session=manage)
    login = LoginManager(here.app)
    login.user_loader(User)
    login.session_protection = "strong"
    here.app.get("/login/<name>")(lambda name: str(login_user(User(name))))

    @here.socketio.on("connect")
    def connect() -> Any:
        if not current_user.is_authenticated:
            return False
        emit("joined", current_user.id, broadcast=True)
        return None

    here.socketio.on("who")(lambda: current_user.get_id())
    here.socketio.on("log out")(lambda: logout_user())
    assert not here.client().is_connected()
    browser = here.app.test_client()
    browser.get("/login/ada")
    client = here.client(flask_test_client=browser)
    assert here.events(client) == [("joined", ["ada"])]
    assert client.emit("who", callback=True) == "ada"
    client.emit("log out")
    assert client.emit("who", callback=True) == ([] if manage else "ada")  # a cookie is frozen


def test_urls_and_templates_work_in_handlers(site: Make) -> None:
    here = site()
    here.app.get("/page/<int:number>", endpoint="page")(lambda number: str(number))
    here.socketio.on("link")(lambda: [flask.url_for("page", number=1), flask.url_for("page", number=1, _external=True)])
    here.socketio.on("render")(lambda: flask.render_template_string("{{ request.sid|length > 5 }} {{ session.a }}"))
    client = here.client()
    assert client.emit("link", callback=True) == ["/page/1", "http://localhost/page/1"]
    assert client.emit("render", callback=True) == "True "
