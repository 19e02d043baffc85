"""The delays between attempts: doubled, capped, and never the same for everybody."""

from __future__ import annotations

from socketio_sync.client.backoff import Backoff


def delays(backoff: Backoff, count: int) -> list[float]:
    return [backoff.delay() for _ in range(count)]


def test_without_chance_it_doubles_up_to_the_cap() -> None:
    assert delays(Backoff(1, 5, 0), 6) == [1, 2, 4, 5, 5, 5]


def test_a_cap_below_the_first_delay_holds_at_once() -> None:
    assert delays(Backoff(3, 2, 0), 2) == [2, 2]


def test_chance_shifts_by_its_share_also_at_the_cap() -> None:
    assert delays(Backoff(1, 5, 0.5, lambda: 0.0), 4) == [0.5, 1, 2, 2.5]
    assert delays(Backoff(1, 5, 0.5, lambda: 1.0), 4) == [1.5, 3, 6, 7.5]


def test_clients_of_a_server_that_restarts_do_not_come_together() -> None:
    backoff = Backoff(1, 5, 0.5)
    late = delays(backoff, 100)[10:]
    assert len({round(delay, 3) for delay in late}) > 50
    assert all(2.5 <= delay <= 7.5 for delay in late)


def test_a_thousand_attempts_do_not_overflow() -> None:
    assert delays(Backoff(1, 5, 0), 3000)[-1] == 5
