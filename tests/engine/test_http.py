"""What a Request makes of a WSGI environ, and the rules by which its body is read."""

from __future__ import annotations

import io
from typing import Any

import pytest

from socketio_sync.engine.http import Request
from socketio_sync.exceptions import ProtocolError
from socketio_sync.wsgi.adopt import find_peer


def request(body: bytes = b"", **entries: Any) -> Request:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/socket.io/", "wsgi.input": io.BytesIO(body), **entries}
    return Request(environ, find_peer(environ))


def test_the_last_of_a_repeated_name_counts() -> None:
    assert request(QUERY_STRING="transport=polling&transport=websocket&b64").query == {
        "transport": "websocket",
        "b64": "",
    }


def test_text_is_undone_from_latin_1() -> None:
    disguised = "/grüße".encode().decode("latin-1")
    asked = request(PATH_INFO=disguised, QUERY_STRING="name=%C3%BC&raw=ü&broken=%ff")
    assert asked.path == "/grüße"
    assert asked.query["name"] == "ü"
    assert asked.query["broken"] == "\ufffd"


def test_url_is_the_request_target() -> None:
    assert request(SCRIPT_NAME="/app", QUERY_STRING="EIO=4&t=%20").url == "/app/socket.io/?EIO=4&t=%20"
    assert request(PATH_INFO="/gr\u00c3\u00bc\u00c3\u009fe").url == "/gr%C3%BC%C3%9Fe"


def test_headers() -> None:
    asked = request(HTTP_X_FORWARDED_FOR="1.2.3.4", CONTENT_TYPE="text/plain", CONTENT_LENGTH="3")
    assert asked.header("X-Forwarded-For") == "1.2.3.4"
    assert asked.header("content-type") == "text/plain"
    assert asked.header("Content-Length") == "3"
    assert asked.header("origin") is None


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_secure(scheme: str, secure: bool) -> None:
    assert request(**{"wsgi.url_scheme": scheme}).secure is secure


def test_a_body_of_declared_length() -> None:
    assert request(b"hello, and the next request", CONTENT_LENGTH="5").read_body(5) == b"hello"
    assert request(b"", CONTENT_LENGTH="0").read_body(5) == b""


class Untouchable:
    def read(self, size: int) -> bytes:
        raise AssertionError("must not be read")


@pytest.mark.parametrize("length", ["6", "1000000000", "9" * 5000])
def test_too_long_is_judged_before_reading(length: str) -> None:
    assert request(CONTENT_LENGTH=length, **{"wsgi.input": Untouchable()}).read_body(5) is None


@pytest.mark.parametrize("length", ["-1", "abc", "1 2", "1e3", "٣", "0x10", "+3"])
def test_an_invalid_length(length: str) -> None:
    with pytest.raises(ProtocolError):
        request(CONTENT_LENGTH=length, **{"wsgi.input": Untouchable()}).read_body(5)


@pytest.mark.parametrize("missing", [{}, {"CONTENT_LENGTH": ""}])
def test_without_a_length_nothing_is_read(missing: dict[str, str]) -> None:
    assert request(**missing, **{"wsgi.input": Untouchable()}).read_body(5) == b""


def test_without_a_length_but_with_an_end() -> None:
    chunked = {"wsgi.input_terminated": True}
    assert request(b"hello", **chunked).read_body(5) == b"hello"
    assert request(b"hello!", **chunked).read_body(5) is None


def test_the_client_leaves_in_the_middle() -> None:
    with pytest.raises(ProtocolError, match="prematurely"):
        request(b"he", CONTENT_LENGTH="5").read_body(5)


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), EOFError()])
def test_reading_fails(error: Exception) -> None:
    class Failing:
        def read(self, size: int) -> bytes:
            raise error

    with pytest.raises(ProtocolError):
        request(CONTENT_LENGTH="5", **{"wsgi.input": Failing()}).read_body(5)


def test_a_closed_input() -> None:
    closed = io.BytesIO(b"hello")
    closed.close()
    with pytest.raises(ProtocolError):
        request(CONTENT_LENGTH="5", **{"wsgi.input": closed}).read_body(5)


def test_a_raw_input_may_give_less_than_asked_for() -> None:
    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    assert request(CONTENT_LENGTH="5", **{"wsgi.input": Dripping(b"hello")}).read_body(5) == b"hello"
