from __future__ import annotations

import subprocess
import sys

import pytest

from socketio_sync import parsers
from socketio_sync.parsers import Packet
from socketio_sync.protocol.socketio_parser import DefaultParser

PARSERS = [parsers.default, parsers.msgpack]


@pytest.mark.parametrize("parser", PARSERS, ids=repr)
@pytest.mark.parametrize(
    "packet",
    [
        Packet(0),
        Packet(0, "/chat", {"token": "a"}),
        Packet(1, "/chat"),
        Packet(2, "/", ["chat", "é", {"n": [1, None, 0.5, True]}], 7),
        Packet(2, "/chat", ["file", b"\x00\x01", {"more": b""}]),
        Packet(3, "/", [b"\xff"], 0),
        Packet(4, "/chat", {"message": "no", "data": {"code": 1}}),
    ],
    ids=repr,
)
def test_the_interface(parser: DefaultParser, packet: Packet) -> None:
    decoder = parser.decoder(10)
    *parts, last = parser.encode(packet)
    for part in parts:
        assert decoder.add(part) is None
        assert decoder.waiting is not None and decoder.waiting.nsp == packet.nsp
    assert decoder.add(last) == packet
    assert decoder.waiting is None
    decoder.reset()


def test_they_are_values_of_the_module() -> None:
    assert repr(parsers.default) == "<parser default>"
    assert repr(parsers.msgpack) == "<parser msgpack>"
    assert parsers.msgpack is parsers.msgpack
    with pytest.raises(AttributeError, match="'socketio_sync.parsers' has no attribute 'yaml'"):
        parsers.yaml  # noqa: B018


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_msgpack_is_imported_when_it_is_asked_for() -> None:
    assert run("import sys, socketio_sync.parsers; print('msgpack' in sys.modules)") == "False"


def test_without_the_package_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['msgpack'] = None\n"
        "from socketio_sync import parsers\n"
        "try: parsers.msgpack\n"
        "except ImportError as error: print(error)"
    )
    assert run(code) == "parsers.msgpack needs the package msgpack: pip install socketio_sync[msgpack]"
