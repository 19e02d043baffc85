"""nginx and haproxy in front of workers, as configured: everything passes, at once, and as long as it must."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import ExitStack
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.deployed import STAY
from tests.deploy.deployed import Deployed
from tests.deploy.deployed import deployed
from tests.deploy.deployed import everything_works
from tests.deploy.deployed import goodbye
from tests.deploy.deployed import installed
from tests.deploy.deployed import uwsgi
from tests.deploy.deployed import worker
from tests.deploy.deployed import written
from tests.support.javascript import JavaScript
from tests.support.programs import chromium
from tests.support.programs import free_port
from tests.support.programs import node_modules
from tests.support.programs import python
from tests.support.servers import certificate
from tests.support.timing import scaled
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import until

pytestmark = pytest.mark.long

# What Debian's /etc/nginx/nginx.conf says around a site, and where files may be written.
NGINX = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    include {site};
}}
"""
# What Debian's haproxy.cfg says in "global", but that the log goes to a file of the system's.
HAPROXY = """
global
    log stdout format raw local0 warning
"""


@contextmanager
def nginx(folder: Path, workers: list[Deployed], name: str = "nginx.conf", **replaced: str) -> Iterator[Deployed]:
    program = installed("nginx")
    chain, key = certificate()
    port, tls_port = free_port(), free_port()
    site = {
        "listen 80;": f"listen 127.0.0.1:{port};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{tls_port} ssl http2;",
        "/etc/ssl/certs/site.pem": chain,
        "/etc/ssl/private/site.key": key,
        **replaced,
    }
    if name == "nginx.conf":
        site["server 127.0.0.1:8000;"] = " ".join(f"server 127.0.0.1:{worker.port};" for worker in workers)
    main = folder / "main.conf"
    user = "user root;" if os.getuid() == 0 else ""
    main.write_text(NGINX.format(folder=folder, user=user, site=written(name, folder, **site)))
    with deployed([program, "-e", "stderr", "-c", str(main)], port) as running:
        running.tls_url = f"https://127.0.0.1:{tls_port}"
        yield running


@contextmanager
def haproxy(folder: Path, workers: list[Deployed], **replaced: str) -> Iterator[Deployed]:
    program = installed("haproxy")
    bundle = folder / "site.pem"
    bundle.write_text("".join(Path(path).read_text() for path in certificate()))
    port, tls_port = free_port(), free_port()
    config = {
        "bind :80\n": f"bind 127.0.0.1:{port}\n",
        "bind :443 ": f"bind 127.0.0.1:{tls_port} ",
        "/etc/haproxy/site.pem": str(bundle),
        "127.0.0.1:8001": f"127.0.0.1:{workers[0].port}",
        "127.0.0.1:8002": f"127.0.0.1:{workers[-1].port}",
        **replaced,
    }
    main = folder / "global.cfg"
    main.write_text(HAPROXY)
    backends = written("haproxy.cfg", folder, **config)
    with deployed([program, "-db", "-f", str(main), "-f", str(backends)], port) as running:
        running.tls_url = f"https://127.0.0.1:{tls_port}"
        yield running


Proxy = Callable[..., AbstractContextManager[Deployed]]
PROXIES = pytest.mark.parametrize("proxy", [nginx, haproxy], ids=lambda proxy: proxy.__name__)


@PROXIES
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("name", ["gunicorn_gevent.py", "gunicorn_gthread.py"])
def test_everything(js: JavaScript, tmp_path: Path, proxy: Proxy, tls: bool, name: str) -> None:
    with worker(name) as app, proxy(tmp_path, [app]) as running:
        everything_works(js, running.tls_url if tls else running.url)
        assert goodbye(js, running, "websocket", running.stop) == "transport close"
        assert running.code in (0, -signal.SIGTERM)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_uwsgi_by_its_own_protocol(js: JavaScript, tmp_path: Path, tls: bool) -> None:
    """The client's connection is one between nginx and uWSGI, and is taken all the same."""
    path = str(tmp_path / "uwsgi.sock")
    command = uwsgi(tmp_path, **{"http-socket = 127.0.0.1:8000": f"socket = {path}"})
    with ExitStack() as stack:
        running = stack.enter_context(
            nginx(tmp_path, [], "nginx_uwsgi.conf", **{"/run/app/uwsgi.sock": path})
        )
        running.expected = "uwsgi.sock failed"  # before uWSGI was there
        stack.enter_context(deployed(command, running.port))
        until(lambda: running.fetch("/").status == 200)
        everything_works(js, running.tls_url if tls else running.url)


def each_stays_with_its_worker(js: JavaScript, url: str, *, addresses: int) -> None:
    """Twelve clients of so many addresses: each has one worker, poll for poll, and no worker has them all."""
    seen = js(
        """
        const { Agent } = require("http");
        const workers = [];
        for (let i = 0; i < 12; i++) {
          const agent = new Agent({ localAddress: `127.0.1.${1 + i % addresses}` });
          const socket = await connect(url, { transports: ["polling"], withCredentials: true, agent });
          const all = [];
          for (let j = 0; j < 5; j++) all.push((await socket.emitWithAck("hello")).worker);
          workers.push([...new Set(all)]);
          socket.disconnect();
        }
        return workers;
        """,
        url=url,
        addresses=addresses,
        patience=60,
    )
    assert all(len(own) == 1 for own in seen)
    assert len({own[0] for own in seen}) == 2


@contextmanager
def two_workers() -> Iterator[list[Deployed]]:
    with worker("gunicorn_gthread.py") as one, worker("gunicorn_gthread.py") as two:
        yield [one, two]


@PROXIES
def test_several_workers(js: JavaScript, tmp_path: Path, proxy: Proxy) -> None:
    with two_workers() as workers, proxy(tmp_path, workers) as running:
        everything_works(js, running.url)
        each_stays_with_its_worker(js, running.url, addresses=12)


def test_several_workers_by_nginxs_cookie(js: JavaScript, tmp_path: Path) -> None:
    by_cookie = {
        "    hash $remote_addr consistent;\n": "",
        "# hash $uid_got$uid_set consistent;": "hash $uid_got$uid_set consistent;",
        "server_name example.org;": "server_name example.org; userid on; userid_name worker;",
    }
    with two_workers() as workers, nginx(tmp_path, workers, **by_cookie) as running:
        everything_works(js, running.url)
        each_stays_with_its_worker(js, running.url, addresses=1)


@PROXIES
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_worker_that_ends(js: JavaScript, tmp_path: Path, proxy: Proxy, transport: str) -> None:
    """Its client goes on with the other one."""
    with two_workers() as workers, proxy(tmp_path, workers) as running:
        first = js(
            """
            const options = { reconnection: true, reconnectionDelay: 100, withCredentials: true };
            kept.client = await connect(url, { transport, ...options });
            return (await kept.client.emitWithAck("hello")).worker;
            """,
            url=running.url,
            transport=transport,
        )
        [its] = [app for app in workers if first in app.pids()]
        running.expected = "connect\\(\\) failed|prematurely closed|is DOWN|reset by peer"
        its.stop()
        second = js(
            """
            let answer;
            await until(async () => {
              if (!kept.client.ended.length || !kept.client.connected) return false;
              answer = await kept.client.timeout(1000).emitWithAck("hello").catch(() => undefined);
              return answer !== undefined && answer.worker !== first;
            }, ms);
            return answer.worker;
            """,
            first=first,
            ms=scaled(15_000),
            patience=20,
        )
        [other] = [app for app in workers if app is not its]
        assert second in other.pids()
        js("kept.client.disconnect();")


def test_a_slow_upload_holds_no_worker_behind_nginx(tmp_path: Path) -> None:
    """gunicorn's sync worker would read nothing else meanwhile; nginx passes a request on when it is complete."""
    with worker("gunicorn_sync.py") as app, nginx(tmp_path, [app]) as running, Wire(running.port) as wire:
        sid = Polling(running.port).open().sid
        head = f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
        wire.send(head.encode() + b"4")
        assert running.fetch("/").status == 200
        wire.send(b"0")
        assert wire.answer().body == b"ok"


# The time limits that are written, and those that are tried.
TIMES: dict[Proxy, dict[str, str]] = {
    nginx: {"proxy_read_timeout 75s;": "proxy_read_timeout 3s;"},
    haproxy: {f"timeout {kind} 75s": f"timeout {kind} 3s" for kind in ("client", "server", "tunnel")},
}


@PROXIES
@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize(("interval", "survives"), [("0.5", True), ("25", False)], ids=["heartbeats", "none"])
def test_heartbeats_outlive_the_proxys_time_limit(
    js: JavaScript, tmp_path: Path, proxy: Proxy, transport: str, interval: str, survives: bool
) -> None:
    """A limit of 3 s and a heartbeat each half second stand for 75 s and 25 s; without heartbeats the client is cut."""
    with worker(PING_INTERVAL=interval) as app, proxy(tmp_path, [app], **TIMES[proxy]) as running:
        js(STAY, url=running.url, transport=transport)
        if survives:
            # Time itself is what is tried here.
            assert js("await pause(7000); return kept[transport].ended;", transport=transport) == []
            assert js("return (await kept[transport].emitWithAck('echo', 1))[0];", transport=transport) == 1
        else:
            running.expected = "upstream timed out"
            js("await until(() => kept[transport].ended.length, ms);", transport=transport, ms=scaled(9000))


TRICKLE = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from gevent.pywsgi import WSGIServer
held = gevent.event.Event()
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    if environ["PATH_INFO"] == "/go":
        held.set()
    if environ["PATH_INFO"] != "/socket.io/":
        return [b"plain\\n"]
    return trickle()
def trickle():
    yield b"a"
    held.wait()
    yield b"bcdef"
WSGIServer(("127.0.0.1", int(sys.argv[1])), app).serve_forever()
"""


@PROXIES
def test_what_trickles_is_not_held_back(tmp_path: Path, proxy: Proxy) -> None:
    """The first byte of a response arrives while the server waits for us to have it before it sends the rest."""
    port = free_port()
    with deployed(python("-c", TRICKLE, str(port)), port) as app, proxy(tmp_path, [app]) as running:
        with Wire(running.port) as wire:
            wire.ask("GET", "/socket.io/")
            assert wire.head()[0] == 200
            assert wire.read(1) == b"a"
            assert running.fetch("/go").body == b"plain\n"
            assert wire.read(5) == b"bcdef"


@PROXIES
def test_a_browser_over_http_2(js: JavaScript, tmp_path: Path, proxy: Proxy) -> None:
    """The page's own requests are HTTP/2, and it gets its WebSocket; its origin, with a port, is the server's own."""
    with worker(NODE_PATH=str(node_modules())) as app, proxy(tmp_path, [app]) as running:
        state = js(
            """
            const { chromium } = require("playwright-core");
            const args = ["--headless", "--no-sandbox", "--disable-gpu"];
            const browser = await chromium.launch({ executablePath, args });
            try {
              const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
              await page.goto(url);
              await page.waitForFunction(() => document.getElementById("state").textContent.includes("websocket"));
              const entries = await page.evaluate(() => performance.getEntriesByType("navigation"));
              const text = await page.textContent("#state");
              return [JSON.parse(text), entries[0].nextHopProtocol];
            } finally {
              await browser.close();
            }
            """,
            url=running.tls_url,
            executablePath=chromium(),
            patience=60,
        )
        assert state[0] == {**state[0], "transport": "websocket", "secure": True, "address": "127.0.0.1"}
        assert state[1] == "h2"


@PROXIES
def test_a_large_message(js: JavaScript, tmp_path: Path, proxy: Proxy) -> None:
    """What just passes ``max_http_buffer_size`` passes the proxy."""
    with worker() as app, proxy(tmp_path, [app]) as running:
        for transport in ("polling", "websocket"):
            js(STAY, url=running.url, transport=transport)
            size = js(
                "return (await kept[transport].emitWithAck('echo', 'x'.repeat(999000)))[0].length;", transport=transport
            )
            assert size == 999_000


