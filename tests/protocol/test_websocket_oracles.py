"""The WebSocket codec against wsproto and websockets, with the bytes cut anywhere; and against noise."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence

import wsproto.frame_protocol as wsproto
from hypothesis import HealthCheck
from hypothesis import assume
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from websockets.exceptions import NegotiationError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Close as OracleClose
from websockets.frames import Frame
from websockets.frames import Opcode
from websockets.headers import parse_extension
from websockets.protocol import OPEN
from websockets.protocol import Protocol
from websockets.protocol import Side
from wsproto.frame_protocol import FrameProtocol

from socketio_sync.protocol.websocket import Close
from socketio_sync.protocol.websocket import Event
from socketio_sync.protocol.websocket import Ping
from socketio_sync.protocol.websocket import Pong
from socketio_sync.protocol.websocket import WebSocketCodec
from socketio_sync.protocol.websocket import WebSocketError
from socketio_sync.protocol.websocket import binary_frame
from socketio_sync.protocol.websocket import close_frame
from socketio_sync.protocol.websocket import deflated_binary_frame
from socketio_sync.protocol.websocket import deflated_text_frame
from socketio_sync.protocol.websocket import masked
from socketio_sync.protocol.websocket import ping_frame
from socketio_sync.protocol.websocket import pong_frame
from socketio_sync.protocol.websocket import text_frame
from socketio_sync.protocol.websocket_deflate import Inflate
from socketio_sync.protocol.websocket_deflate import negotiate
from tests.protocol.websocket_peer import cut
from tests.protocol.websocket_peer import feed
from tests.protocol.websocket_peer import frame
from tests.protocol.websocket_peer import places

LIMIT = 100_000

checked = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=200)
checked_more = settings(checked, max_examples=600)

# Unicode without surrogates; sizes around every length class of the header and of the unmasking.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200) | st.sampled_from(
    ["", "a" * 125, "a" * 126, "é" * 63, "€" * 30_000, "x" * 65_535, "x" * 65_536]
)
binaries = st.binary(max_size=200) | st.integers(0, 70_000).map(lambda size: bytes(range(256)) * (size // 256))
controls = st.binary(max_size=125)
codes = st.sampled_from(
    [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 4999]
)  # wsproto lacks 1014
reasons = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
pings = st.builds(Ping, controls)
pongs = st.builds(Pong, controls)
closes = st.builds(Close, codes, reasons) | st.just(Close(None, ""))
events = st.lists(texts | binaries | pings | pongs, max_size=8)
clients = st.booleans()
keys = st.none() | st.binary(min_size=4, max_size=4)


def encode(event: Event, *, deflate: bool = False) -> bytes:
    match event:
        case str():
            return deflated_text_frame(event) if deflate else text_frame(event)
        case bytes():
            return deflated_binary_frame(event) if deflate else binary_frame(event)
        case Ping(data):
            return ping_frame(data)
        case Pong(data):
            return pong_frame(data)
        case Close(code, reason):
            return close_frame(code, reason)


def wsproto_receive(client: bool, pieces: Iterable[bytes]) -> tuple[list[Event], int | None]:
    """What wsproto makes of the bytes, in our words: the events, and the close code of a fault."""
    received: list[Event] = []
    parts: list[str | bytes] = []
    protocol = FrameProtocol(client, [])
    for piece in pieces:
        protocol.receive_bytes(piece)
        try:
            for part in protocol.received_frames():
                if isinstance(part.payload, tuple):
                    code, reason = part.payload
                    received.append(Close(None if code == 1005 else int(code), reason or ""))
                    return received, None
                data = part.payload if isinstance(part.payload, str) else bytes(part.payload)
                if part.opcode is wsproto.Opcode.PING:
                    received.append(Ping(data))
                elif part.opcode is wsproto.Opcode.PONG:
                    received.append(Pong(data))
                else:
                    parts.append(data)
                    if part.message_finished:
                        received.append(parts[0][:0].join(parts))
                        parts = []
        except wsproto.ParseFailed as error:
            return received, int(error.code)
    return received, None


def wsproto_encode(protocol: FrameProtocol, event: Event) -> bytes:
    match event:
        case str() | bytes():
            return protocol.send_data(event, fin=True)
        case Ping(data):
            return protocol.ping(data)
        case Pong(data):
            return protocol.pong(data)
        case Close(code, reason):
            return protocol.close(code, reason)


def websockets(*, client: bool, extensions: Sequence[PerMessageDeflate] = ()) -> Protocol:
    protocol = Protocol(Side.CLIENT if client else Side.SERVER, state=OPEN, max_size=LIMIT)
    protocol.extensions = list(extensions)
    return protocol


def websockets_receive(protocol: Protocol, pieces: Iterable[bytes]) -> tuple[list[Event], int | None]:
    """What websockets makes of the bytes; it leaves UTF-8 to its callers, so we do that for it."""
    received: list[Event] = []
    parts: list[bytes] = []
    text = False
    for piece in pieces:
        protocol.receive_data(piece)
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        data = bytes(event.data)
        if event.opcode is Opcode.PING:
            received.append(Ping(data))
        elif event.opcode is Opcode.PONG:
            received.append(Pong(data))
        elif event.opcode is Opcode.CLOSE:
            close = OracleClose.parse(data)
            received.append(Close(int(close.code), close.reason) if data else Close(None, ""))
        else:
            if event.opcode is not Opcode.CONT:
                text = event.opcode is Opcode.TEXT
            parts.append(data)
            if event.fin:
                payload = b"".join(parts)
                parts = []
                try:
                    received.append(payload.decode() if text else payload)
                except UnicodeDecodeError:
                    return received, 1007
    if protocol.parser_exc is None:
        return received, None
    # It counts what cannot be inflated as a protocol error; Node's ws and we as invalid data.
    assert protocol.close_sent is not None
    return received, 1007 if str(protocol.parser_exc) == "decompression failed" else int(protocol.close_sent.code)


def codec(*, client: bool, inflate: Inflate | None = None) -> WebSocketCodec:
    return WebSocketCodec(max_message_size=LIMIT, client=client, inflate=inflate)


# What we send is understood


@checked
@given(events, closes, clients, keys, places)
def test_they_understand_what_we_send(
    sent: list[Event], close: Close, to_client: bool, key: bytes | None, where: list[int]
) -> None:
    data = b"".join(map(encode, [*sent, close]))
    pieces = cut(data if to_client else masked(data, key), where)
    assert wsproto_receive(to_client, pieces) == ([*sent, close], None)
    received, _ = websockets_receive(websockets(client=to_client), pieces)
    assert received == [*sent, close]
    assert feed(codec(client=to_client), pieces) == ([*sent, close], None)


@checked
@given(st.lists(texts | binaries | pings, max_size=8), clients, st.booleans(), places)
def test_they_inflate_what_we_deflate(sent: list[Event], to_client: bool, keeps: bool, where: list[int]) -> None:
    data = b"".join(encode(event, deflate=True) for event in sent)
    pieces = cut(data if to_client else masked(data), where)
    extension = PerMessageDeflate(not keeps, False, 15, 15)
    assert websockets_receive(websockets(client=to_client, extensions=[extension]), pieces) == (sent, None)
    ours = codec(client=to_client, inflate=Inflate(context_takeover=keeps))
    assert feed(ours, pieces) == (sent, None)


# We understand what they send


@checked
@given(events, closes, clients, places)
def test_we_understand_wsproto(sent: list[Event], close: Close, to_client: bool, where: list[int]) -> None:
    peer = FrameProtocol(not to_client, [])
    data = b"".join(wsproto_encode(peer, event) for event in [*sent, close])
    assert feed(codec(client=to_client), cut(data, where)) == ([*sent, close], None)


def send_fragmented(peer: Protocol, event: Event, where: list[int]) -> list[Event]:
    """Send it in fragments, with a ping behind each but the last; returns what will be received."""
    if isinstance(event, (Ping, Pong)):
        (peer.send_ping if isinstance(event, Ping) else peer.send_pong)(event.data)
        return [event]
    assert isinstance(event, (str, bytes))
    parts = cut(event.encode() if isinstance(event, str) else event, where)
    between: list[Event] = []
    for number, part in enumerate(parts):
        fin = number == len(parts) - 1
        if number:
            peer.send_continuation(part, fin)
        else:
            (peer.send_text if isinstance(event, str) else peer.send_binary)(part, fin)
        if not fin:
            ping = Ping(str(number).encode())
            peer.send_ping(ping.data)
            between.append(ping)
    return [*between, event]


@checked
@given(events, clients, st.lists(st.integers(0, 1000), max_size=4), places)
def test_we_understand_websockets(sent: list[Event], to_client: bool, parts: list[int], where: list[int]) -> None:
    peer = websockets(client=not to_client)
    expected = [received for event in sent for received in send_fragmented(peer, event, parts)]
    data = b"".join(peer.data_to_send())
    assert feed(codec(client=to_client), cut(data, where)) == (expected, None)


@checked
@given(events, clients, st.booleans(), st.integers(9, 15), st.lists(st.integers(0, 1000), max_size=4), places)
def test_we_inflate_what_websockets_deflates(
    sent: list[Event], to_client: bool, keeps: bool, bits: int, parts: list[int], where: list[int]
) -> None:
    peer = websockets(client=not to_client, extensions=[PerMessageDeflate(False, not keeps, 15, bits)])
    expected = [received for event in sent for received in send_fragmented(peer, event, parts)]
    data = b"".join(peer.data_to_send())
    ours = codec(client=to_client, inflate=Inflate(window_bits=bits, context_takeover=keeps))
    assert feed(ours, cut(data, where)) == (expected, None)


# Faults are judged alike

payloads = st.binary(max_size=130) | st.sampled_from(
    [b"", b"\x03", b"\x03\xe8", b"\x03\xed", b"\x03\xe8\xff", b"a" * 200]
)
any_frame = st.builds(
    lambda opcode, payload, fin, rsv, masks: (opcode, payload, fin, rsv, masks),
    st.sampled_from([1, 1, 2, 0, 0, 8, 9, 10, 3, 11]),
    payloads | reasons.map(str.encode),
    st.sampled_from([True, True, False]),
    st.sampled_from([0] * 12 + [1, 2, 4, 7]),
    st.sampled_from([True] * 15 + [False]),
)


@checked_more
@given(st.lists(any_frame, max_size=6), clients, places)
def test_broken_frames_are_refused_as_websockets_does(
    frames: list[tuple[int, bytes, bool, int, bool]], to_client: bool, where: list[int]
) -> None:
    data = b"".join(
        frame(opcode, payload, fin=fin, rsv=rsv, key=b"\x01\xfe\x80\x7f" if right != to_client else None)
        for opcode, payload, fin, rsv, right in frames
    )
    oracle = websockets(client=to_client)
    expected, code = websockets_receive(oracle, [data])
    received, error = feed(codec(client=to_client), cut(data, where))
    if str(oracle.parser_exc) == "incomplete fragmented message":
        # It wants no close frame between fragments; RFC 6455, 5.4 allows control frames there.
        assert received[:-1] == expected and isinstance(received[-1], Close)
        return
    assert received == expected
    if error is not None and error.reason == "invalid close code" and code == 1007:
        code = 1002  # a close frame with two faults: code and reason
    assert (error and error.code) == code


@checked_more
@given(st.lists(any_frame, max_size=6), clients, places)
def test_broken_frames_are_refused_as_wsproto_does(
    frames: list[tuple[int, bytes, bool, int, bool]], to_client: bool, where: list[int]
) -> None:
    data = b"".join(
        frame(opcode, payload, fin=fin, rsv=rsv, key=b"\x01\xfe\x80\x7f" if right != to_client else None)
        for opcode, payload, fin, rsv, right in frames
    )
    expected, code = wsproto_receive(to_client, [data])
    received, error = feed(codec(client=to_client), cut(data, where))
    if code == 1007:  # it judges the UTF-8 of a fragment at once, we that of the whole message
        assert received[: len(expected)] == expected
    else:
        assert received == expected
        assert (error and error.code) == code


# Deflate is agreed on alike

parameters = st.sampled_from(
    [
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_no_context_takeover=1",
        "client_max_window_bits",
        "server_max_window_bits",
        "unknown",
        *(f"{side}_max_window_bits={bits}" for side in ("client", "server") for bits in (7, 8, 9, 12, 15, 16, "x")),
        'client_max_window_bits="10"',
    ]
)
offers = st.lists(parameters, max_size=4).map(lambda chosen: "; ".join(["permessage-deflate", *chosen]))


def oracle_takes(offer: str) -> bool:
    [(_, given_parameters)] = parse_extension(offer)
    try:
        ServerPerMessageDeflateFactory(server_no_context_takeover=True).process_request_params(given_parameters, [])
    except NegotiationError:
        return False
    # websockets makes its window smaller when asked; ours is shared, so we pass such offers over.
    return dict(given_parameters).get("server_max_window_bits") in (None, "15")


@checked
@given(offers)
@example("permessage-deflate; client_max_window_bits")
def test_offers_are_taken_as_websockets_does(offer: str) -> None:
    assert (negotiate(offer) is not None) == oracle_takes(offer)


@checked
@given(st.booleans(), st.booleans(), st.sampled_from([None, 15]), st.sampled_from([None, True, 9, 12, 15]), st.data())
def test_websockets_accepts_our_answers(
    server_no: bool, client_no: bool, server_bits: int | None, client_bits: int | bool | None, data: st.DataObject
) -> None:
    factory = ClientPerMessageDeflateFactory(server_no, client_no, server_bits, client_bits)
    header = "permessage-deflate" + "".join(
        f"; {name}" if value is None else f"; {name}={value}" for name, value in factory.get_request_params()
    )
    agreed = negotiate(
        header,
        client_no_context_takeover=data.draw(st.booleans()),
        client_max_window_bits=data.draw(st.integers(9, 15)),
    )
    assert agreed is not None
    answer, inflate = agreed
    [(name, answered)] = parse_extension(answer)
    assert name == "permessage-deflate"
    extension = factory.process_response_params(answered, [])
    assert extension.remote_no_context_takeover
    assert extension.local_no_context_takeover == (not inflate.context_takeover)
    assert extension.local_max_window_bits <= inflate.window_bits


# Noise


@checked_more
@given(st.binary(max_size=400), clients, st.booleans(), places, places)
def test_noise_gives_messages_or_a_websocket_error_wherever_it_is_cut(
    data: bytes, to_client: bool, deflate: bool, where: list[int], elsewhere: list[int]
) -> None:
    def results(pieces: list[bytes]) -> tuple[list[Event], int | None]:
        received, error = feed(codec(client=to_client, inflate=Inflate() if deflate else None), pieces)
        return received, None if error is None else error.code

    assert results(cut(data, where)) == results(cut(data, elsewhere))


@checked
@given(st.binary(max_size=200), st.integers(0, 1000))
def test_noise_as_compressed_data(payload: bytes, limit: int) -> None:
    assume(len(payload) <= limit)
    decoder = WebSocketCodec(max_message_size=limit, inflate=Inflate())
    try:
        received = decoder.receive(frame(2, payload, rsv=4) * 2)
    except WebSocketError as error:
        assert error.code in (1007, 1009)
        received = error.events
    assert all(isinstance(message, bytes) and len(message) <= limit for message in received)


@checked
@given(st.text(max_size=200) | st.text('permsag-dfl; ,="\\_context', max_size=200))
def test_noise_as_an_offer(header: str) -> None:
    negotiate(header)
