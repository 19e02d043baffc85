"""The fixture ``socketio_client``, for every project that has this package and pytest."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from socketio_sync.testing.client import TestClient


@pytest.fixture
def socketio_client() -> Iterator[Callable[..., TestClient]]:
    """Connect TestClients: ``alice = socketio_client(io, "/chat", auth=...)``. They leave at the end of the test."""
    with ExitStack() as stack:

        def connect(io: Any, namespace: str = "/", **options: Any) -> TestClient:
            return stack.enter_context(TestClient(io, namespace, **options))

        yield connect
