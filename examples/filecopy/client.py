"""Copies a folder to server.py, over Socket.IO. After an interruption, run it again: it goes on where it was.

    FILECOPY_TOKEN=secret python examples/filecopy/client.py SOURCE URL

How acknowledgements control the flow: of each file, at most WINDOW chunks are on their way. The server answers a chunk
when it has written it, and each answer lets the next one go. So the slowest of both disks and the network sets the
pace, and nobody ever holds more than FILES * WINDOW * CHUNK bytes. It happens in ``send_chunks``.

Copied are files and folders with their times and permissions; symbolic links and devices are left out.
"""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait
from contextlib import suppress

import click

from socketio_sync import AckTimeout
from socketio_sync import ConnectError
from socketio_sync import DisconnectedError
from socketio_sync import connect

CHUNK = 128 * 1024  # bytes; below the server's max_http_buffer_size
WINDOW = 4  # chunks of one file that wait for their answers
FILES = 4  # at once
PATIENCE = 120  # seconds for an answer, cuts of the connection included
ATTEMPTS = 3  # at a file that changes while it is read


class Failed(Exception):
    """A file cannot be copied; the text says why."""


class Again(Exception):
    """What the server has of a file is not what it should be; the text says why."""


class Copy:
    """One run over the folder ``source``; ``failures`` are lines for the user."""

    def __init__(self, client, source, bar):
        self.client = client
        self.source = source
        self.bar = bar
        self.counted = {}  # of the files at work, the bytes that the bar has
        self.failures = []
        self.lock = threading.Lock()

    def run(self):
        files = files_of(self.source, self.unreadable)
        with ThreadPoolExecutor(FILES) as pool:
            try:
                for worker in [pool.submit(self.work, files) for _ in range(FILES)]:
                    while wait([worker], timeout=1).not_done:  # looks up for Ctrl-C, which another thread may catch
                        pass
                    worker.result()
            except BaseException:
                self.client.disconnect()  # so that the other workers end, too
                raise
        for path, *_ in os.walk(self.source, topdown=False):  # last: what is written into a folder changes its time
            if path != self.source:
                self.take(path, self.copy_folder)

    def unreadable(self, error):
        self.failures.append(f"{os.path.relpath(error.filename, self.source)}: {error.strerror}")

    def work(self, files):
        """What each of several threads does: take the next file, until there is none."""
        while True:
            with self.lock:
                path = next(files, None)
            if path is None:
                return
            self.take(path, self.copy_file)

    def take(self, path, copy):
        """Copy; a failure of one file does not keep the others from coming, a server that is gone does."""
        name = os.path.relpath(path, self.source)
        if name != name.encode(errors="replace").decode():
            return self.failures.append(f"{name!r}: its name is not UTF-8")
        attempts = ATTEMPTS
        while attempts:
            try:
                copy(path, name)
                break
            except DisconnectedError:  # the client is coming back; then the server is asked what it has
                if not self.client.active:
                    raise
            except AckTimeout:
                raise
            except Again as error:
                attempts -= 1
                why = error
            except (Failed, OSError) as error:
                attempts = 0
                why = getattr(error, "strerror", error)
        else:
            self.client.emit("forget", name)
            self.failures.append(f"{name}: {why}")
        self.counted.pop(name, None)

    def copy_folder(self, path, name):
        stat = os.stat(path)
        self.ask("folder", name, stat.st_mtime_ns, stat.st_mode)

    def copy_file(self, path, name):
        with open(path, "rb") as file:
            stat = os.fstat(file.fileno())
            there = self.ask("begin", name, stat.st_size, stat.st_mtime_ns, stat.st_mode)
            self.count(name, there["size"] - self.counted.get(name, 0))
            if there["done"]:
                return
            digest = digest_of(file, there["size"])
            if digest.hexdigest() != there["checksum"]:
                self.client.emit("forget", name)
                raise Again("what the server has is something else")
            self.send_chunks(file, name, digest)
            now = os.stat(path)
            if (now.st_size, now.st_mtime_ns) != (stat.st_size, stat.st_mtime_ns) or file.tell() != stat.st_size:
                self.client.emit("forget", name)
                raise Again("it changes while it is copied")
            self.ask("end", name, digest.hexdigest(), stat.st_mtime_ns, stat.st_mode)

    def send_chunks(self, file, name, digest):
        """Send the rest of a file; when this returns, the server has written it."""
        window = threading.Semaphore(WINDOW)
        faults = []

        def answered(answer):
            try:
                self.count(name, judged(answer)["size"])
            except (Failed, Again) as error:
                faults.append(error)
            window.release()

        def lost(error):
            faults.append(error)
            window.release()

        while data := file.read(CHUNK):
            window.acquire()  # waits until fewer than WINDOW chunks are on their way
            if not self.client.connected:
                raise DisconnectedError("transport close")  # of those on their way, nobody will be answered
            if faults:
                window.release()
                break
            chunk = ("chunk", name, file.tell() - len(data), data)
            self.client.timeout(PATIENCE).emit(*chunk, callback=answered, error_callback=lost)
            digest.update(data)
        for _ in range(WINDOW):
            window.acquire()  # until none is
        if faults:  # callbacks are tasks of their own: the gap after a failed chunk may be told before the failure
            raise min(faults, key=lambda fault: isinstance(fault, Again))

    def ask(self, *event):
        """The server's answer."""
        return judged(self.client.timeout(PATIENCE).emit_with_ack(*event))

    def count(self, name, size):
        """Move the bar; backwards where something has to be sent again."""
        with self.lock:
            self.counted[name] = self.counted.get(name, 0) + size
            self.bar.update(size)


def judged(answer):
    """The answer, unless it tells of a failure."""
    if "error" in answer:
        raise Failed(answer["error"])
    if "again" in answer:
        raise Again(answer["again"])
    return answer


def digest_of(file, size):
    """The checksum so far, of the first ``size`` bytes."""
    digest = hashlib.blake2b()
    while data := file.read(min(CHUNK, size - file.tell())):
        digest.update(data)
    return digest


def files_of(folder, onerror=None):
    """The paths of all files in a folder and the folders in it."""
    for inner, _, names in os.walk(folder, onerror=onerror):
        for path in (os.path.join(inner, name) for name in names):
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def size_of(folder):
    """The bytes in all files of a folder."""
    total = 0
    for path in files_of(folder):
        with suppress(OSError):
            total += os.path.getsize(path)
    return total


@click.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, readable=True))
@click.argument("url")
@click.option("--token", envvar="FILECOPY_TOKEN", required=True, help="The server's; or FILECOPY_TOKEN.")
def main(source, url, token):
    """Copy the folder SOURCE to the server at URL."""
    size = size_of(source)
    try:
        client = connect(url, auth={"token": token}, timeout=10)
    except (ConnectError, ValueError) as error:
        raise click.ClickException(f"{url}: {error}") from error
    try:
        with client, click.progressbar(length=size, label="Copying") as bar:
            copy = Copy(client, source, bar)
            copy.run()
    except (AckTimeout, DisconnectedError) as error:
        raise click.ClickException(f"the server is gone ({error}); run this again to go on") from error
    for failure in copy.failures:
        click.echo(f"not copied: {failure}", err=True)
    if copy.failures:
        raise click.ClickException(f"{len(copy.failures)} of the files and folders are not copied")
    click.echo(f"Copied {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
