"""Who gives up while it connects to a server that has become silent: when its goodbye is waited for, and how long."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from socketio_sync import Client
from socketio_sync.parsers import DefaultParser
from socketio_sync.protocol.socketio_packet import Packet
from tests.client.raw import answering
from tests.client.raw import reply
from tests.support.programs import ROOT
from tests.support.served import Served
from tests.support.timing import scaled
from tests.support.wire import TIMEOUT

OPEN = b'0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'


@pytest.fixture
def silent() -> Iterator[tuple[int, threading.Event]]:
    """The port of a server that answers the handshake, and nothing else; the event says that more was asked for."""
    asked = threading.Event()

    def answer(sock: socket.socket, request: bytes) -> None:
        if b"sid=" in request:
            asked.set()
        else:
            sock.sendall(reply("200 OK", OPEN))

    with answering(answer) as port:
        yield port, asked


ON_THREADS = """
import os, signal, sys, threading, time
from socketio_sync import Client
from socketio_sync.client import socket as module
from socketio_sync.client.life import CLOSED

client = Client(f"http://127.0.0.1:{sys.argv[1]}", transports=["polling"], reconnection=False)
waited = []

def press_again():
    while client._life.ended is None or client._life.state != CLOSED:
        time.sleep(0.001)
    time.sleep(0.3)  # a person's
    os.kill(os.getpid(), signal.SIGINT)

def wait():
    while client._life.ended is None:
        time.sleep(0.001)
    waited.append(client.wait(60))

threads = [threading.Thread(target=wait)]
if sys.argv[2] == "twice":
    module.LAST_MOMENT = 60
    threads.append(threading.Thread(target=press_again))
for thread in threads:
    thread.start()
try:
    client.connect(timeout=60)
except KeyboardInterrupt:
    print("interrupted")
for thread in threads:
    thread.join()
print("waited", waited)
"""


@pytest.mark.parametrize("times", ["once", "twice"])
def test_ctrl_c_waits_a_moment_for_the_goodbye_and_the_next_one_not(
    silent: tuple[int, threading.Event], times: str
) -> None:
    port, asked = silent
    command = [sys.executable, "-c", ON_THREADS, str(port), times]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert asked.wait(scaled(30))
            begin = time.monotonic()
            program.send_signal(signal.SIGINT)
            output, _ = program.communicate(timeout=scaled(20))
            assert time.monotonic() - begin < scaled(4)
        finally:
            program.kill()
    assert output == "interrupted\nwaited [True]\n"


ON_GEVENT = """
import sys, time
from gevent import monkey; monkey.patch_all()
import gevent
from socketio_sync import Client
from socketio_sync.client.life import JOINING

for end in ("kill", "timeout"):
    client = Client(f"http://127.0.0.1:{sys.argv[1]}", transports=["polling"], reconnection=False)
    begin = time.monotonic()
    if end == "kill":
        connecting = gevent.spawn(client.connect, timeout=60)
        while client._life.state != JOINING:
            gevent.sleep(0.001)
        connecting.kill()
    else:
        try:
            with gevent.Timeout(1):
                client.connect(timeout=60)
        except gevent.Timeout:
            pass
    assert time.monotonic() - begin < float(sys.argv[2]), time.monotonic() - begin
    assert not client.active
    print(end)
"""


def test_a_timeout_or_kill_of_gevents_waits_for_nothing(silent: tuple[int, threading.Event]) -> None:
    command = [sys.executable, "-c", ON_GEVENT, str(silent[0]), str(scaled(4))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(60), check=False)
    assert done.stdout == "kill\ntimeout\n", done.stdout + done.stderr


class FailingOnce(DefaultParser):
    """A user's, which makes a text that cannot be sent of one event."""

    def encode(self, packet: Packet) -> tuple[str | bytes, ...]:
        if packet.data and packet.data[0] == "bad":
            return ('2["bad","\ud800"]',)
        return super().encode(packet)


def test_what_cannot_be_sent_ends_the_connection(server: Served, caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()
    reasons: list[Any] = []
    client = Client(server.url, transports=["polling"], reconnection=False, parser=FailingOnce(), runtime="threads")

    @client.on("disconnect")
    def disconnected(reason: str, details: Any) -> None:
        reasons.append((reason, details.description))
        ended.set()

    client.connect()
    client.emit("bad")
    assert ended.wait(TIMEOUT)
    ((reason, description),) = reasons
    assert reason == "transport error"
    assert "UnicodeEncodeError" in description
    assert "sending failed" in caplog.text
    begin = time.monotonic()
    client.disconnect()
    assert time.monotonic() - begin < scaled(4)
