"""The example filecopy: what arrives is what was sent, however often it is interrupted, and nothing else ever appears.

``FILECOPY_MB`` is the size of the folder of the long test; 200 is the full one.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from examples.filecopy.server import make_io
from socketio_sync import ConnectError
from socketio_sync.testing import TestClient
from tests.support.programs import ROOT
from tests.support.programs import Program
from tests.support.programs import free_port
from tests.support.programs import python
from tests.support.proxy import Proxy
from tests.support.timing import scaled

TOKEN = "secret"
SERVER = "examples/filecopy/server.py"
CLIENT = "examples/filecopy/client.py"
SIZES = (0, 1, 1000, 128 * 1024, 128 * 1024 + 1, 10**6, 5 * 10**6, 20 * 10**6)

# -- the server by itself ----------------------------------------------------------------------------------------------


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.fixture
def sender(target: Path) -> Iterator[TestClient]:
    with TestClient(make_io(target, TOKEN, limit=10_000), auth={"token": TOKEN}) as client:
        yield client


def checksum(data: bytes) -> str:
    return hashlib.blake2b(data).hexdigest()


def tree(folder: Path) -> dict[str, Any]:
    """What is in a folder: names, contents, times and permissions."""
    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        about = path.lstat()
        content = digest_of(path) if stat.S_ISREG(about.st_mode) else None
        found[str(path.relative_to(folder))] = (content, about.st_mtime_ns, oct(about.st_mode))
    return found


def digest_of(path: Path) -> str:
    digest = hashlib.blake2b()
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_file_gets_its_name_when_it_is_whole(sender: TestClient, target: Path) -> None:
    begin = ("begin", "folder/file", 6, 10**18 + 7, 0o100640)
    assert sender.emit_with_ack(*begin) == {"done": False, "size": 0, "checksum": checksum(b"")}
    assert sender.emit_with_ack("chunk", "folder/file", 0, b"abc") == {"size": 3}
    assert sender.emit_with_ack(*begin) == {"done": False, "size": 3, "checksum": checksum(b"abc")}
    assert not (target / "folder" / "file").exists()
    assert sender.emit_with_ack("chunk", "folder/file", 3, b"def") == {"size": 3}
    assert sender.emit_with_ack("end", "folder/file", checksum(b"abcdef"), 10**18 + 7, 0o100640) == {}
    assert names(target) == ["folder", "folder/file"]
    file = target / "folder" / "file"
    assert file.read_bytes() == b"abcdef"
    assert (file.stat().st_mtime_ns, file.stat().st_mode) == (10**18 + 7, 0o100640)
    assert sender.emit_with_ack(*begin) == {"done": True, "size": 6}


def test_what_is_not_what_was_sent_is_thrown_away(sender: TestClient, target: Path) -> None:
    (target / "file").write_bytes(b"before")
    sender.emit_with_ack("begin", "file", 3, 1, 0o644)
    assert "again" in sender.emit_with_ack("chunk", "file", 3, b"def")  # a gap
    sender.emit_with_ack("chunk", "file", 0, b"abX")
    assert "again" in sender.emit_with_ack("end", "file", checksum(b"abc"), 1, 0o644)
    assert names(target) == ["file"]
    assert (target / "file").read_bytes() == b"before"


def test_a_chunk_that_comes_twice_or_too_late_does_no_harm(sender: TestClient, target: Path) -> None:
    sender.emit_with_ack("begin", "file", 6, 1, 0o644)
    for offset, data in ((0, b"abc"), (3, b"def"), (0, b"abc")):
        assert sender.emit_with_ack("chunk", "file", offset, data) == {"size": 3}
    assert sender.emit_with_ack("end", "file", checksum(b"abcdef"), 1, 0o644) == {}
    assert "error" in sender.emit_with_ack("chunk", "file", 0, b"abc")
    assert names(target) == ["file"]


HOSTILE = [
    "../outside",
    "folder/../../outside",
    "/outside",
    "//outside",
    ".",
    "..",
    "",
    "folder//file",
    "folder/",
    "nul\0byte",
    "link/outside",
    ".filecopy-0123",
    "\ud800",
    "x" * 300,
    None,
    7,
    ["a"],
]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_a_hostile_name_is_refused(sender: TestClient, target: Path, name: Any) -> None:
    outside = target.parent / "outside"
    outside.mkdir()
    (outside / "outside").write_bytes(b"mine")
    (target / "link").symlink_to(outside)
    before = tree(target.parent)
    for event, *args in (
        ("begin", 3, 1, 0o644),
        ("chunk", 0, b"abc"),
        ("end", checksum(b"abc"), 1, 0o644),
        ("forget",),
        ("folder", 1, 0o777),
    ):
        try:
            answer = sender.emit_with_ack(event, name, *args)
        except (TypeError, ValueError):  # this client would not even send it
            assert name == "\ud800"
            return
        assert "error" in answer or (event, answer) == ("forget", {})  # what is nowhere is forgotten already
        assert str(target) not in str(answer)
    assert tree(target.parent) == before


@pytest.mark.parametrize(
    "event",
    [
        ("begin", "file", 10_001, 1, 0o644),
        ("begin", "file", "3", 1, 0o644),
        ("begin", "file"),
        ("chunk", "file", 9_999, b"ab"),
        ("chunk", "file", -1, b"ab"),
        ("chunk", "file", 0, "text"),
        ("chunk", "file", None, b"ab"),
        ("chunk", "other", 0, b"ab"),
        ("end", "other", "", 1, 0o644),
        ("end", "file", 7, "now", 0o644),
        ("folder", "file/inner", 1, 0o755),
    ],
    ids=lambda event: " ".join(map(str, event)),
)
def test_nonsense_is_answered_with_an_error(sender: TestClient, target: Path, event: tuple[Any, ...]) -> None:
    (target / "file").write_bytes(b"before")
    sender.emit_with_ack("begin", "file", 3, 1, 0o644)
    answer = sender.emit_with_ack(*event)
    assert answer.keys() & {"error", "again"}
    assert sender.emit_with_ack("forget", "file") == {}
    assert names(target) == ["file"]
    assert (target / "file").read_bytes() == b"before"


def test_the_setuid_bit_does_not_travel(sender: TestClient, target: Path) -> None:
    sender.emit_with_ack("begin", "tool", 0, 1, 0o104755)
    sender.emit_with_ack("end", "tool", checksum(b""), 1, 0o104755)
    assert oct((target / "tool").stat().st_mode) == oct(0o100755)


@pytest.mark.parametrize("auth", [None, {}, {"token": "guess"}, {"token": 7}, {"token": "sécret"}])
def test_a_stranger_is_refused(target: Path, auth: Any) -> None:
    with pytest.raises(ConnectError, match="wrong token"), TestClient(make_io(target, TOKEN, limit=1), auth=auth):
        pass


# -- both programs -----------------------------------------------------------------------------------------------------


def make_folder(root: Path, total: int) -> None:
    """Files of many sizes, together of ``total`` bytes, with what else there may be in a folder."""
    chance = random.Random(5)
    made = 0
    count = 0
    while made < total:
        size = min(total - made, chance.choice([size for size in SIZES if size <= total // 5]))
        folder = root / f"folder {count % 5}" / "naïve 漢字 😀"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{count} é\\'\" \n.bin"
        path.write_bytes(chance.randbytes(size))
        path.chmod(chance.choice([0o644, 0o600, 0o755, 0o440]))
        os.utime(path, ns=(10**18, 10**18 + count))
        made += size
        count += 1
    (root / "empty" / "inner").mkdir(parents=True)
    (root / ("n" * 255)).write_bytes(b"a name as long as can be")
    (root / "empty").chmod(0o750)
    for folder in (root / "empty", root / "folder 0"):
        os.utime(folder, ns=(10**18, 10**18))


def start_server(folder: Path, port: int, *, wrap: tuple[str, ...] = ()) -> Program:
    server = Program([*wrap, *python(SERVER, str(folder), "--port", str(port))], FILECOPY_TOKEN=TOKEN)
    assert server.url.endswith(str(port)), server.output
    return server


@contextmanager
def serving(folder: Path, **options: Any) -> Iterator[str]:
    server = start_server(folder, free_port(), **options)
    try:
        yield server.url
    finally:
        server.stop()
    assert "Traceback" not in server.output, server.output


def run(*arguments: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    """Run one of the programs to its end."""
    env = {**os.environ, "FILECOPY_TOKEN": token, "PYTHONPATH": str(ROOT)}
    command = python(*arguments)
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=scaled(60))


def run_client(source: Path, url: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    return run(CLIENT, str(source), url, token=token)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def test_a_folder_arrives_as_it_is(source: Path, target: Path) -> None:
    make_folder(source, 3 * 10**6)
    (source / "link").symlink_to("/etc/passwd")
    (source / "link to a folder").symlink_to("..")
    os.mkfifo(source / "pipe")
    with serving(target) as url:
        first = run_client(source, url)
        assert (first.returncode, first.stderr) == (0, ""), first
        assert "Copied 3.0 MB" in first.stdout
        copied = tree(target)
        expected = tree(source)
        for left_out in ("link", "link to a folder", "pipe"):
            del expected[left_out]
        assert copied == expected
        (target / "empty").chmod(0o700)
        (changed := target / "folder 0" / "new").write_bytes(b"of the target only")
        inode = (target / ("n" * 255)).stat().st_ino
        again = run_client(source, url)
        assert again.returncode == 0, again
        changed.unlink()
        os.utime(target / "folder 0", ns=(10**18, 10**18))
        assert tree(target) == expected
        assert (target / ("n" * 255)).stat().st_ino == inode, "what is there already is not copied again"


def test_a_wrong_token_is_told(source: Path, target: Path) -> None:
    with serving(target) as url:
        ended = run_client(source, url, token="guess")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "wrong token" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_target_that_is_no_folder_is_told(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    ended = run(SERVER, str(tmp_path / folder))
    assert ended.returncode == 2
    assert str(tmp_path / folder) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_the_target_cannot_take_is_told_and_the_rest_arrives(source: Path, target: Path) -> None:
    """No byte fits beyond 64 KiB of a file, as on a full disk; and a file is where a folder should be."""
    (source / "folder").mkdir()
    for name, size in {"large": 10**6, "small": 1000, "folder/inside": 10}.items():
        (source / name).write_bytes(bytes(size))
    (source / os.fsdecode(b"\xff\xfe")).write_bytes(b"whose name is no text")
    (target / "folder").write_bytes(b"in the way")
    (target / "large").write_bytes(b"before")
    with serving(target, wrap=("bash", "-c", 'ulimit -f 64; exec "$@"', "-")) as url:
        ended = run_client(source, url)
    assert ended.returncode == 1
    told = ended.stderr.splitlines()
    assert "not copied: large: the server says: File too large" in told
    assert "not copied: folder/inside: the server says: File exists" in told
    assert "not copied: '\\udcff\\udcfe': its name is not UTF-8" in told
    assert told[-1].startswith("Error: 4 of ")  # the folder itself, too
    assert (target / "small").read_bytes() == bytes(1000)
    assert (target / "large").read_bytes() == b"before"


@pytest.mark.long
@pytest.mark.parametrize("how", ["grows", "vanishes"])
def test_a_file_that_is_not_left_alone_is_not_copied(source: Path, target: Path, how: str) -> None:
    file = source / "file"
    file.write_bytes(bytes(3 * 10**6))
    (source / "other").write_bytes(b"unchanged")
    with serving(target) as url, Proxy(int(url.rsplit(":", 1)[1]), lag=0.05) as proxy:
        client = Program(python(CLIENT, str(source), proxy.url), FILECOPY_TOKEN=TOKEN)
        until(lambda: held(target) > 10**5, client)
        if how == "vanishes":
            file.unlink()
        while client.process.poll() is None:
            if how == "grows":
                with file.open("ab") as more:
                    more.write(b"more")
            time.sleep(0.001)
        client.kill()
    assert client.process.returncode == 1
    why = "it changes while it is copied" if how == "grows" else "No such file or directory"
    assert f"not copied: file: {why}\n" in client.output
    assert names(target) == ["other"]


def test_what_nobody_came_back_for_is_removed(target: Path) -> None:
    for name, age in ((".filecopy-old", 8 * 24 * 3600), (".filecopy-new", 6 * 24 * 3600), ("old", 8 * 24 * 3600)):
        (target / name).write_bytes(b"")
        os.utime(target / name, (time.time() - age, time.time() - age))
    with serving(target):
        assert names(target) == [".filecopy-new", "old"]


# -- interruptions -----------------------------------------------------------------------------------------------------


def held(folder: Path) -> int:
    """The bytes that are in a folder, with those of unfinished files."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(path, name)).st_size
    return total


def until(condition: Callable[[], Any], client: Program, patience: float = 60) -> None:
    """Wait for something that happens while ``client`` runs."""
    deadline = time.monotonic() + scaled(patience)
    while not condition():
        assert client.process.poll() is None, f"it ended:\n{client.output}"
        assert time.monotonic() < deadline, client.output
        time.sleep(0.01)


class Watch:
    """Looks at a copy all the time: at the memory of both programs, and that no half file ever has its name."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source = source
        self.target = target
        self.memory: dict[str, list[float]] = {}
        self.faults: list[str] = []
        self._processes: dict[str, psutil.Process] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def follow(self, name: str, program: Program) -> None:
        self._processes[name] = psutil.Process(program.process.pid)

    def _run(self) -> None:
        while not self._stopped.wait(0.05):
            for name, process in list(self._processes.items()):
                with suppress(psutil.NoSuchProcess):
                    self.memory.setdefault(name, []).append(process.memory_info().rss / 1e6)
            for path in self.target.rglob("*.bin"):
                if path.stat().st_size != (self.source / path.relative_to(self.target)).stat().st_size:
                    self.faults.append(str(path))

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ten_cuts_and_two_restarts_leave_no_trace(source: Path, target: Path) -> None:
    size = int(os.environ.get("FILECOPY_MB", "40")) * 10**6
    make_folder(source, size)
    port = free_port()
    server = start_server(target, port)
    events = ["cut"] * 3 + ["SIGKILL"] + ["cut"] * 4 + ["SIGTERM"] + ["cut"] * 3
    begun = time.monotonic()
    with Proxy(port, lag=0.05) as proxy, Watch(source, target) as watch:
        watch.follow("server 0", server)
        client = Program(python(CLIENT, str(source), proxy.url), FILECOPY_TOKEN=TOKEN)
        watch.follow("client", client)
        try:
            for number, event in enumerate(events, 1):
                until(lambda number=number: held(target) > size * number // (len(events) + 2), client)
                if event == "cut":
                    proxy.cut_for(0.1, ("reset", "half", "finish")[number % 3])
                else:
                    server.process.send_signal(getattr(signal, event))
                    server.process.wait(scaled(20))
                    server.stop()
                    server = start_server(target, port)
                    watch.follow(f"server {number}", server)
            client.process.wait(scaled(300))
        finally:
            client.kill()
            server.stop()
    seconds = time.monotonic() - begun
    assert client.process.returncode == 0, client.output + server.output
    assert tree(target) == tree(source)
    assert watch.faults == []
    summary = {name: f"{min(values):.0f}..{max(values):.0f}" for name, values in watch.memory.items()}
    print(f"{size / 1e6:.0f} MB in {seconds:.1f} s, RSS in MB: {summary}")
    # An idle program has about 30 MB, so this is less than the smallest folder besides.
    assert {name: max(values) for name, values in watch.memory.items() if max(values) > 60} == {}


def test_a_client_is_stopped_while_the_server_is_away(source: Path, target: Path) -> None:
    (source / "file").write_bytes(bytes(5 * 10**6))
    with serving(target) as url, Proxy(int(url.rsplit(":", 1)[1]), lag=0.05) as proxy:
        client = Program(python(CLIENT, str(source), proxy.url), FILECOPY_TOKEN=TOKEN)
        until(lambda: held(target) > 10**6, client)
        proxy.cut("reset")
        client.process.send_signal(signal.SIGINT)
        client.process.wait(scaled(10))
        client.kill()
    assert client.process.returncode == 1
    assert "Traceback" not in client.output


@pytest.mark.long
def test_a_client_that_is_stopped_goes_on_when_it_is_run_again(source: Path, target: Path) -> None:
    (source / "file").write_bytes(random.Random(1).randbytes(20 * 10**6))
    with serving(target) as url, Proxy(int(url.rsplit(":", 1)[1]), lag=0.05) as proxy:
        client = Program(python(CLIENT, str(source), proxy.url), FILECOPY_TOKEN=TOKEN)
        until(lambda: held(target) > 5 * 10**6, client)
        client.process.send_signal(signal.SIGINT)
        client.process.wait(scaled(10))
        client.kill()
        assert client.process.returncode == 1
        assert "Traceback" not in client.output
        (partial,) = target.iterdir()
        assert partial.name.startswith(".filecopy-")
        inode = partial.stat().st_ino
        ended = run_client(source, url)
    assert ended.returncode == 0, ended
    assert tree(target) == tree(source)
    assert (target / "file").stat().st_ino == inode


@pytest.mark.parametrize("url", ["nonsense", pytest.param("http://127.0.0.1:1", marks=pytest.mark.long)])
def test_a_server_that_is_not_there_is_told(source: Path, url: str) -> None:
    ended = run_client(source, url)
    assert ended.returncode == 1
    assert url in ended.stderr
    assert "Traceback" not in ended.stderr
