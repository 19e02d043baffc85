from __future__ import annotations

import logging
import sys
from threading import Thread

import gevent
import pytest

from socketio_sync.runtime import choose
from socketio_sync.runtime.lazy_lock import LazyLock
from socketio_sync.runtime.native import new_lock


@pytest.mark.parametrize(
    ("name", "gevent_socket", "expected", "reason"),
    [
        ("threads", True, "threads", "as configured"),
        ("gevent", True, "gevent", "as configured"),
        ("auto", True, "gevent", "the first request came on a gevent socket"),
        ("auto", False, "threads", "the first request came on a plain socket"),
        ("auto", None, "threads", "the process is not monkey-patched"),
    ],
)
def test_the_choice_is_logged_with_its_reason(
    name: str, gevent_socket: bool | None, expected: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    runtime = choose(name, gevent_socket)
    assert runtime.name == expected
    assert f"runtime: {expected} ({reason}" in caplog.text
    runtime.stop()


def test_gevent_on_a_host_without_it_is_refused() -> None:
    with pytest.raises(RuntimeError, match="this web server is not gevent's"):
        choose("gevent", False)


def test_gevent_in_a_greenlet_whose_socket_cannot_be_seen() -> None:
    runtime = gevent.spawn(choose, "gevent", False).get()
    assert runtime.name == "gevent"
    runtime.stop()


def test_other_names_are_refused() -> None:
    with pytest.raises(ValueError, match="asyncio"):
        choose("asyncio")


def test_handler_threads_are_the_limit() -> None:
    runtime = choose("threads", handler_threads=1)
    go, first, second = runtime.event(), runtime.event(), runtime.event()
    runtime.submit(lambda: (first.set(), go.wait()))
    assert first.wait(5)
    runtime.submit(second.set)
    assert not second.wait(0.02)
    go.set()
    assert second.wait(5)
    runtime.stop()


class Owner:
    lock = LazyLock()


def test_a_lazy_lock_is_made_at_first_use_and_kept() -> None:
    owner, other = Owner(), Owner()
    assert "lock" not in vars(owner)
    lock = owner.lock
    assert type(lock) is type(new_lock())
    assert owner.lock is lock
    assert other.lock is not lock


def test_threads_that_come_first_together_get_the_same_lazy_lock() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            owner, seen = Owner(), []
            threads = [Thread(target=lambda owner=owner, seen=seen: seen.append(owner.lock)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(set(map(id, seen))) == 1
    finally:
        sys.setswitchinterval(interval)
