"""Test your application in process: no sockets, no sleeping, the same every time.

A ``TestClient`` lets a Server run on a virtual clock and talks to it as a client would. For pytest there is the fixture
``socketio_client``.
"""

from __future__ import annotations

from socketio_sync.testing.client import TestClient

__all__ = ["TestClient"]
