"""``connect``, in scripts and on a terminal, with a real server."""

from __future__ import annotations

import json
import queue
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync import Socket
from socketio_sync.cli.lines import parse_json
from socketio_sync.cli.lines import parse_typed
from socketio_sync.cli.lines import readable
from socketio_sync.cli.lines import to_json
from socketio_sync.cli.main import main
from tests.cli.commands import OnTerminal
from tests.cli.commands import run
from tests.cli.commands import started
from tests.cli.commands import talking
from tests.support import pages
from tests.support.programs import free_port
from tests.support.proxy import Proxy
from tests.support.served import Served
from tests.support.served import served
from tests.support.timing import scaled
from tests.support.wire import TIMEOUT
from tests.support.wire import until

# -- lines -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "event", "args"),
    [
        ("ping", "ping", []),
        ("say hello", "say", ["hello"]),
        ('say "hello you" 3', "say", ["hello you", 3]),
        ('  say   {"a": [1, 2]}  null  true ', "say", [{"a": [1, 2]}, None, True]),
        ('"two words" x', "two words", ["x"]),
        ("42 -1.5", "42", [-1.5]),
        ("go 10:30 3days", "go", ["10:30", "3days"]),
        ('put {"$base64": "AAEC"}', "put", [b"\x00\x01\x02"]),
        ("say größe", "say", ["größe"]),
    ],
)
def test_a_typed_line(line: str, event: str, args: list[Any]) -> None:
    assert parse_typed(line) == (event, args)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "a line is an event and its arguments"),
        ("[1] x", "a line is an event and its arguments"),
        ('say {"a": }', "is no JSON"),
        ('say "open', "is no JSON"),
        ('say [1]"x"', "a space is missing after character 3"),
        ('say {"$base64": "?"}', "is not base64"),
    ],
)
def test_a_typed_line_that_is_none(line: str, told: str) -> None:
    with pytest.raises(ValueError, match=".*") as caught:
        parse_typed(line)
    assert told in str(caught.value)


@pytest.mark.parametrize("line", ["", "x", "[]", "[1]", '{"a": 1}', '"say"', '["say", {"$base64": 3}]'])
def test_a_line_of_a_script_that_is_none(line: str) -> None:
    with pytest.raises(ValueError, match="."):
        parse_json(line)


def test_what_is_printed_is_harmless() -> None:
    assert readable(("\x1b[2J", {"a": b"\x00\xff"}, None)) == '"\\u001b[2J" {"a": "<2 bytes: 00 ff>"} null'
    assert readable(("\x9b2J\u202e\u2028",)) == '"\\u009b2J\\u202e\\u2028"'
    assert len(readable(("x" * 100_000,))) < 2100
    assert parse_json(to_json(["e", b"\x00", "\ud800\u2028"])) == ("e", [b"\x00", "\ud800\u2028"])
    assert to_json(["e", "\x9b\u2028"]).isascii()


# -- scripts -----------------------------------------------------------------------------------------------------------


def handlers(io: Server) -> None:
    @io.on("connection")
    def connection(socket: Socket) -> None:
        socket.emit("welcome", {"bytes": b"\x00\x01"})

    @io.on("echo")
    def echo(socket: Socket, *args: Any) -> None:
        socket.emit("echoed", *args)

    @io.on("kick")
    def kick(socket: Socket) -> None:
        socket.emit("bye")
        socket.disconnect()

    @io.on("count")
    def count(socket: Socket, *args: Any) -> Any:
        return len(args), "counted"

    @io.on("mute")
    def mute(socket: Socket, ack: Any) -> None:
        """Never answers."""

    @io.of("/admin").use
    def check(socket: Socket) -> None:
        if socket.handshake.auth.get("token") != "secret":
            raise ConnectError("not authorized", data={"need": "token"})

    @io.of("/admin").on("header")
    def header(socket: Socket) -> Any:
        return socket.handshake.headers.get("x-test"), socket.handshake.query.get("q"), socket.conn.transport


@pytest.fixture
def server() -> Iterator[Served]:
    with served("threads") as server:
        handlers(server.io)
        yield server


WELCOME = ["welcome", {"bytes": {"$base64": "AAE="}}]


def outputs(done: subprocess.CompletedProcess[str]) -> list[Any]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_events_and_answers_are_lines(server: Served, tmp_path: Path) -> None:
    stdin = '["echo", 1, {"$base64": "AAEC"}, "ä"]\n\n["count", 1, 2]'
    done = run(tmp_path, "connect", server.url, "--ack", stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    lines = outputs(done)  # an answer may overtake an event, and nothing else anything
    assert [line for line in lines if isinstance(line, list)] == [WELCOME, ["echoed", 1, {"$base64": "AAEC"}, "ä"]]
    answers = [line for line in lines if isinstance(line, dict)]
    assert sorted(answers, key=str) == [{"ack": [2, "counted"], "of": "count"}, {"ack": [], "of": "echo"}]


@pytest.mark.long
def test_what_was_sent_last_arrives(server: Served, tmp_path: Path) -> None:
    got = []
    server.io.on("data", lambda socket, text: got.append(len(text)))
    for transport in ("polling", "websocket"):
        sizes = [10, 900_000, 500_000]
        stdin = "".join(f"{json.dumps(['data', 'x' * size])}\n" for size in sizes)
        done = run(tmp_path, "connect", server.url, "--transport", transport, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, "")
        until(lambda: len(got) == 3)
        assert got == sizes
        got.clear()


def test_it_ends_with_the_event_it_waits_for(server: Served, tmp_path: Path) -> None:
    done = run(tmp_path, "connect", server.url, "--until", "welcome")
    assert (done.returncode, outputs(done)) == (0, [WELCOME])
    # also while the input goes on
    with talking("connect", server.url, "--until", "now") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == WELCOME
        server.io.emit("now", 1)
        assert json.loads(process.stdout.readline()) == ["now", 1]
        assert process.wait(scaled(10)) == 0


@pytest.mark.long
def test_it_stays_after_the_end_of_the_input(server: Served, tmp_path: Path) -> None:
    def later(socket: Socket) -> None:
        server.io.sleep(0.3)
        socket.emit("later")

    server.io.on("ask", later)
    done = run(tmp_path, "connect", server.url, "--wait", str(scaled(1.5)), stdin='["ask"]')
    assert (done.returncode, outputs(done)) == (0, [WELCOME, ["later"]])


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "told"),
    [
        (["--until", "never", "--timeout", "0.3"], "", 3, ""),
        (["--ack", "--timeout", "0.5"], '["mute"]', 3, "Error: no answer to mute"),
        (["--wait", "30"], '["kick"]', 1, "disconnected: io server disconnect\n"),
        ([], '["echo"]\nnonsense', 2, "Error: line 2: no JSON"),
        ([], '["connect"]', 2, "Error: line 1: "),
        (["--path", "/nowhere/"], "", 1, "Error: "),
    ],
)
def test_exit_codes(
    server: Served, tmp_path: Path, arguments: list[str], stdin: str, code: int, told: str
) -> None:
    done = run(tmp_path, "connect", server.url, *arguments, stdin=stdin)
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["localhost", "--auth", "x"], "Invalid value for --auth: no JSON"),
        (["localhost", "--auth", "[1]"], "an object is needed"),
        (["localhost", "--header", "x"], "is no header"),
        (["localhost", "--query", "x"], "NAME=VALUE is needed"),
        (["localhost", "--query", "EIO=3"], "the protocol's own"),
        (["ftp://localhost"], "ftp"),
        ([], "Missing argument 'URL'"),
    ],
)
def test_wrong_usage(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(main, ["connect", *arguments])
    assert result.exit_code == 2
    assert told in result.output


def test_what_came_before_the_end_is_printed(server: Served, tmp_path: Path) -> None:
    done = run(tmp_path, "connect", server.url, "--wait", "30", stdin='["kick"]')
    assert outputs(done) == [WELCOME, ["bye"]]


def test_a_namespace_with_auth_and_headers(server: Served, tmp_path: Path) -> None:
    url = f"{server.url.removeprefix('http://')}/admin"
    refused = run(tmp_path, "connect", url)
    assert refused.returncode == 1
    assert refused.stderr == f'Error: {url}: not authorized {{"need": "token"}}\n'
    options = ["--header", "X-Test: yes", "--query", "q=1", "--transport", "websocket", "--ack"]
    done = run(tmp_path, "connect", url, *options, stdin='["header"]', SOCKETIO_SYNC_AUTH='{"token": "secret"}')
    assert (done.returncode, done.stderr) == (0, "")
    assert outputs(done) == [{"ack": ["yes", "1", "websocket"], "of": "header"}]


@pytest.mark.long
def test_nobody_is_there(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = run(tmp_path, "connect", url, "--timeout", "0.5")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("not connected yet: ")
    assert f"Error: {url}: not connected to {url} in 0.5 s" in done.stderr


@pytest.mark.long
def test_msgpack(tmp_path: Path) -> None:
    from socketio_sync import parsers

    with served("threads", parser=parsers.msgpack) as server:
        handlers(server.io)
        done = run(tmp_path, "connect", server.url, "--parser", "msgpack", "--ack", stdin='["echo", 1]')
        assert done.returncode == 0
        assert [line for line in outputs(done) if isinstance(line, list)] == [WELCOME, ["echoed", 1]]


@pytest.mark.long
def test_a_reader_that_has_had_enough(server: Served) -> None:
    with talking("connect", server.url) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        server.io.emit("more")
        assert process.wait(scaled(10)) == 0
        assert process.stderr.read() == ""


def test_reconnects_are_told_and_ctrl_c_ends(server: Served) -> None:
    proxy = Proxy(server.port)
    try:
        with talking("connect", proxy.url) as process:
            assert process.stdout is not None and process.stderr is not None
            assert json.loads(process.stdout.readline()) == WELCOME
            # Amid the upgrade there may be no request that a cut could end: the server would wait for the ping timeout.
            until(lambda: [each.transport for each in server.io.engine.connections.values()] == ["websocket"])
            proxy.cut("reset")
            assert process.stderr.readline() == "disconnected: transport error; trying again\n"
            proxy.mend()
            assert json.loads(process.stdout.readline()) == WELCOME
            process.send_signal(signal.SIGINT)
            assert process.wait(scaled(10)) == 130
            rest = process.stderr.read()
            assert "connected again as " in rest
            assert "Traceback" not in rest
    finally:
        proxy.stop()
    until(lambda: server.io.engine.clients_count == 0)


def test_ctrl_c_says_goodbye_before_the_namespace_has_answered(server: Served) -> None:
    joining, answer, reasons = threading.Event(), threading.Event(), queue.SimpleQueue[str]()

    @server.io.of("/slow").use
    def wait(socket: Socket) -> None:
        socket.conn.on("close", lambda reason, details: reasons.put(reason))
        joining.set()
        answer.wait(TIMEOUT)

    # The goodbye goes behind the answer to the last POST, which lags: the process would end long before.
    with Proxy(server.port, lag=0.2) as proxy:
        with talking("connect", f"{proxy.url}/slow", "--transport", "polling") as process:
            assert joining.wait(TIMEOUT)
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT) == 130
        assert reasons.get(timeout=TIMEOUT) == "transport close"
    answer.set()


# -- a terminal --------------------------------------------------------------------------------------------------------


def test_a_conversation(server: Served) -> None:
    with OnTerminal("connect", server.url) as terminal:
        terminal.wait_for("* connected as ")
        terminal.wait_for("Ctrl-D ends.")
        terminal.type('echo hello 3 {"a": null}\r')
        terminal.wait_for('\x1b[1mechoed\x1b[0m "hello" 3 {"a": null}\r\n')
        terminal.type("count 1 2\r")
        terminal.wait_for('answer to count:\x1b[0m 2 "counted"\r\n')
        terminal.type('echo {"a"\r')
        terminal.wait_for("is no JSON")
        terminal.type("half a line")
        terminal.wait_for("half a line")
        server.io.emit("news", "came", b"\x00")
        terminal.wait_for('news\x1b[0m "came" "<1 bytes: 00>"\r\n')
        terminal.wait_for("> half a line")
        terminal.type("\x15\x04")  # Ctrl-U, Ctrl-D
        assert terminal.end() == 0
    until(lambda: server.io.engine.clients_count == 0)


def test_ctrl_c_leaves(server: Served) -> None:
    with OnTerminal("connect", server.url, "--transport", "websocket") as terminal:
        terminal.wait_for("> ")  # readline may not wait yet, and the key counts all the same
        terminal.type("\x03")
        assert terminal.end() == 0
        assert "Traceback" not in terminal.seen
    until(lambda: server.io.engine.clients_count == 0)


@pytest.mark.long
def test_the_end_of_the_connection_is_told(server: Served) -> None:
    with OnTerminal("connect", server.url) as terminal:
        terminal.wait_for("> ")
        terminal.type("kick\r")
        terminal.wait_for("bye")
        terminal.wait_for("* disconnected: io server disconnect\x1b")
        assert terminal.end() == 1


@pytest.mark.long
def test_a_reconnect_is_told(server: Served) -> None:
    proxy = Proxy(server.port)
    try:
        with OnTerminal("connect", proxy.url) as terminal:
            terminal.wait_for("> ")
            proxy.cut("reset")
            terminal.wait_for("* disconnected: transport error; trying again")
            proxy.mend()
            terminal.wait_for("* connected again as ")
            terminal.type("\x04")
            assert terminal.end() == 0
    finally:
        proxy.stop()


def test_a_refusal_on_a_terminal(server: Served) -> None:
    with OnTerminal("connect", f"{server.url}/admin") as terminal:
        terminal.wait_for('not authorized {"need": "token"}')
        assert terminal.end() == 1
    with OnTerminal("connect", server.url, "--until", "x") as terminal:
        terminal.wait_for("--until and --wait are for scripts")
        assert terminal.end() == 2


def test_the_conversation_of_the_documentation(tmp_path: Path) -> None:
    (sample,) = [s for s in pages.samples("howto/command_line.rst", "console") if "* connected as" in s.code]
    command_line, *lines = sample.code.splitlines()
    with started(tmp_path, "demo", "--port", "0") as demo:
        address = demo.url.removeprefix("http://")
        arguments = shlex.split(command_line)[2:]
        assert arguments[:2] == ["connect", "localhost:3000"]
        with OnTerminal("connect", address, *arguments[2:]) as terminal:
            for line in lines:
                if line.startswith("> "):
                    terminal.type(f"{line[2:]}\r")
                elif line.startswith("* connected as "):
                    terminal.wait_for("* connected as ")
                else:
                    terminal.wait_to_see(line)
            terminal.type("\x04")
            assert terminal.end() == 0
