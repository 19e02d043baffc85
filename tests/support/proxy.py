"""A TCP proxy that is the bad network between a client and a server: it lags, and cuts connections in several ways."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections import deque
from contextlib import suppress

LOOPBACK = "127.0.0.1"
_TICK = 0.05


class Proxy:
    """Forwards connections at ``port`` to a server's, each chunk ``lag`` seconds late; what lags when it cuts is lost.

    ``cut`` ends all connections and lets none begin until ``mend``:

    * ``"reset"``: both ends get a RST;
    * ``"finish"``: both ends get a FIN;
    * ``"silence"``: nothing is forwarded any more, and nobody is told; newcomers wait, as long as the cut lasts;
    * ``"half"``: the client gets a RST, and the server is told nothing.
    """

    def __init__(self, server_port: int, lag: float = 0.0) -> None:
        self._server_port = server_port
        self._lag = lag
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((LOOPBACK, 0))
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.port: int = self._listener.getsockname()[1]
        self._peers: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._lagging: deque[tuple[float, socket.socket, bytes]] = deque()
        self._forgotten: list[socket.socket] = []  # open, but nothing is forwarded any more
        self._waiting: list[socket.socket] = []  # clients that came during a silence
        self._cut = ""
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def cut(self, how: str) -> None:
        """Cut all connections."""
        with self._lock:
            self._cut = how
            self._lagging.clear()
            for sock in list(self._peers):
                self._end(sock, how)
            self._peers.clear()
            self._clients.clear()

    def mend(self) -> None:
        """Let connections begin again."""
        with self._lock:
            self._cut = ""
            for client in self._waiting:
                self._connect(client)
            self._waiting.clear()

    def cut_for(self, seconds: float, how: str) -> None:
        """Cut, and mend after so many seconds."""
        self.cut(how)
        time.sleep(seconds)
        self.mend()

    def stop(self) -> None:
        self._stopped = True
        self._thread.join()
        for sock in (self._listener, *self._peers, *self._forgotten, *self._waiting):
            sock.close()
        self._selector.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- its thread, with the lock held ------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopped:
            ready = self._selector.select(self._patience())
            with self._lock:
                for key, _ in ready:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj in self._peers:
                        self._receive(key.fileobj)  # type: ignore[arg-type]
                self._forward_what_is_due()

    def _patience(self) -> float:
        return min(_TICK, max(0.0, self._lagging[0][0] - time.monotonic())) if self._lagging else _TICK

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self._cut == "silence":
            self._waiting.append(client)
        elif self._cut:
            _reset(client)
        else:
            self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection((LOOPBACK, self._server_port))
        except OSError:
            _reset(client)
            return
        self._clients.add(client)
        for sock, peer in ((client, server), (server, client)):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers[sock] = peer
            self._selector.register(sock, selectors.EVENT_READ)

    def _receive(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._selector.unregister(sock)
        self._lagging.append((time.monotonic() + self._lag, sock, data))

    def _forward_what_is_due(self) -> None:
        while self._lagging and self._lagging[0][0] <= time.monotonic():
            _, sock, data = self._lagging.popleft()
            peer = self._peers.get(sock)
            if peer is None:
                continue
            try:
                if data:
                    peer.sendall(data)
                    continue
            except OSError:
                pass
            self._part(sock, peer)

    def _part(self, sock: socket.socket, peer: socket.socket) -> None:
        """One side has ended: so does the other, in the same manner as far as that can be seen."""
        for end in (sock, peer):
            self._peers.pop(end, None)
            self._clients.discard(end)
            self._unregister(end)
            end.close()

    def _end(self, sock: socket.socket, how: str) -> None:
        self._unregister(sock)
        if how == "reset" or (how == "half" and sock in self._clients):
            _reset(sock)
            return
        if how == "finish":
            with suppress(OSError):  # it may have ended already
                sock.shutdown(socket.SHUT_WR)
        # Not closed: that would tell the peer, or (with unread data) reset it.
        self._forgotten.append(sock)

    def _unregister(self, sock: socket.socket) -> None:
        if sock.fileno() in self._selector.get_map():
            self._selector.unregister(sock)


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
