"""The one place that knows how patient the tests are."""

from __future__ import annotations

import os

SCALE = float(os.environ.get("SOCKETIO_SYNC_TEST_SCALE", "1"))


def scaled(seconds: float) -> float:
    """A time limit of ``seconds``, stretched on slow machines by the variable ``SOCKETIO_SYNC_TEST_SCALE``."""
    return seconds * SCALE
