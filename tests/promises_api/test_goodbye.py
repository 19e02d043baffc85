"""A client that is sent away and leaves at once: the server's reason counts, not that the connection has ended."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import pytest

from tests.support.served import RUNTIMES
from tests.support.served import served
from tests.support.wire import Closed
from tests.support.wire import Wire
from tests.support.wire import open_websocket
from tests.support.wire import until

TIMES = 150


def leave_when_told(wire: Wire) -> None:
    """As the official client: when its last socket is disconnected, it closes the connection."""
    while not isinstance(packet := wire.receive(), Closed) and packet != "41":
        pass
    wire.close()


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_reason_is_the_servers(runtime: str, close: bool) -> None:
    """Or else a client that was thrown out would have a session to come back to."""
    reasons: list[str] = []
    with served(runtime, connection_state_recovery=True) as server:
        server.io.on("disconnect", lambda socket, reason: reasons.append(reason))
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        for _ in range(TIMES):
            wire = open_websocket(server.port)
            wire.send_text("40")
            reply: dict[str, Any] = json.loads(str(wire.receive())[2:])
            socket = until(lambda reply=reply: server.io.sockets.get(reply["sid"]))
            client = threading.Thread(target=leave_when_told, args=(wire,))
            client.start()
            socket.disconnect(close)
            client.join()
        sys.setswitchinterval(interval)
        until(lambda: len(reasons) == TIMES)
    assert set(reasons) == {"server namespace disconnect"}
