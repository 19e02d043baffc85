"""What the report makes of results."""

from __future__ import annotations

from typing import Any

from benchmarks import bars
from benchmarks import report
from benchmarks import workloads

QUIET = {"errors": 0, "lost": 0, "unanswered": 0, "load_core_share": 0.3, "load_share": 0.3}


def results(*runs: dict[str, Any]) -> dict[str, Any]:
    settings = {"rounds": 1, "seconds": 1, "warm_up": 1}
    about = {"machine": {"Python": "3"}, "missing": {"bun": "no npm"}, "date": "", "command": "", "settings": settings}
    return about | {"runs": list(runs)}


def run(server: str, cpu: float, workload: str = "ack", **changes: Any) -> dict[str, Any]:
    return QUIET | {"workload": workload, "server": server, "cpu": cpu} | changes


def test_the_median_counts() -> None:
    figures = report.Figures(results(run("ours", 10), run("ours", 90), run("ours", 20)))
    assert figures("ack", "ours", "cpu") == 20


def test_disturbed_rounds_count_only_if_no_other_does() -> None:
    busy = run("ours", 90, load_core_share=0.9)
    assert report.Figures(results(run("ours", 10), busy, busy))("ack", "ours", "cpu") == 10
    alone = report.Figures(results(busy))
    assert alone("ack", "ours", "cpu") == 90
    assert alone.disturbed("ack", "ours")
    assert "ours, gunicorn gevent *" in report.table(results(busy))


def test_failed_rounds_never_count() -> None:
    failed = results(run("ours", 10, lost=1), {"workload": "ack", "server": "ours", "failed": "it ended"})
    assert report.Figures(failed)("ack", "ours", "cpu") is None
    assert "2 of the runs failed: 1 lost" in report.table(failed)


def test_a_bar_holds_or_fails_and_is_silent_without_its_figures() -> None:
    assert report.table(results(run("ours", 10), run("node", 20))).count(" holds") == 1
    assert report.table(results(run("ours", 10), run("node", 11))).count(" fails") == 1
    assert "at most" not in report.table(results(run("ours", 10)))


def test_growth_compares_with_nodes_growth() -> None:
    runs = [run("ours", 1, "broadcast-100"), run("ours", 3, "broadcast-8000")]
    runs += [run("node", 2, "broadcast-100"), run("node", 4, "broadcast-8000")]
    judged = {what: (value, verdict) for what, _, value, verdict in report.judgements(report.Figures(results(*runs)))}
    assert judged["growth: CPU a delivery from 100 to 8,000 clients, ours to node's"] == ("1.50", "fails")


def test_the_page_has_every_row() -> None:
    page = report.page(results(run("ours", 10, rate=1000, p50=10, p99=20, kernel_share=0.4), run("node", 20)))
    assert "Bun was left out: no npm." in page
    assert "   * - ours, gunicorn gevent\n     - 10.0\n     - 40%\n     - 0.50\n" in page


def test_what_failed_programs_said_is_shown_as_it_is() -> None:
    page = report.page(results({"workload": "ack", "server": "ours", "failed": "it said *warnings* of `x_`"}))
    assert r"1 of the runs failed: it said \*warnings\* of \`x\_\`" in page


def test_a_brief_run_repeats_what_the_bars_are_about() -> None:
    needed = bars.runs()
    assert {("ack", "ours"), ("ack", "node"), ("polling", "pysio-gunicorn"), ("broadcast-8000", "bun")} <= needed
    assert ("rooms", "bun") not in needed
    known = {(workload.name, server) for workload in workloads.WORKLOADS for server in workload.servers}
    assert needed <= known
