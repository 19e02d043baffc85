"""However the host ends, its clients get a close frame at once, and its handlers may finish."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers import HOSTS
from tests.support.servers import TLS_HOSTS
from tests.support.servers import Host
from tests.support.servers import Running
from tests.support.servers import serving
from tests.support.wire import SCALE
from tests.support.wire import Closed
from tests.support.wire import Wire
from tests.support.wire import open_websocket
from tests.support.wire import until

APP = "tests.wsgi.product_app:app"
BY_NAME = {host.name: host for host in HOSTS}
GUNICORNS = [BY_NAME[name] for name in ("gunicorn-gevent", "gunicorn-gthread", "gunicorn-sync")]
# gunicorn's workers notice some stops within their own turn of a second.
SOON = 3 * SCALE


def joined(server: Running) -> Wire:
    wire = open_websocket(server.port, tls=server.tls)
    wire.send_text("40")
    answer = message(wire)
    assert isinstance(answer, str)
    assert answer.startswith("40{")
    wire.send_text('421["echo",1]')  # the answer to CONNECT may be read before any handler has begun
    assert message(wire) == "431[1]"
    return wire


def message(wire: Wire) -> str | bytes | Closed:
    for _ in range(10):
        if (received := wire.receive()) != "2":
            return received
        wire.send_text("3")
    raise AssertionError("nothing but pings")


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Let a file look newer and newer: a reloader that has just started takes its first look for the old one."""
    over = threading.Event()

    def change() -> None:
        later = time.time()
        while not over.wait(0.3):
            later += 60
            os.utime(path, (later, later))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def says_goodbye(server: Running, wire: Wire, stop: Callable[[], object]) -> None:
    """The client gets a close frame, and no DISCONNECT packet, so that it will come back."""
    started = time.monotonic()
    stop()
    assert message(wire) == Closed(None)
    assert time.monotonic() - started < SOON
    wire.close()
    until(lambda: "disconnected server shutting down" in server.log)


def served_again(server: Running) -> None:
    """The next worker has come; until then the last one refuses with 503."""

    def accepted() -> bool:
        try:
            status = server.fetch("/socket.io/?EIO=4&transport=polling").status
        except (OSError, EOFError):
            return False
        assert status in (200, 503)
        return status == 200

    until(accepted)


def workers(server: Running) -> list[int]:
    """The processes beneath gunicorn's arbiter."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


LONG = pytest.mark.long


@pytest.mark.parametrize("preload", [(), pytest.param(("--preload",), marks=LONG)], ids=["", "preload"])
@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, pytest.param(signal.SIGINT, marks=LONG), pytest.param(signal.SIGQUIT, marks=LONG)],
    ids=lambda number: number.name,
)
@pytest.mark.parametrize("host", GUNICORNS, ids=str)
def test_gunicorn_is_stopped(host: Host, number: signal.Signals, preload: tuple[str, ...]) -> None:
    with serving(host, APP, *preload) as server:
        wire = joined(server)
        says_goodbye(server, wire, lambda: server.signal(number))
        assert server.wait() == 0
        assert server.trouble() == []


@pytest.mark.parametrize("host", GUNICORNS, ids=str)
def test_gunicorn_reloads(host: Host) -> None:
    with serving(host, APP) as server:
        before = workers(server)
        wire = joined(server)
        says_goodbye(server, wire, lambda: server.signal(signal.SIGHUP))
        until(lambda: workers(server) and not set(workers(server)) & set(before))
        served_again(server)
        assert server.trouble() == []


@pytest.mark.long
@pytest.mark.parametrize("host", GUNICORNS, ids=str)
def test_a_worker_reaches_its_last_request(host: Host) -> None:
    with serving(host, APP, "--max-requests", "4") as server:
        wire = joined(server)
        says_goodbye(server, wire, lambda: [server.fetch("/") for _ in range(3)])
        served_again(server)


@pytest.mark.long
@pytest.mark.parametrize("host", GUNICORNS, ids=str)
def test_gunicorns_reloader(host: Host, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.write_text("1")
    options = ("--reload", "--reload-engine", "poll", "--reload-extra-file", str(watched))
    with serving(host, APP, *options) as server:
        wire = joined(server)
        with changing(watched):
            says_goodbye(server, wire, lambda: None)
        served_again(server)


@pytest.mark.parametrize("host", GUNICORNS, ids=str)
def test_handlers_may_finish(host: Host) -> None:
    with serving(host, APP) as server:
        wire = joined(server)
        wire.send_text('42["slow",1.5]')
        wire.send_text('421["echo"]')
        time.sleep(0.1)
        says_goodbye(server, wire, lambda: server.signal(signal.SIGTERM))
        assert server.wait() == 0
        assert "slow handler done" in server.log


def test_a_held_request_does_not_hold_up_the_end() -> None:
    host = next(host for host in TLS_HOSTS if host.name == "gunicorn-gthread")
    with serving(host, APP) as server:
        wire = joined(server)
        started = time.monotonic()
        says_goodbye(server, wire, lambda: server.signal(signal.SIGTERM))
        assert server.wait() == 0
        assert time.monotonic() - started < 5 * SCALE


@pytest.mark.parametrize(
    "name",
    [
        "werkzeug",
        "own-threads",
        *(pytest.param(name, marks=LONG) for name in ("pywsgi", "wsgiref-threads", "cheroot", "django", "own-gevent")),
    ],
)
def test_ctrl_c(name: str) -> None:
    with serving(BY_NAME[name], APP) as server:
        wire = joined(server)
        says_goodbye(server, wire, lambda: server.signal(signal.SIGINT))
        server.wait()


@pytest.mark.parametrize("name", ["own-threads", "own-gevent"])
def test_listen_ends_by_sigterm(name: str) -> None:
    with serving(BY_NAME[name], APP) as server:
        wire = joined(server)
        says_goodbye(server, wire, lambda: server.signal(signal.SIGTERM))
        assert server.wait() == 0
        assert server.trouble() == []


@pytest.mark.long
def test_uwsgi_stops() -> None:
    with serving(BY_NAME["uwsgi"], APP) as server:
        wire = joined(server)
        says_goodbye(server, wire, lambda: server.signal(signal.SIGTERM))
        server.wait()
