"""A server to talk to, and a look at what a client leaves behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

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
def nothing_left() -> Iterator[None]:
    """Fails if the client's threads or sockets outlive the test for long; the one thread that reads for all may."""
    gc.collect()
    threads, sockets = _threads(), _sockets()
    yield
    until(lambda: _threads() <= threads and _sockets() <= sockets, scaled(20))


def _threads() -> int:
    names = [thread.name for thread in threading.enumerate()]
    return sum(name.startswith("socketio_sync-") and name != "socketio_sync-io" for name in names)


def _sockets() -> int:
    return sum(c.status != "LISTEN" for c in psutil.Process().net_connections("inet"))
