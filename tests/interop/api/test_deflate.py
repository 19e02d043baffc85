"""permessage-deflate with the package ws, and with what browsers offer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.javascript import JavaScript
from tests.support.served import Served
from tests.support.served import served
from tests.support.wire import Wire
from tests.support.wire import until

CHROME = "permessage-deflate; client_max_window_bits"
FIREFOX = "permessage-deflate"
SAFARI = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
ANSWER = "permessage-deflate; server_no_context_takeover"


@pytest.fixture
def server(runtime: str, request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(runtime, per_message_deflate=getattr(request, "param", True)) as server:
        server.io.on("echo", lambda socket, *args: args)
        yield server


def offer(server: Served, header: str) -> str | None:
    """The answer to an offer of extensions."""
    with Wire(server.port) as wire:
        wire.ask(
            "GET",
            "/socket.io/?EIO=4&transport=websocket",
            headers={
                "Connection": "keep-alive, Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Extensions": header,
            },
        )
        status, headers = wire.head()
        assert status == 101
        return headers.get("sec-websocket-extensions")


@pytest.mark.parametrize(
    ("server", "header", "answer"),
    [
        (True, CHROME, ANSWER),
        (True, FIREFOX, ANSWER),
        (True, SAFARI, f"{ANSWER}; client_no_context_takeover"),
        (True, "permessage-deflate; server_max_window_bits=10", None),  # frames are shared by all clients
        (True, "permessage-deflate; server_max_window_bits=10, permessage-deflate", ANSWER),
        (True, "x-webkit-deflate-frame, permessage-bzip2", None),
        ({"client_no_context_takeover": True}, CHROME, f"{ANSWER}; client_no_context_takeover"),
        ({"client_max_window_bits": 10}, CHROME, f"{ANSWER}; client_max_window_bits=10"),
        ({"client_max_window_bits": 10}, FIREFOX, ANSWER),  # it cannot change its window
        (False, CHROME, None),
    ],
    indirect=["server"],
)
def test_what_is_agreed_on(server: Served, header: str, answer: str | None) -> None:
    assert offer(server, header) == answer


OPTIONS: list[Any] = [
    True,
    {"threshold": 0},
    {"client_no_context_takeover": True},
    {"client_max_window_bits": 15},
    {"client_max_window_bits": 12},
    {"client_max_window_bits": 9},
    {"client_max_window_bits": 8},
    {"threshold": 100, "client_max_window_bits": 9, "client_no_context_takeover": True},
]


@pytest.mark.parametrize("server", OPTIONS, indirect=True, ids=str)
@pytest.mark.parametrize(
    "client",
    [
        "{threshold: 0}",
        "{threshold: 0, clientNoContextTakeover: true, zlibDeflateOptions: {level: 9}}",
        "{threshold: 0, clientMaxWindowBits: 9}",
    ],
)
def test_the_official_client(js: JavaScript, server: Served, client: str) -> None:
    """Large and small, alike and random, text and binary, many times over one connection."""
    got = js(
        f"const perMessageDeflate = {client};"
        """
        const client = await connect(url, { transport: "websocket", perMessageDeflate });
        const random = Buffer.from(Array.from({ length: 70000 }, (_, i) => (i * i * 31 + i * 7) % 251));
        const echo = (...args) => new Promise((resolve) => client.emit("echo", ...args, (...back) => resolve(back)));
        for (let i = 0; i < 30; i++) {
          const sent = ["the same again and again ".repeat(i * 40), random.subarray(i, i * 2000), "é😀".repeat(i), i];
          require("assert").deepStrictEqual(await echo(...sent), sent);
        }
        return client.io.engine.transport.ws.extensions;
        """,
        url=server.url,
    )
    assert got.startswith("permessage-deflate")


def test_broadcasts_to_some_who_inflate_and_some_who_do_not(js: JavaScript, server: Served) -> None:
    js(
        """
        const options = { transport: "websocket" };
        kept.clients = [
          await connect(url, { ...options, perMessageDeflate: { threshold: 0 } }),
          await connect(url, { ...options, perMessageDeflate: false }),
          await connect(url, { ...options, perMessageDeflate: { threshold: 0, serverNoContextTakeover: true } }),
          await connect(url, { transport: "polling" }),
        ];
        """,
        url=server.url,
    )
    until(lambda: len(server.io.sockets) == 4)
    value = {"text": "é compressible " * 500, "blob": b"\x00\x01" * 5000}
    for number in range(20):
        server.io.compress(number % 3 > 0).emit("news", number, value)
    got = js(
        """
        const [first, ...others] = kept.clients;
        await until(() => kept.clients.every(({ received }) => received.length === 20));
        others.forEach(({ received }) => require("assert").deepStrictEqual(received, first.received));
        return first.received;
        """
    )
    assert got == [["news", number, value] for number in range(20)]


def test_it_saves_what_it_should(js: JavaScript, server: Served) -> None:
    """What crosses the wire, as the client's socket counts it."""
    read = js(
        """
        const client = await connect(url, { transport: "websocket" });
        const socket = client.io.engine.transport.ws._socket;
        const before = socket.bytesRead;
        const text = "the same again and again ".repeat(4000);
        const [back] = [await client.emitWithAck("echo", text)];
        return [back === text, socket.bytesRead - before];
        """,
        url=server.url,
    )
    assert read[0] is True
    assert read[1] < 2000  # of 100 kB
