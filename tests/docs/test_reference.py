"""The reference names every public member, and its samples run."""

from __future__ import annotations

import dataclasses
import datetime
import doctest
import enum
import inspect
import re
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import socketio_sync
import socketio_sync.flask
from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync.testing import TestClient
from tests.support import pages
from tests.support.names import examples
from tests.support.programs import python
from tests.support.programs import run_to_its_end

_HANDLERS = "on once event off on_any prepend_any off_any listeners_any"
_SENDING = "to in_ except_ broadcast local volatile compress timeout emit send emit_with_ack"
_MANY = "fetch_sockets sockets_join sockets_leave disconnect_sockets server_side_emit server_side_emit_with_ack"
_HOOKS = "on_error on_server_side on_session_expired use register"
_NAMESPACE = f"name server adapter {_HOOKS} {_HANDLERS} {_SENDING} {_MANY}"
# What users may count on, of the classes that have more, for the package itself. Of all others it is everything.
PROMISED = {
    "Server": f"""sockets of namespaces engine options on_new_namespace wrap_handlers listen listening close sleep
        start_background_task {_NAMESPACE}""",
    "Namespace": f"sockets {_NAMESPACE}",
    "ParentNamespace": f"children {_NAMESPACE}",
    "Socket": f"""id nsp server conn connected recovered rooms data handshake environ join leave disconnect use
        on_any_outgoing prepend_any_outgoing off_any_outgoing listeners_any_outgoing {_HANDLERS} {_SENDING}""",
    "Connection": "id transport protocol remote_address buffered drain send close on environ query",
    "Engine": "clients_count use on close",
}
# For the package itself, too.
INTERNAL = {"Handshake": {"of_connection"}, "Task": {"run"}}
# Who has the members of another class by saying so.
SHARED = {
    "Server": ("Namespace", "BroadcastOperator"),
    "Namespace": ("BroadcastOperator",),
    "ParentNamespace": ("Namespace", "BroadcastOperator"),
    "Socket": ("SocketOperator",),
}


def documented() -> dict[str, set[str]]:
    """The members of each class that the reference describes: by a directive, or in the docstring's attributes."""
    found: dict[str, set[str]] = {}
    texts = [(pages.DOCS / page).read_text() for page in pages.pages() if page.startswith("reference/")]
    text = "\n".join(text for text in texts if ".. currentmodule:: socketio_sync.flask" not in text)
    for cls, member in re.findall(r"^\.\. (?:auto)?(?:method|attribute|property):: (\w+)\.(\w+)", text, re.MULTILINE):
        found.setdefault(cls, set()).add(member)
    for cls, members in re.findall(r"^\.\. autoclass:: (\w+)(?:\(.*)?\n   :members: (.*)", text, re.MULTILINE):
        found.setdefault(cls, set()).update(members.split(", "))
    for cls in re.findall(r"^\.\. autoclass:: (\w+)(?:\(|$)", text, re.MULTILINE):
        doc = getattr(socketio_sync, cls).__doc__
        attributes = doc.partition("Attributes:")[2].partition("\n\n")[0]
        for names in re.findall(r"^        (\w[\w, ]*):", attributes, re.MULTILINE):
            found.setdefault(cls, set()).update(names.split(", "))
    return found


def objects() -> dict[str, Any]:
    """One of each class."""
    known = examples()
    io, socket = known["io"], known["socket"]
    return {
        "BroadcastOperator": io.to("a"),
        "SocketOperator": socket.volatile,
        "RemoteSocket": known["member"],
        "Handshake": socket.handshake,
        "Ack": socketio_sync.Ack(socket, None),
        "Task": socketio_sync.Task,
        "WSGIApp": socketio_sync.WSGIApp(io),
        "Client": known["client"],
        "Manager": known["client"].manager,
    }


@pytest.mark.parametrize("name", [*objects(), *PROMISED])
def test_every_public_member_is_described(name: str) -> None:
    known = documented()
    described = set().union(*(known.get(cls, set()) for cls in (name, *SHARED.get(name, ()))))
    if name in PROMISED:
        expected = set(PROMISED[name].split())
        assert known[name] <= expected
    else:
        expected = {member for member in dir(objects()[name]) if not member.startswith("_")} - INTERNAL.get(name, set())
    assert expected - described == set()


@pytest.mark.parametrize("name", documented())
def test_what_is_described_exists_and_says_something(name: str) -> None:
    cls = getattr(socketio_sync, name)
    known = examples()
    io, socket = known["io"], known["socket"]
    live = {"Server": io, "Namespace": known["nsp"], "ParentNamespace": io.of(re.compile("/a")), "Socket": socket}
    one = {**objects(), **live, "Connection": socket.conn}.get(name, cls)
    for member in documented()[name]:
        assert hasattr(one, member), member
        if hasattr(cls, member) and (callable(getattr(cls, member)) or isinstance(vars(cls).get(member), property)):
            assert getattr(cls, member).__doc__, member


def shown_properties() -> list[tuple[type, str]]:
    """Those that the reference describes from their docstrings."""
    known = documented()
    classes = [cls for cls in vars(socketio_sync).values() if inspect.isclass(cls) and cls.__name__ in known]
    found = [(cls, name) for cls in classes for name in known[cls.__name__]]
    found += [(cls, name) for cls in vars(socketio_sync.flask).values() if inspect.isclass(cls) for name in dir(cls)]
    return [(cls, name) for cls, name in found if isinstance(inspect.getattr_static(cls, name, None), property)]


def test_no_property_begins_with_what_would_be_shown_as_its_type() -> None:
    """Sphinx's napoleon takes the text before a colon for the type."""
    assert len(shown_properties()) > 20
    for cls, name in shown_properties():
        assert ": " not in getattr(cls, name).__doc__.partition("\n")[0], f"{cls.__name__}.{name}"


class TestSamples:
    def test_server(self) -> None:
        page = pages.run("reference/server.rst")
        assert page["serve_for_a_while"]().startswith("http://127.0.0.1:")
        assert set(page["io"].namespaces) == {"/", "/admin"}

    def test_handlers(self) -> None:
        io = pages.run("reference/handlers.rst")["io"]
        with TestClient(io, auth={"name": "ann"}) as ann, TestClient(io) as bob:
            assert (ann.emit_with_ack("chat", "hi"), ann.emit_with_ack("chat", 7)) == ("stored", None)
            assert bob.received() == [("chat", "ann", "hi")]

    @pytest.mark.long
    def test_the_types_of_handlers(self, tmp_path: Path) -> None:
        pytest.importorskip("mypy")
        (sample,) = pages.samples("reference/handlers.rst", "python")
        (tmp_path / "typed.py").write_text(sample.code)
        run_to_its_end(python("-m", "mypy", "--strict", "--cache-dir", str(tmp_path), str(tmp_path / "typed.py")))

    def test_namespace(self) -> None:
        io = pages.run("reference/namespace.rst")["io"]
        with pytest.raises(ConnectError, match="who are you"), TestClient(io, "/chat"):
            pass
        with TestClient(io, "/chat", auth={"name": "ann"}) as ann, TestClient(io, "/chat", auth={"name": "bob"}) as bob:
            assert ann.received() == [("arrived", "ann"), ("arrived", "bob")]
            assert ann.emit_with_ack("move", "e4") == "moved to e4"
            assert ann.emit_with_ack("export") == 2
            ann.emit("say", "hi")
            assert bob.receive("said") == ("said", "hi")

    def test_sending(self) -> None:
        io = pages.run("reference/broadcast.rst")["io"]
        with TestClient(io) as ann, TestClient(io) as bob:
            ann.emit("tell", "hi")
            assert [event[0] for event in ann.received()] == ["told", "position", "noise", "thanks"]
            assert [event[0] for event in bob.received()] == ["told", "position", "noise", "told"]
            bob.on("question", lambda question: "yes")
            assert ann.emit_with_ack("ask", "?") == ["yes"]
            ann.emit("expel", bob.id)
            assert (bob.receive(), bob.connected) == (("goodbye",), False)

    def test_socket(self, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
        io = pages.run("reference/socket.rst")["io"]
        with TestClient(io, headers={"Accept-Language": "de"}) as ann:
            assert ann.emit_with_ack("leave", "everybody") == ["language:de"]
            io.emit("hello")
            ann.emit("leave", 1, 2, 3, 4)
            id = ann.id
        assert "ValueError: too many arguments" in caplog.text
        assert capsys.readouterr().out == f"to {id} hello\n{id} goes: client namespace disconnect\n"

    def test_engine(self, capsys: pytest.CaptureFixture[str]) -> None:
        page = pages.run("reference/engine.rst")
        with TestClient(page["io"]) as ann:
            assert ann.connected
        assert "GET /socket.io/" in capsys.readouterr().out
        assert page["engine"].options.ping_interval == 10

    def test_adapters(self) -> None:
        page = pages.run("reference/adapters.rst")
        with TestClient(page["io"]) as ann:
            page["io"].sockets_join("attic")
            assert ann.connected
            assert page["busy"] == {ann.id, "attic"}
        assert page["busy"] == set()

    def test_payloads(self) -> None:
        io = pages.run("reference/payloads.rst")["io"]
        with TestClient(io) as ann:
            assert ann.emit_with_ack("price") == "9.99"
        with pytest.raises(TypeError, match="Decimal"):
            Server().emit("price", Decimal("9.99"))

    def test_what_arrives(self) -> None:
        class Colour(enum.Enum):
            RED = "red"

        @dataclasses.dataclass
        class Point:
            x: int
            y: float

        moment = datetime.datetime(2026, 11, 23, 4, 5, 6, tzinfo=datetime.timezone.utc)
        id = uuid.UUID(int=7)
        table = [
            (None, None),
            (True, True),
            (1.5, 1.5),
            (2**64 - 1, 2**64 - 1),
            (-(2**63), -(2**63)),
            ((1, [2]), [1, [2]]),
            (bytearray(b"a"), b"a"),
            ({"deep": [memoryview(b"b")]}, {"deep": [b"b"]}),
            (Point(1, 2.5), {"x": 1, "y": 2.5}),
            (moment, "2026-11-23T04:05:06+00:00"),
            (moment.date(), "2026-11-23"),
            (moment.time(), "04:05:06"),
            (id, str(id)),
            (Colour.RED, "red"),
            ({1: 1, id: 2, Colour.RED: 3}, {"1": 1, str(id): 2, "red": 3}),
        ]
        io = Server()
        with TestClient(io) as ann:
            for given, expected in table:
                io.emit("value", given)
                assert ann.receive() == ("value", expected)
        for refused in (2**64, {1, 2}, Decimal("1"), object()):
            with pytest.raises((TypeError, ValueError), match=r"args\[0\]"):
                io.emit("value", refused)

    @pytest.mark.parametrize("event", ["*", "connect_error", "newListener", "removeListener"])
    def test_what_cannot_fire(self, event: str) -> None:
        with pytest.raises(ValueError, match="cannot fire"):
            Server().on(event, lambda socket: None)

    def test_what_cannot_be_a_handler(self) -> None:
        async def later(socket: Any) -> None: ...

        def many(socket: Any) -> Any:
            yield

        def keyword(socket: Any, *, other: Any) -> None: ...

        for function in (later, many, keyword):
            with pytest.raises(TypeError):
                Server().on("event", function)
        with pytest.raises(TypeError):
            Server().on("connection", lambda socket, environ: None)

    def test_options(self) -> None:
        io = pages.run("reference/options.rst")["io"]
        assert (io.options.path, io.options.cookie.header("x")) == (
            "/live/",
            "io=x; Path=/; HttpOnly; Secure; SameSite=Lax",
        )

    @pytest.mark.parametrize("page", [page for page in pages.pages() if pages.samples(page, "pycon")])
    def test_what_python_says(self, page: str) -> None:
        names = {"io": Server(), "Server": Server}
        for sample in pages.samples(page, "pycon"):
            test = doctest.DocTestParser().get_doctest(sample.code, names, page, page, sample.line)
            assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
