"""A forked child begins with an empty runtime, and the parent does not notice."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.programs import ROOT
from tests.support.timing import scaled

PROGRAM = """
import os, socket, sys
name, patch, forker = sys.argv[1:]
if patch == "patched":
    from gevent import monkey
    monkey.patch_all()
import gevent, gevent.os
from socketio_sync.runtime import choose
from tests.support.channels import Pair, receive_exactly

runtime = choose(name)
hooked, called = [], runtime.event()
pair = Pair(runtime)
pair.channel.start(b"before")
pair.recorder.wait_for(6)
runtime.submit(called.set)
assert called.wait(5)
runtime.timers.call_later(0.3, hooked.append, os.getpid())
runtime.watch(print)

def everything_works(who):
    other = Pair(runtime)
    other.channel.start()
    other.peer.sendall(who)
    assert other.recorder.wait_for(len(who)) == who, other.recorder.data
    other.write(who)
    assert receive_exactly(other.peer, len(who)) == who
    ran, fired = runtime.event(), runtime.event()
    runtime.submit(ran.set)
    runtime.timers.call_later(0.05, fired.set)
    assert ran.wait(5) and fired.wait(5)
    assert runtime.spawn(int).join(5)
    assert runtime.wait_idle(5)
    other.close()

module = {"os": os, "gevent": gevent.os}[forker]
child = module.fork()
if not child:
    try:
        assert pair.channel.closed
        assert pair.channel.sock.fileno() == -1
        assert runtime.channels == set()
        assert not runtime.timers
        everything_works(b"child")
        runtime.sleep(0.5)
        assert hooked == [], "the parent's timer fired in the child"
        runtime.stop()
        print("the child is well", flush=True)
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(0)
runtime.sleep(0.1)
pair.peer.sendall(b" and after")
assert pair.recorder.wait_for(16) == b"before and after"
everything_works(b"parent")
while True:
    pid, status = module.waitpid(child, os.WNOHANG)
    if pid:
        break
    runtime.sleep(0.05)
runtime.sleep(0.5)
assert hooked == [os.getpid()]
pair.peer.sendall(b"!")
assert pair.recorder.wait_for(17)[-1:] == b"!"
runtime.stop()
print("the parent is well", flush=True)
"""


@pytest.mark.parametrize(
    ("name", "patch", "forker"),
    [
        ("threads", "plain", "os"),
        ("threads", "patched", "os"),
        ("gevent", "plain", "gevent"),
        ("gevent", "plain", "os"),
        ("gevent", "patched", "os"),
    ],
)
def test_parent_and_child_go_their_own_ways(name: str, patch: str, forker: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, patch, forker],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=scaled(30),
        check=False,
    )
    assert ended.stdout.splitlines() == ["the child is well", "the parent is well"], ended.stderr
    assert ended.returncode == 0
