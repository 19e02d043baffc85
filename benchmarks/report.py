"""Results to tables and plots."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from benchmarks import bars
from benchmarks import servers
from benchmarks import workloads

BUSIEST_LOAD = 0.85
"""Above this share of its core the load generator may hold the server up, and the run does not count."""

Run = dict[str, Any]


def problem(run: Run) -> str | None:
    """Why a run does not count."""
    if "failed" in run:
        return str(run["failed"])
    for key in ("errors", "lost", "unanswered"):
        if run.get(key):
            return f"{run[key]} {key}"
    if run.get("load_core_share", 0) > BUSIEST_LOAD:
        own = run["load_share"]
        return f"the load's core was {run['load_core_share']:.0%} busy, {own:.0%} with the load generator"
    return None


class Figures:
    """Medians of the runs that count."""

    def __init__(self, results: dict[str, Any]) -> None:
        self.runs: dict[tuple[str, str], list[Run]] = {}
        for run in results["runs"]:
            self.runs.setdefault((run["workload"], run["server"]), []).append(run)

    def valid(self, workload: str, server: str) -> list[Run]:
        return [run for run in self.runs.get((workload, server), []) if problem(run) is None]

    def __call__(self, workload: str, server: str, key: str) -> float | None:
        values = [run[key] for run in self.valid(workload, server) if key in run]
        return statistics.median(values) if values else None


COLUMNS = ["server", "CPU µs", "of Node", "rate /s", "p50 ms", "p99 ms", "CPU µs/connect", "KiB/client", "load µs", "load's core"]


def line_of(run: Run) -> str:
    """One run, while it is watched."""
    start = f"{run['workload']:16} {run['server']:14} "
    if "failed" in run:
        return f"{start} failed: {run['failed']}"
    parts = [f"{key} {run[key] / scale:.{digits}f}" for key, scale, digits in (
        ("cpu", 1, 2), ("rate", 1, 0), ("p50", 1000, 2), ("p99", 1000, 2), ("connect_cpu", 1, 0),
        ("connection_bytes", 1024, 1), ("load_core_share", 1, 2), ("load_share", 1, 2)) if key in run]
    return start + ", ".join(parts) + (f" NOT VALID: {problem(run)}" if problem(run) else "")


def row(figures: Figures, workload: workloads.Workload, server: str) -> list[str]:
    """The cells of ``COLUMNS``."""

    def cell(key: str, digits: int, scale: float = 1) -> str:
        value = figures(workload.name, server, key)
        return "" if value is None else f"{value / scale:,.{digits}f}"

    key = "connection_bytes" if workload.seconds == 0 else "cpu"
    own, node = figures(workload.name, server, key), figures(workload.name, "node", key)
    share = figures(workload.name, server, "load_core_share")
    return [
        servers.BY_NAME[server].label,
        cell("cpu", 1 if (own or 0) < 1000 else 0),
        f"{own / node:.2f}" if own and node else "",
        "" if workload.name == "idle" else cell("rate", 0),
        "" if workload.name == "idle" else cell("p50", 2, 1000),
        "" if workload.name == "idle" else cell("p99", 2, 1000),
        cell("connect_cpu", 0),
        cell("connection_bytes", 1, 1024),
        cell("load_cpu", 2),
        "" if share is None else f"{share:.0%}",
    ]


def rows(figures: Figures) -> list[tuple[workloads.Workload, list[list[str]], list[str]]]:
    """For each workload that was run: its rows, and what went wrong."""
    found = []
    for workload in workloads.WORKLOADS:
        names = [server.name for server in servers.SERVERS if (workload.name, server.name) in figures.runs]
        good = [name for name in names if figures.valid(workload.name, name)]
        notes = [
            f"{servers.BY_NAME[name].label}: {len(bad)} of {len(runs)} runs do not count: {bad[0]}"
            for name in names
            for runs in [figures.runs[workload.name, name]]
            if (bad := [text for text in map(problem, runs) if text])
        ]
        if names:
            found.append((workload, [row(figures, workload, name) for name in good], notes))
    return found


def table(results: dict[str, Any]) -> str:
    """For a terminal."""
    figures, lines = Figures(results), []
    for workload, cells, notes in rows(figures):
        lines += ["", f"{workload.name}: {workload.title}; CPU for one {workload.unit}"]
        widths = [max(len(line[at]) for line in [COLUMNS, *cells]) for at in range(len(COLUMNS))]
        for line in [COLUMNS, *cells]:
            lines.append("  ".join(text.rjust(width) if at else text.ljust(width) for at, (text, width) in enumerate(zip(line, widths, strict=True))))
        lines += notes
    judged = [line for line in judgements(figures) if line[2]]
    if judged:
        lines += ["", *(f"{verdict:5} {what}: {value} (at most {limit})" for what, limit, value, verdict in judged)]
    return "\n".join(lines)


def judgements(figures: Figures) -> list[list[str]]:
    """For each bar: what, its limit, the value, and whether it holds."""
    judged = []
    for bar in bars.BARS:
        value = bar.value(figures)
        shown = "" if value is None else f"{value:.2f}"
        judged.append([bar.what, f"{bar.limit:g}", shown, "" if value is None else "holds" if value <= bar.limit else "fails"])
    return judged


def write(results: dict[str, Any], folder: Path) -> None:
    pass
