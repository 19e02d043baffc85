"""What the runtime itself costs: CPU microseconds of the server process per job and per echoed message.

python -m benchmarks.runtime_hops [threads|gevent] ...
"""

from __future__ import annotations

import multiprocessing
import socket
import sys
import time

from socketio_sync.runtime import choose
from socketio_sync.runtime.base import Runtime
from socketio_sync.runtime.mailbox import Mailbox

JOBS = 50_000
ECHOES = 30_000
MESSAGE = b"m" * 45


def job_hops(runtime: Runtime) -> float:
    """Jobs that submit their successor: the hop alone."""
    done = runtime.event()
    left = JOBS

    def job() -> None:
        nonlocal left
        left -= 1
        if left:
            runtime.submit(job)
        else:
            done.set()

    began = time.process_time()
    runtime.submit(job)
    done.wait()
    return (time.process_time() - began) / JOBS * 1e6


class Echo:
    """A connection whose messages go through a mailbox and back."""

    wanted = 0

    def __init__(self, runtime: Runtime, sock: socket.socket) -> None:
        self.lost = runtime.event()
        self.lock = runtime.lock()
        self.mailbox = Mailbox(runtime, self.answer)
        self.channel = runtime.open_channel(sock, self.lock, self)
        self.channel.start()

    def on_data(self, data: bytes) -> None:
        self.mailbox.post(data)

    def answer(self, data: bytes) -> None:
        with self.lock:
            self.channel.write(data)

    def on_lost(self, error: OSError | None) -> None:
        self.lost.set()

    def on_drained(self) -> None:
        pass


def clients(socks: list[socket.socket], count: int) -> None:
    """In a process of its own: one message on the way per socket, then the next."""
    for sock in socks:
        sock.setblocking(True)
    for _ in range(count // len(socks)):
        for sock in socks:
            sock.send(MESSAGE)
        for sock in socks:
            sock.recv(100)
    for sock in socks:
        sock.close()


def echoes(runtime: Runtime, connections: int) -> float:
    """Read callback, job, write; with so many clients at once."""
    pairs = [socket.socketpair() for _ in range(connections)]
    client = multiprocessing.get_context("fork").Process(target=clients, args=([theirs for _, theirs in pairs], ECHOES))
    client.start()
    served = []
    for ours, theirs in pairs:
        theirs.close()
        ours.setblocking(False)
        served.append(ours)
    began = time.process_time()
    for echo in [Echo(runtime, ours) for ours in served]:
        echo.lost.wait()
    spent = time.process_time() - began
    client.join()
    return spent / ECHOES * 1e6


def main() -> None:
    for name in sys.argv[1:] or ["threads", "gevent"]:
        runtime = choose(name)
        print(f"{name}: {job_hops(runtime):.1f} us per job")
        runtime.stop()
        for connections in (1, 50):
            runtime = choose(name)
            print(f"{name}: {echoes(runtime, connections):.1f} us per echo, {connections} connections")
            runtime.stop()


if __name__ == "__main__":
    main()
