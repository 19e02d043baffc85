"""Debian's Apache with mod_wsgi and an application, in an environment that Debian's own Python has made."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.deployed import FOLDER
from tests.deploy.deployed import Deployed
from tests.deploy.deployed import deployed
from tests.deploy.deployed import installed
from tests.deploy.deployed import written
from tests.support.programs import ROOT
from tests.support.programs import free_port
from tests.support.programs import missing

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
