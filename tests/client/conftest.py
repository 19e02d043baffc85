"""A server to talk to, and a look at what a client leaves behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.client.app import make_app
from tests.support.served import Served
from tests.support.served import served
from tests.support.timing import scaled
from tests.support.wire import until


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    """The server of ``app.py``, on threads, with recovery."""
    with served("threads", connection_state_recovery=True, max_http_buffer_size=30_000_000) as running:
        make_app(running.io)
        yield running


@pytest.fixture(params=["websocket", "polling", "both"])
def transports(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The transports of a client."""
    return ("polling", "websocket") if request.param == "both" else (request.param,)


@pytest.fixture
def nothing_left() -> Iterator[Callable[[], Any]]:
    """Fails if the client's threads or sockets outlive the test for long."""
    gc.collect()
    before = _left()
    yield _left
    until(lambda: _left() <= before, scaled(20))


def _left() -> tuple[int, int]:
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("socketio_sync-")]
    sockets = [c for c in psutil.Process().net_connections("inet") if c.status != "LISTEN"]
    return len(threads), len(sockets)
