"""One workload against one server: both on a core each, CPU time and memory of the server's processes."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import sampling
from benchmarks.servers import Server
from benchmarks.setup_peers import HERE
from benchmarks.setup_peers import LOAD
from benchmarks.workloads import Workload

START_LIMIT = 30.0
CONNECT_LIMIT = 200.0
DRAIN_LIMIT = 60.0
SETTLE = 0.2  # for what a server does after its last answer
CPU_CLOCK = 2  # the kernel's CPUCLOCK_SCHED, in the clock ids of whole processes


class Failed(Exception):
    """A run came to nothing; the text says why."""


@dataclass(frozen=True)
class Settings:
    """How a run is made: windows in seconds, a core for each side, whether to look where our time goes afterwards."""

    seconds: float
    warm_up: float
    quick: bool
    server_core: int
    load_core: int
    profile: bool = False


class Processes:
    """A process and its descendants, as long as they live."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def pids(self) -> list[int]:
        found, waiting = [], [self.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                waiting += map(int, children.read_text().split())
        return found

    def cpu(self) -> float:
        """Seconds of CPU time so far: utime and stime of /proc, which rounds to 10 ms, to the nanosecond."""
        return sum(time.clock_gettime((~pid << 3) | CPU_CLOCK) for pid in self.pids())

    def kernel(self) -> float:
        """Seconds of it in the kernel, to 10 ms (proc_pid_stat(5), field 15)."""
        ticks = 0
        for pid in self.pids():
            ticks += int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Proportional set size in bytes: pages that processes share are counted once."""
        total = 0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total


class Load:
    """The load generator; a line of its output at a time."""

    def __init__(self, port: int, arguments: list[str], core: int) -> None:
        command = ["taskset", "-c", str(core), str(LOAD), arguments[0], str(port), *arguments[1:]]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.connected = self._line(CONNECT_LIMIT)

    def run(self, seconds: float) -> dict[str, Any]:
        """What came of so many seconds of load; the server is idle again."""
        assert self._process.stdin
        self._process.stdin.write(f"run {seconds}\n".encode())
        self._process.stdin.flush()
        return self._line(seconds + DRAIN_LIMIT)

    def close(self) -> str:
        """What it had to say about errors."""
        self._process.kill()
        return self._process.communicate()[1].decode(errors="replace").strip()

    def _line(self, limit: float) -> dict[str, Any]:
        assert self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(limit):
                raise Failed(f"the load generator said nothing for {limit:.0f} s; {self.close()}")
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"the load generator ended: {self.close()}")
        said: dict[str, Any] = json.loads(line)
        return said


@contextmanager
def running(server: Server, workload: Workload, settings: Settings) -> Iterator[tuple[Processes, int]]:
    """The server's processes and port; killed afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ping_interval = 1 if settings.quick else workload.ping_interval
    environment = os.environ | server.environment | {"PING_INTERVAL": str(ping_interval)}
    command = ["taskset", "-c", str(settings.server_core), *server.command(port)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=HERE.parent, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            _wait_until_up(process, port)
            yield Processes(process.pid), port
        except Failed as failure:
            output.seek(0)
            said = output.read().decode(errors="replace").strip().splitlines()
            raise Failed(f"{failure}; the server's last line: {said[-1] if said else '(nothing)'}") from failure
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"the server ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            time.sleep(SETTLE)
            return
        except OSError:
            time.sleep(0.05)
    raise Failed(f"the server did not listen within {START_LIMIT:.0f} s")


def busy_seconds(core: int) -> float:
    """CPU seconds that this core spent on anything."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _iowait, irq, soft_irq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + soft_irq + steal) / os.sysconf("SC_CLK_TCK")
    return 0.0


def measure(workload: Workload, server: Server, settings: Settings) -> dict[str, Any]:
    """One run; see ``_under_load`` for what is in the result. Raises Failed."""
    arguments = workload.load.split() + (workload.quick.split() if settings.quick else [])
    with running(server, workload, settings) as (processes, port):
        Load(port, ["ack", "clients=10"], settings.load_core).close()  # what is made at the first connection is made
        time.sleep(SETTLE)
        memory, cpu = processes.memory(), processes.cpu()
        load = Load(port, arguments, settings.load_core)
        try:
            result = _rounded(_under_load(workload, processes, load, settings, memory, cpu))
            if settings.profile and server.name.startswith("ours") and workload.seconds is None:
                *_, worker = processes.pids()
                result["profile"] = sampling.sample(worker, load, settings.seconds)
            return result
        finally:
            said = load.close()
            if said:
                print(f"  {workload.name}, {server.name}: {said}")


def _rounded(result: dict[str, Any]) -> dict[str, Any]:
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in result.items()}


def _under_load(
    workload: Workload, processes: Processes, load: Load, settings: Settings, memory: int, cpu: float
) -> dict[str, Any]:
    """Times in microseconds, memory in bytes; ``*_share`` of a core, over the window."""
    connected = load.connected["connected"]
    if connected < load.connected["wanted"]:
        wanted, took = load.connected["wanted"], load.connected["seconds"]
        raise Failed(f"only {connected} of {wanted} clients could connect in {took:.0f} s")
    time.sleep(min(workload.rest, 1) if settings.quick else workload.rest or SETTLE)
    result: dict[str, Any] = {"workload": workload.name, "base_bytes": memory, "connected": connected}
    if connected and "fill=" not in workload.load:  # those who fill hold a thousand rooms each
        result["connects_per_second"] = connected / load.connected["seconds"]
        result["connect_cpu"] = (processes.cpu() - cpu) / connected * 1e6
        result["connection_bytes"] = (processes.memory() - memory) / connected
    if workload.seconds is None:
        result |= _window(processes, load, settings, settings.warm_up, settings.seconds)
    elif workload.seconds:
        result |= _window(processes, load, settings, 0, 2 if settings.quick else workload.seconds)
    return result


def _window(processes: Processes, load: Load, settings: Settings, warm_up: float, seconds: float) -> dict[str, Any]:
    cold = {"cold_cpu": _costs(processes, load, settings, warm_up)["cpu"]} if warm_up else {}
    return cold | _costs(processes, load, settings, seconds)


def _costs(processes: Processes, load: Load, settings: Settings, seconds: float) -> dict[str, Any]:
    cores = {"server": settings.server_core, "load": settings.load_core}
    busy = {side: busy_seconds(core) for side, core in cores.items()}
    began, cpu, kernel = time.monotonic(), processes.cpu(), processes.kernel()
    ran = load.run(seconds)
    took = time.monotonic() - began
    shares = {f"{side}_core_share": (busy_seconds(core) - busy[side]) / took for side, core in cores.items()}
    time.sleep(SETTLE)
    spent, in_kernel = processes.cpu() - cpu, processes.kernel() - kernel
    messages = ran["messages"]
    if not messages:
        raise Failed("no message did its round")
    costs = {"cpu": spent / messages * 1e6, "cpu_share": spent / took, "kernel_share": in_kernel / spent}
    return ran | shares | costs | {"load_cpu": ran["load_cpu"] / messages * 1e6, "load_share": ran["load_cpu"] / took}
