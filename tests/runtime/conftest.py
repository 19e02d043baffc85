"""The runtimes under test, each made fresh."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from socketio_sync.runtime import choose
from socketio_sync.runtime.base import Runtime
from tests.support.channels import Pair


@pytest.fixture(params=["threads", "gevent"])
def runtime(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    runtime = choose(request.param)
    yield runtime
    runtime.stop()
    runtime.sleep(0.001)  # gevent's workers end in the hub


@pytest.fixture
def pair(runtime: Runtime) -> Iterator[Pair]:
    pair = Pair(runtime)
    yield pair
    pair.close()
