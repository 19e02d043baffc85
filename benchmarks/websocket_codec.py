"""Microseconds a WebSocket message costs in our codec, and in wsproto and websockets where installed.

Run it as ``python -m benchmarks.websocket_codec``. "in" is decoding what a client sent (masked), "out" is encoding what
a server sends; the numbers are the best of several runs, since a busy machine only ever adds to them.
"""

from __future__ import annotations

import importlib.util
import timeit
from collections.abc import Callable

from socketio_sync.protocol.websocket import WebSocketCodec
from socketio_sync.protocol.websocket import binary_frame
from socketio_sync.protocol.websocket import deflated_text_frame
from socketio_sync.protocol.websocket import masked
from socketio_sync.protocol.websocket import text_frame
from socketio_sync.protocol.websocket_deflate import negotiate

TEXT = '42["message",{"user":"ann","text":"hello!!"}]'
LIMIT = 10_000_000


def microseconds(run: Callable[[], object], messages: int = 1) -> float:
    """The time of one message, where ``run`` handles ``messages`` of them."""
    timer = timeit.Timer(run)
    number, spent = timer.autorange()
    number = max(1, int(number * 0.1 / spent))
    return min(timer.repeat(repeat=7, number=number)) / number / messages * 1e6


def ours() -> None:
    """Our codec: small messages one and many a read, large ones whole and in reads of 64 KiB, and deflate."""
    receive = WebSocketCodec(max_message_size=LIMIT).receive
    message = masked(text_frame(TEXT))
    show(f"text of {len(TEXT)} bytes, in", microseconds(lambda: receive(message)))
    show(f"text of {len(TEXT)} bytes, out", microseconds(lambda: text_frame(TEXT)))
    show(f"text of {len(TEXT)} bytes, in and out", microseconds(lambda: (receive(message), text_frame(TEXT))))
    many = message * 300
    show(f"text of {len(TEXT)} bytes, in, 300 a read", microseconds(lambda: receive(many), 300))
    for size in (1000, 10_000, 100_000, 1_000_000):
        data = masked(binary_frame(bytes(size)))
        show(f"binary of {size} bytes, in", microseconds(lambda data=data: receive(data)))  # type: ignore[misc]
    pieces = [data[at : at + 65536] for at in range(0, len(data), 65536)]
    show("the same in reads of 64 KiB, in", microseconds(lambda: [receive(piece) for piece in pieces]))
    agreed = negotiate("permessage-deflate; client_no_context_takeover")
    assert agreed is not None
    inflating = WebSocketCodec(max_message_size=LIMIT, inflate=agreed[1]).receive
    text = TEXT * 50
    deflated = masked(deflated_text_frame(text))
    show(f"deflated text of {len(text)} bytes, in", microseconds(lambda: inflating(deflated)))
    show(f"deflated text of {len(text)} bytes, out", microseconds(lambda: deflated_text_frame(text)))


def wsproto() -> None:
    """wsproto, one small message a read."""
    from wsproto.connection import Connection
    from wsproto.connection import ConnectionType
    from wsproto.events import TextMessage

    connection = Connection(ConnectionType.SERVER)
    message = masked(text_frame(TEXT))

    def echo() -> None:
        connection.receive_data(message)
        for _ in connection.events():
            connection.send(TextMessage(data=TEXT))

    show(f"wsproto: text of {len(TEXT)} bytes, in and out", microseconds(echo))


def websockets() -> None:
    """The sans-I/O half of websockets, one small message a read."""
    from websockets.protocol import OPEN
    from websockets.protocol import Protocol
    from websockets.protocol import Side

    protocol = Protocol(Side.SERVER, state=OPEN)
    message = masked(text_frame(TEXT))

    def echo() -> None:
        protocol.receive_data(message)
        for event in protocol.events_received():
            protocol.send_text(bytes(event.data).decode().encode())  # type: ignore[union-attr]
        protocol.data_to_send()

    show(f"websockets: text of {len(TEXT)} bytes, in and out", microseconds(echo))


def show(what: str, cost: float) -> None:
    """One line of the table."""
    print(f"{what:<50} {cost:10.2f} us")


if __name__ == "__main__":
    ours()
    for peer in (wsproto, websockets):
        if importlib.util.find_spec(peer.__name__):
            peer()
