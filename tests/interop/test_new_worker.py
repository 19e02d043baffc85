"""gunicorn replaces its worker, and the official client goes on with the new one, without a line of configuration."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.support.javascript import JavaScript
from tests.support.servers import HOSTS
from tests.support.servers import Host
from tests.support.servers import Running
from tests.support.servers import serving
from tests.support.timing import scaled

APP = "tests.wsgi.product_app:app"
GUNICORNS = [host for host in HOSTS if host.name in ("gunicorn-gevent", "gunicorn-gthread", "gunicorn-sync")]


def reload(server: Running) -> None:
    server.signal(signal.SIGHUP)


def use_up(server: Running) -> None:
    """Make the requests after which ``--max-requests`` ends a worker."""
    for _ in range(60):
        server.fetch("/sessions")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize(
    ("options", "replace"),
    [((), reload), (("--preload",), reload), (("--max-requests", "40"), use_up)],
    ids=["reload", "reload-preload", "max-requests"],
)
@pytest.mark.parametrize("host", GUNICORNS, ids=str)
def test_the_client_goes_on_with_the_new_worker(
    js: JavaScript, host: Host, options: tuple[str, ...], replace: Callable[[Running], None], transport: str
) -> None:
    with serving(host, APP, *options) as server:
        js(
            """
            const options = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 };
            kept.client = dial(url, { transport, ...options });
            await once(kept.client, "connect");
            kept.first = kept.client.id;
            """,
            url=f"http://127.0.0.1:{server.port}",
            transport=transport,
        )
        replace(server)
        ended, answer = js(
            """
            // The worker that ends may take it once more, so an answer may need another try.
            let answer;
            await until(async () => {
              if (!kept.client.connected || kept.client.id === kept.first) return false;
              answer = await kept.client.timeout(1000).emitWithAck("echo", "again").catch(() => undefined);
              return answer !== undefined;
            }, ms);
            return [kept.client.ended, answer];
            """,
            ms=scaled(10_000),
        )
        assert ended
        assert set(ended) <= {"transport close", "transport error"}
        assert answer == "again"
        assert "disconnected server shutting down" in server.log
