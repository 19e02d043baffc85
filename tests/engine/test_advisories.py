"""What once broke other servers of this protocol, and must not break ours; more of it beside what it concerns."""

from __future__ import annotations

import time

import pytest

from tests.engine.served import PATH
from tests.engine.served import closed
from tests.engine.served import served
from tests.support.wire import Wire


def alive(server: object) -> None:
    """The server still takes and serves newcomers."""
    wire = server.websocket()  # type: ignore[attr-defined]
    wire.send_text("4alive")
    assert wire.receive() == "4alive"
    wire.close()


@pytest.mark.parametrize("sid", [None, "known", "unknown"])
def test_bytes_behind_an_upgrade_request(runtime: str, sid: str | None) -> None:
    """CVE-2022-21676."""
    with served(runtime) as server:
        client = server.polling()
        query = "" if sid is None else f"&sid={client.sid if sid == 'known' else sid}"
        wire = server.wire()
        wire.upgrade(f"{PATH}?EIO=4&transport=websocket{query}", ahead=b"test")
        if sid != "unknown":  # then it is the web server's
            assert closed(wire) is not None
        client.post("4the session lives")
        assert server.message() == "the session lives"
        alive(server)


@pytest.mark.parametrize("query", ["transport=websocket&sid=no", "transport=no", "transport=websocket&EIO=3", ""])
def test_a_reset_during_a_refused_upgrade(runtime: str, query: str, caplog: pytest.LogCaptureFixture) -> None:
    """CVE-2022-41940."""
    with served(runtime) as server:
        for _ in range(5):
            wire = Wire(server.port)
            wire.ask("GET", f"{PATH}?EIO=4&{query}", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
            wire.reset()
        alive(server)
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_reset_right_behind_an_upgrade(runtime: str, caplog: pytest.LogCaptureFixture) -> None:
    with served(runtime) as server:
        client = server.polling()
        for query in ("", f"&sid={client.sid}"):
            for _ in range(5):
                wire = Wire(server.port)
                headers = {
                    "Connection": "Upgrade",
                    "Upgrade": "websocket",
                    "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                }
                wire.ask("GET", f"{PATH}?EIO=4&transport=websocket{query}", headers=headers)
                wire.reset()
        alive(server)
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("name", ["__proto__", "constructor", "toString", "hasOwnProperty"])
def test_names_of_javascript(runtime: str, name: str) -> None:
    """CVE-2023-31125, and the sids of GHSA-gr94-w7qr-f4j3."""
    with served(runtime) as server:
        for query, text in (
            (f"transport={name}", "Transport unknown"),
            (f"transport=websocket&sid={name}", "Session ID unknown"),
        ):
            reply = server.wire().upgrade(f"{PATH}?EIO=4&{query}")
            assert reply is not None
            assert (reply.status, reply.text) == (400, text)
        alive(server)


def test_a_flood_of_upgrades_that_are_refused_leaves_nothing(runtime: str) -> None:
    """CVE-2026-48802: connects that are refused must cost nothing that stays."""
    with served(runtime, allow_request=lambda environ: False) as server:
        for _ in range(50):
            server.fetch("?EIO=4&transport=polling")
            reply = server.wire().upgrade(f"{PATH}?EIO=4&transport=websocket")
            assert reply is not None
        assert server.engine.clients_count == 0
        assert not server.engine.runtime.channels
        assert not server.engine.runtime.timers


def test_thousands_of_tiny_packets(runtime: str) -> None:
    """CVE-2020-36048: linear, and limited."""
    with served(runtime, echo=False) as server:
        client = server.polling()
        begin = time.monotonic()
        client.post(*["4"] * 60_000)
        for _ in range(60_000):
            assert server.message() == ""
        assert time.monotonic() - begin < 5
        client.post(*["4"] * 70_000)
        assert server.end() == ("parse error", "parse error")
        assert server.heard.empty()


def test_a_long_row_of_subprotocols(runtime: str) -> None:
    """CVE-2021-32640: linear."""
    with served(runtime) as server:
        begin = time.monotonic()
        wire = server.wire()
        wire.upgrade(f"{PATH}?EIO=4&transport=websocket", {"Sec-WebSocket-Protocol": "b" + " " * 6000 + "x"})
        assert time.monotonic() - begin < 1
        alive(server)


@pytest.mark.parametrize("protocol", ["chat, superchat", "\xff"])
def test_subprotocols(runtime: str, protocol: str) -> None:
    """The first that is asked for is agreed to; what is none does no harm (Granian's advisory)."""
    with served(runtime) as server:
        wire = server.wire()
        wire.upgrade(f"{PATH}?EIO=4&transport=websocket", {"Sec-WebSocket-Protocol": protocol})
        alive(server)


def test_a_slow_body_holds_up_only_its_own_session(runtime: str) -> None:
    with served(runtime) as server:
        client = server.polling()
        slow = server.wire()
        slow.ask("POST", client.target, headers={"Content-Length": "1000"})
        slow.send(b"4")
        alive(server)
        slow.close()
        # The other is that of ``alive``.
        assert {server.end()[0], server.end()[0]} == {"transport error", "transport close"}


def test_a_session_of_another_address_and_browser(runtime: str) -> None:
    """A sid is all that counts: it must never leave the server but to its owner."""
    with served(runtime) as server:
        wire = server.websocket()
        other = server.fetch("?EIO=4&transport=polling&sid=" + server.connection().id)
        assert other.status == 400
        wire.send_text("1")
        assert closed(wire) is not None
