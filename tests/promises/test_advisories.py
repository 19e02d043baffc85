"""Every published fault of other servers of this protocol that could be ours, as a test by name.

``TABLE`` says which test shows it; those without a path stand below, against the real server on both runtimes.
"""

from __future__ import annotations

import ast
import configparser
import random
import re
import time
from pathlib import Path

import pytest

from socketio_sync.engine import ids
from tests.promises.client import Client
from tests.promises.client import Promised
from tests.promises.client import promising
from tests.support.programs import ROOT
from tests.support.timing import scaled
from tests.support.wire import BINARY
from tests.support.wire import CLOSE
from tests.support.wire import TEXT
from tests.support.wire import Closed
from tests.support.wire import Polling
from tests.support.wire import Wire
from tests.support.wire import fetch
from tests.support.wire import frame

ENGINE = "tests/engine/test_advisories.py::"
TABLE: dict[str, list[str]] = {
    # socket.io
    "CVE-2017-16031 GHSA-qv2v-m59f-v5fw": ["test_ids_come_from_the_system_and_keep_the_secret"],
    "CVE-2020-28481 GHSA-fxwf-4rqh-v8g3": ["test_other_origins_are_refused_by_default"],
    "CVE-2024-38355 GHSA-25hc-qcg6-38wj": [
        "test_an_event_that_is_called_error",
        "tests/server/test_regressions.py::test_an_event_named_error_harms_nobody",
    ],
    # engine.io
    "CVE-2020-36048 GHSA-j4f2-536g-r55m": [
        "test_old_payloads_with_huge_lengths",
        ENGINE + "test_thousands_of_tiny_packets",
        "tests/engine/test_protocol3.py::test_a_body_that_is_no_payload_ends_the_session",
    ],
    "CVE-2022-21676 GHSA-273r-mgr4-v34f": [
        ENGINE + "test_bytes_behind_an_upgrade_request",
        "tests/wsgi/test_hosts.py::test_pipelined_frames",
    ],
    "CVE-2022-41940 GHSA-r7qp-cfhv-p84w": [
        ENGINE + "test_a_reset_during_a_refused_upgrade",
        ENGINE + "test_a_reset_right_behind_an_upgrade",
    ],
    "CVE-2023-31125 GHSA-q9mw-68c2-j6m5": [ENGINE + "test_names_of_javascript"],
    "CVE-2026-59725 GHSA-r635-g3xr-vw7x": ["tests/engine/test_polling.py::test_a_binary_body_ends_the_session"],
    # socket.io-parser
    "CVE-2020-36049 GHSA-xfhh-g9f5-x4m4": ["test_packets_that_close_the_connection"],
    "CVE-2022-2421 GHSA-qm95-pgcg-qqfq": ["test_placeholders_that_are_none"],
    "CVE-2023-32695 GHSA-cqmj-92xf-r6r9": ["test_packets_that_close_the_connection"],
    "CVE-2026-33151 GHSA-677m-j7p3-52f9": ["test_attachments_without_end_are_refused"],
    "CVE-2026-69185 GHSA-2m8v-j782-fhvr": ["test_packets_that_close_the_connection"],
    # ws
    "CVE-2016-10518 GHSA-2mhh-w6q8-5hxw": [
        "tests/protocol/test_websocket.py::test_only_bytes_are_control_data_and_only_text_is_a_reason"
    ],
    "CVE-2016-10542 GHSA-6663-c963-2gqg": [
        "tests/engine/test_websocket.py::test_a_message_over_the_limit_is_refused_by_its_header",
        "tests/protocol/test_websocket.py::test_a_length_is_judged_from_the_header",
    ],
    "GHSA-5v72-xg48-5rpm": ["tests/engine/test_websocket.py::test_strange_offers_are_ignored"],
    "CVE-2021-32640 GHSA-6fc8-4gx4-v693": [
        ENGINE + "test_a_long_row_of_subprotocols",
        "tests/protocol/test_websocket_handshake.py::test_long_headers_take_linear_time",
    ],
    "CVE-2024-37890 GHSA-3h5v-q93c-6h6q": [
        "test_thousands_of_headers",
        "tests/protocol/test_websocket_handshake.py::test_a_request_without_its_headers_is_refused",
    ],
    "CVE-2026-45736 GHSA-58qx-3vcg-4xpx": [
        "tests/protocol/test_websocket.py::test_only_bytes_are_control_data_and_only_text_is_a_reason"
    ],
    "CVE-2026-48779 GHSA-96hv-2xvq-fx4p": ["tests/engine/test_websocket.py::test_endless_fragments_are_refused"],
    # of the clients' packages, but a server's business
    "GHSA-pxg6-pf52-xh8x": ["tests/test_config.py::test_wrong"],
    # Python
    "CVE-2019-13611 GHSA-j3jp-gvr5-7hwq": [
        "test_other_origins_are_refused_by_default",
        "tests/engine/test_dispatch.py::test_an_upgrade_from_another_origin",
    ],
    "CVE-2025-61765 GHSA-g8c6-8fjj-2r4m": ["test_nothing_is_ever_pickled"],
    "CVE-2026-48802 GHSA-cgwc-pv48-fhj5": [
        "tests/engine/test_heartbeat.py::test_a_flood_of_pongs_that_nobody_asked_for_is_free",
        ENGINE + "test_a_flood_of_upgrades_that_are_refused_leaves_nothing",
    ],
    "CVE-2026-48809": [
        "tests/engine/test_polling.py::test_a_body_far_over_the_limit_is_not_awaited",
        "tests/engine/test_polling.py::test_chunked_bodies",
        "tests/engine/test_websocket.py::test_a_message_over_the_limit_is_refused_by_its_header",
    ],
    "CVE-2026-48804 GHSA-55mf-67qm-4wpg": [
        "test_attachments_for_a_namespace_that_is_not_joined",
        "tests/server/test_connecting.py::test_a_half_received_packet_is_dropped_with_its_connection",
    ],
    "CVE-2023-41419 GHSA-w3h3-4rj7-4ph4": ["test_the_web_servers_with_request_smuggling_are_not_asked_for"],
    "CVE-2021-21419": ["tests/engine/test_websocket.py::test_a_bomb_is_not_inflated"],
    "CVE-2026-34824": ["test_no_thread_and_no_greenlet_per_message"],
    "granian: Sec-WebSocket-Protocol that is not ASCII": [ENGINE + "test_subprotocols"],
}

# Those of the list that do not concern a server without WebTransport, or concern only clients.
NOT_OURS = {
    "GHSA-gr94-w7qr-f4j3": "there is no WebTransport; such sids are in test_names_of_javascript",
    "CVE-2016-10536": "a client's TLS",
    "CVE-2020-28502": "a client's XMLHttpRequest",
    "CVE-2021-31597": "a client's TLS",
}


@pytest.mark.parametrize("name", TABLE)
def test_the_table_names_tests_that_exist(name: str) -> None:
    for target in TABLE[name]:
        path, _, function = target.rpartition("::")
        source = (ROOT / path if path else Path(__file__)).read_text("utf-8")
        assert re.search(rf"^ *def {function}\(", source, re.MULTILINE), target


def closes(client: Client, *messages: str | bytes) -> None:
    """The server answers this with a close frame, soon."""
    begin = time.monotonic()
    for part in messages:
        client.wire.send(frame(BINARY, part) if isinstance(part, bytes) else frame(TEXT, part.encode()))
    assert isinstance(client.end(), Closed)
    assert time.monotonic() - begin < scaled(1)


@pytest.fixture
def silent(server: Promised) -> Promised:
    """The server, which has to log nothing of all this."""
    before = len(server.program.lines)
    yield server
    assert server.program.lines[before:] == []
    assert server.alive()


# -- ids and origins ---------------------------------------------------------------------------------------------------


def test_ids_come_from_the_system_and_keep_the_secret(silent: Promised) -> None:
    made = []
    for _ in range(2):
        random.seed(1)
        made.append(ids.new_id())
    assert made[0][:14] != made[1][:14]
    client = silent.polling()
    client.post('421["handshake"]')
    answer = client.receive()
    assert client.sid not in answer.replace(f'"{client.sid}",{{}}', "")  # told here by the program, as ``conn.id``
    assert answer.count(client.sid) == 1
    client.post("1")


def test_other_origins_are_refused_by_default(runtime: str) -> None:
    """And told in the log: it is the first thing that goes wrong when one deploys."""
    handshake = "/socket.io/?EIO=4&transport="
    with promising(runtime, quiet=False) as server:
        evil = {"Origin": "http://evil.example"}
        reply = fetch(server.port, handshake + "polling", headers=evil)
        assert (reply.status, reply.text) == (403, '{"code":4,"message":"Forbidden"}')
        assert not [name for name in reply.headers if name.startswith("access-control")]
        with Wire(server.port) as wire:
            refusal = wire.upgrade(handshake + "websocket", evil)
            assert refusal is not None
            assert refusal.status == 400
        same = {"Origin": f"http://127.0.0.1:{server.port}"}
        assert fetch(server.port, handshake + "polling", headers=same).status == 200
    assert server.program.output.count("http://evil.example") == 2


# -- packets -----------------------------------------------------------------------------------------------------------


def test_an_event_that_is_called_error(silent: Promised) -> None:
    with silent.client() as client:
        client.send('42["error"]', '42["error",{"x":1}]')
        assert client.call("echo", "alive") == ["alive"]


@pytest.mark.parametrize(
    "packet",
    [
        # CVE-2020-36049
        "42" + "1" * 900_000 + '["echo"]',
        "45" + "1" * 900_000 + '-["echo"]',
        "45" + "0" * 900_000 + '-["echo"]',
        "42" + "1" * 900_000,
        "42/" + "a" * 900_000,
        # CVE-2023-32695
        '42[{"toString":"foo"}]',
        "42[true]",
        "42[null]",
        '42["connect"]',
        '42["connect_error"]',
        '42["disconnect"]',
        '42["disconnecting"]',
        '42["newListener"]',
        '42["removeListener"]',
        "42[]",
        "42{}",
        "42",
        # CVE-2026-69185
        '450-["a"]',
        # depth, and numbers that are none
        '42["echo",' + "[" * 400_000,
        '42["echo",' + "[" * 100_000 + "]" * 100_000 + "]",
        '42["echo",NaN]',
        '42["echo",Infinity]',
        '42["echo",-Infinity]',
        '42["echo",undefined]',
    ],
    ids=lambda packet: f"{packet[:24]}-{len(packet)}",
)
def test_packets_that_close_the_connection(silent: Promised, packet: str) -> None:
    with silent.client() as client:
        closes(client, packet)
        reason, _ = silent.end_of(client.id)
        assert reason == "forced close"


@pytest.mark.parametrize("number", ['"splice"', '"0"', "-1", "1", "0.5", "1e100", "null", "true", '{"x":0}'])
def test_placeholders_that_are_none(silent: Promised, number: str) -> None:
    with silent.client() as client:
        closes(client, f'451-["echo",{{"_placeholder":true,"num":{number}}}]', b"x")


@pytest.mark.parametrize("count", ["11", "999999", "9" * 400])
def test_attachments_without_end_are_refused(silent: Promised, count: str) -> None:
    with silent.client() as client:
        closes(client, f'45{count}-["echo",{{"_placeholder":true,"num":0}}]')


def test_attachments_for_a_namespace_that_is_not_joined(silent: Promised) -> None:
    with silent.client() as client:
        closes(client, '451-/other,["echo",{"_placeholder":true,"num":0}]')


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('"__proto__"', '"__proto__"'),
        ('{"__proto__":{"x":1},"constructor":2}', '{"__proto__":{"x":1},"constructor":2}'),
        ("9007199254740993", "9007199254740993"),
        ("18446744073709551616", "1.8446744073709552e+19"),  # beyond 64 bit: a float, as all numbers in JavaScript
        ('"\\ud800"', '"\\ud800"'),  # half of a pair, as JSON.stringify writes it
        ("1e400", None),
        ("1" * 5000, None),  # Python refuses to convert so many digits
    ],
)
def test_values_that_are_strange_but_legal(silent: Promised, given: str, expected: str | None) -> None:
    with silent.client() as client:
        client.send(f'421["echo",{given}]')
        message = client.next()
        if expected is None:  # larger than any float: JavaScript has infinity then, which JSON cannot say
            assert isinstance(message, Closed) or message == "431[null]", message
        else:
            assert message == f"431[{expected}]"


def test_ack_ids_beyond_what_a_float_holds(silent: Promised) -> None:
    with silent.client() as client:
        client.send('42999999999999999["echo","fits"]')
        assert client.next() == '43999999999999999["fits"]'
        closes(client, '429999999999999999["echo","too long"]')


def test_names_of_javascript_as_events_and_rooms(silent: Promised) -> None:
    with silent.client() as client:
        for name in ("__proto__", "constructor", "toString", "hasOwnProperty", ""):
            client.emit("join", name)
            client.emit("tell", name, "told", name)
            assert client.event() == ["told", name]
            client.emit(name)
        assert client.call("echo", "alive") == ["alive"]


def test_no_thread_and_no_greenlet_per_message(silent: Promised) -> None:
    with silent.client() as client:
        assert client.call("echo", 0) == [0]
        before = silent.facts()
        for _ in range(20):
            client.send(*['42["noise"]'] * 500)
        assert client.call("noises") == [10_000]
        after = silent.facts()
        assert after["threads"] <= before["threads"] + 20
        assert after["greenlets"] <= before["greenlets"] + 20


# -- bytes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"99999991:4222", b"9" * 900_000, b"1:4" * 300_000, b"0:" * 400_000, b"1:2" * 300_000, b":" * 900_000]
)
def test_old_payloads_with_huge_lengths(runtime: str, body: bytes) -> None:
    with promising(runtime, allow_eio3=True) as server:
        opened = fetch(server.port, "/socket.io/?EIO=3&transport=polling&b64=1").text
        sid = opened.split('"sid":"')[1].split('"')[0]
        begin = time.monotonic()
        fetch(server.port, f"/socket.io/?EIO=3&transport=polling&b64=1&sid={sid}", "POST", body)
        assert time.monotonic() - begin < scaled(3)
        assert server.alive()


def test_thousands_of_headers(silent: Promised) -> None:
    with Wire(silent.port) as wire:
        lines = ["GET /socket.io/?EIO=4&transport=websocket HTTP/1.1", "Host: x"]
        lines += [f"X{number}: y" for number in range(3000)]
        lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        try:
            wire.send("\r\n".join(lines).encode() + b"\r\n\r\n")
            status, _ = wire.head()
        except (EOFError, ConnectionError):
            status = 400  # closed by the web server, which has a limit of its own
        assert 400 <= status < 500


def test_a_flood_of_close_frames(silent: Promised) -> None:
    with silent.client() as client:
        client.wire.send(frame(CLOSE, b"\x03\xe8") * 1000)
        assert client.end() == Closed(1000)


def test_endless_namespaces(silent: Promised) -> None:
    """max_namespaces, also of those that do not exist: the answer is an error, and nothing stays."""
    with silent.client() as client:
        before = silent.facts()["rss"]
        for begin in range(0, 5000, 100):
            client.send(*(f"40/nowhere{number}," for number in range(begin, begin + 100)))
            for _ in range(100):
                assert client.next().startswith("44/nowhere")
        assert client.call("echo", "alive") == ["alive"]
        assert silent.facts()["rss"] - before < 5_000_000


def test_a_probe_that_is_left_over_and_over(silent: Promised) -> None:
    client = Polling(silent.port).open()
    client.post("40")
    assert client.receive().startswith("40{")
    for _ in range(30):
        with Wire(silent.port) as wire:
            assert wire.upgrade(f"/socket.io/?EIO=4&transport=websocket&sid={client.sid}") is None
            wire.send_text("2probe")
            assert wire.receive() in ("3probe", Closed(None))
            wire.reset()
    client.post('421["echo","alive"]')
    assert client.receive() == '431["alive"]'
    client.post("1")


# -- what is in the package --------------------------------------------------------------------------------------------


def test_nothing_is_ever_pickled() -> None:
    for path in (ROOT / "socketio_sync").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & {"pickle", "marshal", "shelve", "dill"}, path


def test_the_web_servers_with_request_smuggling_are_not_asked_for() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    required = setup["options"]["install_requires"] + setup["options.extras_require"]["test"]

    def least(name: str) -> int:
        found = re.search(rf"^{name}\S* >= (\d+)", required, re.MULTILINE)
        assert found is not None, name
        return int(found.group(1))

    assert least("gevent") >= 24  # 23.9 mended its server
    assert least(r"gunicorn\[gevent\]") >= 22
