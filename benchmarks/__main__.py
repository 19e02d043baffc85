"""Compare socket servers on this machine: ``python -m benchmarks``.

Each round starts every server afresh, one after the other, for every workload; the server has one core, the load
generator another. Peers that are missing are installed into ``benchmarks/node_modules`` and ``benchmarks/.cache``; one
that cannot be had is left out, and the report says why.

    python -m benchmarks --list                                        what there is
    python -m benchmarks --rounds 3 --output docs/performance          the report: everything, most of an hour
    python -m benchmarks --rounds 3 --brief --output docs/performance  the same, but once where no bar asks
    python -m benchmarks -w ack -w broadcast-1000 -s ours -s node      a part, in some seconds; prints the table
    python -m benchmarks -w ack -s ours --profile                      where the time goes, line by line
    python -m benchmarks --quick                                       does it work at all? The figures mean nothing
    python -m benchmarks --from docs/performance/results.json --output docs/performance      tables and plots anew

CPU is microseconds of the server's processes, kernel included, for one message (delivery, connection); a ratio is to
Node in the same run. Compare nothing between runs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import bars
from benchmarks import machine
from benchmarks import measure
from benchmarks import report
from benchmarks import sampling
from benchmarks import servers
from benchmarks import setup_peers
from benchmarks import workloads


def arguments(argv: list[str]) -> argparse.Namespace:
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-w", "--workload", action="append", choices=list(workloads.BY_NAME), metavar="NAME")
    parser.add_argument("-s", "--server", action="append", choices=list(servers.BY_NAME), metavar="NAME")
    parser.add_argument("-r", "--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3, help="of each measured window (default 3)")
    parser.add_argument("--warm-up", type=float, default=2, help="seconds of load before it (default 2)")
    parser.add_argument("--brief", action="store_true", help="after the first round, only what a bar is about")
    parser.add_argument("--quick", action="store_true", help="few clients and half a second each")
    parser.add_argument("--profile", action="store_true", help="after each window of ours, one more under py-spy")
    parser.add_argument("--cores", default=None, help="SERVER,LOAD: the cores to use (default: the first two)")
    parser.add_argument("--output", type=Path, help="a folder for results.json, the table and the plots")
    parser.add_argument("--from", dest="source", type=Path, help="make the report of these results; run nothing")
    parser.add_argument("--list", action="store_true", help="the workloads and servers")
    return parser.parse_args(argv)


def settings_of(options: argparse.Namespace) -> measure.Settings:
    cores = sorted(os.sched_getaffinity(0))
    if options.cores:
        cores = [int(core) for core in options.cores.split(",")]
    if len(cores) < 2:
        raise SystemExit("two cores are needed: one for the server, one for the load")
    if options.quick:
        return measure.Settings(0.5, 0.1, True, cores[0], cores[1], options.profile)
    return measure.Settings(options.seconds, options.warm_up, False, cores[0], cores[1], options.profile)


def available(names: list[str]) -> tuple[list[servers.Server], dict[str, str]]:
    """The servers that can be had, and why the others cannot."""
    found, missing = [], {}
    for name in names:
        try:
            servers.BY_NAME[name].prepare()
            found.append(servers.BY_NAME[name])
        except setup_peers.Unavailable as reason:
            missing[name] = str(reason)
            print(f"left out: {name}: {reason}", file=sys.stderr)
    if not found:
        raise SystemExit("there is no server to measure")
    return found, missing


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All rounds; what ``report`` reads."""
    settings = settings_of(options)
    chosen = [workloads.BY_NAME[name] for name in options.workload or workloads.BY_NAME]
    wanted = options.server or [name for name in servers.BY_NAME if any(name in each.servers for each in chosen)]
    found, missing = available(wanted)
    try:
        setup_peers.build_load()
        if options.profile:
            sampling.py_spy()
    except setup_peers.Unavailable as reason:
        raise SystemExit(str(reason)) from None
    results: dict[str, Any] = {
        "machine": machine.describe(),
        "command": "python -m benchmarks " + " ".join(sys.argv[1:]),
        "date": time.strftime("%Y-%m-%d"),
        "settings": vars(settings) | {"rounds": options.rounds},
        "missing": missing,
        "runs": [],  # the last, see ``save``
    }
    needed = bars.runs()
    for number in range(options.rounds):
        for workload in chosen:
            for server in found:
                if server.name not in workload.servers and not (options.server and options.workload):
                    continue
                if options.brief and number and (workload.name, server.name) not in needed:
                    continue
                results["runs"].append(one(workload, server, settings) | {"round": number, "server": server.name})
                if options.output:
                    save(results, options.output)
    return results


def one(workload: workloads.Workload, server: servers.Server, settings: measure.Settings) -> dict[str, Any]:
    try:
        result = measure.measure(workload, server, settings)
    except measure.Failed as failure:
        result = {"workload": workload.name, "failed": str(failure)}
    print(report.line_of(result | {"server": server.name}), file=sys.stderr, flush=True)
    return result


def save(results: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    head = json.dumps(results | {"runs": []}, indent=1).removesuffix("[]\n}")
    runs = ",\n".join(json.dumps(run) for run in results["runs"])
    (folder / "results.json").write_text(f"{head}[\n{runs}\n]}}\n")  # a line a run


def main(argv: list[str]) -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # the servers have to end, too
    options = arguments(argv)
    if options.list:
        for workload in workloads.WORKLOADS:
            print(f"{workload.name:16} {workload.title:60} {' '.join(workload.servers)}")
        for server in servers.SERVERS:
            print(f"{server.name:16} {server.label}")
        return
    results = json.loads(options.source.read_text()) if options.source else run(options)
    print(report.table(results))
    if options.output:
        save(results, options.output)
        report.write(results, options.output)


if __name__ == "__main__":
    main(sys.argv[1:])
