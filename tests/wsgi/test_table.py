"""The table of web servers says what is measured here, and stands as it is in README.rst and in the documentation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.apache import apache
from tests.support.servers import HOSTS
from tests.support.servers import TLS_HOSTS
from tests.support.servers import Host
from tests.support.servers import client_tls
from tests.support.servers import serving
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import fetch
from tests.support.wire import open_websocket
from tests.wsgi.table import PAGES
from tests.wsgi.table import ROWS
from tests.wsgi.table import Row
from tests.wsgi.table import with_table
from tests.wsgi.test_adopt import h2_get

APP = "tests.wsgi.table_app:app"
ELSEWHERE = ("mod_wsgi", "http-2")
ALWAYS = ("gunicorn-gthread", "waitress")
CASES = [
    pytest.param(
        row,
        name,
        id=f"{name}-tls" if row.tls else name,
        marks=() if name in ALWAYS and not row.tls else pytest.mark.long,
    )
    for row in ROWS
    for name in row.hosts
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_have_this_table(page: Path) -> None:
    text = page.read_text()
    assert text == with_table(text), "run: python -m tests.wsgi.table"


def test_no_server_is_left_out() -> None:
    listed = {(name, row.tls) for row in ROWS for name in row.hosts if name not in ELSEWHERE}
    assert listed == {(host.name, host.tls) for host in [*HOSTS, *TLS_HOSTS]}


def host_of(row: Row, name: str) -> Host:
    [host] = [host for host in (TLS_HOSTS if row.tls else HOSTS) if host.name == name]
    return host


@contextmanager
def started(row: Row, name: str) -> Iterator[tuple[int, Host]]:
    """The port of a server of this row, and what is known of it."""
    if name == "mod_wsgi":
        with apache(Path(__file__).with_name("table_app.py"), PING_INTERVAL="1") as server:
            yield server.port, Host(name)
        return
    with serving(host_of(row, name), APP) as server:
        yield server.port, server.host


@pytest.mark.parametrize(("row", "name"), [case for case in CASES if case.values[1] != "http-2"])
def test_what_a_row_says(row: Row, name: str) -> None:
    with started(row, name) as (port, host):
        tls = client_tls() if host.tls else None
        polling = Polling(port, tls=tls).open()
        assert polling.handshake["upgrades"] == (["websocket"] if row.websocket else [])
        polling.post("40")
        assert polling.receive().startswith("40{")
        polling.post('421["echo",1]')
        assert polling.receive() == "431[1]"
        polling.post("1")

        if row.websocket:
            with open_websocket(port, tls=tls) as wire:
                wire.send_text("40")
                assert str(wire.receive()).startswith("40{")
                wire.send_text('421["echo",1]')
                assert wire.receive() == "431[1]"
        else:
            with Wire(port, tls=tls) as wire:
                assert wire.upgrade("/socket.io/?EIO=4&transport=websocket") is not None

        kind = fetch(port, "/", tls=tls).text
        thread = "a greenlet" if host.gevent else "a thread"
        assert {"adopt": "nothing", "hold": thread, "none": thread}[kind] == row.holds


@pytest.mark.long
def test_what_the_row_of_http_2_says() -> None:
    [row] = [row for row in ROWS if "http-2" in row.hosts]
    [host] = [host for host in TLS_HOSTS if host.name == "gunicorn-gthread"]
    with serving(host, APP, "--http-protocols", "h2,h1") as server:
        handshake = json.loads(b"".join(h2_get(server.port, "/socket.io/?EIO=4&transport=polling"))[1:])
        assert bool(handshake["upgrades"]) == row.websocket
        kind = b"".join(h2_get(server.port, "/"))
        assert (kind, row.holds) == (b"none", "a thread")
