"""The benchmarks' programs start, load their servers, and say something sane. No figure is judged here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import measure
from benchmarks import report
from benchmarks import servers
from benchmarks import setup_peers
from benchmarks import workloads
from socketio_sync import Server
from socketio_sync import Socket
from tests.support.programs import ROOT
from tests.support.timing import scaled

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a single core"),
]


@pytest.fixture(scope="module", autouse=True)
def load() -> None:
    setup_peers.build_load()


@pytest.fixture
def settings() -> measure.Settings:
    first, second, *_ = sorted(os.sched_getaffinity(0))
    return measure.Settings(0.3, 0.1, True, first, second)


KINDS = "ack pipelined broadcast-100 rooms echo-16k-binary echo-1m-text storm idle polling churn-1k".split()


@pytest.mark.parametrize("name", KINDS)
def test_a_workload_does_its_rounds(name: str, settings: measure.Settings) -> None:
    result = measure.measure(workloads.BY_NAME[name], servers.BY_NAME["ours-pywsgi"], settings)
    assert report.problem(result) is None
    assert result["messages"] > 0
    assert result["cpu"] > 0
    assert result["load_cpu"] > 0
    assert result["p50"] <= result["p90"] <= result["p99"] <= result["p999"] <= result["max"]


@pytest.mark.parametrize("name", ["ours", "ours-threads"])
def test_the_memory_of_clients_is_measured(name: str, settings: measure.Settings) -> None:
    result = measure.measure(workloads.BY_NAME["memory"], servers.BY_NAME[name], settings)
    assert result["connected"] == 100
    assert result["base_bytes"] > 1_000_000
    assert "connection_bytes" in result


def test_a_wrong_answer_is_noticed() -> None:
    io = Server(runtime="threads")

    @io.on("echo")
    def echo(socket: Socket, payload: str) -> str:
        return payload + "!"

    with io, io.listening() as server:
        load = measure.Load(server.port, ["ack", "clients=2"], max(os.sched_getaffinity(0)))
        result = load.run(0.1)
        assert "not the answer" in load.close()
    assert result["messages"] == 0
    assert "errors" in str(report.problem(result))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=scaled(50)
    )


def test_the_command_runs_servers_and_writes_a_page(tmp_path: Path) -> None:
    done = run("--quick", "-w", "ack", "-s", "ours", "-s", "ours-pywsgi", "--rounds", "2", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "ours, gunicorn gevent" in done.stdout
    results: dict[str, Any] = json.loads((tmp_path / "results.json").read_text())
    assert [run["server"] for run in results["runs"]] == ["ours", "ours-pywsgi"] * 2
    assert {run["round"] for run in results["runs"]} == {0, 1}
    assert "Python" in results["machine"]
    assert "ack round trip" in (tmp_path / "results.rst").read_text().lower()


def test_a_server_that_cannot_be_had_is_left_out_with_the_reason() -> None:
    done = run("--quick", "-w", "ack", "-s", "node", PATH="/nowhere")
    assert done.returncode == 1
    assert "left out: node: node is not installed" in done.stderr
