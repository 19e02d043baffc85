"""What a client may send on a WebSocket, and what becomes of it if it sends something else."""

from __future__ import annotations

import time
import zlib

import pytest

from tests.engine.served import closed
from tests.engine.served import served
from tests.support.wire import BINARY
from tests.support.wire import CLOSE
from tests.support.wire import PING
from tests.support.wire import TEXT
from tests.support.wire import TIMEOUT
from tests.support.wire import Closed
from tests.support.wire import Wire
from tests.support.wire import frame
from tests.support.wire import until

LIMIT = 1000


@pytest.mark.parametrize("message", ["", "hello", "€😀", "x" * 200, "y" * 70_000, b"", b"\x04\x00", bytes(70_000)])
def test_messages_there_and_back(runtime: str, message: str | bytes) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        if isinstance(message, str):
            wire.send_text("4" + message)
            assert wire.receive() == "4" + message
        else:
            wire.send_binary(message)
            assert wire.receive() == message


def test_binary_as_base64_text(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        wire.send_text("bAQID")
        assert wire.receive() == b"\x01\x02\x03"


def test_a_client_that_wants_base64(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket("EIO=4&b64=1")
        wire.send_text("bAQID")
        assert wire.receive() == "bAQID"
        wire.send_text("4text")
        assert wire.receive() == "4text"


@pytest.mark.parametrize("packet", ["3", "3hello", "0", "5", "6", '0{"sid":"x"}'])
def test_packets_that_are_ignored(runtime: str, packet: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        wire.send_text(packet)
        wire.send_text("4still here")
        assert wire.receive() == "4still here"


@pytest.mark.parametrize(
    ("packet", "reason", "description"),
    [
        ("1", "transport close", None),
        ("2", "transport error", "invalid heartbeat direction"),
        ("2hello", "transport error", "invalid heartbeat direction"),
        ("2probe", "transport error", "invalid heartbeat direction"),
        ("7", "parse error", "parse error"),
        ("", "parse error", "parse error"),
        ("abc", "parse error", "parse error"),
        ("b!", "parse error", "parse error"),
    ],
)
def test_packets_that_end_the_session(runtime: str, packet: str, reason: str, description: str | None) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        wire.send(frame(TEXT, b"4before") + frame(TEXT, packet.encode()) + frame(TEXT, b"4behind"))
        assert closed(wire) == Closed(None)
        assert server.end() == (reason, description)
        assert server.message() == "before"
        assert server.heard.empty()
        assert server.engine.clients_count == 0


# -- frames ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_at_the_limit(runtime: str, opcode: int, size: int) -> None:
    with served(runtime, max_http_buffer_size=LIMIT) as server:
        wire = server.websocket()
        wire.frame(opcode, b"4" * size)
        if size <= LIMIT:
            expected = "4" * size if opcode == TEXT else b"4" * size
            assert wire.receive() == expected
        else:
            end = closed(wire)
            assert end is not None
            assert end.code == 1009
            assert server.end()[0] == "transport error"


def test_a_message_over_the_limit_is_refused_by_its_header(runtime: str) -> None:
    with served(runtime, max_http_buffer_size=LIMIT) as server:
        wire = server.websocket()
        wire.send(frame(TEXT, b"4" * (LIMIT + 1))[:8])
        end = closed(wire)
        assert end is not None
        assert end.code == 1009


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x01a", 1002),  # not masked
        (b"\xc1\x80\0\0\0\0", 1002),  # a reserved bit
        (b"\x83\x80\0\0\0\0", 1002),  # a reserved opcode
        (b"\x09\x80\0\0\0\0", 1002),  # a ping in fragments
        (b"\x89\xfe\x00\x7e\0\0\0\0", 1002),  # a ping of 126 bytes
        (b"\x80\x80\0\0\0\0", 1002),  # a continuation of nothing
        (b"\x81\x82\0\0\0\x004\xff", 1007),  # not UTF-8
    ],
)
def test_frames_that_no_client_may_send(runtime: str, data: bytes, code: int) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        wire.send(data)
        end = closed(wire)
        assert end is not None
        assert end.code == code
        reason, details = server.ended.get(timeout=5)
        assert reason == "transport error"
        assert details is not None
        assert details.code == code


def test_a_message_byte_by_byte_and_in_fragments(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        for index in range(len(data := frame(TEXT, b"4slow"))):
            wire.send(data[index : index + 1])
        assert wire.receive() == "4slow"
        first, last = frame(TEXT, b"4frag"), frame(0, b"ment")
        wire.send(bytes([first[0] & 0x7F]) + first[1:] + frame(PING, b"p"))
        assert wire.receive_frame() == (0xA, b"p")
        wire.send(last)
        assert wire.receive() == "4fragment"


def test_endless_fragments_are_refused(runtime: str) -> None:
    """CVE-2026-48779."""
    with served(runtime) as server:
        wire = server.websocket()
        empty = b"\x00\x80\0\0\0\0"
        wire.send(b"\x01\x80\0\0\0\0" + empty * 20_000)
        end = closed(wire)
        assert end is None or end.code == 1008
        assert server.end()[0] == "transport error"


def test_bytes_right_behind_the_handshake(runtime: str) -> None:
    """CVE-2022-21676: neither lost nor harmful."""
    with served(runtime) as server:
        wire = server.wire()
        assert wire.upgrade("/engine.io/?EIO=4&transport=websocket", ahead=frame(TEXT, b"4early")) is None
        assert str(wire.receive()).startswith("0{")
        assert wire.receive() == "4early"
        wire = server.wire()
        assert wire.upgrade("/engine.io/?EIO=4&transport=websocket", ahead=b"test") is None
        end = closed(wire)
        assert end is not None
        assert end.code == 1002


# -- closing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [None, 1000, 1001, 4000])
def test_a_client_that_closes(runtime: str, code: int | None) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        wire.close_frame(code)
        assert closed(wire) == Closed(code)
        assert server.end() == ("transport close", None)


def test_a_client_that_leaves_without_a_word(runtime: str) -> None:
    with served(runtime) as server:
        server.websocket().close()
        assert server.end() == ("transport close", None)
        wire = server.websocket()
        wire.send_text("4x")
        assert wire.receive() == "4x"
        wire.reset()
        assert server.end() == ("transport error", "websocket error")


def test_a_close_frame_behind_messages(runtime: str) -> None:
    with served(runtime, echo=False) as server:
        wire = server.websocket()
        wire.send(frame(TEXT, b"4one") + frame(TEXT, b"4two") + frame(CLOSE, b"") + frame(TEXT, b"4three"))
        assert closed(wire) == Closed(None)
        assert [server.message(), server.message()] == ["one", "two"]
        assert server.end() == ("transport close", None)
        assert server.heard.empty()


def test_a_flood_of_pings_from_a_client_that_does_not_read(runtime: str) -> None:
    with served(runtime) as server:
        wire = server.websocket()
        connection = server.connection()
        wire.sock.setblocking(False)
        data = frame(PING, b"p" * 125) * 100_000  # more than the kernel holds for both sides
        deadline = time.monotonic() + TIMEOUT
        while data:
            assert time.monotonic() < deadline
            try:
                data = data[wire.sock.send(data) :]
            except BlockingIOError:
                time.sleep(0.001)
        until(lambda: connection.buffered)
        assert connection.buffered < 200
        assert server.ended.empty()


# -- permessage-deflate ------------------------------------------------------------------------------------------------


def deflating(server_port: int, offer: str = "permessage-deflate; client_max_window_bits") -> tuple[Wire, str | None]:
    """A connection whose handshake offers to compress, and what was agreed."""
    wire = Wire(server_port)
    wire.send(
        "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Extensions: {offer}\r\n\r\n".encode()
    )
    status, headers = wire.head()
    assert status == 101
    return wire, headers.get("sec-websocket-extensions")


def test_messages_are_compressed_above_the_threshold(runtime: str) -> None:
    with served(runtime, per_message_deflate={"threshold": 100}) as server:
        wire, agreed = deflating(server.port)
        with wire:
            assert agreed is not None
            assert "server_no_context_takeover" in agreed
            assert str(wire.receive()).startswith("0{")
            wire.send_text("4" + "s" * 98)
            assert wire.receive() == "4" + "s" * 98
            for text in ("l" * 5000, "€" * 2000):
                wire.send_text("4" + text)
                head = wire.read(2)
                assert head[0] == 0xC1
                data = wire.read(head[1])
                inflated = zlib.decompressobj(-15).decompress(data + b"\0\0\xff\xff")
                assert inflated == b"4" + text.encode()
            server.connection().send("l" * 5000, compress=False)
            assert wire.receive() == "4" + "l" * 5000


def test_nothing_is_compressed_by_default(runtime: str) -> None:
    with served(runtime) as server:
        wire, agreed = deflating(server.port)
        with wire:
            assert agreed is None


def test_a_bomb_is_not_inflated(runtime: str) -> None:
    with served(runtime, per_message_deflate=True) as server:
        wire, _ = deflating(server.port)
        with wire:
            compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
            bomb = compressor.compress(b"4" + bytes(50_000_000)) + compressor.flush(zlib.Z_SYNC_FLUSH)
            data = frame(TEXT, bomb[:-4])
            wire.send(bytes([data[0] | 0x40]) + data[1:])
            end = closed(wire)
            assert end is not None
            assert end.code == 1009


@pytest.mark.parametrize("offer", ["constructor", "permessage-deflate; server_max_window_bits=99", ";;;"])
def test_strange_offers_are_ignored(runtime: str, offer: str) -> None:
    """GHSA-5v72-xg48-5rpm."""
    with served(runtime, per_message_deflate=True) as server:
        wire, agreed = deflating(server.port, offer)
        with wire:
            assert agreed is None
