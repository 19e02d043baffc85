"""The fixture ``socketio_client``: found by its entry point, as in an installed package; and the how-to's example."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.programs import ROOT
from tests.support.timing import scaled


@pytest.fixture
def run(tmp_path: Path):
    """Run pytest in a process of its own, with this package's entry points and nothing else of ours."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    metadata = tmp_path / "site" / "socketio_sync-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: socketio_sync\nVersion: 0\n")
    points = setup["options.entry_points"]
    (metadata / "entry_points.txt").write_text("".join(f"[{group}]\n{points[group].strip()}\n" for group in points))

    def pytest_run(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join((str(ROOT), str(tmp_path / "site")))
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *args],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
            timeout=scaled(50),
            check=False,
        )

    return pytest_run


def test_the_example_of_the_documentation(run) -> None:
    # The command that its first lines name.
    (arguments,) = re.findall(r"python -m pytest (.+)", (ROOT / "examples/auction/auction.py").read_text())
    done = run(*arguments.split(), cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout


def test_the_clients_of_the_fixture_leave_when_the_test_ends(run, tmp_path: Path) -> None:
    (tmp_path / "test_app.py").write_text(
        """
from socketio_sync import Server
from socketio_sync.testing import TestClient  # a name that pytest must not take for a test

io = Server()
reasons = []
io.on("disconnect", lambda socket, reason: reasons.append(reason))

def test_one(socketio_client):
    alice = socketio_client(io, "/", auth={"a": 1}, headers={"X": "y"}, query={"q": "1"})
    bob = socketio_client(io)
    assert len(io.sockets) == 2
    assert io.sockets[alice.id].handshake.auth == {"a": 1}

def test_two(socketio_client):
    assert reasons == ["client namespace disconnect"] * 2
    assert not io.engine.started
    socketio_client(io).emit("x")

def test_that_fails_shows_what_came(socketio_client):
    alice = socketio_client(io)
    io.emit("other", 1)
    alice.receive("news")
"""
    )
    done = run(cwd=tmp_path)
    assert "2 passed" in done.stdout
    assert "1 failed" in done.stdout
    assert "AssertionError: 'news' did not come; what came: ('other', 1)" in done.stdout
