"""Debian's Apache with mod_wsgi, as configured: long-polling, and ends that do not wait."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.deploy.apache import apache
from tests.deploy.deployed import everything_works
from tests.deploy.deployed import goodbye
from tests.support.javascript import JavaScript
from tests.support.timing import scaled
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import until

pytestmark = pytest.mark.long


def test_everything(js: JavaScript) -> None:
    # Apache ends when its requests have ended, and a waiting poll is one until the next heartbeat.
    with apache(PING_INTERVAL="1") as running:
        everything_works(js, running.url, websocket=False)
        # "transport error" if no poll was under way just then
        assert goodbye(js, running, "polling", running.stop) in ("transport close", "transport error")
    assert running.code == 0


def test_new_code_is_taken_at_once() -> None:
    """A changed app.py lets mod_wsgi start a new process; the old one does not wait for its polls."""
    with apache(Path(__file__).with_name("polls_app.py")) as running:
        client = Polling(running.port).open()
        client.post("40")
        assert client.receive().startswith("40{")
        polls = int(running.fetch("/").text)
        with client.park() as parked:
            until(lambda: int(running.fetch("/").text) > polls)
            later = time.time() + 60
            os.utime(running.app, (later, later))
            started = time.monotonic()
            assert running.fetch("/").text == "0"
            # Not by the next heartbeat, and before shutdown-timeout.
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
