"""Parsers other than the default one, with the official client: MessagePack, and one of the user's own."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from socketio_sync import ConnectError
from socketio_sync import parsers
from socketio_sync.parsers import Packet
from socketio_sync.parsers import ProtocolError
from tests.support.javascript import JavaScript
from tests.support.served import Served
from tests.support.served import served
from tests.support.wire import until

TRANSPORTS = ["polling", "websocket"]


class OneLine:
    """The documented interface: each packet is one text, type and namespace in front, binary in Base64 with a mark."""

    def encode(self, packet: Packet) -> tuple[str, ...]:
        id = "" if packet.id is None else str(packet.id)
        return (f"{packet.type}|{packet.nsp}|{id}|" + json.dumps(packet.data, default=self._default),)

    @staticmethod
    def _default(value: Any) -> Any:
        if isinstance(value, (bytes, bytearray, memoryview)):
            return {"!": base64.b64encode(value).decode()}
        raise TypeError(f"{value!r} cannot be sent")

    def decoder(self, max_attachments: int) -> OneLineDecoder:
        return OneLineDecoder()


class OneLineDecoder:
    waiting = None

    def add(self, message: str | bytes) -> Packet | None:
        try:
            type, nsp, id, text = str(message).split("|", 3)
            data = json.loads(text, object_hook=lambda item: base64.b64decode(item["!"]) if "!" in item else item)
            return Packet(int(type), nsp, data, int(id) if id else None)
        except ValueError as error:
            raise ProtocolError(f"not our language: {error}") from None

    def reset(self) -> None:
        pass


# The same in JavaScript, where a parser has to know what is a packet, too.
ONE_LINE = """
const Emitter = require("events");
const mark = (key, value) =>
  value && value.type === "Buffer" ? { "!": Buffer.from(value.data).toString("base64") } : value;
const unmark = (key, value) => (value && value["!"] !== undefined ? Buffer.from(value["!"], "base64") : value);
class Encoder {
  encode({ type, nsp, id, data }) {
    return [`${type}|${nsp}|${id === undefined ? "" : id}|${JSON.stringify(data === undefined ? null : data, mark)}`];
  }
}
class Decoder extends Emitter {
  add(text) {
    const [type, nsp, id, ...rest] = text.split("|");
    const packet = { type: Number(type), nsp, data: JSON.parse(rest.join("|"), unmark) };
    if (id) packet.id = Number(id);
    if (packet.data === null) delete packet.data;
    this.emit("decoded", packet);
  }
  destroy() {}
}
const parser = { Encoder, Decoder };
"""


@pytest.fixture(params=["msgpack", "one's own"])
def talk(request: pytest.FixtureRequest, runtime: str) -> Iterator[tuple[Served, str]]:
    """A server, and the JavaScript that makes the same ``parser``."""
    own = request.param != "msgpack"
    with served(runtime, parser=OneLine() if own else parsers.msgpack) as server:
        behave(server)
        yield server, ONE_LINE if own else 'const parser = "msgpack";'


def behave(server: Served) -> None:
    io = server.io

    @io.on("echo")
    def echo(socket: Any, *args: Any) -> Any:
        return args

    @io.on("ask")
    def ask(socket: Any, value: Any) -> Any:
        return socket.timeout(5).emit_with_ack("question", value)

    @io.of("/private").use
    def check(socket: Any) -> None:
        if socket.handshake.auth.get("token") != b"\x00\x01":
            raise ConnectError("not authorized", {"got": socket.handshake.auth.get("token")})


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_all_kinds_of_packets_go_both_ways(js: JavaScript, talk: tuple[Served, str], transport: str) -> None:
    server, parser = talk
    got = js(
        parser
        + """
        const client = kept.client = await connect(url, { transport, parser });
        const ask = (...event) => new Promise((resolve) => client.emit(...event, (...answer) => resolve(answer)));
        const nested = { list: [1, { deep: Buffer.from([1, 2, 3]) }], text: "é 😀", none: null };
        client.on("question", (value, ack) => ack(value, Buffer.from("answer")));
        return [await ask("echo"), await ask("echo", nested, Buffer.from("")), await ask("ask", nested)];
        """,
        url=server.url,
        transport=transport,
    )
    nested = {"list": [1, {"deep": b"\x01\x02\x03"}], "text": "é 😀", "none": None}
    assert got == [[], [nested, b""], [nested, b"answer"]]

    (socket,) = server.io.sockets.values()
    server.io.emit("news", nested, b"picture")
    server.io.to(socket.id).emit("to it", 1)
    answers = server.io.timeout(5).emit_with_ack("question", [b"to all"])
    assert answers == [[b"to all"]]
    received = js("await until(() => kept.client.received.length > 3); return kept.client.received.slice(1, 3)")
    assert received == [["news", nested, b"picture"], ["to it", 1]]
    socket.disconnect()
    js("await until(() => kept.client.ended.length)")
    assert js("return kept.client.ended") == ["io server disconnect"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_namespace_lets_in_and_refuses(js: JavaScript, talk: tuple[Served, str], transport: str) -> None:
    server, parser = talk
    code = """
        const options = { transport, parser, nsp: "/private" };
        const client = await connect(url, { ...options, auth: { token: Buffer.from([0, 1]) } });
        const wrong = await refused(url, { ...options, auth: { token: "guess" } });
        const none = await refused(url, options);
        const unknown = await refused(url, { ...options, nsp: "/unknown" });
        return [client.connected, wrong.message, wrong.data, none.data, unknown.message];
        """
    got = js(parser + code, url=server.url, transport=transport)
    assert got == [True, "not authorized", {"got": "guess"}, {"got": None}, "Invalid namespace"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_of_another_language_is_sent_away(js: JavaScript, talk: tuple[Served, str], transport: str) -> None:
    server, parser = talk
    told = js(
        """
        const client = dial(url, { transport });
        await once(client.io, "close");
        return client.connected;
        """,
        url=server.url,
        transport=transport,
    )
    assert told is False
    until(lambda: server.io.engine.clients_count == 0)
    again = parser + "return (await connect(url, { transport, parser })).connected"
    assert js(again, url=server.url, transport=transport) is True


def test_what_ones_own_parser_refuses_is_told_to_who_sends_it(runtime: str, js: JavaScript) -> None:
    with served(runtime, parser=OneLine()) as server:
        js(ONE_LINE + "kept.client = await connect(url, { parser })", url=server.url)
        (socket,) = server.io.sockets.values()
        for send in (socket.emit, server.io.emit, socket.emit_with_ack):
            with pytest.raises(TypeError, match="1j cannot be sent"):
                send("news", 1j)
        socket.emit("news", 1)
        assert js("await until(() => kept.client.received.length); return kept.client.received") == [["news", 1]]


def test_a_client_that_was_away_gets_what_it_missed_in_msgpack(runtime: str, js: JavaScript) -> None:
    with served(runtime, parser=parsers.msgpack, connection_state_recovery=True) as server:
        js(
            """
            const options = { parser: "msgpack", reconnection: true, transport: "websocket" };
            kept.client = await connect(url, { ...options, reconnectionDelay: 500 });
            """,
            url=server.url,
        )
        server.io.emit("first", b"1")
        js("await until(() => kept.client.received.length); kept.client.io.engine.transport.ws._socket.destroy()")
        until(lambda: not server.io.sockets)
        server.io.emit("second", [{"b": b"2"}])
        got = js("await once(kept.client, 'connect'); return [kept.client.recovered, kept.client.received]")
        assert got[0] is True
        assert [event[:2] for event in got[1]] == [["first", b"1"], ["second", [{"b": b"2"}]]]
