"""A page of another origin in a real browser, which is who enforces most of CORS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from tests.support.javascript import JavaScript
from tests.support.programs import chromium
from tests.support.served import served


class Page(BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    """The port of a site with two origins: http://localhost and http://127.0.0.1."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


# Runs in the page: the transport that the client ends on, or why it does not connect.
CONNECT = """
const page = await browse(executable, origin);
return await page.evaluate(([url, options]) => new Promise((resolve) => {
  const socket = io(url, { reconnection: false, forceNew: true, ...options });
  socket.on("connect", () => socket.emit("hello", (answer) => resolve(answer)));
  socket.on("connect_error", (error) => resolve(error.message));
}), [url, options]);
"""


@pytest.mark.timeout(90)
def test_pages_of_other_origins(js: JavaScript, site: int, runtime: str) -> None:
    good, evil = f"http://localhost:{site}", f"http://127.0.0.1:{site}"
    origins = ["https://example.org", good]
    with served(runtime, cors_allowed_origins=origins, cors_credentials=True, cookie="sticky") as server:
        server.io.on("hello", lambda socket: socket.conn.transport)
        cookies: list[str | None] = []
        server.io.engine.use(lambda environ: cookies.append(environ.get("HTTP_COOKIE")))
        executable = chromium()

        def connect(page: str, **options: Any) -> Any:
            url = f"http://localhost:{server.port}"
            return js(CONNECT, patience=60, executable=executable, origin=page, url=url, options=options)

        # With credentials and a header of its own: a preflight goes ahead, and the cookie comes with the next request.
        with_all = {"withCredentials": True, "extraHeaders": {"x-token": "1"}}
        assert connect(good, transports=["polling"], **with_all) == "polling"
        assert cookies[0] is None
        assert str(cookies[-1]).startswith("sticky=")
        assert connect(good, transports=["websocket"]) == "websocket"
        assert connect(evil, transports=["polling"]) == "xhr poll error"
        assert connect(evil, transports=["websocket"]) == "websocket error"
