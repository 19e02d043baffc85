"""Servers that are none, or bad ones: a listener that answers each connection with a function."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress


@contextmanager
def answering(answer: Callable[[socket.socket, bytes], object], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port where each request, head and body, is given to ``answer(sock, request)``, one after the other."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve(sock: socket.socket) -> None:
        with suppress(OSError):
            if tls is not None:
                sock = tls.wrap_socket(sock, server_side=True)
                connections.append(sock)
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    data = sock.recv(65536)
                    if not data:
                        return
                    head += data
                length = re.search(rb"Content-Length: (\d+)", head)
                end = head.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
                while len(head) < end:
                    head += sock.recv(65536)
                answer(sock, head)

    def accept() -> None:
        with suppress(OSError):
            while True:
                sock, _ = listener.accept()
                connections.append(sock)
                thread = threading.Thread(target=serve, args=(sock,))
                threads.append(thread)
                thread.start()

    threads = [threading.Thread(target=accept)]
    threads[0].start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for sock in connections:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for sock in connections:
            sock.close()


def reply(status: str, body: bytes = b"", *headers: str) -> bytes:
    """An HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
