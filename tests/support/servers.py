"""Real web servers as real processes: started with an application, watched, stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.wire import TIMEOUT
from tests.support.wire import Reply
from tests.support.wire import fetch
from tests.support.wire import until

ROOT = Path(__file__).parent.parent.parent

# What must not be in the log of a server that nothing went wrong on.
TROUBLE = re.compile(
    r"traceback|\berror\b|exception|warning|critical|\berrno\b|\bleak(?:s|ed|ing)?\b|broken pipe|bad request",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Host:
    """One web server and the way it is run.

    Attributes:
        gunicorn: its worker class, if it is gunicorn.
        options: more arguments.
        tls: it ends TLS itself.
        gevent: requests come on gevent's sockets.
        adopts: the client's socket can be taken (or held).
        access_log: it writes one that shows the status.
        single: it handles one request at a time.
    """

    name: str
    gunicorn: str = ""
    options: tuple[str, ...] = ()
    tls: bool = False
    gevent: bool = False
    adopts: bool = True
    access_log: bool = True
    single: bool = False
    needs: str = ""

    def __str__(self) -> str:
        return self.name


HOSTS = [
    Host("gunicorn-gevent", "gevent", gevent=True, needs="gunicorn"),
    Host("gunicorn-gthread", "gthread", ("--threads", "2"), needs="gunicorn"),
    Host("gunicorn-sync", "sync", needs="gunicorn", single=True),
    Host("gunicorn-gevent_pywsgi", "gevent_pywsgi", gevent=True, needs="gunicorn"),
    Host(
        "gunicorn-gevent-websocket",
        "geventwebsocket.gunicorn.workers.GeventWebSocketWorker",
        gevent=True,
        needs="gunicorn",
        access_log=False,
    ),
    Host("pywsgi", gevent=True),
    Host("pywsgi-gevent-websocket", gevent=True, access_log=False),
    Host("werkzeug", needs="werkzeug"),
    Host("werkzeug-debugger", needs="werkzeug"),
    Host("werkzeug-single", needs="werkzeug", single=True),
    Host("wsgiref", single=True),
    Host("wsgiref-threads"),
    Host("django", needs="django"),
    Host("cheroot", needs="cheroot", access_log=False),
    Host("uwsgi", needs="pyuwsgi"),
    Host("own-threads", access_log=False),
    Host("own-gevent", gevent=True, access_log=False),
    Host("waitress", adopts=False, access_log=False, needs="waitress"),
]

TLS_HOSTS = [
    Host("gunicorn-gevent", "gevent", gevent=True, tls=True, needs="gunicorn"),
    Host("gunicorn-gthread", "gthread", ("--threads", "4"), tls=True, needs="gunicorn"),
    Host("pywsgi", gevent=True, tls=True),
    Host("werkzeug", tls=True, needs="werkzeug"),
    Host("cheroot", tls=True, needs="cheroot", access_log=False),
    Host("own-threads", tls=True, access_log=False),
    Host("own-gevent", gevent=True, tls=True, access_log=False),
]


@lru_cache(maxsize=1)
def certificate() -> tuple[str, str]:
    """The files of a certificate for localhost and its key, and an authority that signed it, in this process's /tmp."""
    directory = tempfile.mkdtemp(prefix="socketio_sync-tls-")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    chain = os.path.join(directory, "chain.pem")
    key = os.path.join(directory, "key.pem")
    for blob in issued.cert_chain_pems:
        blob.write_to_path(chain, append=True)
    issued.private_key_pem.write_to_path(key)
    return chain, key


def client_tls() -> ssl.SSLContext:
    """A client's context; whom it talks to is not in question here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Running:
    """A server process.

    Attributes:
        tls: the context for clients, None without TLS.
    """

    def __init__(self, host: Host, app: str, options: tuple[str, ...], directory: Path, port: int) -> None:
        self.host = host
        self.port = port
        self.tls = client_tls() if host.tls else None
        self._log = directory / "server.log"
        environ = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(
                command(host, app, port, options),
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=environ,
                start_new_session=True,
            )
        until(self._answers)
        self._started = len(self.log)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self.fetch("/ready").status > 0
        except ConnectionRefusedError:
            return False

    @property
    def log(self) -> str:
        """All that it has written so far, both streams."""
        return self._log.read_text("utf-8", "replace")

    def trouble(self) -> list[str]:
        """The lines of its log, since it was ready, that tell of trouble."""
        return [line for line in self.log[self._started :].splitlines() if TROUBLE.search(line)]

    def fetch(
        self, target: str, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Reply:
        return fetch(self.port, target, method, body, headers, self.tls)

    def debug(self) -> dict[str, Any]:
        """What its application's ``/debug`` says about descriptors, threads and greenlets."""
        reply = self.fetch("/debug")
        assert reply.status == 200, reply
        state: dict[str, Any] = json.loads(reply.body)
        return state

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = TIMEOUT) -> int:
        return self.process.wait(timeout)

    def stop(self) -> None:
        """End it, gently, then not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if self.host.name != "uwsgi" else signal.SIGQUIT)
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def command(host: Host, app: str, port: int, options: tuple[str, ...]) -> list[str]:
    """The command line that starts a host."""
    pem = list(certificate()) if host.tls else []
    if host.gunicorn:
        line = [sys.executable, "-m", "gunicorn", app, "-k", host.gunicorn, "-b", f"127.0.0.1:{port}"]
        line += ["--access-logfile", "-", "--log-level", "info", "--graceful-timeout", "5", *host.options]
        if pem:
            line += ["--certfile", pem[0], "--keyfile", pem[1]]
        return [*line, *options]
    if host.name == "uwsgi":
        line = [sys.executable, "-c", "import pyuwsgi; pyuwsgi.run()", "--http-socket", f"127.0.0.1:{port}"]
        return [*line, "--master", "--threads", "2", "--wsgi", app, "--die-on-term", "--single-interpreter", *options]
    return [sys.executable, "-m", "tests.support.host", host.name, app, str(port), *pem]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def serving(host: Host, app: str, *options: str) -> Iterator[Running]:
    """Start a host with ``module:attribute``; skipped where it is not installed."""
    if host.needs and find_spec(host.needs) is None:
        pytest.skip(f"{host.needs} is not installed")
    with tempfile.TemporaryDirectory() as directory:
        running = Running(host, app, options, Path(directory), free_port())
        try:
            yield running
        finally:
            running.stop()
