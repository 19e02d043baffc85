"""Debian's Apache with mod_wsgi, as configured: long-polling, and ends that do not wait."""

from __future__ import annotations

import os
import time

import pytest

from tests.deploy.apache import apache
from tests.deploy.deployed import everything_works
from tests.deploy.deployed import goodbye
from tests.support.javascript import JavaScript
from tests.support.timing import scaled
from tests.support.wire import Polling
from tests.support.wire import Wire

pytestmark = pytest.mark.long


def test_everything(js: JavaScript) -> None:
    # Apache ends when its requests have ended, and a waiting poll is one until the next heartbeat.
    with apache(PING_INTERVAL="1") as running:
        everything_works(js, running.url, websocket=False)
        # "transport error" if no poll was under way just then
        assert goodbye(js, running, "polling", running.stop) in ("transport close", "transport error")
    assert running.code == 0


def test_new_code_is_taken_at_once(js: JavaScript) -> None:
    """A changed app.py lets mod_wsgi start a new process; the old one does not wait for its polls."""
    with apache() as running:
        client = Polling(running.port).open()
        client.post("40")
        assert client.receive().startswith("40{")
        with client.park() as parked:
            assert running.fetch("/").status == 200  # by now the poll is there
            later = time.time() + 60
            os.utime(running.app, (later, later))
            started = time.monotonic()
            assert running.fetch("/").status == 200
            # Not the next heartbeat, and before shutdown-timeout.
            assert parked.answer().text in ("1", "6")
            assert time.monotonic() - started < scaled(5)


def test_a_direct_websocket_is_told_why_not() -> None:
    with apache() as running, Wire(running.port) as wire:
        reply = wire.upgrade("/socket.io/?EIO=4&transport=websocket")
        assert reply is not None
        assert reply.status == 400
        assert "mod_wsgi" in reply.text


def test_waiting_polls_leave_threads_for_the_pages(js: JavaScript) -> None:
    """More clients than the 50 threads of the configuration: the site answers, and so do they."""
    with apache(PING_INTERVAL="2") as running:
        answers = js(
            """
            const clients = [];
            for (let i = 0; i < 60; i++) clients.push(connect(url, { transport: "polling" }));
            kept.clients = await Promise.all(clients);
            return (await Promise.all(kept.clients.map((client, i) => client.emitWithAck("echo", i)))).map(([i]) => i);
            """,
            url=running.url,
            patience=40,
        )
        assert answers == list(range(60))
        assert running.fetch("/").status == 200
