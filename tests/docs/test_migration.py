"""The page for python-socketio's users: its two programs do the same, its tables have every name of theirs."""

from __future__ import annotations

import csv
import inspect
from pathlib import Path

import engineio
import pytest
import socketio

from socketio_sync import Server
from tests.support import pages
from tests.support.names import resolve
from tests.support.programs import python
from tests.support.programs import serving
from tests.support.visitor import visiting

PAGE = "howto/migrate_from_python_socketio.rst"
TABLES = pages.DOCS / "howto" / "python_socketio"
# What is for asyncio is no matter here.
CLASSES = {name for name in socketio.__all__ if not name.startswith(("Async", "ASGI", "get_tornado"))}
MANAGERS = {name for name in CLASSES if name.endswith("Manager")}
SERVING = """
import os
from gevent.pywsgi import WSGIServer
WSGIServer(("127.0.0.1", int(os.environ["PORT"])), app, log=None).serve_forever()
"""


def rows(table: str) -> list[list[str]]:
    with (TABLES / f"{table}.csv").open(newline="") as file:
        return [[cell.strip("`") for cell in row[:2]] + row[2:] for row in list(csv.reader(file))[1:]]


def public(name: str) -> set[str]:
    """The public members of one of their classes."""
    return {member for member in dir(getattr(socketio, name)) if not member.startswith("_")}


def members(*names: str) -> set[str]:
    return {f"{name}.{member}" for name in names for member in public(name)}


def options() -> set[str]:
    """The keywords of their Server, and of the Engine.IO server that it hands the others to."""
    parameters = [p for cls in (socketio.Server, engineio.Server) for p in inspect.signature(cls).parameters.values()]
    return {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} | {"engineio_logger"}


EXPECTED = {
    "server": members("Server"),
    "options": options(),
    "namespace": members("Namespace"),
    "wsgi": {"WSGIApp", "Middleware"} | members("WSGIApp", "Middleware"),
    "managers": MANAGERS | members("Manager"),
    "client": {"Client", "SimpleClient"} | members("Client", "ClientNamespace", "SimpleClient"),
    "errors": {name for name in vars(socketio.exceptions) if name.endswith("Error")},
}


@pytest.mark.parametrize("table", EXPECTED)
def test_a_table_has_every_public_name(table: str) -> None:
    names = [row[0] for row in rows(table)]
    assert len(names) == len(set(names))
    assert set(names) == EXPECTED[table]


def test_every_class_and_every_table_is_looked_at() -> None:
    named = {name.partition(".")[0] for names in EXPECTED.values() for name in names}
    assert CLASSES - named == set()
    assert {path.stem for path in TABLES.glob("*.csv")} == set(EXPECTED)


def test_other_managers_add_no_methods_for_users() -> None:
    added = {member for name in MANAGERS for member in public(name) - public("Manager")}
    assert added == {"name", "zmq_listen"}


@pytest.mark.parametrize("table", EXPECTED)
def test_a_row_names_what_there_is_or_a_reason(table: str) -> None:
    options = Server().options
    for theirs, ours, remark in rows(table):
        assert ours or remark, theirs
        if ours and not hasattr(options, ours):
            resolve(ours)


@pytest.mark.long
@pytest.mark.parametrize("whose", ["python-socketio", "socketio_sync"])
def test_both_programs_do_the_same(whose: str, tmp_path: Path) -> None:
    (program,) = (sample.code for sample in pages.samples(PAGE, "python") if sample.caption == whose)
    (tmp_path / "app.py").write_text(f"from gevent import monkey\nmonkey.patch_all()\n{program}{SERVING}")
    with serving(python(str(tmp_path / "app.py"))) as url:
        with pytest.raises(socketio.exceptions.ConnectionError), visiting(url, transports=["polling"]):
            pass
        auths = [{"token": "secret", "name": name} for name in ("ann", "bob")]
        with (
            visiting(url, auth=auths[0], transports=["polling"]) as ann,
            visiting(url, auth=auths[1], transports=["polling"]) as bob,
        ):
            assert ann.next("joined") == ("bob",)
            assert bob.call("chat", "hello") == "stored"
            assert ann.next("chat") == bob.next("chat") == ("bob", "hello")
            bob.disconnect()
            # Their client may leave without a word; their server then waits for an answer to a ping: 25 s and 20 s.
            assert ann.next("left", patience=60) == ("bob",)
