"""The micro-benchmarks still fit the code: each runs once, and is not timed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.programs import ROOT
from tests.support.timing import scaled

pytest.importorskip("pytest_benchmark")


@pytest.mark.long
def test_every_micro_benchmark_runs() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "--benchmark-disable", "benchmarks/micro"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(50))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_the_hot_path_lists_its_calls() -> None:
    command = [sys.executable, "-m", "benchmarks.hot_path", "--calls"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=scaled(50))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a handler that returns" in done.stdout
