"""The clients that are out there, over each transport, in scripted sessions with our server.

Node's own server passes the same sessions, so what fails here is ours.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.programs import NODE_FOLDER
from tests.support.programs import Program
from tests.support.programs import missing
from tests.support.programs import node_modules
from tests.support.programs import python
from tests.support.programs import running
from tests.support.timing import scaled

HERE = Path(__file__).parent
LIBRARIES = [f"socket.io-client{version}" for version in ("", "-4.0", "-3", "-2", "-1")]
MODES = ["polling", "websocket", "upgrade"]
RUNTIMES = ["gevent", "threads"]

ServerFactory = Callable[[str], Program]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerFactory]:
    """Gives the server by name, "reference" or one of our runtimes; one process each for all tests of this file."""
    with ExitStack() as stack:
        started: dict[str, Program] = {}

        def get(name: str) -> Program:
            if name not in started:
                started[name] = stack.enter_context(start(name))
            return started[name]

        yield get
    for name, program in started.items():
        assert "Traceback" not in program.output, f"{name}: {program.output}"


def start(name: str) -> AbstractContextManager[Program]:
    if name == "reference":
        return running(["node", str(NODE_FOLDER / "reference_server.js")], NODE_PATH=str(node_modules()))
    return running(python(str(HERE / "server.py"), name))


def hold_session(command: list[str], **env: str) -> None:
    with running(command, **env) as session:
        try:
            code = session.process.wait(scaled(60))
        except subprocess.TimeoutExpired:
            code = None
    assert code == 0, session.output


def hold_node_session(url: str, library: str, mode: str) -> None:
    if shutil.which("node") is None:
        missing("node")
    hold_session(["node", str(NODE_FOLDER / "session.js"), url, library, mode], NODE_PATH=str(node_modules()))


@pytest.mark.timeout(90)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_official_client_holds_its_session(server: ServerFactory, runtime: str, library: str, mode: str) -> None:
    hold_node_session(server(runtime).url, library, mode)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_python_socketio_holds_its_session(server: ServerFactory, runtime: str, mode: str) -> None:
    hold_session(python(str(HERE / "python_session.py"), server(runtime).url, mode))


@pytest.mark.long
@pytest.mark.timeout(90)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_session_is_right_for_the_official_server(server: ServerFactory, library: str, mode: str) -> None:
    hold_node_session(server("reference").url, library, mode)


@pytest.mark.long
@pytest.mark.timeout(90)
@pytest.mark.parametrize("mode", MODES)
def test_the_python_session_is_right_for_the_official_server(server: ServerFactory, mode: str) -> None:
    hold_session(python(str(HERE / "python_session.py"), server("reference").url, mode))
