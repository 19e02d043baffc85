"""``serve`` and ``demo``, as processes."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from socketio_sync import AckTimeout
from socketio_sync import Client
from socketio_sync import DisconnectedError
from tests.cli.commands import CHAT
from tests.cli.commands import run
from tests.cli.commands import started
from tests.support.servers import certificate
from tests.support.timing import scaled
from tests.support.visitor import visiting
from tests.support.wire import until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "chat.py").write_text(CHAT)
    return tmp_path


@pytest.mark.parametrize("runtime", ["threads", "gevent"])
def test_an_application_is_served_until_ctrl_c(folder: Path, runtime: str) -> None:
    with started(folder, "serve", "chat:app", "--port", "0", "--runtime", runtime) as program:
        with visiting(program.url) as visitor:
            assert visitor.call("whoami") == "chat"
            program.process.send_signal(signal.SIGINT)
            assert program.process.wait(scaled(10)) == 0
        assert f"on {runtime}" in program.output
    assert len(program.lines) == 1, program.output


def test_the_demo_has_its_page_and_the_browsers_client(tmp_path: Path) -> None:
    with started(tmp_path, "demo", "--port", "0", NODE_PATH="") as program:
        page = requests.get(program.url, timeout=10).text
        assert "<title>Chat</title>" in page
        assert 'src="/socket.io/socket.io.min.js"' in page
        script = requests.get(f"{program.url}/socket.io/socket.io.min.js", timeout=10, allow_redirects=False)
        assert (script.status_code, script.text[:20]) == (200, "/*!\n * Socket.IO v4.")
        with visiting(program.url, auth={"nickname": "Ada", "room": "lobby"}) as visitor:
            assert visitor.next("people") == (["Ada"],)
        assert program.stop() == 0


@pytest.mark.long
def test_all_addresses(folder: Path) -> None:
    with started(folder, "serve", "chat:app", "--port", "0", "--host", "0.0.0.0") as program:
        assert program.url.startswith("http://127.0.0.1:")
        assert " and at this machine's other addresses  chat:app" in program.output
        assert requests.get(f"{program.url}/socket.io/?EIO=4&transport=polling", timeout=10).status_code == 200


def test_a_mistake_is_an_error_of_one_line(folder: Path) -> None:
    done = run(folder, "serve", "chat:nix", "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: chat has no 'nix'; what can be served there: chat:io, chat:app\n"


def test_a_taken_port_is_told(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(folder, "serve", "chat:app", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: port {port} is taken by another program")
    assert "Traceback" not in done.stderr


def test_a_module_that_listens_itself_is_told(folder: Path) -> None:
    (folder / "listens.py").write_text("from socketio_sync import Server\nio = Server()\nio.listen(0)")
    with started(folder, "serve", "listens:io", "--port", "0") as program:
        assert program.url
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(scaled(10)) == 1
    assert 'only under `if __name__ == "__main__":`' in program.output


def test_a_runtime_that_cannot_be_is_told(folder: Path) -> None:
    (folder / "fixed.py").write_text("from socketio_sync import Server\nio = Server(runtime='threads')")
    done = run(folder, "serve", "fixed", "--port", "0", "--runtime", "gevent")
    assert done.returncode == 1
    assert "the module's Server has runtime='threads'" in done.stderr


def test_tls(folder: Path) -> None:
    chain, key = certificate()
    with started(folder, "serve", "chat:app", "--port", "0", "--cert", chain, "--key", key) as program:
        assert program.url.startswith("https://")
        url = f"{program.url}/socket.io/?EIO=4&transport=polling"
        with requests.Session() as session, pytest.warns(Warning, match="Unverified"):
            assert session.get(url, timeout=10, verify=False).text.startswith("0{")
    done = run(folder, "serve", "chat:app", "--cert", str(folder / "chat.py"))
    assert done.returncode == 1
    assert "not a PEM certificate" in done.stderr
    done = run(folder, "serve", "chat:app", "--key", key)
    assert done.returncode == 2
    assert "--key is of use only with --cert" in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("runtime", ["threads", "gevent"])
def test_a_changed_file_is_served_and_clients_come_back(folder: Path, runtime: str) -> None:
    words = folder / "words.py"
    words.write_text("WORD = 'first'")
    (folder / "chat.py").write_text(CHAT.replace('"chat"', "WORD") + "\nfrom words import WORD")
    with started(folder, "serve", "chat:app", "--port", "0", "--reload", "--runtime", runtime) as program:
        quick = {"reconnection_delay": 0.1, "reconnection_delay_max": 0.3}
        with Client(program.url, runtime="threads", timeout=scaled(20), **quick) as client:
            assert client.emit_with_ack("whoami") == "first"
            words.write_text("WORD = 'and second'")
            until(lambda: answer(client) == "and second")
            words.write_text("WORD =")
            until(lambda: "Waiting for a change." in program.output)
            assert "SyntaxError" in program.output
            words.write_text("WORD = 'the third one'")
            until(lambda: answer(client) == "the third one")
        assert len({line for line in program.lines if line.startswith("http")}) == 1
        children = psutil.Process(program.process.pid).children(recursive=True)
        assert len(children) == 1
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(scaled(10)) == 0
        until(lambda: not children[0].is_running())


def answer(client: Client) -> Any:
    """What the server says now; None while it is away."""
    try:
        return client.timeout(1).emit_with_ack("whoami")
    except (AckTimeout, DisconnectedError):
        return None


@pytest.mark.long
def test_a_visitor_in_the_middle_of_a_reload_waits(folder: Path) -> None:
    (folder / "chat.py").write_text(CHAT + "\nimport time\ntime.sleep(0.5)")
    with started(folder, "serve", "chat:app", "--port", "0", "--reload") as program:
        url = f"{program.url}/socket.io/?EIO=4&transport=polling"
        (folder / "chat.py").write_text(CHAT + "\nimport time\ntime.sleep(1.5)")
        until(lambda: "changed" in program.output)
        assert requests.get(url, timeout=scaled(20)).status_code == 200


@pytest.mark.long
def test_a_file_that_changes_while_it_is_imported_is_not_missed(folder: Path) -> None:
    words = folder / "words.py"
    words.write_text("WORD = 'old'")
    text = CHAT.replace('"chat"', "WORD") + "\nfrom words import WORD\nprint('imported', flush=True)"
    (folder / "chat.py").write_text(f"{text}\nimport time\ntime.sleep(1)")
    with started(folder, "serve", "chat:app", "--port", "0", "--reload") as program:
        until(lambda: "imported" in program.output)
        words.write_text("WORD = 'new one'")
        until(lambda: "words.py changed" in program.output)
        with Client(program.url, runtime="threads", timeout=scaled(20)) as client:
            assert client.emit_with_ack("whoami") == "new one"


@pytest.mark.long
def test_a_child_does_not_outlive_its_parent(folder: Path) -> None:
    with started(folder, "serve", "chat:app", "--port", "0", "--reload") as program:
        assert program.url
        children = psutil.Process(program.process.pid).children(recursive=True)
        program.process.kill()
        until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))


def test_the_first_import_that_fails_ends_the_reloader(folder: Path) -> None:
    done = run(folder, "serve", "chat:nix", "--port", "0", "--reload")
    assert done.returncode == 1
    assert "chat has no 'nix'" in done.stderr


def test_help_and_version(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("socketio_sync ")
    assert f"Python {sys.version.split()[0]}" in done.stdout
    done = run(tmp_path, "--help")
    assert done.returncode == 0
    for name in ("serve", "demo", "doctor"):
        assert f"\n  {name} " in done.stdout
