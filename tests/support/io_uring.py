"""Whether this system has io_uring."""

from __future__ import annotations

import pytest

from socketio_sync.runtime.rings import Rings

needs_io_uring = pytest.mark.skipif(Rings(True).take() is None, reason="this system has no io_uring, or forbids it")
