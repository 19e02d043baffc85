"""The pages about the client: their samples talk to a real server, the table of options is whole."""

from __future__ import annotations

import dataclasses
import re
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from socketio_sync import Client
from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync.client.options import ClientOptions
from socketio_sync.client.options import ManagerOptions
from tests.support import pages
from tests.support.timing import scaled


@pytest.fixture
def io() -> Server:
    io = Server()

    @io.on("store")
    def store(socket: Any, item: Any) -> str:
        socket.emit("stored", 1)
        return "ok"

    @io.on("convert")
    def convert(socket: Any, path: str) -> int:
        for percent in (50, 100):
            socket.emit("progress", percent)
        socket.emit("done", f"{path}.pdf")
        return 17

    @io.on("subscribe")
    def subscribe(socket: Any, what: str) -> None:
        socket.emit(what, 21.5)

    @io.of("/admin").use
    def only_secret(socket: Any) -> None:
        if socket.handshake.auth.get("token") != "secret":
            raise ConnectError("not authorized")

    return io


@pytest.fixture
def url(io: Server) -> Iterator[str]:
    with io.listening() as server:
        yield server.url


class TestReference:
    @pytest.fixture
    def page(self) -> dict[str, Any]:
        return pages.run("reference/client.rst")

    def test_a_script(self, page: dict[str, Any], url: str) -> None:
        assert page["remember"](url) == ("ok", "stored", [1])

    def test_handlers(self, page: dict[str, Any], url: str, io: Server) -> None:
        told: list[int] = []
        client = page["listen"](url, told)
        try:
            assert io.emit_with_ack("stored", 7) == ["thanks"]
            assert told == [7]
        finally:
            client.disconnect()

    def test_a_shared_connection(self, page: dict[str, Any], url: str, io: Server) -> None:
        clients = page["two"](url)
        for client in clients:
            client.connect()
        assert io.engine.clients_count == 1
        for client in clients:
            client.disconnect()

    def test_every_option_is_described_with_its_default(self) -> None:
        text = (pages.DOCS / "reference" / "client.rst").read_text()
        rows = re.findall(r"^   \* - (``.*``)( C)?\n     - (``.*``)$", text, re.MULTILINE)
        described = {}
        for names, mark, defaults in rows:
            known = re.findall(r"``(\w+)``", names)
            values = re.findall(r"``(.*?)``", defaults)
            for name, default in zip(known, values * len(known) if len(values) == 1 else values, strict=True):
                described[name] = (bool(mark), eval(default))
        expected = {field.name: (False, field.default) for field in dataclasses.fields(ManagerOptions)}
        expected |= {field.name: (True, field.default) for field in dataclasses.fields(ClientOptions)}
        assert described == expected


class TestGuide:
    @pytest.fixture
    def page(self) -> dict[str, Any]:
        return pages.run("howto/client.rst")

    def test_a_script(self, page: dict[str, Any], url: str) -> None:
        assert page["convert"](url, "letter") == (17, "letter.pdf")

    def test_a_service_that_loses_its_connection(self, page: dict[str, Any], url: str, io: Server) -> None:
        temperatures: list[float] = []
        tokens = iter(range(10))
        client = page["make_client"](url, lambda: next(tokens), temperatures)
        came = threading.Semaphore(0)
        client.on("temperature", lambda value: came.release())
        client.connect()
        assert came.acquire(timeout=scaled(10))
        io.disconnect_sockets()
        assert client.wait(scaled(10)), "the server's disconnect is not followed by another try"
        client.connect()
        assert came.acquire(timeout=scaled(10))
        next(iter(io.engine.connections.values())).close()
        assert came.acquire(timeout=scaled(20)), "a loss is"
        assert temperatures == [21.5] * 3
        assert next(tokens) == 3
        client.disconnect()

    def test_is_it_there(self, page: dict[str, Any], url: str) -> None:
        assert page["check"](url) == "connected"
        assert page["check"](f"{url}/admin") == "refused: not authorized"
        assert page["check"]("http://127.0.0.1:1").startswith("no server: ")

    def test_both(self, page: dict[str, Any], url: str) -> None:
        news, admin = page["both"](url)
        assert news.connected and admin.connected
        news.disconnect()
        admin.disconnect()

    def test_an_authority_of_ones_own(self, page: dict[str, Any], io: Server, tmp_path: Path) -> None:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        with io.listening(ssl_context=context) as server:
            with page["internal"](server.url, str(tmp_path / "ca.pem")) as client:
                assert client.emit_with_ack("store", 1) == "ok"
            with pytest.raises(ConnectError), Client(server.url, timeout=5):
                pass
