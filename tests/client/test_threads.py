"""Many threads at once, and what a client leaves behind."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from typing import Any

import pytest

from socketio_sync import Client
from socketio_sync import SocketIOError
from socketio_sync import connect
from tests.support.programs import ROOT
from tests.support.proxy import Proxy
from tests.support.served import Served
from tests.support.timing import scaled
from tests.support.wire import TIMEOUT
from tests.support.wire import until


def together(count: int, work: Any) -> None:
    """Run ``work(number)`` in so many threads that begin at the same moment; raises what one raises."""
    barrier = threading.Barrier(count)
    errors: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:
            errors.put(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(scaled(30))
        assert not thread.is_alive()
    if not errors.empty():
        raise errors.get()


def test_many_threads_emit_and_each_keeps_its_order(server: Served, transports: tuple[str, ...]) -> None:
    got: list[tuple[int, int, bytes, bytes]] = []
    server.io.on("many", many := lambda socket, *args: got.append(args))
    with Client(server.url, transports=transports) as client:

        def work(number: int) -> None:
            for count in range(50):
                data = bytes([number]) * (count * 10)
                client.emit("many", number, count, data, data)  # attachments must not be torn apart
            assert client.timeout(scaled(20)).emit_with_ack("echo", number) == number

        together(12, work)
        until(lambda: len(got) == 600)
    server.io.off("many", many)
    for number in range(12):
        mine = [entry for entry in got if entry[0] == number]
        assert [entry[1] for entry in mine] == list(range(50))
        assert all(entry[2] == entry[3] == bytes([number]) * (entry[1] * 10) for entry in mine)


def test_many_threads_ask_and_get_their_own_answers(server: Served) -> None:
    with Client(server.url, transports=["websocket"]) as client:

        def work(number: int) -> None:
            for count in range(30):
                assert client.timeout(scaled(20)).emit_with_ack("echo", number, count) == (number, count)

        together(16, work)


def test_answers_during_cuts_come_or_fail_but_nobody_waits_for_ever(server: Served) -> None:
    options: dict[str, Any] = {"reconnection_delay": 0.01, "reconnection_delay_max": 0.02}
    answered: queue.SimpleQueue[int] = queue.SimpleQueue()
    with Proxy(server.port) as proxy, Client(proxy.url, transports=["websocket"], **options) as client:

        def work(number: int) -> None:
            if number == 0:
                for _ in range(10):
                    proxy.cut_for(0.03, "reset")
                    until(lambda: client.connected)
                return
            for count in range(40):
                try:
                    assert client.timeout(scaled(10)).emit_with_ack("echo", number, count) == (number, count)
                    answered.put(count)
                except SocketIOError:
                    pass

        together(6, work)
    assert answered.qsize() > 50


def test_connect_and_disconnect_from_many_threads_ends_disconnected(server: Served) -> None:
    client = Client(server.url, transports=["websocket"])

    def work(number: int) -> None:
        for _ in range(10):
            try:
                client.connect()
            except SocketIOError:
                pass
            client.disconnect()

    together(6, work)
    client.disconnect()
    assert client.wait(TIMEOUT)
    until(lambda: not server.io.sockets)
    client.connect()
    assert client.emit_with_ack("echo", 1) == 1
    client.disconnect()


def test_no_thread_and_no_socket_is_left(server: Served, transports: tuple[str, ...], nothing_left: Any) -> None:
    for _ in range(3):
        with connect(server.url, transports=transports) as client:
            client.emit_with_ack("echo", 1)
            client.emit("push", "n", 10)


def test_many_clients_are_read_by_one_thread(server: Served, nothing_left: Any) -> None:
    readers = [thread for thread in threading.enumerate() if thread.name == "socketio_sync-io"]
    clients = [Client(server.url, transports=["websocket"]) for _ in range(50)]
    together(50, lambda number: clients[number].connect())
    assert all(client.emit_with_ack("echo", number) == number for number, client in enumerate(clients))
    now = [thread for thread in threading.enumerate() if thread.name == "socketio_sync-io"]
    assert len(now) <= len(readers) + 1
    together(50, lambda number: clients[number].disconnect())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_process_connects_anew_and_leaves_its_parents_connection_alone(server: Served) -> None:
    script = f"""
import os
from socketio_sync import Client, connect
fresh = Client({server.url!r}, transports=["websocket"])
with connect({server.url!r}) as client:
    client.emit_with_ack("echo", 1)
    pid = os.fork()
    if not pid:
        fresh.connect()
        assert fresh.emit_with_ack("echo", 2) == 2
        fresh.disconnect()
        client.disconnect()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert client.emit_with_ack("echo", 3) == 3
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(30), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_was_emitted_last_is_sent_before_disconnect_returns(server: Served, transports: tuple[str, ...]) -> None:
    got: list[int] = []
    server.io.on("last", last := lambda socket, data: got.append(len(data)))
    for _ in range(5):
        with Client(server.url, transports=transports) as client:
            client.emit("last", bytes(3_000_000))
            client.emit("last", bytes(5))
    until(lambda: len(got) == 10)
    server.io.off("last", last)
    assert got == [3_000_000, 5] * 5


@pytest.mark.parametrize("end", ["client.disconnect()", "pass"])
def test_a_script_ends_when_it_ends(server: Served, end: str) -> None:
    script = f"""
from socketio_sync import connect
client = connect({server.url!r})
print(client.emit_with_ack("echo", 7))
{end}
"""
    command = [sys.executable, "-X", "dev", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(30), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "7\n", "")
