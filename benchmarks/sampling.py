"""Where a server's time goes: py-spy looks at it a few hundred times a second."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.setup_peers import HERE
from benchmarks.setup_peers import Unavailable

RATE = 400
SHOWN = 15

Profile = list[tuple[float, str]]


def py_spy() -> str:
    """The program; beside the interpreter, or anywhere. Raises Unavailable."""
    found = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if found is None:
        raise Unavailable("py-spy is not installed: pip install -e '.[benchmark]'")
    return found


def sample(pid: int, load: Any, seconds: float) -> Profile:
    """The share of the samples that each line of code has by itself, with what it calls in C and in the kernel."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "stacks"
        command = [py_spy(), "record", "--nonblocking", "-p", str(pid), "-r", str(RATE), "-f", "raw", "-o", str(output)]
        spy = subprocess.Popen(  # a server that it stopped for each look would have its idle threads seem at work
            [*command, "-d", str(max(1, round(seconds)))], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        load.run(seconds + 0.5)  # it takes a moment to start
        spy.wait()
        return summed(output.read_text())


def summed(stacks: str) -> Profile:
    """The lines on top of stacks, as py-spy writes them: frames with ``;`` between them, a space, how often."""
    counts: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, times = line.rpartition(" ")
        where = stack.rpartition(";")[2].replace(f"{HERE.parent}/", "")
        counts[where or "(no Python line)"] += int(times)
    total = sum(counts.values())
    return [(times / total, where) for where, times in counts.most_common(SHOWN)]
