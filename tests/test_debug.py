"""The DEBUG variable, in a process of its own as users set it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from socketio_sync.debug import ScopeFilter
from socketio_sync.debug import elapsed

PROGRAM = """
import logging
from socketio_sync.debug import enable_from_environment
enable_from_environment(); enable_from_environment()
for name in ("engine", "server", "adapters"):
    log = logging.getLogger("socketio_sync." + name)
    if log.isEnabledFor(logging.DEBUG):
        log.debug("a line of %s", name)
logging.getLogger("other").debug("not ours")
"""


@pytest.mark.parametrize(
    ("scopes", "shown"),
    [
        ("socketio_sync*", ["engine", "server", "adapters"]),
        ("*", ["engine", "server", "adapters"]),
        ("socketio_sync.server", ["server"]),
        ("socketio_sync:engine,socketio_sync:server", ["engine", "server"]),
        ("socketio_sync*,-socketio_sync.engine", ["server", "adapters"]),
        ("express", []),
        ("", []),
    ],
)
def test_scopes(scopes: str, shown: list[str]) -> None:
    environment = {**os.environ, "DEBUG": scopes}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    lines = run.stderr.splitlines()
    assert [line.split()[0] for line in lines] == [f"socketio_sync.{name}" for name in shown]
    assert all(line.endswith("ms") and "a line of" in line for line in lines)


def test_colour_when_asked_for() -> None:
    environment = {**os.environ, "DEBUG": "socketio_sync*", "DEBUG_COLORS": "1"}
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert "\x1b[" in run.stderr


IN_THE_HUB = """
from gevent import monkey; monkey.patch_all()
import gevent, logging
from socketio_sync.debug import enable_from_environment
enable_from_environment()
log = logging.getLogger("socketio_sync.engine")
ended = []
def native():
    for number in range(2000):
        log.debug("native")
    ended.append(1)
for _ in range(4):
    monkey.get_original("_thread", "start_new_thread")(native, ())
while len(ended) < 4:
    gevent.get_hub().loop.run_callback(log.debug, "hub")
    gevent.sleep(0)
"""


def test_lines_of_gevents_hub_beside_those_of_native_threads() -> None:
    environment = {**os.environ, "DEBUG": "socketio_sync*"}
    command = [sys.executable, "-c", IN_THE_HUB]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    lines = run.stderr.splitlines()
    assert {line.split()[0] for line in lines} == {"socketio_sync.engine"}
    assert sum("native" in line for line in lines) == 8000


@pytest.mark.parametrize(("seconds", "text"), [(0.0031, "+3ms"), (2, "+2s"), (300, "+5m"), (7200, "+2h")])
def test_elapsed(seconds: float, text: str) -> None:
    assert elapsed(seconds) == text


def test_a_scope_of_another_package_is_none_of_ours() -> None:
    assert not ScopeFilter("engine,express*").concerns_us()
