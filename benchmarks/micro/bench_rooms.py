"""The room index. Joining and leaving must cost the same however many rooms there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from socketio_sync.adapters.room_index import RoomIndex

Benchmark = Callable[..., Any]

pytestmark = pytest.mark.parametrize("rooms", [1_000, 100_000])
CLIENTS = 1_000


def filled(rooms: int) -> RoomIndex:
    """So many rooms with ten clients each."""
    index = RoomIndex()
    for client in range(CLIENTS):
        index.add(f"client-{client}", [f"room-{room}" for room in range(client % 100, rooms, CLIENTS // 10)])
    return index


def bench_join_and_leave_100_rooms(benchmark: Benchmark, rooms: int) -> None:
    index = filled(rooms)
    index.add("newcomer", ())
    wanted = [f"room-{room * 7919 % rooms}" for room in range(100)]

    def work() -> None:
        index.add("newcomer", wanted)
        for room in wanted:
            index.remove("newcomer", room)

    benchmark(work)


def bench_come_and_go(benchmark: Benchmark, rooms: int) -> None:
    index = filled(rooms)

    def work() -> None:
        index.add("newcomer", ("newcomer", "room-1", "room-2"))
        index.remove_all("newcomer")

    benchmark(work)


def bench_select_a_room_of_ten(benchmark: Benchmark, rooms: int) -> None:
    index = filled(rooms)
    assert len(benchmark(index.select, ["room-7"])) == 10


def bench_select_all_but_one(benchmark: Benchmark, rooms: int) -> None:
    index = filled(rooms)
    index.add("sender", ["sender"])
    assert len(benchmark(index.select, None, ["sender"])) == CLIENTS
