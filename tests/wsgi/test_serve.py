"""``listen`` and ``listening``, and the small server on threads behind them, byte by byte."""

from __future__ import annotations

import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.validate import validator

import pytest

from socketio_sync.engine.engine import Engine
from socketio_sync.wsgi.serve import Listening
from socketio_sync.wsgi.serve import listen
from socketio_sync.wsgi.serve import listening
from tests.support.servers import certificate
from tests.support.servers import client_tls
from tests.support.servers import free_port
from tests.support.wire import TIMEOUT
from tests.support.wire import Closed
from tests.support.wire import Wire
from tests.support.wire import fetch
from tests.support.wire import open_websocket
from tests.support.wire import until


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Each path is one way for an application to behave."""
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "text/plain")]
    if path == "/fail":
        raise KeyError("a bug")
    if path == "/fail-late":
        return failing(start_response, headers)
    if path == "/stream":
        start_response("200 OK", headers)
        return iter([b"one", b"", b"two"])
    if path == "/empty":
        start_response("204 No Content", [])
        return []
    if path == "/error":
        start_response("200 OK", headers)
        try:
            raise KeyError("found late")
        except KeyError:
            start_response("503 Service Unavailable", headers, exc_info())
            return [b"replaced"]
    if path == "/unread":
        body = b"not read"
    elif path == "/environ":
        wanted = ("SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_X_ONE", "HTTP_X_TWO", "HTTP_COOKIE", "REMOTE_ADDR")
        body = repr({name: environ.get(name) for name in wanted}).encode()
    else:
        body = b"".join(iter(lambda: environ["wsgi.input"].read(1000), b""))
    start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
    return [body]


def exc_info() -> Any:
    import sys

    return sys.exc_info()


def failing(start_response: Any, headers: list[tuple[str, str]]) -> Iterator[bytes]:
    start_response("200 OK", headers)
    yield b"half"
    raise KeyError("a bug, later")


@pytest.fixture(scope="module")
def server() -> Iterator[Listening]:
    engine = Engine(runtime="threads")
    with listening(engine, wsgi_app=validator(application)) as running:
        yield running
    engine.close()


@pytest.fixture
def unchecked() -> Iterator[Listening]:
    """Without wsgiref's checker, which minds what an application does wrong before the server can."""
    engine = Engine(runtime="threads")
    with listening(engine, wsgi_app=application) as running:
        yield running
    engine.close()


def raw(server: Listening, data: bytes) -> bytes:
    """All that is answered, to the end of the connection."""
    with Wire(server.port) as wire:
        wire.send(data)
        return wire.read_to_the_end()


def test_a_connection_is_kept(server: Listening) -> None:
    with Wire(server.port) as wire:
        for number in range(3):
            wire.ask("POST", "/", b"body %d" % number)
            reply = wire.answer()
            assert (reply.status, reply.body) == (200, b"body %d" % number)
            assert "connection" not in reply.headers
            assert "date" in reply.headers


def test_requests_may_be_pipelined(server: Listening) -> None:
    with Wire(server.port) as wire:
        for number in range(3):
            wire.ask("POST", "/", b"%d" % number)
        assert [wire.answer().body for _ in range(3)] == [b"0", b"1", b"2"]


def test_connection_close(server: Listening) -> None:
    reply = fetch(server.port, "/")
    assert reply.headers["connection"] == "close"


def test_http_1_0_is_closed(server: Listening) -> None:
    answer = raw(server, b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"chunked" not in answer
    assert b"Connection: close" in answer
    assert answer.endswith(b"\r\n\r\nonetwo")


def test_a_body_of_unknown_length_is_sent_in_chunks(server: Listening) -> None:
    with Wire(server.port) as wire:
        for _ in range(2):
            wire.ask("GET", "/stream")
            reply = wire.answer()
            assert reply.headers["transfer-encoding"] == "chunked"
            assert reply.body == b"onetwo"


def test_a_request_in_chunks(server: Listening) -> None:
    with Wire(server.port) as wire:
        for _ in range(2):
            head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            wire.send(head + b"5\r\nhello\r\n")
            wire.send(b"A;extension=1\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n")
            assert wire.answer().body == b"hello0123456789"


@pytest.mark.parametrize(
    "body",
    [b"x\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n", b"\r\n", b"5\r\nhelloxx0\r\n\r\n", b"11111111111111111\r\n"],
)
def test_malformed_chunks_end_the_connection(unchecked: Listening, body: bytes) -> None:
    answer = raw(unchecked, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: -1",
        b"Content-Length: 1x",
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
    ],
)
def test_what_could_smuggle_a_request_is_refused(server: Listening, headers: bytes) -> None:
    answer = raw(
        server, b"POST / HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_request_that_is_none(server: Listening) -> None:
    assert b" 400 " in raw(server, b"nonsense, and more\r\n\r\n")


def test_expect_100_continue(server: Listening) -> None:
    with Wire(server.port) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert wire.head()[0] == 100
        wire.send(b"hello")
        assert wire.answer().body == b"hello"


def test_an_unread_body_is_skipped(server: Listening) -> None:
    with Wire(server.port) as wire:
        for _ in range(2):
            wire.ask("POST", "/unread", b"x" * 10_000)
            assert wire.answer().body == b"not read"


def test_a_long_unread_body_ends_the_connection(server: Listening) -> None:
    with Wire(server.port) as wire:
        wire.ask("POST", "/unread", headers={"Content-Length": "1000000"})
        assert wire.answer().body == b"not read"
        assert wire.read_to_the_end() == b""


def test_head(server: Listening) -> None:
    with Wire(server.port) as wire:
        for path in ("/unread", "/stream"):
            wire.ask("HEAD", path)
            assert wire.answer("HEAD").status == 200
        wire.ask("GET", "/unread")
        assert wire.answer().body == b"not read"


def test_no_content(server: Listening) -> None:
    with Wire(server.port) as wire:
        wire.ask("GET", "/empty")
        reply = wire.answer()
        assert (reply.status, "content-length" in reply.headers) == (204, False)
        wire.ask("GET", "/unread")
        assert wire.answer().status == 200


def test_environ(server: Listening) -> None:
    with Wire(server.port) as wire:
        headers = {"X-One": "1", "x-one": "2", "X_Two": "forged", "Cookie": "a=1", "cookie": "b=2"}
        wire.ask("GET", "/environ?a=%20b", headers=headers)
        assert eval(wire.answer().body) == {
            "SCRIPT_NAME": "",
            "PATH_INFO": "/environ",
            "QUERY_STRING": "a=%20b",
            "HTTP_X_ONE": "1,2",
            "HTTP_X_TWO": None,
            "HTTP_COOKIE": "a=1; b=2",
            "REMOTE_ADDR": "127.0.0.1",
        }


def test_an_application_that_fails(unchecked: Listening, caplog: pytest.LogCaptureFixture) -> None:
    reply = fetch(unchecked.port, "/fail")
    assert (reply.status, reply.body) == (500, b"Internal Server Error")
    assert "a bug" in caplog.text
    assert fetch(unchecked.port, "/unread").status == 200


def test_an_application_that_fails_late(unchecked: Listening) -> None:
    answer = raw(unchecked, b"GET /fail-late HTTP/1.1\r\nHost: x\r\n\r\n")
    # Without the last chunk the client can tell that something is missing.
    assert answer.endswith(b"\r\n\r\n4\r\nhalf\r\n")


def test_a_response_may_be_replaced_before_it_is_sent(unchecked: Listening) -> None:
    reply = fetch(unchecked.port, "/error")
    assert (reply.status, reply.body) == (503, b"replaced")


def test_clients_that_leave_are_no_errors(unchecked: Listening, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for data in (b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhalf"):
            wire = Wire(unchecked.port)
            wire.send(data)
            wire.reset()
        fetch(unchecked.port, "/unread")
        until(lambda: not handler_threads())
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def handler_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "process_request" in thread.name]


def test_nothing_is_left_after_listening() -> None:
    before = set(threading.enumerate())
    engine = Engine(runtime="threads")
    with listening(engine, wsgi_app=application) as running:
        kept = Wire(running.port)
        kept.ask("GET", "/unread")
        assert kept.answer().status == 200
        with open_websocket(running.port, "/engine.io/"):
            until(lambda: engine.clients_count == 1)
            # An adopted connection needs no thread of the server.
            until(lambda: len(handler_threads()) == 1)
    assert kept.read_to_the_end() == b""
    kept.close()
    engine.close()
    until(lambda: not set(threading.enumerate()) - before)
    with pytest.raises(ConnectionRefusedError):
        Wire(running.port)


def test_a_taken_port() -> None:
    engine = Engine(runtime="threads")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        listen(engine, taken.getsockname()[1])
    engine.close()


def test_tls() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    engine = Engine(runtime="threads")
    with listening(engine, wsgi_app=application, ssl_context=context) as running:
        assert running.url == f"https://127.0.0.1:{running.port}"
        assert fetch(running.port, "/unread", tls=client_tls()).body == b"not read"
        with open_websocket(running.port, "/engine.io/", tls=client_tls()) as wire:
            wire.close_frame()
            assert wire.receive() == Closed(None)
        # Not TLS at all: an error of the client's, and no matter to others.
        assert b"200" not in raw(running, b"GET / HTTP/1.1\r\n\r\n")
        assert fetch(running.port, "/unread", tls=client_tls()).status == 200
    engine.close()


@contextmanager
def listening_on_gevent(**options: Any) -> Iterator[Listening]:
    """gevent's server, in a thread of its own."""
    started: queue.SimpleQueue[tuple[Listening, Any]] = queue.SimpleQueue()

    def serve() -> None:
        import gevent

        hub = gevent.get_hub()
        engine = Engine(runtime="gevent")
        with listening(engine, wsgi_app=application, **options) as running:
            leave = engine.runtime.event()
            started.put((running, leave))
            leave.wait()
        engine.close()
        hub.destroy(destroy_loop=True)

    thread = threading.Thread(target=serve)
    thread.start()
    running, leave = started.get(timeout=TIMEOUT)
    try:
        yield running
    finally:
        leave.set()
        thread.join()


@pytest.mark.parametrize("tls", [False, True])
def test_bad_input_is_no_error_on_gevent(
    tls: bool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate())
    get = b"GET /unread HTTP/1.1\r\nHost: x\r\nContent-Length: "
    with listening_on_gevent(**({"ssl_context": context} if tls else {})) as running:
        for data in (b"\x82\x90 100%d\r\n\r\n", get + b"x\r\n\r\n", get + b"500\r\n\r\nabc"):
            for end in (Wire.close, Wire.reset):
                for encrypted in {False, tls}:
                    wire = Wire(running.port, tls=client_tls() if encrypted else None)
                    wire.send(data * 3)
                    end(wire)
        assert fetch(running.port, "/unread", tls=client_tls() if tls else None).status == 200
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    assert capfd.readouterr().err == ""


def test_ipv6() -> None:
    engine = Engine(runtime="threads")
    try:
        with listening(engine, 0, "::1", wsgi_app=application) as running:
            assert running.url == f"http://[::1]:{running.port}"
            with socket.create_connection(("::1", running.port)) as sock:
                sock.sendall(b"GET /unread HTTP/1.0\r\n\r\n")
                assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    finally:
        engine.close()


def test_listen_ends_by_close(capsys: pytest.CaptureFixture[str]) -> None:
    engine = Engine(runtime="threads")
    port = free_port()
    thread = threading.Thread(target=listen, args=(engine, port))
    thread.start()
    until(lambda: f"http://127.0.0.1:{port}" in capsys.readouterr().out)
    with open_websocket(port, "/engine.io/") as wire:
        until(lambda: engine.clients_count == 1)
        started = time.monotonic()
        engine.close()
        assert wire.receive() == Closed(None)
    thread.join(5)
    assert not thread.is_alive()
    assert time.monotonic() - started < 2
