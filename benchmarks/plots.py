"""The plots: a panel for each workload, a bar for each server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

from benchmarks import servers
from benchmarks import workloads
from benchmarks.report import Figures

COLUMNS = 3
LONGEST = 3.0
"""Times Node's: a longer bar is cut, lest the others cannot be told apart."""

COLORS = {
    "ours": "#1f5fa8",
    "node": "#4c9a4a",
    "bun": "#c9a227",
    "pysio": "#a9a9a9",
}
Panel = tuple[str, str, str, float]  # title, workload, key of the results, what to divide by

OVERVIEW = ["ack", "pipelined", "broadcast-1000", "storm", "idle", "memory"]
LATENCIES = ["ack", "pipelined", "broadcast-1000", "broadcast-8000", "rooms", "polling"]


def draw(figures: Figures, folder: Path) -> list[str]:
    """Those of ``report.PLOTS`` that there are figures for, as SVG and PNG; returns their names."""
    pyplot.rcParams.update({"font.size": 8, "svg.fonttype": "none", "svg.hashsalt": "benchmarks"})
    of = workloads.BY_NAME
    plots: dict[str, list[Panel]] = {
        "overview": [_main_panel(of[name]) for name in OVERVIEW],
        "cpu": [_main_panel(workload) for workload in workloads.WORKLOADS if workload.key == "cpu"],
        "latency": [
            (f"{of[name].title}\n{key}, ms", name, key, 1000) for name in LATENCIES for key in ("p50", "p99")
        ],
        "connections": [
            _main_panel(of["memory"]),
            (f"{of['storm'].title}\nconnections/s: longer is better", "storm", "rate", 1),
            (f"{of['storm'].title}\nms from connect to end, p50", "storm", "p50", 1000),
        ],
    }
    return [name for name, panels in plots.items() if _figure(figures, panels, folder / name)]


def _main_panel(workload: workloads.Workload) -> Panel:
    if workload.key == "cpu":
        return f"{workload.title}\nCPU µs a {workload.unit}", workload.name, "cpu", 1
    return f"{workload.title}\nKiB a client", workload.name, workload.key, 1024


def _figure(figures: Figures, panels: list[Panel], path: Path) -> bool:
    drawn = [(title, bars) for title, name, key, scale in panels if (bars := _bars(figures, name, key, scale))]
    if not drawn:
        return False
    height = (len(drawn) + COLUMNS - 1) // COLUMNS
    figure, axes = pyplot.subplots(height, COLUMNS, figsize=(4.6 * COLUMNS, 2.1 * height), squeeze=False)
    for panel in axes.flat[len(drawn) :]:
        panel.axis("off")
    for panel, (title, bars) in zip(axes.flat, drawn, strict=False):
        _panel(panel, title, bars)
    figure.tight_layout()
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=110)
    pyplot.close(figure)
    return True


def _bars(figures: Figures, workload: str, key: str, scale: float) -> dict[str, float]:
    values = {server.name: figures(workload, server.name, key) for server in servers.SERVERS}
    return {name: value / scale for name, value in values.items() if value is not None}


def _panel(panel: Any, title: str, bars: dict[str, float]) -> None:
    names = list(reversed(bars))
    ours = max([value for name, value in bars.items() if name.startswith("ours")], default=0)
    limit = max(bars.values())
    if "node" in bars:
        limit = min(limit, max(LONGEST * bars["node"], 1.2 * ours))
    for at, name in enumerate(names):
        value = bars[name]
        panel.barh(at, min(value, limit), color=COLORS[name.split("-")[0]], height=0.7)
        text = f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
        panel.text(min(value, limit) + limit * 0.01, at, f"{'» ' if value > limit else ''}{text}", va="center")
    panel.set_yticks(range(len(names)), [servers.BY_NAME[name].label for name in names])
    panel.set_xlim(0, limit * 1.18)
    panel.set_title(title, fontsize=8, loc="left")
    panel.spines[["top", "right"]].set_visible(False)
