"""The configurations of examples/deploy as they are written, but for ports and paths, with what they configure."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

from tests.support.javascript import JavaScript
from tests.support.programs import ROOT
from tests.support.programs import Program
from tests.support.programs import free_port
from tests.support.programs import missing
from tests.support.programs import python
from tests.support.servers import TROUBLE
from tests.support.servers import client_tls
from tests.support.timing import scaled
from tests.support.wire import Reply
from tests.support.wire import fetch
from tests.support.wire import until

FOLDER = ROOT / "examples" / "deploy"
# Another address of the loopback interface, so that the client's can be told from the proxy's.
CLIENT = "127.0.0.7"

# What servers warn of when they begin: what Werkzeug's is for, and the user that tests have.
BEGINNING = "development server|running uWSGI as root"

# What a client has of a deployment: an answer, a file there and back, what the server sends, and what it knows of us.
EVERYTHING = """
    const { Agent } = require(new URL(url).protocol.slice(0, -1));
    const tls = { rejectUnauthorized: false };
    const agent = new Agent({ localAddress: client, keepAlive: true, ...tls });
    const forged = { "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": url.startsWith("https") ? "http" : "https" };
    const ways = { polling: ["polling"], websocket: ["websocket"], both: ["polling", "websocket"] };
    if (!websocket) delete ways.websocket;
    const seen = {};
    for (const [way, transports] of Object.entries(ways)) {
      const socket = dial(url, { agent, ...tls, withCredentials: true, extraHeaders: forged, transports });
      await once(socket, "connect");
      if (way === "both" && websocket) await until(() => socket.io.engine.transport.name === "websocket");
      const blob = Buffer.from(Array.from({ length: 70000 }, (_, i) => i % 256));
      const [text, back] = await socket.emitWithAck("echo", "grüße", blob);
      const said = once(socket, "said");
      socket.emit("say", way);
      const { address, secure } = await socket.emitWithAck("hello");
      seen[way] = {
        address, secure, text, binary: blob.equals(back), said: (await said)[0], over: socket.io.engine.transport.name,
      };
      socket.disconnect();
    }
    agent.destroy();
    return seen;
"""

# A client that stays, with no word but heartbeats.
STAY = """
    const socket = await connect(url, { transport, agent: false, rejectUnauthorized: false, withCredentials: true });
    kept[transport] = socket;
"""


def everything_works(js: JavaScript, url: str, *, websocket: bool = True, deceived: bool = False) -> None:
    """The official client is served by every transport, and the server knows its address, whatever the client claims.

    ``deceived``: a server that believes a client's word about TLS.
    """
    seen = js(EVERYTHING, url=url, websocket=websocket, client=CLIENT, patience=60)
    common = {"address": CLIENT, "secure": url.startswith("https") != deceived, "text": "grüße", "binary": True}
    expected = {"polling": {**common, "said": "polling", "over": "polling"}}
    if websocket:
        expected["websocket"] = {**common, "said": "websocket", "over": "websocket"}
    expected["both"] = {**common, "said": "both", "over": "websocket" if websocket else "polling"}
    assert seen == expected


def installed(name: str) -> str:
    """The path of a program; the test is skipped, or fails, where it is missing."""
    return shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") or missing(name)


def written(name: str, target: Path, **replaced: str) -> Path:
    """A configuration with other ports and paths, which must all be in it; ``replaced``: see ``with_other``."""
    path = target / name
    path.write_text(with_other((FOLDER / name).read_text(), replaced))
    return path


def with_other(text: str, replaced: dict[str, str]) -> str:
    """A text with other words."""
    for old, new in replaced.items():
        assert old in text, f"{old!r} is not in the configuration any more"
        text = text.replace(old, new)
    return text


class Deployed:
    """A running server or proxy.

    Attributes:
        port, url: where it listens.
        tls_url: a proxy's address for TLS.
        app: the file of the application, where it is a copy.
        code: how it has ended.
        expected: a pattern of lines in its log that the test has caused on purpose.
    """

    expected = "^$"
    tls_url = ""
    app: Path

    def __init__(self, program: Program, port: int, scheme: str = "http") -> None:
        self.program = program
        self.port = port
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.code: int | None = None
        self._tls = client_tls() if scheme == "https" else None

    def answers(self) -> bool:
        """Whether it does so by now."""
        assert self.program.process.poll() is None, f"it ended:\n{self.program.output}"
        try:
            return self.fetch("/").status > 0
        except ConnectionRefusedError:
            return False

    def fetch(self, target: str) -> Reply:
        """One GET."""
        return fetch(self.port, target, tls=self._tls)

    def pids(self) -> list[int]:
        """Its processes."""
        parent = psutil.Process(self.program.process.pid)
        return [parent.pid, *(child.pid for child in parent.children(recursive=True))]

    def trouble(self) -> list[str]:
        """The lines of its log that tell of trouble."""
        harmless = re.compile(f"{BEGINNING}|{self.expected}")
        return [line for line in self.program.lines if TROUBLE.search(line) and not harmless.search(line)]

    def stop(self) -> None:
        """Ask it to end with SIGTERM, if it has not been asked, and wait: Apache's processes have 10 s and more."""
        if self.code is not None:
            return
        self.program.process.terminate()
        try:
            self.code = self.program.process.wait(scaled(20))
        except subprocess.TimeoutExpired:
            kill(self.program)
            raise AssertionError(f"it did not end when asked to:\n{self.program.output}") from None
        finally:
            self.program.stop()


@contextmanager
def deployed(command: list[str], port: int, scheme: str = "http", **env: str) -> Iterator[Deployed]:
    """Run a command that will listen at this port, until the block ends; it must leave no sign of trouble."""
    path = f"{FOLDER}:{ROOT}"
    program = Program(command, **{"PYTHONPATH": path, **env})
    running = Deployed(program, port, scheme)
    try:
        until(running.answers)
        yield running
    except BaseException:
        kill(program)
        raise
    finally:
        running.stop()
    assert running.trouble() == [], program.output


def kill(program: Program) -> None:
    """End it with all its processes, of which one that lives on would keep the output open."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(program.process.pid)
        for process in (parent, *parent.children(recursive=True)):
            process.kill()


def gunicorn(name: str, port: int, *options: str) -> list[str]:
    """The command for one of gunicorn's configurations."""
    return python("-m", "gunicorn", "-c", str(FOLDER / name), "-b", f"127.0.0.1:{port}", *options, "app:app")


def uwsgi(folder: Path, **replaced: str) -> list[str]:
    """The command for uWSGI's configuration, with uWSGI as its wheel has it."""
    if find_spec("pyuwsgi") is None:
        missing("pyuwsgi")
    config = written("uwsgi.ini", folder, **{"/srv/app": str(FOLDER), **replaced})
    return python("-c", "import pyuwsgi; pyuwsgi.run()", "--ini", str(config))


@contextmanager
def worker(name: str = "gunicorn_gevent.py", **env: str) -> Iterator[Deployed]:
    """A worker behind a proxy."""
    port = free_port()
    with deployed(gunicorn(name, port), port, PROXIES="1", **env) as running:
        yield running


def goodbye(js: JavaScript, server: Deployed, transport: str, stop: Callable[[], None]) -> str:
    """How a client ends when ``stop`` is called, which ends the server."""
    js(STAY, url=server.url, transport=transport)
    stop()
    reason: str = js(
        "const { ended } = kept[transport]; await until(() => ended.length); return ended[0];", transport=transport
    )
    return reason
