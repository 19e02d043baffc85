"""The workloads: what the load generator does, how long, and against which servers."""

from __future__ import annotations

from dataclasses import dataclass

EVERYONE = ("ours", "ours-threads", "node", "bun", "pysio-gevent", "pysio-uvicorn")
ALL_OURS = (*EVERYONE, "ours-pywsgi")
MANY = ("ours", "ours-threads", "node", "bun", "pysio-uvicorn")


@dataclass(frozen=True)
class Workload:
    """One row of the table.

    Attributes:
        name: on the command line and in the results.
        title: in tables and plots.
        unit: what is counted, and what the CPU time is divided by.
        load: the load generator's mode and options.
        servers: names of those that it is run against.
        quick: options of the load generator that make it small, for ``--quick``.
        seconds: of the measured window, where it has to be long; None: what the command line says; 0: nothing is sent.
        ping_interval: of the server, in seconds.
        rest: seconds between the last connect and the look at the memory.
    """

    name: str
    title: str
    unit: str
    load: str
    servers: tuple[str, ...] = EVERYONE
    quick: str = "clients=20"
    seconds: float | None = None
    ping_interval: int = 25
    rest: float = 0

    @property
    def key(self) -> str:
        """What it is about, in the results."""
        return "connection_bytes" if self.seconds == 0 else "cpu"


def _echo(name: str, title: str, size: int, clients: int, servers: tuple[str, ...]) -> list[Workload]:
    return [
        Workload(
            f"echo-{name}-{kind}",
            f"echo of {title}, {kind}",
            "message",
            f"ack clients={clients} payload={size} binary={int(kind == 'binary')}",
            servers,
            "clients=2",
        )
        for kind in ("text", "binary")
    ]


def _growth(rooms: int, title: str) -> list[Workload]:
    """Work with the same thousand rooms while so many exist. The servers are few: it is about our growth."""
    return [
        Workload(
            f"churn-{title}",
            f"join 100 rooms, leave them, while {rooms:,} exist",
            "message",
            f"churn clients=100 joins=100 fill={rooms // 1000}",
            ("ours", "ours-threads", "node"),
        ),
        Workload(
            f"leaving-{title}",
            f"connect, join 100 rooms, disconnect, while {rooms:,} exist",
            "connection",
            f"storm clients=50 joins=100 fill={rooms // 1000}",
            ("ours", "ours-threads", "node"),
        ),
    ]


WORKLOADS = [
    Workload(
        "ack",
        "ack round trip: 100 clients, 1 in flight",
        "message",
        "ack clients=100",
        (*ALL_OURS, "ours-plain", "pysio-threads"),
    ),
    Workload(
        "pipelined",
        "acks: 100 clients, 16 in flight",
        "message",
        "ack clients=100 window=16",
        (*ALL_OURS, "ours-plain"),
    ),
    Workload("broadcast-100", "broadcast to 100", "delivery", "broadcast clients=100"),
    Workload(
        "broadcast-1000", "broadcast to 1,000", "delivery", "broadcast clients=1000", (*ALL_OURS, "ours-plain")
    ),
    Workload(
        "broadcast-8000",
        "broadcast to 8,000",
        "delivery",
        "broadcast clients=8000",
        (*EVERYONE, "ours-plain"),
        quick="clients=100",
    ),
    Workload(
        "rooms",
        "1,000 rooms of 10: 50 senders",
        "delivery",
        "rooms clients=1000 rooms=1000 members=10 senders=50",
        quick="clients=20 rooms=20 senders=5",
    ),
    *_echo("1k", "1 kB", 1_000, 20, EVERYONE),
    *_echo("16k", "16 kB", 16_000, 20, EVERYONE),
    *_echo("1m", "1 MB", 1_000_000, 4, MANY),  # gevent-websocket unmasks a megabyte byte by byte
    Workload("storm", "connect, join, disconnect: 50 at once", "connection", "storm clients=50", ALL_OURS),
    Workload(
        "idle",
        "8,000 idle clients, a ping every 5 s each",
        "heartbeat",
        "idle clients=8000",
        quick="clients=100",
        seconds=20,
        ping_interval=5,
    ),
    Workload(
        "memory",
        "4,000 idle clients after 20 s of rest",
        "connection",
        "idle clients=4000",
        quick="clients=100",
        seconds=0,
        rest=20,
    ),
    Workload(
        "polling",
        "long-polling: 100 clients, 1 in flight",
        "message",
        "ack clients=100 polling=1",
        ("ours", "ours-threads", "node", "bun", "pysio-gunicorn", "pysio-uvicorn"),
        quick="clients=10",
    ),
    *_growth(1_000, "1k"),
    *_growth(100_000, "100k"),
]
BY_NAME = {workload.name: workload for workload in WORKLOADS}
