"""Every fuzz target for a second or two, always with the same inputs; SOCKETIO_SYNC_FUZZ_ROUNDS sets another number."""

from __future__ import annotations

import importlib
import itertools
import os
import pathlib
import subprocess
import sys

import pytest

from tests.fuzz.harness import mutations
from tests.fuzz.harness import run

ROUNDS = int(os.environ.get("SOCKETIO_SYNC_FUZZ_ROUNDS", "6000"))
HERE = pathlib.Path(__file__).parent
TARGETS = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("__main__", "harness", "test_smoke"))


@pytest.mark.timeout(max(60, ROUNDS // 100))
@pytest.mark.parametrize("name", TARGETS)
def test_a_target_finds_nothing(name: str) -> None:
    module = importlib.import_module(f"tests.fuzz.{name}")
    assert run(module.target, itertools.islice(mutations(module.CORPUS, name), ROUNDS)) == ROUNDS


def test_mutations_are_many_and_repeatable() -> None:
    first, second = (list(itertools.islice(mutations([b"abc", b"\x00" * 50], 7), 1000)) for _ in range(2))
    assert first == second
    assert len(set(first)) > 700


def test_a_find_says_its_input(capsys: pytest.CaptureFixture[str]) -> None:
    def target(data: bytes) -> None:
        assert b"b" not in data

    with pytest.raises(AssertionError):
        run(target, iter([b"a", b"abc", b"d"]))
    assert "b'abc'" in capsys.readouterr().err


def test_a_file_can_be_run_again(tmp_path: pathlib.Path) -> None:
    found = tmp_path / "crash"
    found.write_bytes(b"4hello")
    subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "engineio_payload", str(found)],
        cwd=HERE.parent.parent,
        check=True,
        timeout=30,
    )
