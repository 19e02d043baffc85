"""Both runtimes in a process that gevent has monkey-patched, before or after the package was imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.programs import ROOT
from tests.support.timing import scaled

PROGRAM = """
import sys
name, when = sys.argv[1:]
if when == "late":  # as gunicorn --preload does
    import socketio_sync.runtime.base, socketio_sync.runtime.mailbox, socketio_sync.runtime.threads
from gevent import monkey
monkey.patch_all()

import os, socket, threading, time
import gevent, psutil
from socketio_sync.runtime import choose
from socketio_sync.runtime.mailbox import Mailbox
from tests.support.channels import Pair, receive_exactly

runtime = choose(name)
assert runtime.name == (name if name != "auto" else "gevent")
native_ident = monkey.get_original("_thread", "get_ident")
main = native_ident()
in_hubs_thread = runtime.name == "gevent"

# a job runs where the runtime says, and may use what is patched
seen = []
def job(item):
    time.sleep(0.02)
    with threading.Lock():
        seen.append((native_ident() == main, threading.current_thread().name != ""))
mailbox = Mailbox(runtime, job)
for item in range(3):
    mailbox.post(item)
turns = []
ticker = gevent.spawn(lambda: [turns.append(gevent.sleep(0.005)) for _ in range(8)])
assert runtime.wait_idle(5)
assert seen == [(in_hubs_thread, True)] * 3, seen
assert turns, "greenlets went on meanwhile"
ticker.join()

# a greenlet of the process that waits for the runtime's event does not block the others
event = runtime.event()
waiting = gevent.spawn(event.wait, 5)
gevent.sleep(0.01)
runtime.submit(event.set)
waiting.join(5)
assert waiting.value is True

# native threads wait as well, and leave nothing
event = runtime.event()
results = []
def native():
    results.append(event.wait(5))
    runtime.sleep(0.001)
start = monkey.get_original("_thread", "start_new_thread")
files = psutil.Process().num_fds()
for _ in range(50):
    start(native, ())
while len(event._waiters) < 50:
    gevent.sleep(0.001)
event.set()
while len(results) < 50:
    gevent.sleep(0.001)
assert results == [True] * 50
assert psutil.Process().num_fds() <= files, "a hub was left behind"

# sockets, patched on both ends
pair = Pair(runtime, socket.socketpair())
pair.channel.start()
pair.peer.sendall(b"hello")
assert pair.recorder.wait_for(5) == b"hello"
pair.write(b"x" * 5_000_000)
assert len(receive_exactly(gevent_peer := pair.peer, 5_000_000)) == 5_000_000
pair.close()

# sleeping, tasks, timers
fired = runtime.event()
runtime.timers.call_later(0.01, fired.set)
assert fired.wait(5)
task = runtime.spawn(runtime.sleep, 0.01)
assert task.join(5)

# workers that patched code has given a hub leave no descriptor
assert runtime.wait_idle(5)
runtime.stop()
until = time.monotonic() + 8
while runtime.name == "threads" and psutil.Process().num_threads() > 1 and time.monotonic() < until:
    gevent.sleep(0.05)
if runtime.name == "threads":
    assert psutil.Process().num_threads() == 1, psutil.Process().threads()
assert psutil.Process().num_fds() <= files, (files, psutil.Process().open_files(), psutil.Process().num_fds())
print("all is well", flush=True)
"""


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("name", ["threads", "gevent", "auto"])
def test_everything_works(name: str, when: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::UserWarning", "-c", PROGRAM, name, when],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=scaled(40),
        check=False,
    )
    assert ended.stdout == "all is well\n", ended.stderr
    assert ended.returncode == 0
    assert ended.stderr == ""


WITHOUT_GEVENT = """
import sys
from socketio_sync.runtime import choose
from socketio_sync.runtime.mailbox import Mailbox
runtime = choose("auto", False)
ran = runtime.event()
Mailbox(runtime, lambda item: ran.set()).post(1)
assert ran.wait(5)
runtime.timers.call_later(0.01, ran.clear)
while ran.is_set():
    runtime.sleep(0.01)
print([name for name in sys.modules if name.partition(".")[0] in ("gevent", "greenlet")])
"""


def test_threads_do_not_import_gevent() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_GEVENT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=scaled(30),
        check=False,
    )
    assert ended.stdout == "[]\n", ended.stderr
