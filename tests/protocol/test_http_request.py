"""A request is read only where it is whole and plain: two readers must never see two requests in the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.protocol.http_request import read_request

GET = b"GET /socket.io/?EIO=4&sid=a HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\nX-Empty:\r\n\r\n"
POST = (
    b"POST /socket.io/?EIO=4&sid=a HTTP/1.1\r\nHost: example.org\r\nConnection: Keep-Alive\r\n"
    b"content-type:  text/plain \r\nContent-Length: 5\r\n\r\n4four"
)


def test_a_get() -> None:
    request = read_request(GET)
    assert request is not None
    assert (request.path, request.body, request.size) == ("/socket.io/", b"", len(GET))
    assert request.environ == {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": "EIO=4&sid=a",
        "HTTP_HOST": "example.org",
        "HTTP_ACCEPT": "*/*",
        "HTTP_X_EMPTY": "",
    }


def test_a_post() -> None:
    request = read_request(POST)
    assert request is not None
    assert (request.path, request.body, request.size) == ("/socket.io/", b"4four", len(POST))
    assert request.environ == {
        "REQUEST_METHOD": "POST",
        "QUERY_STRING": "EIO=4&sid=a",
        "HTTP_HOST": "example.org",
        "HTTP_CONNECTION": "Keep-Alive",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "5",
    }


@pytest.mark.parametrize("request_line", [
    b"HEAD /a?b HTTP/1.1", b"PUT /a?b HTTP/1.1", b"OPTIONS /a?b HTTP/1.1", b"get /a?b HTTP/1.1", b"PRI * HTTP/2.0",
    b"GET /a HTTP/1.1", b"GET a?b HTTP/1.1", b"GET http://example.org/a?b HTTP/1.1", b"GET * HTTP/1.1",
    b"GET  /a?b HTTP/1.1", b"GET /a?b  HTTP/1.1", b"GET /a?b c HTTP/1.1", b"GET\t/a?b HTTP/1.1", b" GET /a?b HTTP/1.1",
    b"GET /a?b HTTP/1.0", b"GET /a?b HTTP/1.2", b"GET /a?b HTTP/1.1 ", b"GET /a?b HTTP/01.1", b"GET /a?b http/1.1",
    b"GET /a?b", b"GET /a?b#c HTTP/1.1", b"GET /a#?b HTTP/1.1", b"GET /a?\xe4 HTTP/1.1", b"GET /a?b\x00 HTTP/1.1",
    b"\r\nGET /a?b HTTP/1.1", b"", b"\x16\x03\x01", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET /a?b HTTP/1.1",
])  # fmt: skip
def test_another_request_line(request_line: bytes) -> None:
    assert read_request(request_line + GET[GET.index(b"\r\n") :]) is None


@pytest.mark.parametrize("line", [
    b"Transfer-Encoding: chunked", b"transfer-encoding: identity", b"TE: trailers", b"Trailer: X-A",
    b"Expect: 100-continue", b"Upgrade: h2c", b"Connection: close", b"Connection: keep-alive, Upgrade", b"Connection:",
    b"Content-Length: 0", b"host: example.com", b"Accept: text/html",  # there is one already
    b"X-A : b", b" X-A: b", b"X-A", b": b", b"X_A: b", b"Content_Length: 0", b"X A: b", b"X(A): b", b"X-\xe4: b",
    b"X-A: \xe4", b"X-A: b\x00", b"X-A: b\rc", b"X-A: b\nContent-Length: 3", b"X-A: b\r", b"X-A: b\x7f",
    b"X-A: b\r\n folded", b"X-A: b\r\n\tfolded", b"X-A: \x0b", b"X-A: b\r\r\n",
])  # fmt: skip
@pytest.mark.parametrize("request_bytes", [GET, POST], ids=["GET", "POST"])
def test_a_header_that_leaves_a_doubt(request_bytes: bytes, line: bytes) -> None:
    if request_bytes is GET:
        request_bytes = request_bytes.replace(b"X-Empty:", b"Content-Length: 0")
    else:
        request_bytes = request_bytes.replace(b"Host", b"Accept: a\r\nHost")
    assert read_request(request_bytes) is not None
    head, end, body = request_bytes.partition(b"\r\n\r\n")
    assert read_request(head + b"\r\n" + line + end + body) is None


@pytest.mark.parametrize(
    "length",
    [b"", b"-5", b"+5", b"05", b"5,5", b"5 5", b"5.0", b"0x5", b"5;", b"five", b"\xb2", b"1" * 30, b"6", b"1_0"],
)
def test_a_length_that_leaves_a_doubt(length: bytes) -> None:
    assert read_request(POST.replace(b"Length: 5", b"Length: " + length)) is None


@pytest.mark.parametrize("length", [b"1", b"00", b"-0", b""])
def test_a_get_with_a_body(length: bytes) -> None:
    assert read_request(GET.replace(b"X-Empty:", b"Content-Length: " + length) + b"x") is None


def test_a_request_needs_a_host_and_a_post_a_length() -> None:
    assert read_request(GET.replace(b"Host", b"Most")) is None
    assert read_request(POST.replace(b"Content-Length: 5\r\n", b"")) is None
    assert read_request(b"GET /a?b HTTP/1.1\r\n\r\n") is None


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\n\r"])
def test_another_line_end(end: bytes) -> None:
    for request in (GET, POST):
        assert read_request(request.replace(b"\r\n", end)) is None
        for at in range(request.count(b"\r\n")):
            parts = request.split(b"\r\n")
            assert read_request(b"\r\n".join(parts[: at + 1]) + end + b"\r\n".join(parts[at + 1 :])) is None


@pytest.mark.parametrize("request_bytes", [GET, POST], ids=["GET", "POST"])
def test_a_part_of_a_request_is_none(request_bytes: bytes) -> None:
    for size in range(len(request_bytes)):
        assert read_request(request_bytes[:size]) is None


@given(st.lists(st.sampled_from([GET, POST]), min_size=1, max_size=4), st.binary(max_size=100))
def test_what_comes_behind_a_request_does_not_matter(requests: list[bytes], behind: bytes) -> None:
    stream = b"".join(requests) + behind
    for expected in requests:
        request = read_request(stream)
        assert request is not None
        assert stream[: request.size] == expected
        stream = stream[request.size :]


@given(st.sampled_from([GET, POST]), st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_spoiled_request_is_read_as_one_or_not_at_all(request_bytes: bytes, at: int, spoiler: bytes) -> None:
    """Whatever is read: its head ends at the first empty line, and its body is as long as the only length says."""
    spoiled = request_bytes[: at % len(request_bytes)] + spoiler + request_bytes[at % len(request_bytes) :]
    request = read_request(spoiled)
    if request is not None:
        head = spoiled[: request.size - len(request.body)]
        assert head.index(b"\r\n\r\n") == len(head) - 4
        assert head.lower().count(b"content-length") <= 1
        assert len(request.body) == int(request.environ.get("CONTENT_LENGTH", "0"))
        assert b"\n" not in head.replace(b"\r\n", b"")
