"""What the figures must come to: each bar is a limit of a quantity, or of its ratio to another in the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Figure = Callable[[str, str, str], float | None]
"""The median of (workload, server, key of the result)."""


@dataclass(frozen=True)
class Bar:
    """``value`` must not be above ``limit``.

    Attributes:
        what: for people.
        value: None where a figure that it needs was not measured.
        workload, server: the runs that it is about, if it is about one kind.
    """

    what: str
    limit: float
    value: Callable[[Figure], float | None]
    workload: str = ""
    server: str = ""


def _ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other


def _against(workload: str, limit: float, peer: str, ours: str = "ours", key: str = "cpu") -> Bar:
    what = {"cpu": "CPU", "p99": "p99 latency", "connection_bytes": "memory"}[key]
    return Bar(
        f"{workload}: {what} of {ours} to {peer}'s",
        limit,
        lambda figure: _ratio(figure(workload, ours, key), figure(workload, peer, key)),
        workload,
        ours,
    )


def _kib(ours: str) -> Bar:
    def value(figure: Figure) -> float | None:
        size = figure("memory", ours, "connection_bytes")
        return None if size is None else size / 1024

    return Bar(f"memory: KiB a connection of {ours}", 8, value)


def _more_rooms(workload: str, ours: str) -> Bar:
    return Bar(
        f"{workload}: CPU of {ours} with 100,000 rooms to that with 1,000",
        1.25,
        lambda figure: _ratio(figure(f"{workload}-100k", ours, "cpu"), figure(f"{workload}-1k", ours, "cpu")),
    )


def _more_clients(figure: Figure) -> float | None:
    ours, node = (
        _ratio(figure("broadcast-8000", server, "cpu"), figure("broadcast-100", server, "cpu"))
        for server in ("ours", "node")
    )
    return _ratio(ours, node)


BARS = [
    _against("ack", 0.55, "node"),
    _against("ack", 0.15, "pysio-gevent"),
    _against("pipelined", 0.5, "node"),
    _against("pipelined", 1.0, "node", key="p99"),
    *(
        bar
        for size in ("1000", "8000")
        for bar in (_against(f"broadcast-{size}", 0.5, "node"), _against(f"broadcast-{size}", 1.0, "bun"))
    ),
    *(_against(f"echo-{size}-{kind}", 1.0, "node") for size in ("16k", "1m") for kind in ("text", "binary")),
    _against("storm", 0.6, "node"),
    *(
        bar
        for ours in ("ours", "ours-threads")
        for bar in (_kib(ours), _against("memory", 0.6, "node", ours, "connection_bytes"))
    ),
    _against("idle", 0.6, "node"),
    _against("ack", 0.8, "node", "ours-threads"),
    _against("ack", 0.15, "pysio-threads", "ours-threads"),
    _against("broadcast-1000", 0.7, "node", "ours-threads"),
    _against("broadcast-8000", 0.7, "node", "ours-threads"),
    _against("polling", 0.5, "pysio-gunicorn"),
    Bar("growth: CPU a delivery from 100 to 8,000 clients, ours to node's", 1.0, _more_clients),
    *(_more_rooms(workload, ours) for workload in ("churn", "leaving") for ours in ("ours", "ours-threads")),
]


def runs() -> set[tuple[str, str]]:
    """The workloads, each with a server, that the bars ask for."""
    asked: set[tuple[str, str]] = set()

    def figure(workload: str, server: str, key: str) -> float:
        asked.add((workload, server))
        return 1.0

    for bar in BARS:
        bar.value(figure)
    return asked
