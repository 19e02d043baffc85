"""A scripted session of python-socketio's client with server.py or node/reference_server.js.

Usage: python python_session.py URL polling|websocket|upgrade; prints "ok NAME" or "not ok NAME" for each step.
"""

from __future__ import annotations

import itertools
import os
import queue
import sys
import traceback
from collections.abc import Callable
from typing import Any

import socketio

URL, MODE = sys.argv[1:]
NUMBERS = itertools.count()
VALUES = [None, True, False, 0, -1, 1.5, "", "text", "é ü 漢字 😀", [], {}, [[], [{}]], {"a b": [1, {"c": None}]}]
opened: list[Client] = []


class Client(socketio.Client):
    """A client of its own connection; what arrives waits in ``inbox``, the reason of its end in ``ends``."""

    def __init__(self, *namespaces: str, auth: Any = None) -> None:
        super().__init__(reconnection=False)
        self.name = f"python{os.getpid()}-{next(NUMBERS)}"
        self.inbox: queue.Queue[tuple[Any, ...]] = queue.Queue()
        self.ends: queue.Queue[str] = queue.Queue()
        for nsp in namespaces or ("/",):
            self.on("*", lambda *event: self.inbox.put(event), namespace=nsp)
            self.on("disconnect", self.ends.put, namespace=nsp)
        opened.append(self)
        transports = ["polling", "websocket"] if MODE == "upgrade" else [MODE]
        self.connect(f"{URL}?name={self.name}", auth=auth, transports=transports, namespaces=list(namespaces) or ["/"])

    def next(self) -> tuple[Any, ...]:
        return self.inbox.get(timeout=8)


def blob(seed: int, length: int) -> bytes:
    return bytes((seed + i) % 256 for i in range(length))


def connects_with_the_transport_asked_for() -> None:
    client = Client()
    assert client.transport() == ("polling" if MODE == "polling" else "websocket")
    assert len(client.get_sid()) == 20


def values_come_back_as_they_went() -> None:
    client = Client()
    for value in VALUES:
        assert client.call("echo", value if value is not None else (None,)) == value
    assert client.call("echo", tuple(VALUES)) == tuple(VALUES)
    client.emit("repeat", tuple(VALUES))
    assert client.next() == ("repeat", *VALUES)


def the_server_asks_and_the_client_answers() -> None:
    client = Client()
    client.on("question", lambda value: (value, {"answer": [value]}, blob(1, 9)))
    assert client.call("ask", 42) == ("answered", 42, {"answer": [42]}, blob(1, 9))


def binary_goes_both_ways_nested() -> None:
    client = Client()
    value = {"a": [blob(7, 10), {"b": blob(9, 256)}], "c": blob(1, 0), "text": "between"}
    assert client.call("echo", value) == value
    assert client.call("measure", value) == [[10, sum(blob(7, 10))], [256, sum(blob(9, 256))], [0, 0]]
    client.emit("give_blob", "é")
    expected = {"picture": blob(1, 1000), "list": [blob(2, 3), {"deep": blob(3, 300)}], "text": "é"}
    assert client.next() == ("blob", expected, b"")


def large_messages_go_both_ways() -> None:
    client = Client()
    for value in ("0123456789é" * 25000, blob(3, 300_000)):
        assert client.call("echo", value) == value


def every_event_comes_once() -> None:
    client = Client()
    for start in range(0, 300, 10):  # this client gives up on a poll of more than 16 packets
        for number in range(start, start + 10):
            client.emit("count", number)
        # It hands each event to a thread of its own, so among those that are under way their order says nothing.
        assert sorted(client.next() for _ in range(10)) == [("counted", number) for number in range(start, start + 10)]


def rooms_hold_whom_they_should() -> None:
    alice, bob, carol = Client(), Client(), Client()
    for member in (alice, bob):
        member.call("join", "r")
    alice.emit("tell", ("r", {"picture": blob(1, 10)}))
    assert bob.next() == ("told", {"picture": blob(1, 10)})
    bob.emit("all", [blob(2, 2000)])
    assert [client.next() for client in (alice, bob, carol)] == [("all", [blob(2, 2000)])] * 3


def namespaces_share_one_connection() -> None:
    client = Client("/", "/chat")
    assert client.call("where") == "/"
    assert client.call("where", namespace="/chat") == "/chat"


def a_namespace_refuses_with_data() -> None:
    refusals: queue.Queue[Any] = queue.Queue()
    client = socketio.Client(reconnection=False)
    client.on("connect_error", refusals.put, namespace="/admin")
    try:
        client.connect(URL, auth={"token": "guess"}, namespaces=["/admin"])
    except socketio.exceptions.ConnectionError:
        pass
    else:
        raise AssertionError("it was let in")
    assert refusals.get(timeout=8) == {"message": "not authorized", "data": {"code": 401, "token": "guess"}}
    admin = Client("/admin", auth={"token": "secret"})
    assert admin.call("auth", namespace="/admin") == {"token": "secret"}


def reasons(action: Callable[[Client], None], at_client: str, *at_server: str) -> None:
    watcher, client = Client("/observe"), Client()
    action(client)
    assert client.ends.get(timeout=8) == at_client
    while (gone := watcher.next())[1] != client.name:
        pass
    assert gone[2] == "/" and gone[3] in at_server, gone


def reasons_of_a_disconnect() -> None:
    # this client's goodbye races with its own closing
    reasons(lambda client: client.disconnect(), "client disconnect", "client namespace disconnect", "transport close")
    reasons(lambda client: client.emit("kick", False), "server disconnect", "server namespace disconnect")
    reasons(lambda client: client.emit("kick", True), "server disconnect", "server namespace disconnect")


def main() -> int:
    failures = 0
    for step in STEPS:
        try:
            step()
            print("ok", step.__name__)
        except Exception:
            failures += 1
            print("not ok", step.__name__, traceback.format_exc())
        while opened:
            opened.pop().disconnect()
    print(f"{len(STEPS) - failures} of {len(STEPS)} steps hold")
    return 1 if failures else 0


STEPS = [
    connects_with_the_transport_asked_for,
    values_come_back_as_they_went,
    the_server_asks_and_the_client_answers,
    binary_goes_both_ways_nested,
    large_messages_go_both_ways,
    every_event_comes_once,
    rooms_hold_whom_they_should,
    namespaces_share_one_connection,
    a_namespace_refuses_with_data,
    reasons_of_a_disconnect,
]

if __name__ == "__main__":
    sys.exit(main())
