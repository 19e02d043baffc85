"""The group of commands, with ``--version`` and ``--help``."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from socketio_sync.cli.connect import connect
from socketio_sync.cli.doctor import doctor
from socketio_sync.cli.serve import demo
from socketio_sync.cli.serve import serve


def _version() -> str:
    try:
        version = metadata.version("socketio_sync")
    except metadata.PackageNotFoundError:
        version = "(not installed, run from its source)"
    return f"socketio_sync {version}, Python {platform.python_version()}"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(_version(), message="%(version)s")
def main() -> None:
    """Socket.IO for synchronous Python: serve an application, try the chat, talk to a server, look for mistakes.

    \b
    socketio-sync demo                      a chat to look at
    socketio-sync serve chat:app --reload   your application, while you write it
    socketio-sync connect localhost:3000    what a server says, and what you say to it
    socketio-sync doctor chat:app           what may be wrong
    """


for command in (serve, demo, connect, doctor):
    main.add_command(command)
