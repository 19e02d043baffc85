"""Node, for the tests that ask for it, and applications."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from socketio_sync.flask import SocketIO
from tests.support.javascript import JavaScript


@pytest.fixture(scope="session")
def node_process() -> Iterator[JavaScript]:
    """The one Node process of all tests."""
    javascript = JavaScript()
    yield javascript
    javascript.stop()


@pytest.fixture
def js(node_process: JavaScript) -> Iterator[JavaScript]:
    """Runs pieces of JavaScript; clients that a test opens are closed after it."""
    yield node_process
    node_process.reset()


class Site:
    """A Flask application with its SocketIO, and clients that leave at the end of the test."""

    def __init__(self, **options: Any) -> None:
        self.app = Flask("site")
        self.app.config.update(SECRET_KEY="secret", TESTING=True)
        self.socketio = SocketIO(self.app, **options)
        self.clients: list[Any] = []

    def client(self, namespace: str | None = None, **options: Any) -> Any:
        """A test client."""
        client = self.socketio.test_client(self.app, namespace, **options)
        self.clients.append(client)
        return client

    def events(self, client: Any, namespace: str | None = None) -> list[tuple[Any, ...]]:
        """What came, each with its name and its arguments."""
        received = client.get_received(namespace)
        return [(each["name"], each["args"]) for each in received]


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    """Makes a Site with these options."""
    made: list[Site] = []

    def make(**options: Any) -> Site:
        made.append(Site(**options))
        return made[-1]

    yield make
    for each in made:
        for client in each.clients:
            with client:
                pass
