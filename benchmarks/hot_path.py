"""What one message costs in Python, without the kernel: ``python -m benchmarks.hot_path``.

A real client connects to a real server. Then its socket is replaced by one that always has the same frame to read and
takes everything written, and the hub's callback for a readable socket is called again and again. So this measures all
that stands between ``recv`` and ``send``: framing, decoding, the queue, the worker, the handler, encoding. Printed for
each kind of message: the microseconds of the best batch and of the median one (other processes only ever add to it),
and how many Python and C functions one message calls. ``--calls`` lists those.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import gevent.event
import greenlet
from gevent.pywsgi import WSGIServer
from gevent.socket import create_connection

from socketio_sync import Server
from socketio_sync import WSGIApp
from socketio_sync.protocol.websocket import masked
from socketio_sync.protocol.websocket import text_frame
from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.channel import READ
from socketio_sync.runtime.poller import Poller

PAYLOAD = "x" * 32
OWN = "a handler of the socket"
MESSAGES = {
    "a handler that calls ack": f'42123["call","{PAYLOAD}"]',
    "a handler that returns": f'42123["return","{PAYLOAD}"]',
    OWN: f'42123["own","{PAYLOAD}"]',
    "a handler that emits back": f'42["echo","{PAYLOAD}"]',
    "a handler without answer": f'42["sink","{PAYLOAD}"]',
}
UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
BATCHES, BATCH = 200, 20
READY = 10


class EndlessSocket:
    """Has one frame to read, always, and takes whatever is written."""

    def __init__(self, frame: bytes) -> None:
        self._frame = frame

    def recv(self, size: int) -> bytes:
        return self._frame

    def send(self, data: bytes) -> int:
        return len(data)


class EndlessPoller(Poller):
    """Always reports the same channels, as many as a busy server has to read in one go."""

    def __init__(self, runtime: Runtime, channels: list[Any]) -> None:
        super().__init__(runtime.take_input)
        self._watched.update((channel.fd, channel) for channel in channels)

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        return [(fd, READ) for fd in self._watched]


def make_server() -> Server:
    io = Server(runtime="gevent", io_uring=False)  # which would ask the kernel

    @io.on("connection")
    def connected(socket: Any) -> None:
        if "own" in socket.handshake.auth:
            socket.on("own", lambda payload: payload)

    @io.on("call")
    def call(socket: Any, payload: object, ack: Any) -> None:
        ack(payload)

    @io.on("return")
    def give_back(socket: Any, payload: object) -> object:
        return payload

    @io.on("echo")
    def echo(socket: Any, payload: object) -> None:
        socket.emit("echo", payload)

    @io.on("sink")
    def sink(socket: Any, payload: object) -> None:
        pass

    return io


def connect(port: int, auth: str) -> Any:
    client = create_connection(("127.0.0.1", port))
    client.sendall(UPGRADE)
    client.sendall(masked(text_frame("40" + auth)))
    received = b""
    while b'40{"sid"' not in received:
        received += client.recv(4096)
    return client


def measure(step: Callable[[], object]) -> tuple[float, float]:
    """Microseconds a call: of the best batch, and of the median one."""
    times = []
    for _ in range(BATCHES):
        start = time.perf_counter()
        for _ in range(BATCH):
            step()
        times.append((time.perf_counter() - start) / BATCH / READY * 1e6)
    return min(times), statistics.median(times)


def calls_of(step: Callable[[], object]) -> list[str]:
    """The functions that one message calls; C functions are indented."""
    calls: list[str] = []

    def note(frame: Any, event: str, function: Any) -> None:
        if event == "call":
            calls.append(f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_code.co_qualname}")
        elif event == "c_call":
            calls.append(f"    {getattr(function, '__qualname__', function)}")

    greenlet.settrace(lambda *args: sys.setprofile(note))  # a profile function belongs to one greenlet
    sys.setprofile(note)
    step()
    sys.setprofile(None)
    greenlet.settrace(None)
    sys.setprofile(None)
    return calls[:-1]  # without the last setprofile


def report(io: Server, show_calls: bool) -> None:
    """In the hub, as its callbacks run."""
    channels = [connection._channel for connection in io.engine.connections.values()]
    for name, message in MESSAGES.items():
        chosen = channels[READY:] if name == OWN else channels[:READY]
        best, median, calls = follow(io.engine.runtime, chosen, EndlessSocket(masked(text_frame(message))))
        functions = sum(not call.startswith(" ") for call in calls)
        print(f"{name:26} {best:6.1f} us, median {median:6.1f}; {functions} Python functions, {len(calls)} in all")
        if show_calls:
            print("\n".join(calls))


def follow(runtime: Any, channels: list[Any], endless: EndlessSocket) -> tuple[float, float, list[str]]:
    """What one message costs, at best and at the median, when so many have one each; and what a single one calls."""
    real = [channel.sock for channel in channels]
    poller = runtime._poller
    for channel in channels:
        channel.sock = endless
    try:
        runtime._poller = EndlessPoller(runtime, channels)
        best, median = measure(runtime._serve)
        runtime._poller = EndlessPoller(runtime, channels[:1])
        return best, median, calls_of(runtime._serve)
    finally:
        runtime._poller = poller
        for channel, sock in zip(channels, real, strict=True):
            channel.sock = sock


def main() -> None:
    arguments = argparse.ArgumentParser(description="What one message costs in Python, without the kernel.")
    arguments.add_argument("--calls", action="store_true", help="list the functions called")
    show_calls = arguments.parse_args().calls
    io = make_server()
    web = WSGIServer(("127.0.0.1", 0), WSGIApp(io), log=None)
    web.start()
    clients = [connect(web.server_port, auth) for auth in ["{}"] * READY + ['{"own":true}'] * READY]
    done = gevent.event.AsyncResult()

    def run() -> None:
        try:
            report(io, show_calls)
        finally:
            done.set(None)

    gevent.get_hub().loop.run_callback(run)
    done.get()
    for client in clients:
        client.close()


if __name__ == "__main__":
    main()
