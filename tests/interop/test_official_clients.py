"""The clients that are out there, over each transport, in scripted sessions with our server.

Node's own server holds the same sessions, so what fails here is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.programs import Program
from tests.support.programs import chromium
from tests.support.programs import node
from tests.support.programs import python
from tests.support.programs import run_to_its_end
from tests.support.programs import running
from tests.support.servers import HOSTS
from tests.support.servers import Running
from tests.support.servers import serving

HERE = Path(__file__).parent
LIBRARIES = [f"socket.io-client{version}" for version in ("", "-4.0", "-3", "-2", "-1")]
NEWEST = LIBRARIES[0]

every_mode = pytest.mark.parametrize("mode", ["polling", "websocket", "upgrade"])
every_library = pytest.mark.parametrize("library", LIBRARIES)
# The reference proves that the session is right; it need not do so every time.
every_server = pytest.mark.parametrize(
    "server", ["gevent", "threads", pytest.param("reference", marks=pytest.mark.long)]
)
pytestmark = pytest.mark.timeout(90)

Start = Callable[..., str]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Gives the address of a server, Node's ("reference") or ours on a runtime; one process each for all tests."""
    with ExitStack() as stack:
        started: dict[tuple[str, ...], Program] = {}

        def get(*what: str) -> str:
            if what not in started:
                name, *features = what
                script, env = python(str(HERE / "server.py"), *what), {}
                if name == "reference":
                    script, env = node("reference_server.js", *features)
                started[what] = stack.enter_context(running(script, **env))
            return started[what].url

        yield get
    for what, program in started.items():
        assert "Traceback" not in program.output, f"{what}: {program.output}"


@pytest.fixture(scope="module")
def gunicorn() -> Iterator[Running]:
    host = next(host for host in HOSTS if host.gunicorn == "gevent")
    with serving(host, "tests.interop.server:app") as server:
        yield server


@every_mode
@every_library
@every_server
def test_an_official_client_holds_its_session(start: Start, server: str, library: str, mode: str) -> None:
    run_to_its_end(*node("session.js", start(server), library, mode))


@every_library
def test_an_official_client_keeps_its_connections(gunicorn: Running, library: str) -> None:
    """They go from the web server to us and back, while the agent uses them for several clients in turns."""
    before = gunicorn.log.count("transport=polling")
    run_to_its_end(*node("session.js", f"http://127.0.0.1:{gunicorn.port}", library, "polling"))
    between = gunicorn.log.count("transport=polling")
    run_to_its_end(*node("session.js", f"http://127.0.0.1:{gunicorn.port}", library, "kept"))
    assert gunicorn.log.count("transport=polling") - between < (between - before) * 0.7
    assert gunicorn.trouble() == []


@every_mode
@every_server
def test_python_socketio_holds_its_session(start: Start, server: str, mode: str) -> None:
    run_to_its_end(python(str(HERE / "python_session.py"), start(server), mode))


@every_mode
@every_server
def test_the_newest_client_holds_its_session_in_msgpack(start: Start, server: str, mode: str) -> None:
    run_to_its_end(*node("session.js", start(server, "msgpack"), NEWEST, mode, "msgpack"))


@every_mode
@every_server
def test_a_client_that_is_cut_off_again_and_again_misses_nothing(start: Start, server: str, mode: str) -> None:
    output = run_to_its_end(*node("recovery.js", start(server, "recovery"), mode))
    assert ("recovered before the first: true" in output) == (server != "reference")  # there, ours is better


@every_server
def test_old_clients_talk_over_jsonp_in_a_browser(start: Start, server: str) -> None:
    run_to_its_end(*node("jsonp_in_browser.js", start(server), chromium()))
