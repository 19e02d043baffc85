"""The same tests in a process that gevent has patched: greenlets and threads must not differ."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from socketio_sync import Client
from tests.support.programs import ROOT
from tests.support.programs import python
from tests.support.programs import run_to_its_end
from tests.support.timing import scaled

HERE = "tests/client/"


def run(*arguments: str) -> int:
    """Run tests in gevent; returns how many have passed."""
    output = run_to_its_end(python("-m", "tests.client.in_gevent", *arguments), patience=280)
    passed = re.search(r"(\d+) passed", output)
    assert passed is not None and "failed" not in output, output
    return int(passed[1])


def test_much_in_both_ways_in_gevent() -> None:
    assert run(HERE + "test_events.py", "-k", "ten_megabytes or in_order_beside") >= 6


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["connect", "events", "reconnection", "retries", "threads", "transports"])
def test_everything_else_in_gevent(name: str) -> None:
    assert run(f"{HERE}test_{name}.py") >= 5


def test_a_gevent_that_is_not_patched_in_is_refused_with_what_to_do() -> None:
    client = Client("http://127.0.0.1:9", runtime="gevent")
    with pytest.raises(RuntimeError, match=r"monkey\.patch_all\(\)"):
        client.connect()
    assert not client.active


def test_threads_where_gevent_has_patched_are_refused() -> None:
    script = """
from gevent import monkey; monkey.patch_all()
from socketio_sync import connect
try:
    connect("http://127.0.0.1:9", runtime="threads")
except RuntimeError as error:
    print(error)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(40), check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert 'use runtime="gevent"' in done.stdout
