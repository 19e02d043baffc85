"""The server of these tests, in a process of its own: its clients tell it what to do, and ``/facts`` what it costs.

Usage: python -m tests.promises.program gevent|gevent-patched|threads [OPTIONS as JSON]; prints its URL.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import time
import weakref
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

if sys.argv[1:2] == ["gevent-patched"]:
    from gevent import monkey

    monkey.patch_all()

from socketio_sync import AckTimeout
from socketio_sync import ConnectError
from socketio_sync import DisconnectedError
from socketio_sync import LimitError
from socketio_sync import Server
from socketio_sync import Socket

ended: dict[str, list[Any]] = {}
kept: dict[str, Any] = {}
alive: weakref.WeakSet[Any] = weakref.WeakSet()


def native_thread(fn: Callable[..., object], *args: Any) -> None:
    """Start a thread of the operating system, also where gevent has patched the standard library."""
    patched = sys.modules.get("gevent.monkey")
    start = patched.get_original("_thread", "start_new_thread") if patched else __import__("_thread").start_new_thread
    start(fn, args)


def rss() -> int:
    """Resident memory in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def greenlets() -> int:
    if "greenlet" not in sys.modules:
        return 0
    import greenlet

    return sum(isinstance(item, greenlet.greenlet) and bool(item) for item in gc.get_objects())


def make_server(runtime: str, options: dict[str, Any], keep_ended: bool = True) -> Server:
    io = Server(runtime=runtime.partition("-")[0], **options)
    echoes(io)
    numbers(io)
    waits(io)
    pushes(io)
    refusals(io)

    @io.on("connection")
    def came(socket: Socket) -> None:
        alive.add(socket.conn)

    @io.on("disconnect")
    def gone(socket: Socket, reason: str, details: Any) -> None:
        if keep_ended:
            ended[socket.id] = [reason, details.description if details else None, socket.data.pop("count", 0)]

    return io


def echoes(io: Server) -> None:
    @io.on("echo")
    def echo(socket: Socket, *args: Any) -> Any:
        return args

    @io.on("noise")
    def noise(socket: Socket, *args: Any) -> None:
        socket.data["noise"] = socket.data.get("noise", 0) + 1

    @io.on("noises")
    def noises(socket: Socket) -> int:
        count: int = socket.data.get("noise", 0)
        return count

    @io.on("fail")
    def fail(socket: Socket) -> None:
        raise RuntimeError("as asked for")

    @io.on("join")
    def join(socket: Socket, room: str) -> str:
        try:
            socket.join(room)
        except LimitError as error:
            return error.limit
        return "joined"

    @io.on("tell")
    def tell(socket: Socket, room: str, event: str, *args: Any) -> None:
        io.to(room).emit(event, *args)

    @io.on("everybody")
    def everybody(socket: Socket, event: str, *args: Any) -> None:
        io.emit(event, *args)

    @io.on("vote")
    def vote(socket: Socket, local: bool) -> Any:
        return (io.local if local else io).emit_with_ack("vote")

    @io.on("handshake")
    def handshake(socket: Socket) -> Any:
        return socket.id, socket.conn.id, dict(socket.handshake.auth)


def numbers(io: Server) -> None:
    @io.on("number")
    def number(socket: Socket, n: int) -> None:
        socket.data.setdefault("numbers", []).append(n)

    @io.on("numbers")
    def how_many(socket: Socket) -> Any:
        received = socket.data.get("numbers", [])
        return len(received), received == list(range(len(received)))

    @io.on("burst")
    def burst(socket: Socket, threads: int, each: int) -> None:
        def run(thread: int) -> None:
            for n in range(each):
                socket.emit("number", thread, n, bytes([n % 256]) * 3)

        for thread in range(threads):
            native_thread(run, thread)

    @io.on("shout")
    def shout(socket: Socket, threads: int, each: int) -> None:
        def run(thread: int) -> None:
            for n in range(each):
                io.emit("number", thread, n)

        for thread in range(threads):
            native_thread(run, thread)

    @io.on("survey")
    def survey(socket: Socket, threads: int) -> Any:
        answers: list[Any] = []

        def run(thread: int) -> None:
            try:
                answers.append(socket.timeout(20).emit_with_ack("question", thread))
            except Exception as error:  # counted by whoever looks at the answers
                answers.append(repr(error))

        for thread in range(threads):
            native_thread(run, thread)
        while len(answers) < threads:
            io.sleep(0.05)
        return sorted(answers, key=str)


def waits(io: Server) -> None:
    @io.on("spin")
    def spin(socket: Socket, seconds: float) -> str:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            sum(range(1000))
        return "done"

    @io.on("nap")
    def nap(socket: Socket, seconds: float) -> str:
        io.sleep(seconds)
        return "awake"

    @io.on("ask")
    def ask(socket: Socket, seconds: float) -> Any:
        try:
            return socket.timeout(seconds).emit_with_ack("question", 0)
        except AckTimeout:
            return "timeout"
        except LimitError as error:
            return error.limit
        except DisconnectedError as error:
            kept["ask"] = error.reason
            return "gone"

    @io.on("ask later")
    def ask_later(socket: Socket) -> None:
        answers = socket.data["answers"] = []
        socket.emit("question", 0, callback=answers.append)

    @io.on("wait for the answer")
    def wait_for_the_answer(socket: Socket) -> Any:
        begin = time.monotonic()
        while not socket.data["answers"]:
            if time.monotonic() - begin > 5:
                return "timeout"
            io.sleep(0.001)
        return socket.data["answers"].pop()


def pushes(io: Server) -> None:
    @io.on("give")
    def give(socket: Socket, size: int) -> str:
        return "x" * size

    @io.on("give bytes")
    def give_bytes(socket: Socket, size: int) -> bytes:
        return bytes(size)

    @io.on("push")
    def push(socket: Socket, size: int, count: int) -> int:
        """Emits without looking whether anything arrives. The most that ever waited."""
        most = 0
        for n in range(count):
            socket.emit("piece", n, bytes(size))
            most = max(most, socket.conn.buffered)
            socket.data["count"] = n + 1
            kept["most"] = most
        return most

    @io.on("count slowly")
    def count_slowly(socket: Socket, count: int, pause: float) -> None:
        for n in range(count):
            socket.emit("number", n)
            if pause:
                io.sleep(pause)

    @io.on("count and leave")
    def count_and_leave(socket: Socket, count: int, close: bool) -> None:
        for n in range(count):
            socket.emit("number", n)
        socket.disconnect(close)

    @io.on("count and end")
    def count_and_end(socket: Socket, count: int) -> None:
        for n in range(count):
            socket.emit("number", n)
        io.start_background_task(io.close)


def refusals(io: Server) -> None:
    io.of("/other").on("echo", lambda socket, *args: args)

    @io.of("/slow").use
    def slow(socket: Socket) -> None:
        io.sleep(0.2)

    @io.of("/slow").on("connection")
    def in_slow(socket: Socket) -> None:
        socket.data["connected"] = True

    @io.of("/slow").on("echo")
    def echo(socket: Socket, *args: Any) -> Any:
        return (socket.data["connected"], *args)

    @io.of("/refused").use
    def refuse(socket: Socket) -> None:
        raise ConnectError("not you", {"why": "because"})


def facts(io: Server) -> Callable[..., Iterable[bytes]]:
    """A WSGI app: ``/facts`` tells what the process holds, ``/alive`` whose clients are in its memory."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = b"hello"
        if environ["PATH_INFO"] == "/alive":
            body = json.dumps(len(alive)).encode()
        if environ["PATH_INFO"] == "/facts":
            gc.collect()
            found = {
                "rss": rss(),
                "cpu": time.process_time(),
                "threads": len(os.listdir("/proc/self/task")),
                "descriptors": len(os.listdir("/proc/self/fd")),
                "greenlets": greenlets(),
                "connections": io.engine.clients_count,
                "sockets": len(io.sockets),
                "ended": ended,
                "kept": kept,
            }
            body = json.dumps(found).encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return application


def main(runtime: str, options: str = "{}") -> None:
    """Serve until the process is told to end."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    given = json.loads(options)
    io = make_server(runtime, given, given.pop("keep_ended", True))
    io.listen(0, wsgi_app=facts(io))


if __name__ == "__main__":
    main(*sys.argv[1:])
