"""The opening handshake of a WebSocket: the rules of RFC 6455, 4.2, with the answers of ``ws``."""

from __future__ import annotations

import time

import pytest

from socketio_sync.protocol.websocket_handshake import HandshakeError
from socketio_sync.protocol.websocket_handshake import accept_key
from socketio_sync.protocol.websocket_handshake import check_handshake
from socketio_sync.protocol.websocket_handshake import choose_subprotocol
from tests.support.timing import scaled

HEADERS = {
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}


def check(method: str = "GET", **changes: str | None) -> None:
    headers: dict[str, str | None] = dict(HEADERS)
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    check_handshake(method, lambda name: headers.get(name.lower()))


def refusal(method: str = "GET", **changes: str | None) -> HandshakeError:
    with pytest.raises(HandshakeError) as caught:
        check(method, **changes)
    return caught.value


def test_the_accept_key_of_the_rfc() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"upgrade": "WebSocket"},
        {"connection": "keep-alive, Upgrade"},
        {"connection": "upgrade ,\tkeep-alive"},
        {"sec_websocket_key": "+/+/+/+/+/+/+/+/+/+/+w=="},
    ],
)
def test_good_requests(changes: dict[str, str]) -> None:
    check(**changes)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Upgrade", [None, "", "h2c", "websocket, h2c", "web socket"]),
        ("Connection", [None, "", "keep-alive", "upgrades", "up grade"]),
        (
            "Sec-WebSocket-Key",
            [None, "", "short", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ==\n", "é" * 22 + "=="],
        ),
        ("Sec-WebSocket-Version", [None, "", "8", "14", "13, 8", "x"]),
    ],
)
def test_a_missing_or_wrong_header(name: str, values: list[str | None]) -> None:
    for value in values:
        error = refusal(**{name.lower().replace("-", "_"): value})
        assert error.status == 400
        assert name in error.reason


def test_a_wrong_version_is_told_the_right_one() -> None:
    assert refusal(sec_websocket_version="8").headers == (("Sec-WebSocket-Version", "13"),)


@pytest.mark.parametrize("method", ["POST", "HEAD", "get", ""])
def test_only_get(method: str) -> None:
    error = refusal(method)
    assert (error.status, error.headers) == (405, (("Allow", "GET"),))


def test_a_request_without_its_headers_is_refused() -> None:
    # CVE-2024-37890: so many headers that a server drops the Upgrade header
    with pytest.raises(HandshakeError):
        check_handshake("GET", lambda name: None)


@pytest.mark.parametrize(
    ("header", "chosen"),
    [(None, None), ("chat", "chat"), ("v2, v1", "v2"), (" a ,\tb", "a"), ("__proto__", "__proto__")],
)
def test_the_first_subprotocol_is_chosen(header: str | None, chosen: str | None) -> None:
    assert choose_subprotocol(header) == chosen


@pytest.mark.parametrize(
    "header", ["", ",", "a,", "a,,b", "a b", "a, a", "é", "a\r\nb", "a\x00", 'a"', "b" + " " * 50 + "x"]
)
def test_a_bad_list_of_subprotocols(header: str) -> None:
    with pytest.raises(HandshakeError) as caught:
        choose_subprotocol(header)
    assert caught.value.status == 400


@pytest.mark.parametrize("unit", [" ", ",", "\t", "a,", "a ", " ,", "a"])
def test_long_headers_take_linear_time(unit: str) -> None:
    # CVE-2021-32640
    header = "b" + unit * (200_000 // len(unit)) + "x"
    start = time.perf_counter()
    try:
        choose_subprotocol(header)
    except HandshakeError:
        pass
    refusal(connection=header)
    refusal(sec_websocket_key=header)
    assert time.perf_counter() - start < scaled(3)
