"""The receiving end of client.py: keeps in FOLDER what is sent to it, whole and verified, or not at all.

    FILECOPY_TOKEN=secret python examples/filecopy/server.py FOLDER

All it knows about a file on its way is on the disk: the file ``.filecopy-...`` beside its future name. So it makes no
difference whether the connection was cut, the client has ended or this server: whoever says ``begin`` is told how much
is here already, with a checksum to see whether it is his.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import click

from socketio_sync import ConnectError
from socketio_sync import Server

PARTIAL = ".filecopy-"
A_WEEK = 7 * 24 * 3600


class Refused(Exception):
    """The client asks for what it must not have; the text tells it."""


def told(handler):
    """The handler, with failures that are to be expected as its answer; paths of this machine are nobody's business."""

    @functools.wraps(handler)
    def answering(*args):
        try:
            return handler(*args)
        except Refused as error:
            return {"error": str(error)}
        except OSError as error:
            return {"error": f"the server says: {error.strerror}"}

    return answering


def make_io(root: Path, token: str, limit: int) -> Server:
    """The server for the folder ``root``; no file may have more bytes than ``limit``."""
    io = Server(ping_interval=10, ping_timeout=10)
    root = root.resolve()
    locks = [threading.Lock() for _ in range(64)]  # of one file, one client writes at a time

    def place(name):
        """Where ``name`` is: a path of plain steps, which also no link leads out of the folder."""
        steps = name.split("/") if isinstance(name, str) else [""]
        if any(step in ("", ".", "..") or "\0" in step or step.startswith(PARTIAL) for step in steps):
            raise Refused("this is no name inside the folder")
        path = root.joinpath(*steps)
        if not path.parent.resolve().is_relative_to(root):
            raise Refused("a link there leads out of the folder")
        return path

    @contextmanager
    def partial(name, flags=0):
        """The file as far as it is here, open to read and write, and the path it will have."""
        path = place(name)
        here = partial_of(path)
        with locks[hash(path) % len(locks)]:
            with open(os.open(here, os.O_RDWR | os.O_NOFOLLOW | flags, 0o600), "r+b") as file:
                yield file, here, path

    @io.use
    def check_token(socket):
        if not hmac.compare_digest(str(socket.handshake.auth.get("token")).encode(), token.encode()):
            raise ConnectError("wrong token: it is in the server's FILECOPY_TOKEN")

    @io.on("begin")
    @told
    def begin(socket, name, size, mtime, mode):
        """Says what is here of a file: all, or so many bytes with this checksum."""
        if size > limit:
            raise Refused(f"it has more than {limit} bytes")
        path = place(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and not path.is_symlink() and (path.stat().st_size, path.stat().st_mtime_ns) == (size, mtime):
            path.chmod(mode & 0o777)
            return {"done": True, "size": size}
        with partial(name, os.O_CREAT) as (file, *_):
            return {"done": False, "checksum": checksum(file), "size": file.tell()}

    @io.on("chunk")
    @told
    def chunk(socket, name, offset, data):
        """What this returns is the flow control: the client sends on when it comes, and the data is on the disk."""
        if offset + len(data) > limit:
            raise Refused(f"it has more than {limit} bytes")
        with partial(name) as (file, *_):
            if offset > file.seek(0, os.SEEK_END):
                return {"again": "there is a gap in front of it"}
            file.seek(offset)
            file.write(data)
            return {"size": len(data)}

    @io.on("end")
    @told
    def end(socket, name, expected, mtime, mode):
        """Only here a file gets its name: all of it is on the disk, and is what was sent."""
        with partial(name) as (file, here, path):
            if checksum(file) != expected:
                here.unlink()
                return {"again": "the checksums differ"}
            os.fsync(file.fileno())
            os.utime(file.fileno(), ns=(mtime, mtime))
            here.replace(path)
            path.chmod(mode & 0o777)
            return {}

    @io.on("forget")
    @told
    def forget(socket, name):
        """Begin this file anew, or never."""
        partial_of(place(name)).unlink(missing_ok=True)
        return {}

    @io.on("folder")
    @told
    def folder(socket, name, mtime, mode):
        """Makes a folder; its time is right when nothing is written to it any more, so they come last."""
        path = place(name)
        if path.is_symlink():
            raise Refused("there is a link of that name")
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode & 0o777)
        os.utime(path, ns=(mtime, mtime))
        return {}

    @io.on_error
    def on_error(error, socket, event, args):
        return {"error": "the server failed, or did not understand"}  # its log has more

    return io


def partial_of(path):
    """Where a file is until it is complete; its own name may be as long as a name can be."""
    return path.with_name(PARTIAL + hashlib.blake2b(path.name.encode(), digest_size=12).hexdigest())


def checksum(file):
    """Of a whole file, read in pieces."""
    file.seek(0)
    digest = hashlib.blake2b()
    while data := file.read(1 << 20):
        digest.update(data)
    return digest.hexdigest()


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True)
@click.option("--token", envvar="FILECOPY_TOKEN", required=True, help="What clients must know; or FILECOPY_TOKEN.")
@click.option("--max-mb", default=100_000, show_default=True, help="The largest file, in MB.")
def main(folder, host, port, token, max_mb):
    """Keep in FOLDER what clients send."""
    for path in folder.rglob(f"{PARTIAL}*"):
        if time.time() - path.stat().st_mtime > A_WEEK:  # nobody came back for it
            path.unlink()
    make_io(folder, token, max_mb * 10**6).listen(port, host)


if __name__ == "__main__":
    main()
