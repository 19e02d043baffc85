"""Results to tables: for a terminal, and as reStructuredText for the documentation."""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import bars
from benchmarks import servers
from benchmarks import workloads

BUSIEST_LOAD = 0.85
"""Where more of the load generator's core was busy, the server may have waited for it: such a run is disturbed."""

CROWD = 1000
"""With fewer clients the memory of one is lost among what else a server keeps."""

COLUMNS = [
    "server",
    "CPU µs",
    "in kernel",
    "of Node",
    "spread",
    "cold µs",
    "rate/s",
    "p50 ms",
    "p99 ms",
    "CPU µs/connect",
    "KiB/client",
    "load µs",
    "its core",
]

Run = dict[str, Any]


def problem(run: Run) -> str | None:
    """Why a run came to nothing."""
    if "failed" in run:
        return str(run["failed"])
    for key in ("errors", "lost", "unanswered"):
        if run.get(key):
            return f"{run[key]} {key}"
    return None


def disturbed(run: Run) -> bool:
    return float(run.get("load_core_share", 0)) > BUSIEST_LOAD


class Figures:
    """Medians of the runs: of the undisturbed ones, if there are any."""

    def __init__(self, results: dict[str, Any]) -> None:
        self.runs: dict[tuple[str, str], list[Run]] = {}
        for run in results["runs"]:
            self.runs.setdefault((run["workload"], run["server"]), []).append(run)

    def good(self, workload: str, server: str) -> list[Run]:
        return [run for run in self.runs.get((workload, server), []) if problem(run) is None]

    def disturbed(self, workload: str, server: str) -> bool:
        """All that there is was."""
        return all(disturbed(run) for run in self.good(workload, server))

    def values(self, workload: str, server: str, key: str) -> list[float]:
        good = self.good(workload, server)
        return [run[key] for run in [run for run in good if not disturbed(run)] or good if key in run]

    def __call__(self, workload: str, server: str, key: str) -> float | None:
        values = self.values(workload, server, key)
        return statistics.median(values) if values else None


def line_of(run: Run) -> str:
    """One run, for those who watch."""
    shown = [
        ("cpu", "CPU", 1, "µs"),
        ("rate", "", 1, "/s"),
        ("p50", "p50", 1000, "ms"),
        ("p99", "p99", 1000, "ms"),
        ("connection_bytes", "", 1024, "KiB/client"),
        ("load_share", "load", 0.01, "%"),
        ("load_core_share", "its core", 0.01, "%"),
    ]
    parts = [f"{name} {run[key] / scale:,.1f} {unit}".strip() for key, name, scale, unit in shown if run.get(key)]
    note = problem(run) or ("disturbed" if disturbed(run) else "")
    return f"{run['workload']:15} {run['server']:14} {', '.join(parts)} {note}"


def row(figures: Figures, workload: workloads.Workload, server: str) -> list[str]:
    """The cells of ``COLUMNS``."""

    def cell(key: str, digits: int, scale: float = 1) -> str:
        value = figures(workload.name, server, key)
        return "" if value is None else f"{value / scale:,.{digits}f}"

    key = workload.key
    own, node = figures(workload.name, server, key), figures(workload.name, "node", key)
    values = figures.values(workload.name, server, key)
    timed = workload.name != "idle"
    return [
        servers.BY_NAME[server].label + (" *" if figures.disturbed(workload.name, server) else ""),
        cell("cpu", 1 if (own or 0) < 1000 else 0),
        cell("kernel_share", 0, 0.01) + "%" if figures(workload.name, server, "kernel_share") is not None else "",
        f"{own / node:.2f}" if own and node else "",
        f"{(max(values) - min(values)) / statistics.median(values):.0%}" if len(values) > 1 else "",
        cell("cold_cpu", 1 if (own or 0) < 1000 else 0),
        cell("rate", 0) if timed else "",
        cell("p50", 2, 1000) if timed else "",
        cell("p99", 2, 1000) if timed else "",
        cell("connect_cpu", 0),
        cell("connection_bytes", 1, 1024) if (figures(workload.name, server, "connected") or 0) >= CROWD else "",
        cell("load_cpu", 2),
        cell("load_core_share", 0, 0.01) + "%" if workload.seconds != 0 else "",
    ]


def rows(figures: Figures) -> Iterator[tuple[workloads.Workload, list[list[str]], list[str]]]:
    """For each workload that was run: its rows, and what went wrong."""
    for workload in workloads.WORKLOADS:
        names = [server.name for server in servers.SERVERS if (workload.name, server.name) in figures.runs]
        notes = []
        for name in names:
            bad = [text for text in map(problem, figures.runs[workload.name, name]) if text]
            if bad:
                notes.append(f"{servers.BY_NAME[name].label}: {len(bad)} of the runs failed: {bad[0]}")
        if names:
            yield workload, [row(figures, workload, name) for name in names if figures.good(workload.name, name)], notes


def judgements(figures: Figures) -> Iterator[list[str]]:
    """For each bar that was measured: what, its limit, the value, and whether it holds."""
    for bar in bars.BARS:
        value = bar.value(figures)
        if value is not None:
            yield [bar.what, f"{bar.limit:g}", f"{value:.2f}", "holds" if value <= bar.limit else "fails"]


def profiles(figures: Figures) -> Iterator[tuple[workloads.Workload, str, list[list[str]]]]:
    """The profile of each workload and server of which a bar fails, once; or of all that have one, if none fails."""
    failing = {(bar.workload, bar.server) for bar in bars.BARS if (bar.value(figures) or 0) > bar.limit}
    for (name, server), runs in figures.runs.items():
        found = [run["profile"] for run in runs if "profile" in run]
        if found and ((name, server) in failing or not failing):
            cells = [[f"{share:.1%}", where] for share, where in found[-1]]
            yield workloads.BY_NAME[name], servers.BY_NAME[server].label, cells


def table(results: dict[str, Any]) -> str:
    """For a terminal."""
    figures = Figures(results)
    lines = []
    for workload, cells, notes in rows(figures):
        lines += ["", f"{workload.name}: {workload.title}; CPU of the server for one {workload.unit}"]
        lines += [*_aligned([COLUMNS, *cells]), *notes]
    judged = list(judgements(figures))
    if judged:
        lines += ["", *_aligned([["bar", "at most", "is", ""], *judged])]
    for workload, label, cells in profiles(figures):
        lines += ["", f"where the time goes: {workload.name}, {label}"]
        lines += [f"{share:>6}  {where}" for share, where in cells]
    if any(disturbed(run) for run in results["runs"]):
        lines += ["", f"* all runs disturbed: the load's core was more than {BUSIEST_LOAD:.0%} busy"]
    return "\n".join(lines)


def _aligned(cells: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        first, *rest = (
            text.rjust(width) if at else text.ljust(width)
            for at, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join([first, *rest]).rstrip()


def page(results: dict[str, Any], drawn: Sequence[str] = ()) -> str:
    """For the documentation: the bars, the plots that were drawn, and the tables."""
    figures = Figures(results)
    settings = results["settings"]
    lines = [".. made by ``python -m benchmarks``; do not edit", "", *_title("The last run", "=")]
    lines += [f"*{results['date']}*, by ``{results['command']}``: rounds: {settings['rounds']}, windows of "]
    lines[-1] += f"{settings['seconds']:g} s after {settings['warm_up']:g} s of warming up; medians."
    lines += ["", *_list_table([], [[key, _plain(text)] for key, text in results["machine"].items()], "15 85")]
    for name, reason in results["missing"].items():
        lines += [f"{servers.BY_NAME[name].label} was left out: {_plain(reason)}.", ""]
    lines += _title("What it is to come to", "-")
    lines += _list_table(["", "at most", "is", ""], list(judgements(figures)), "70 10 10 10")
    for workload, label, cells in profiles(figures):
        lines += _title(f"Where the time goes: {workload.title}, {label}", "~")
        lines += _list_table([], [[share, f"``{where}``"] for share, where in cells], "12 88")
    lines += _title("Plots", "-")
    lines += ["A bar that ends in » is longer than shown.", ""]
    for name in drawn:
        lines += [f".. image:: {name}.svg", f"   :alt: {PLOTS[name]}", "   :width: 100%", ""]
    lines += _title("Tables", "-")
    lines += [_LEGEND, ""]
    for workload, cells, notes in rows(figures):
        lines += _title(workload.title[0].upper() + workload.title[1:], "~")
        lines += [f"``{workload.load}``; CPU of the server for one {workload.unit}.", ""]
        lines += _list_table(COLUMNS, cells, "28" + " 8" * (len(COLUMNS) - 1))
        lines += [line for note in notes for line in (_plain(note), "")]
    return "\n".join(lines).rstrip() + "\n"


PLOTS = {
    "overview": "six workloads at a glance",
    "cpu": "the servers' CPU time for each workload",
    "latency": "the servers' latency for each workload",
    "connections": "memory of a connection, and connections a second",
}

_LEGEND = f"""\
*in kernel* is the share of the CPU time that the system took: for calls that every server makes, and for what loopback
does in them, the whole way through both ends of TCP up to the load generator's wake-up. *spread* is the difference of
the largest and the smallest of the rounds' values, in parts of their median; *cold µs* is the CPU time while warming
up, when just-in-time compilers have yet to work. *load µs* is the CPU time of the load generator for one message, *its
core* how busy its core was with anything; above {BUSIEST_LOAD:.0%} a round counts only if no other is better, and
\\* says so. A client's memory and the CPU time of its connecting are those of the whole
crowd, from before the first connect until after the last."""


def _title(text: str, line: str) -> list[str]:
    return [text, line * len(text), ""]


def _plain(text: str) -> str:
    """What others said, without meaning in reStructuredText."""
    return re.sub(r"([*_`|\\])", r"\\\1", text)


def _list_table(header: list[str], cells: list[list[str]], widths: str) -> list[str]:
    if not cells:
        return ["Nothing to show.", ""]
    lines = [".. list-table::"] + (["   :header-rows: 1"] if header else []) + [f"   :widths: {widths}", ""]
    for line in ([header] if header else []) + cells:
        lines += [f"   {'  -' if at else '* -'} {text}".rstrip() for at, text in enumerate(line)]
    return [*lines, ""]


def write(results: dict[str, Any], folder: Path) -> None:
    """The page and its plots."""
    drawn = []
    try:
        from benchmarks import plots
    except ModuleNotFoundError as error:
        print(f"no plots: {error}; pip install -e '.[benchmark]'", file=sys.stderr)
    else:
        drawn = plots.draw(Figures(results), folder)
    (folder / "results.rst").write_text(page(results, drawn))
