"""The official client under Node, for the configurations of examples/deploy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
