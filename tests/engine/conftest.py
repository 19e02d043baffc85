"""Both runtimes, for every test that asks for one."""

from __future__ import annotations

import pytest

from tests.engine.served import RUNTIMES


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """The name of a runtime."""
    name: str = request.param
    return name
