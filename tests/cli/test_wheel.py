"""What is built from a checkout is complete: an empty environment with the wheel has a working demo, without a network.

One test, for what it builds takes long, and xdist's workers would each build it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import requests

from tests.support.programs import ROOT
from tests.support.programs import Program
from tests.support.programs import chromium
from tests.support.programs import free_port
from tests.support.programs import missing
from tests.support.programs import node
from tests.support.programs import running
from tests.support.timing import scaled
from tests.support.visitor import visiting
from tests.support.wire import until

SOURCES = ("socketio_sync", "setup.cfg", "setup.py", "README.rst", "LICENSE", "MANIFEST.in")
NEEDED = {
    "socketio_sync/py.typed",
    "socketio_sync/cli/main.py",
    "socketio_sync/demo/index.html",
    "socketio_sync/demo/socket.io.min.js",
    "socketio_sync/demo/socket.io.LICENSE",
}


def pip(python: Path, *arguments: str) -> None:
    """Run pip; skips the test if that is for lack of a network."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(200), cwd=python.parent)
    offline = ("NewConnectionError", "Max retries", "No matching distribution")
    if done.returncode and any(sign in done.stderr for sign in offline):
        missing("a package index")
    assert done.returncode == 0, done.stderr


def environment(folder: Path) -> Path:
    """The Python of a new virtual environment."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=scaled(60))
    return folder / "bin" / "python"


def build(folder: Path) -> tuple[Path, Path]:
    """The sdist, and the wheel that was made from the sdist."""
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.exists():
            shutil.copy(path, source)
    python = environment(folder / "builder")
    pip(python, "install", "build", "setuptools", "wheel")
    command = [str(python), "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(120))
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


def check_archives(sdist: Path, wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as zipped:
        names = set(zipped.namelist())
    assert names >= NEEDED
    assert not [name for name in names if not name.startswith("socketio_sync")]
    with tarfile.open(sdist) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert names >= NEEDED | {"setup.cfg", "README.rst", "LICENSE"}


class Installed:
    """An environment that has the wheel and what it requires, and nothing else."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        python = environment(folder / "empty")
        pip(python, "install", str(wheel))
        self.script = python.with_name("socketio-sync")
        self.folder = folder / "work"
        self.folder.mkdir()

    def demo(self, port: int = 0) -> Program:
        """The demo, in an empty folder; neither this checkout nor an npm package may help it."""
        line = f'cd "{self.folder}" && exec "{self.script}" demo --port {port}'
        return Program(["sh", "-c", line], PYTHONPATH="", NODE_PATH="")

    def doctor(self) -> subprocess.CompletedProcess[str]:
        env = {"PATH": str(self.script.parent)}
        command = [self.script, "doctor"]
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=scaled(30))


def check_demo(installed: Installed) -> None:
    program = installed.demo()
    try:
        assert "<title>Chat</title>" in requests.get(program.url, timeout=10).text
        script = requests.get(f"{program.url}/socket.io/socket.io.min.js", timeout=10, allow_redirects=False)
        assert script.status_code == 200
        with visiting(program.url, auth={"nickname": "Ada", "room": "lobby"}) as ada:
            with visiting(program.url, auth={"nickname": "Bob", "room": "lobby"}) as bob:
                ada.emit("say", "hello")
                assert bob.next("said") == ("Ada", "hello")
    finally:
        assert program.stop() == 0
    assert "Traceback" not in program.output


def check_doctor(installed: Installed) -> None:
    done = installed.doctor()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for name in ("socketio_sync ", "click ", "gevent ", "gevent-websocket ", "orjson "):
        assert f"  ok {name}" in done.stdout
    offered = set(re.findall(r"pip install 'socketio_sync\[(\w+)\]'", done.stdout))
    assert offered == {"flask", "msgpack", "speedups"}  # and none of those for our own development


def check_windows(installed: Installed) -> None:
    port = free_port()
    script, env = node("chat_in_browser.js", f"http://127.0.0.1:{port}", chromium(), "")
    program = installed.demo(port)
    try:
        assert program.url.endswith(f":{port}")
        with running(script, **env) as windows:
            until(lambda: "restart, please" in windows.output or windows.process.poll() is not None, scaled(60))
            program.stop()
            program = installed.demo(port)
            assert windows.process.wait(scaled(60)) == 0, windows.output + program.output
    finally:
        program.stop()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_an_empty_environment_with_the_wheel_has_a_working_demo(tmp_path: Path) -> None:
    sdist, wheel = build(tmp_path)
    check_archives(sdist, wheel)
    installed = Installed(tmp_path, wheel)
    check_demo(installed)
    check_doctor(installed)
    check_windows(installed)
