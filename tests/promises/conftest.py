"""The server program on both runtimes; one process for all tests that want the same options."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.promises.client import Promised
from tests.promises.client import promising

RUNTIMES = ["gevent", "threads"]


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """The name of a runtime."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def started() -> Iterator[tuple[dict[str, Promised], ExitStack]]:
    """The programs that run; nothing may be in their logs at the end."""
    with ExitStack() as stack:
        yield {}, stack


@pytest.fixture
def programs(started: tuple[dict[str, Promised], ExitStack]) -> Iterator[Callable[..., Promised]]:
    """Gives the program by runtime and options."""
    running, stack = started

    def get(runtime: str, **options: Any) -> Promised:
        key = json.dumps([runtime, options])
        if key not in running:
            running[key] = stack.enter_context(promising(runtime, **options))
        return running[key]

    yield get
    for program in running.values():
        program.leave()


@pytest.fixture
def server(runtime: str, programs: Callable[..., Promised]) -> Promised:
    """The program with default options."""
    return programs(runtime)
