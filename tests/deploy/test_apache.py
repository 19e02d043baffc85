"""Debian's Apache with mod_wsgi, as configured: long-polling, in an environment that Debian's own Python has made."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.deployed import FOLDER
from tests.deploy.deployed import Deployed
from tests.deploy.deployed import deployed
from tests.deploy.deployed import everything_works
from tests.deploy.deployed import goodbye
from tests.deploy.deployed import installed
from tests.deploy.deployed import written
from tests.support.javascript import JavaScript
from tests.support.programs import ROOT
from tests.support.programs import free_port
from tests.support.programs import missing
from tests.support.timing import scaled
from tests.support.wire import Polling
from tests.support.wire import Wire

pytestmark = pytest.mark.long

DEBIANS_PYTHON = "/usr/bin/python3"
MODULES = Path("/usr/lib/apache2/modules")
# What the application of examples/deploy needs, beside us.
PACKAGES = ("gevent", "greenlet", "zope.event", "zope.interface", "orjson", "werkzeug", "markupsafe")

# What Debian's apache2.conf says around a site, in the foreground and with a log on the terminal.
APACHE = """
ServerName localhost
ServerRoot {folder}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog /dev/stderr
LogLevel warn
{user}
{modules}
WSGISocketPrefix {folder}/wsgi
Listen 127.0.0.1:{port}
Include {site}
"""


@contextmanager
def apache(app: Path = FOLDER / "app.py", **env: str) -> Iterator[Deployed]:
    """Apache with an application, in a folder that its unprivileged user can read."""
    program = installed("apache2")
    if not (MODULES / "mod_wsgi.so").exists():
        missing("libapache2-mod-wsgi-py3")
    folder = Path(tempfile.mkdtemp(prefix="socketio_sync-apache-"))
    folder.chmod(0o755)
    try:
        environment(folder / "venv")
        shutil.copy(app, folder / "app.py")
        port = free_port()
        config = {"/srv/app": str(folder), "*:80": f"127.0.0.1:{port}"}
        modules = ("mpm_event", "authz_core", "wsgi")
        text = APACHE.format(
            folder=folder,
            port=port,
            site=written("apache.conf", folder, **config),
            user="User www-data\nGroup www-data" if os.getuid() == 0 else "",
            modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in modules),
        )
        main = folder / "main.conf"
        main.write_text(text)
        with deployed([program, "-f", str(main), "-DFOREGROUND"], port, **env) as running:
            running.app = folder / "app.py"
            yield running
    finally:
        shutil.rmtree(folder)


def environment(folder: Path) -> None:
    """A virtual environment of Debian's Python, with us and what the application needs in it."""
    if not Path(DEBIANS_PYTHON).exists():
        missing(f"{DEBIANS_PYTHON}, which Debian's mod_wsgi is made for,")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    asked = subprocess.run([DEBIANS_PYTHON, "--version"], capture_output=True, text=True, check=True)
    if not asked.stdout.startswith(f"Python {version}."):
        subprocess.run([DEBIANS_PYTHON, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "-q", str(ROOT), "werkzeug"], check=True)
        return
    # Our own Python is of the same version: what is installed there is copied, which takes no network.
    subprocess.run([DEBIANS_PYTHON, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = folder / "lib" / f"python{version}" / "site-packages"
    shutil.copytree(ROOT / "socketio_sync", packages / "socketio_sync")
    for name in PACKAGES:
        copy(name, packages)


def copy(name: str, packages: Path) -> None:
    """Copy an installed package."""
    try:
        files = importlib.metadata.distribution(name).files
    except importlib.metadata.PackageNotFoundError:
        return  # this version of gevent needs it no more
    for file in files or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.locate(), target)


def test_everything(js: JavaScript) -> None:
    # Apache ends when its requests have ended, and a waiting poll is one until the next heartbeat.
    with apache(PING_INTERVAL="1") as running:
        everything_works(js, running.url, websocket=False)
        # "transport error" if no poll was under way just then
        assert goodbye(js, running, "polling", running.stop) in ("transport close", "transport error")
    assert running.code == 0


def test_new_code_is_taken_at_once(js: JavaScript) -> None:
    """A changed app.py lets mod_wsgi start a new process; the old one does not wait for its polls."""
    with apache() as running:
        client = Polling(running.port).open()
        client.post("40")
        assert client.receive().startswith("40{")
        with client.park() as parked:
            assert running.fetch("/").status == 200  # by now the poll is there
            later = time.time() + 60
            os.utime(running.app, (later, later))
            started = time.monotonic()
            assert running.fetch("/").status == 200
            # Not the next heartbeat, and before shutdown-timeout.
            assert parked.answer().text in ("1", "6")
            assert time.monotonic() - started < scaled(5)


def test_a_direct_websocket_is_told_why_not() -> None:
    with apache() as running, Wire(running.port) as wire:
        reply = wire.upgrade("/socket.io/?EIO=4&transport=websocket")
        assert reply is not None
        assert reply.status == 400
        assert "mod_wsgi" in reply.text


def test_waiting_polls_leave_threads_for_the_pages(js: JavaScript) -> None:
    """More clients than the 50 threads of the configuration: the site answers, and so do they."""
    with apache(PING_INTERVAL="2") as running:
        answers = js(
            """
            const clients = [];
            for (let i = 0; i < 60; i++) clients.push(connect(url, { transport: "polling" }));
            kept.clients = await Promise.all(clients);
            return (await Promise.all(kept.clients.map((client, i) => client.emitWithAck("echo", i)))).map(([i]) => i);
            """,
            url=running.url,
            patience=40,
        )
        assert answers == list(range(60))
        assert running.fetch("/").status == 200
