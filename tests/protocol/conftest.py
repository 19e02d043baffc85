"""The WebSocket tests run with the C function of the extra "speedups", and without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from socketio_sync.protocol import websocket


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__.rpartition(".")[2] in ("test_websocket", "test_websocket_oracles"):
        metafunc.fixturenames.append("masking")
        metafunc.parametrize("masking", ["speedups", "python"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def masking(request: pytest.FixtureRequest) -> Iterator[None]:
    """How payloads are unmasked."""
    if request.param == "speedups":
        pytest.importorskip("websockets.speedups")
        assert websocket.apply_mask is not None
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "python":
            patch.setattr(websocket, "apply_mask", None)
        yield
