"""The guides' programs do what the text around them says."""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from wsgiref.simple_server import demo_app

import pytest
import requests
import werkzeug.test
from gevent import monkey
from werkzeug.middleware.proxy_fix import ProxyFix

from socketio_sync import AckTimeout
from socketio_sync import ArgumentsError
from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync import TransportError
from socketio_sync import WSGIApp
from socketio_sync.testing import TestClient
from tests.support import pages
from tests.support.programs import python
from tests.support.programs import run_to_its_end


@pytest.fixture
def visit() -> Iterator[Callable[..., TestClient]]:
    """Connects TestClients; all leave when the test ends."""
    with ExitStack() as stack:

        def connect(io: Server, namespace: str = "/", **options: Any) -> TestClient:
            return stack.enter_context(TestClient(io, namespace, **options))

        yield connect


Visit = Callable[..., TestClient]


def sample(page: str, text: str) -> str:
    """The code of the one sample of a page that has this text."""
    (found,) = (sample.code for sample in pages.samples(page, "python") if text in sample.code)
    return found


class TestRooms:
    @pytest.fixture
    def io(self) -> Server:
        io: Server = pages.run("howto/rooms.rst")["io"]
        return io

    def test_a_user_is_reached_on_every_device(self, io: Server, visit: Visit) -> None:
        phone, laptop, bob = (visit(io, auth={"user": user}) for user in ("ann", "ann", "bob"))
        bob.emit("message", "ann", "hello")
        assert phone.receive() == laptop.receive() == ("message", "bob", "hello")
        assert bob.received() == []

    def test_entering_and_leaving(self, io: Server, visit: Visit) -> None:
        ann, bob = visit(io, auth={"user": "ann"}), visit(io, auth={"user": "bob"})
        for client in (ann, bob):
            client.emit("enter", "attic")
        assert ann.emit_with_ack("who", "attic") == ["ann", "bob"]
        bob.emit("leave", "attic")
        assert ann.emit_with_ack("who", "attic") == ["ann"]

    def test_a_room_may_need_permission(self, io: Server, visit: Visit) -> None:
        ann, bob = visit(io, auth={"user": "ann"}), visit(io, auth={"user": "bob"})
        assert ann.emit_with_ack("watch", "order:1") is None
        assert bob.emit_with_ack("watch", "order:1") == {"error": "not your order"}

    def test_a_kept_chain(self, io: Server, visit: Visit) -> None:
        ann, bob, cleo = (visit(io, auth={"user": user}) for user in ("ann", "bob", "cleo"))
        for client, room in ((ann, "game:1"), (bob, "game:1"), (cleo, "game:1:spectators")):
            client.emit("enter", room)
        ann.emit("move", "e4")
        assert (ann.received(), bob.received()) == ([], [("moved", "e4")])
        assert cleo.received() == [("moved", "e4")]

    def test_moving_many_and_sending_them_home(self, io: Server, visit: Visit) -> None:
        ann, bob = visit(io, auth={"user": "ann"}), visit(io, auth={"user": "bob"})
        ann.emit("enter", "waiting")
        bob.emit("start")
        assert ann.receive() == ("started",)
        assert (ann.emit_with_ack("who", "waiting"), ann.emit_with_ack("who", "game")) == ([], ["ann"])
        bob.emit("close")
        assert not ann.connected

    def test_the_rooms_are_still_there_while_disconnecting(self, io: Server, visit: Visit) -> None:
        ann, bob = visit(io, auth={"user": "ann"}), visit(io, auth={"user": "bob"})
        for client in (ann, bob):
            client.emit("enter", "attic")
        ann.disconnect()
        assert bob.received() == [("left", "ann")]

    def test_what_cannot_be_joined(self, io: Server, visit: Visit) -> None:
        ann, bob = visit(io, auth={"user": "ann"}), visit(io, auth={"user": "bob"})
        with pytest.raises(TypeError, match="room"):
            io.sockets[str(ann.id)].join(7)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="another socket"):
            io.sockets[str(ann.id)].join(str(bob.id))
        io.to([]).emit("nobody")
        assert ann.received() == []


class TestAcks:
    @pytest.fixture
    def io(self) -> Server:
        io: Server = pages.run("howto/acks.rst")["io"]
        return io

    def test_answers(self, io: Server, visit: Visit) -> None:
        ann = visit(io)
        assert ann.emit_with_ack("add", 1, 2) == 3
        assert ann.emit_with_ack("export", "plan") == "plan is ready"
        assert ann.emit_with_ack("store", "1", {"price": 5}) == "stored"

    @pytest.mark.parametrize(("sure", "answer"), [(True, "deleted"), (False, "kept")])
    def test_a_handler_asks_its_client(self, io: Server, visit: Visit, sure: bool, answer: str) -> None:
        ann = visit(io)
        ann.on("sure?", lambda name: sure)
        assert ann.emit_with_ack("delete", "plan") == answer

    def test_a_client_does_not_answer(self, io: Server, visit: Visit) -> None:
        ann = visit(io)
        ann.on("sure?", lambda name, ack: None)
        assert ann.timeout(60).emit_with_ack("delete", "plan") == "you did not answer"

    def test_a_client_that_is_asked_leaves(self, io: Server, visit: Visit) -> None:
        ann = visit(io)
        ann.on("sure?", lambda name, ack: None)
        ann.emit("delete", "plan")
        ann.disconnect()

    def test_without_blocking(self, io: Server, visit: Visit, capsys: pytest.CaptureFixture[str]) -> None:
        ann = visit(io)
        ann.on("sure?", lambda name: "yes")
        ann.emit("poll")
        ann.off("sure?")
        ann.on("sure?", lambda name, ack: None)
        ann.emit("poll")
        ann.advance(11)
        first, second = capsys.readouterr().out.splitlines()
        assert first == "the answer is yes"
        assert second.startswith("no answer: ")

    def test_a_survey(self, io: Server, visit: Visit) -> None:
        ann, bob, cleo = visit(io), visit(io), visit(io)
        assert ann.emit_with_ack("survey", "tea?") == []
        for client in (bob, cleo):
            io.sockets[str(client.id)].join("voters")
        bob.on("question", lambda text: f"{text} yes")
        cleo.on("question", lambda text, ack: None)
        assert ann.emit_with_ack("survey", "tea?") == ["tea? yes"]

    def test_a_middleware_cannot_wait(self, io: Server, visit: Visit, caplog: pytest.LogCaptureFixture) -> None:
        io.use(lambda socket: socket.emit_with_ack("sure?", "me"))
        with pytest.raises(ConnectError, match="internal error"):
            visit(io)
        assert "RuntimeError: emit_with_ack() before the socket is accepted" in caplog.text


class TestErrors:
    @pytest.fixture
    def page(self) -> dict[str, Any]:
        return pages.run("howto/errors.rst")

    @pytest.fixture
    def ann(self, page: dict[str, Any], visit: Visit) -> TestClient:
        return visit(page["io"], auth={"token": "secret"})

    def test_who_may_come(self, page: dict[str, Any], visit: Visit) -> None:
        with pytest.raises(ConnectError, match="not authorized") as caught:
            visit(page["io"])
        assert caught.value.data == {"hint": "log in first"}

    def test_answers_that_are_errors(self, ann: TestClient) -> None:
        assert ann.emit_with_ack("buy", 3) == {"bought": 3}
        assert "error" in ann.emit_with_ack("buy", "3")
        assert ann.emit_with_ack("withdraw", 3) == {"error": "not enough money"}

    def test_what_nobody_expected(self, ann: TestClient, caplog: pytest.LogCaptureFixture) -> None:
        assert ann.emit_with_ack("divide", 1, 0) == {"error": "something went wrong here"}
        assert "ZeroDivisionError" in caplog.text

    def test_without_on_error_there_is_no_answer(self, visit: Visit) -> None:
        io = Server()
        io.on("divide", lambda socket, a, b: a / b)
        ann = visit(io)
        with pytest.raises(AckTimeout):
            ann.emit_with_ack("divide", 1, 0)

    def test_the_number_of_arguments(self, page: dict[str, Any], ann: TestClient) -> None:
        errors = []
        page["io"].on_error(lambda error: errors.append(error))
        assert ann.emit_with_ack("buy", 3, "surplus") == {"bought": 3}
        assert "error" in ann.emit_with_ack("buy")
        assert [type(error) for error in errors] == [ArgumentsError]

    def test_a_middleware_of_events(self, ann: TestClient) -> None:
        assert ann.emit_with_ack("buy", "x" * 1001) == {"error": "too long"}

    def test_why_it_disconnected(self, ann: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
        id = ann.id
        ann.cut()
        assert capsys.readouterr().out.split()[:3] == [id, "transport", "close"]

    def test_a_refused_request_is_told(self, page: dict[str, Any], visit: Visit) -> None:
        with pytest.raises(TransportError) as caught:
            visit(page["io"], headers={"Origin": "https://evil.example", "Host": "good.example"})
        assert caught.value.status == 400  # what a WebSocket gets; a poll gets 403
        assert page["refused"][0][:2] == (4, "Forbidden")


class TestCors:
    @pytest.mark.parametrize(
        ("server", "path", "origin", "status"),
        [
            ("io", "/socket.io/", "https://shop.example", 200),
            ("io", "/socket.io/", "http://localhost:5173", 200),
            ("io", "/socket.io/", "http://localhost:5174", 403),
            ("io", "/socket.io/", None, 200),
            ("tenants", "/tenants/", "https://bob.example", 200),
            ("tenants", "/tenants/", "https://eve.example", 403),
            ("shop", "/shop/", "https://shop.example", 200),
        ],
    )
    def test_who_is_let_in(
        self, server: str, path: str, origin: str | None, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        io = pages.run("howto/cors.rst")[server]
        with io.listening() as served:
            headers = {} if origin is None else {"Origin": origin}
            answer = requests.get(f"{served.url}{path}?EIO=4&transport=polling", headers=headers, timeout=10)
        assert answer.status_code == status
        assert (answer.headers.get("Access-Control-Allow-Origin") == origin) == (status == 200)
        if status == 403:
            line = pages.samples("howto/cors.rst", "text")[0].code.strip()
            assert line.replace("http://localhost:5173", str(origin)) in caplog.messages

    def test_a_star_in_a_text_is_refused(self) -> None:
        with pytest.raises(ValueError, match="an origin has no"):
            Server(cors_allowed_origins="https://*.shop.example")

    def test_credentials_for_everybody(self) -> None:
        with pytest.raises(ValueError, match="cors_credentials"):
            Server(cors_allowed_origins="*", cors_credentials=True)


class TestRecovery:
    @pytest.fixture
    def io(self) -> Server:
        io: Server = pages.run("howto/recovery.rst")["io"]
        return io

    def test_back_in_time(self, io: Server, visit: Visit) -> None:
        ann = visit(io)
        id, data = ann.id, io.sockets[str(ann.id)].data
        ann.cut()
        io.to("news").emit("headline", "while she was away")
        io.volatile.emit("weather", "lost")
        ann.connect()
        assert (ann.recovered, ann.id) == (True, id)
        assert io.sockets[str(id)].rooms == {id, "news"}
        assert io.sockets[str(id)].data == data
        assert [event[:2] for event in ann.received()] == [("headline", "while she was away")]

    def test_too_late(self, io: Server, visit: Visit, capsys: pytest.CaptureFixture[str]) -> None:
        ann, _ = visit(io), visit(io)
        id = ann.id
        ann.cut()
        ann.advance(121)
        assert capsys.readouterr().out == f"{id} was in {sorted([str(id), 'news'])} and left by transport close\n"
        ann.connect()
        assert not ann.recovered

    def test_a_client_that_left_on_purpose_is_not_kept(
        self, io: Server, visit: Visit, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ann, _ = visit(io), visit(io)
        ann.disconnect()
        ann.connect()
        assert not ann.recovered
        ann.advance(121)
        assert capsys.readouterr().out == ""

    def test_a_history_of_ones_own(self, visit: Visit) -> None:
        page = pages.run("howto/recovery.rst")
        page["publish"]("one")
        ann = visit(page["io"], "/durable", auth={"read": 0})
        page["publish"]("two")
        assert [event[:3] for event in ann.received()] == [("entry", 1, "one"), ("entry", 2, "two")]
        bob = visit(page["io"], "/durable", auth={"read": 1})
        assert [event[:3] for event in bob.received()] == [("entry", 2, "two")]


class TestThreadsAndGevent:
    @pytest.fixture
    def page(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        work = types.ModuleType("work")
        exec(sample("howto/threads_and_gevent.rst", "def heavy"), vars(work))
        monkeypatch.setitem(sys.modules, "work", work)
        monkeypatch.setattr(monkey, "patch_all", lambda: None)  # this process stays as it is; see the last test but one
        return pages.run("howto/threads_and_gevent.rst")

    def test_events_wait_for_their_own_clients_handlers_only(self, page: dict[str, Any], visit: Visit) -> None:
        ann, bob = visit(page["io"]), visit(page["io"])
        answers: list[str] = []
        ann.emit("report", "May", callback=answers.append)
        ann.emit("score", 7)
        ann.emit("stop")
        assert page["stopped"] == {ann.id}, "it ran beside the report"
        assert page["scores"] == {}, "it waits for the report"
        bob.emit("score", 5)
        assert page["scores"] == {bob.id: 5}
        ann.advance(2)
        assert answers == ["report of May"]
        assert page["scores"] == {bob.id: 5, ann.id: 7}
        assert page["opened"] == []

    def test_the_wrapper_is_entered(self, page: dict[str, Any], visit: Visit) -> None:
        seen = []
        page["io"].on("look", lambda socket: seen.append(list(page["opened"])))
        visit(page["io"]).emit("look")
        assert seen == [["look"]]

    def test_a_background_task(self, page: dict[str, Any], visit: Visit) -> None:
        ann = visit(page["io"])
        task = page["io"].start_background_task(page["tick"])
        ann.advance(3)
        assert ann.received() == [("tick", 0), ("tick", 1), ("tick", 2)]
        assert task.done

    def test_the_log_says_which(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        with Server().listening() as served:
            requests.get(f"{served.url}/socket.io/?EIO=4&transport=polling", timeout=10)
        assert any(message.startswith("runtime: threads (") for message in caplog.messages)

    @pytest.mark.long
    def test_a_patched_program_runs_on_gevent(self) -> None:
        program = (
            f"{sample('howto/threads_and_gevent.rst', 'patch_all')}\n"
            "import logging; logging.basicConfig(level='INFO')\n"
            "from socketio_sync import Server\nwith Server().listening(): pass\n"
        )
        assert "runtime: gevent (the process is monkey-patched)" in run_to_its_end(python("-c", program))

    @pytest.mark.long
    def test_a_computation_in_another_process(self, tmp_path: Path) -> None:
        (tmp_path / "work.py").write_text(sample("howto/threads_and_gevent.rst", "def heavy"))
        (tmp_path / "app.py").write_text(
            "from socketio_sync import Server\nio = Server()\n"
            + sample("howto/threads_and_gevent.rst", "def compute")
            + "\nif __name__ == '__main__':\n    print(compute(None, 1000))\n    processes.shutdown()\n"
        )
        assert run_to_its_end(python(str(tmp_path / "app.py"))).split() == [str(sum(i * i for i in range(1000)))]


class TestTestYourApp:
    def test_both_samples(self) -> None:
        seen = []

        def make_io() -> Server:
            io = Server(cors_allowed_origins="*")
            io.on("add", lambda socket, a, b: a + b)
            io.of("/chat").use(lambda socket: seen.append(socket.handshake))
            return io

        page = pages.run("howto/test_your_app.rst", io=make_io(), make_io=make_io)
        assert seen[0].auth == {"token": "..."}
        assert (seen[0].headers["cookie"], seen[0].query["v"]) == ("a=b", "2")
        page["test_add"]()


class TestPerformance:
    @pytest.fixture
    def page(self) -> dict[str, Any]:
        return pages.run("howto/performance.rst")

    def test_the_slowest_is_found(self, page: dict[str, Any], visit: Visit) -> None:
        ann, bob = visit(page["io"]), visit(page["io"])
        page["io"].sockets_join("game")
        ann.emit("move", 1, 2)
        assert bob.received() == [("moved", ann.id, 1, 2)]
        assert page["slowest"]["move"] > 0

    def test_a_slow_client_is_waited_for(self, page: dict[str, Any], visit: Visit) -> None:
        ann = visit(page["io"])
        ann.emit("download", 300)
        assert [event[1] for event in ann.received()] == list(range(300))


class TestAuthenticate:
    def test_the_middleware(self, visit: Visit) -> None:
        io = Server()
        users = {"secret": types.SimpleNamespace(id=7)}
        pages.run("howto/authenticate.rst", io=io, ConnectError=ConnectError, find_user=users.get)
        with pytest.raises(ConnectError, match="log in first") as caught:
            visit(io)
        assert caught.value.data == {"code": "invalid"}
        ann = visit(io, auth={"token": "secret"})
        io.to("user:7").emit("hello")
        assert ann.receive() == ("hello",)


class TestBehindAProxy:
    def test_the_clients_address(self) -> None:
        io = Server()
        names = {"ProxyFix": ProxyFix, "WSGIApp": WSGIApp, "io": io, "site": demo_app}
        app = pages.run("howto/behind_a_proxy.rst", **names)["app"]
        forwarded = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9", "X-Forwarded-Proto": "https"}
        with io:
            werkzeug.test.Client(app).get("/socket.io/?EIO=4&transport=polling", headers=forwarded)
            (connection,) = io.engine.connections.values()
            assert connection.remote_address == "203.0.113.9"
            assert connection.environ["wsgi.url_scheme"] == "https"


class TestNamespaces:
    @pytest.fixture
    def page(self) -> dict[str, Any]:
        return pages.run("howto/namespaces.rst")

    def test_one_by_name(self, page: dict[str, Any], visit: Visit) -> None:
        io = page["io"]
        with pytest.raises(ConnectError, match="staff only"):
            visit(io, "/admin")
        with pytest.raises(ConnectError, match="Invalid namespace"):
            visit(io, "/other")
        boss, ann = visit(io, "/admin", auth={"token": "staff"}), visit(io)
        id = ann.id
        assert boss.emit_with_ack("ban", id) == 1
        assert boss.receive() == ("banned", id)
        assert not ann.connected

    def test_many_by_a_pattern(self, page: dict[str, Any], visit: Visit) -> None:
        ann, bob, eve = (visit(page["io"], name) for name in ("/game-1", "/game-1", "/game-2"))
        assert (ann.received(), bob.received()) == ([("players", 1), ("players", 2)], [("players", 2)])
        ann.emit("move", "e4")
        assert (bob.received(), eve.received()) == ([("moved", "e4")], [("players", 1)])
        page["games"].emit("all")
        assert bob.received() == eve.received() == [("all",)]
        assert page["made"] == ["/game-1", "/game-2"]
        with pytest.raises(ConnectError):
            visit(page["io"], "/game-1/x")

    def test_many_by_a_function(self, page: dict[str, Any], visit: Visit) -> None:
        with pytest.raises(ConnectError, match="Invalid namespace"):
            visit(page["io"], "/shop/ann", auth={"key": "guess"})
        visit(page["io"], "/shop/ann", auth={"key": "ann's key"})
        with pytest.raises(ConnectError, match="wrong key"):
            visit(page["io"], "/shop/ann", auth={"key": "guess"})
