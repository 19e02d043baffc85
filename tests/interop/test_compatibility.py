"""The two tables of docs/reference/compatibility.rst, cell by cell, with the clients themselves."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio

from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync import connect
from socketio_sync import parsers
from tests.support.javascript import JavaScript
from tests.support.javascript import JavaScriptError
from tests.support.programs import chromium
from tests.support.served import served
from tests.support.timing import scaled
from tests.support.wire import until

REFERENCE = Path(__file__).parent.parent.parent / "docs" / "reference"
LIBRARIES = {"4.8": "", "4.0": "-4.0", "3.1": "-3", "2.5": "-2", "1.7": "-1"}
OLD = ("2.5", "1.7")
PYTHON = "python-socketio"
OURS = "Client"
CLIENTS = [*LIBRARIES, PYTHON, OURS]
COMMON = ("polling", "WebSocket", "upgrade", "binary")  # what every client can do
BINARY = bytes(range(256)) * 20

# Connects with a client of ``library``; fails if it is refused, or sent away at once.
OPEN = """
const open = (more) => new Promise((resolve, reject) => {
  const io = require(library);
  const socket = kept.client = io(url, { forceNew: true, reconnection: false, ...more });
  setTimeout(() => reject(new Error("no answer at all")), 10000);
  for (const event of ["connect_error", "error"]) {
    socket.on(event, (error) => reject(error instanceof Error ? error : new Error(JSON.stringify(error))));
  }
  process.on("uncaughtException", reject); // so do old clients fail over a parser that they do not know
  socket.io.on("close", (reason) => reject(new Error(`closed: ${reason}`)));
  socket.on("connect", () => resolve(socket));
});
const ask = (socket, ...event) => new Promise((resolve) => socket.emit(...event, (...answer) => resolve(answer)));
"""
CLOSE = """
kept.client.io.engine.close();
kept.client.disconnect();
process.removeAllListeners("uncaughtException");
"""


def table(name: str) -> list[dict[str, str]]:
    with (REFERENCE / f"compatibility_{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def cells(row: dict[str, str]) -> dict[str, str]:
    """What a row of the options says of each client: "yes", "no", or the option that it needs."""
    _, yes, told, no = row.values()
    found = dict.fromkeys(CLIENTS if yes == "all" else filter(None, yes.split(", ")), "yes")
    for group in filter(None, told.split("; ")):
        clients, _, option = group.partition(": ")
        found |= dict.fromkeys(clients.split(", "), option)
    return found | dict.fromkeys(filter(None, no.split(", ")), "no")


OPTIONS = table("options")
FEATURES = {row["client"]: row for row in table("features")}


def options_of(cell: str) -> dict[str, Any]:
    """The keywords that a cell shows as code: ``a=1``, or ``Server()`` for none."""
    code = cell.strip("`").removeprefix("Server").strip("()") if cell.startswith("``Server") else cell.strip("`")
    options: dict[str, Any] = eval(f"dict({code})", {"parsers": parsers})
    return options


@contextmanager
def serving(**options: Any) -> Iterator[tuple[Server, str]]:
    with served("threads", **options) as server:
        server.io.on("echo", lambda socket, *args: args)
        server.io.on("ask", lambda socket, value: socket.timeout(5).emit_with_ack("question", value))

        @server.io.of("/private").use
        def check(socket: Any) -> None:
            if socket.handshake.auth.get("token") != "secret":
                raise ConnectError("not authorized", {"hint": "log in"})

        yield server.io, server.url


@contextmanager
def python_client(url: str, nsp: str = "/", *, retry: bool = False, **options: Any) -> Iterator[socketio.Client]:
    """python-socketio's client, connected; it leaves its sockets to the garbage collector, we do not."""
    own = {"serializer": options.pop("serializer")} if "serializer" in options else {}
    with requests.Session() as session:
        client = socketio.Client(
            reconnection=retry, reconnection_delay=0.1, randomization_factor=0, http_session=session, **own
        )
        try:
            client.connect(url, namespaces=[nsp], **options)
            yield client
        finally:
            websocket = client.eio.ws
            client.disconnect()
            if websocket is not None:
                websocket.shutdown()


# -- server option x client ------------------------------------------------------------------------------------------


def works(js: JavaScript, client: str, url: str, options: str) -> bool:
    """Whether ``client`` holds a conversation with binary in it, given the options a cell shows."""
    if client == PYTHON:
        try:
            with python_client(url, **options_of(options)) as python:
                return bool(python.call("echo", BINARY) == BINARY)
        except socketio.exceptions.ConnectionError:
            return False
    if client == OURS:
        try:
            with connect(url, reconnection=False, **options_of(options)) as ours:
                return bool(ours.emit_with_ack("echo", BINARY) == BINARY)
        except ConnectError:
            return False
    try:
        code = f"const socket = await open({{ {options.strip('`')} }}); return await ask(socket, 'echo', sent);"
        found = js(OPEN + code, library=f"socket.io-client{LIBRARIES[client]}", url=url, sent=BINARY)
    except JavaScriptError:
        return False
    finally:
        js(CLOSE)
    return bool(found == [BINARY])


@pytest.mark.parametrize("row", OPTIONS, ids=lambda row: row["server"].strip("`"))
def test_each_client_meets_each_option_as_the_table_says(js: JavaScript, row: dict[str, str]) -> None:
    expected = cells(row)
    options = options_of(row["server"])
    old = {} if not options else {"allow_eio3": True}  # what the table presumes below its first row
    with serving(**{**old, **options}) as (_, url):
        found = {client: found_cell(js, client, url, expected.get(client, "")) for client in CLIENTS}
    assert found == expected


def found_cell(js: JavaScript, client: str, url: str, cell: str) -> str:
    """What the table must say where it says ``cell``."""
    if works(js, client, url, ""):
        return "yes"
    named = cell.startswith("``")
    return cell if named and works(js, client, url, cell) else "no"


def test_an_old_client_is_told_why(js: JavaScript) -> None:
    with serving() as (_, url):
        reply = requests.get(f"{url}/socket.io/?EIO=3&transport=polling", timeout=scaled(10))
    assert (reply.status_code, reply.json()) == (400, {"code": 5, "message": "Unsupported protocol version"})


# -- client x feature ------------------------------------------------------------------------------------------------

FEATURE_CODE = """
const result = {};
const reach = async (transports, more) => {
  const socket = await open({ transports, ...more });
  const engine = socket.io.engine;
  if (transports.length > 1 && engine.transport.name !== "websocket") await once(engine, "upgrade");
  return socket;
};
for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
  const socket = await reach(transports);
  socket.on("question", (value, ack) => ack(value));
  const { name } = socket.io.engine.transport;
  result[transports.join()] = [name, await ask(socket, "echo", "é"), await ask(socket, "ask", 7)];
  result.binary = (await ask(socket, "echo", { deep: [sent] }))[0].deep[0];
  socket.disconnect();
}
const refusal = (options) => new Promise((resolve) => {
  const socket = require(library)(url + "/private", { forceNew: true, reconnection: false, ...options });
  const answer = (value) => { socket.disconnect(); resolve(value); };
  for (const event of ["connect_error", "error"]) {
    socket.on(event, (error) => answer(error instanceof Error ? [error.message, error.data] : error));
  }
  socket.on("connect", () => answer("let in"));
});
result.auth = await refusal({ auth: { token: "secret" } });
result.refusal = await refusal({ auth: { token: "guess" } });
const socket = await reach(["websocket"], { reconnection: true, reconnectionDelay: 50 });
await until(() => ask(socket, "echo"));
const before = socket.id;
socket.io.engine.transport.ws._socket.destroy();
await once(socket, "disconnect");
await once(socket, "connect");
result.recovery = socket.id === before;
socket.disconnect();
return result;
"""

# Runs in the page, with the library's own script in it.
JSONP = """
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
const browser = await require("playwright-core").chromium.launch({ executablePath, args });
try {
  const page = await browser.newPage();
  const folder = require("path").dirname(require.resolve(`${library}/package.json`));
  await page.addScriptTag({ path: `${folder}/dist/socket.io.js` });
  return await page.evaluate(async (url) => {
    const socket = io(url, { transports: ["polling"], forceJSONP: true, forceNew: true });
    const answer = await new Promise((resolve) => socket.emit("echo", "é", resolve));
    const found = [answer, socket.io.engine.transport.query.j !== undefined];
    socket.disconnect();
    return found;
  }, url);
} finally {
  await browser.close();
}
"""


def observed(js: JavaScript, client: str, url: str) -> dict[str, str]:
    """What a Node client can do with the server at ``url``, in the table's words."""
    library = f"socket.io-client{LIBRARIES[client.split()[1]]}"
    got = js(OPEN + FEATURE_CODE, patience=40, library=library, url=url, sent=BINARY)
    jsonp = js(JSONP, patience=40, library=library, url=url, executablePath=chromium())
    assert jsonp[0] == "é"

    def talked(transports: str, name: str) -> str:
        return "yes" if got[transports] == [name, ["é"], [7]] else "no"

    return {
        "polling": talked("polling", "polling"),
        "WebSocket": talked("websocket", "websocket"),
        "upgrade": talked("polling,websocket", "websocket"),
        "JSONP": "yes" if jsonp[1] else "no",
        "binary": "yes" if got["binary"] == BINARY else "no",
        "``auth``": "yes" if got["auth"] == "let in" else "no",
        "why it was refused": REFUSALS[repr(got["refusal"])],
        "recovery": "yes" if got["recovery"] else "no",
    }


REFUSALS = {
    repr(["not authorized", {"hint": "log in"}]): "message and data",
    repr({"hint": "log in"}): "data",
}


def observed_in_python(io: Server, url: str) -> dict[str, str]:
    """The same of python-socketio's client. It knows no JSONP: there is no such option."""
    found = {"JSONP": "no"}
    for name, transports in (("polling", ["polling"]), ("WebSocket", ["websocket"]), ("upgrade", None)):
        with python_client(url, transports=transports) as client:
            client.on("question", lambda value: value)
            talked = (client.transport(), client.call("echo", "é"), client.call("ask", 7))
            found[name] = "yes" if talked == (name.lower().replace("upgrade", "websocket"), "é", 7) else "no"
            found["binary"] = "yes" if client.call("echo", {"deep": [BINARY]}) == {"deep": [BINARY]} else "no"
    with python_client(url, "/private", auth={"token": "secret"}) as client:
        found["``auth``"] = "yes" if client.get_sid("/private") else "no"
    found["why it was refused"] = REFUSALS[repr(python_refusal(url))]
    with python_client(url, transports=["websocket"], retry=True) as client:
        before, websocket = client.get_sid(), client.eio.ws
        connected = threading.Event()
        client.on("connect", connected.set)
        io.sockets[before].conn.close()
        assert connected.wait(scaled(10))
        websocket.shutdown()
        found["recovery"] = "yes" if client.get_sid() == before else "no"
    return found


def observed_in_ours(io: Server, url: str) -> dict[str, str]:
    """The same of this package's client, which knows no JSONP either."""
    found = {"JSONP": "no"}
    several = {"polling": ("polling",), "WebSocket": ("websocket",), "upgrade": ("polling", "websocket")}
    for name, transports in several.items():
        with connect(url, transports=transports) as client:
            client.on("question", lambda value: value)
            (socket,) = io.sockets.values()
            if name == "upgrade":
                until(lambda conn=socket.conn: conn.transport == "websocket")
            talked = (socket.conn.transport, client.emit_with_ack("echo", "é"), client.emit_with_ack("ask", 7))
            found[name] = "yes" if talked == (transports[-1], "é", 7) else "no"
            found["binary"] = "yes" if client.emit_with_ack("echo", {"deep": [BINARY]}) == {"deep": [BINARY]} else "no"
        until(lambda: not io.sockets)
    with connect(f"{url}/private", auth={"token": "secret"}) as client:
        found["``auth``"] = "yes" if client.connected else "no"
    with pytest.raises(ConnectError) as refusal:
        connect(f"{url}/private", auth={"token": "guess"})
    found["why it was refused"] = REFUSALS[repr([refusal.value.message, refusal.value.data])]
    with connect(url, reconnection_delay=0.1) as client:
        before = client.id
        again = threading.Event()
        client.on("connect", again.set)
        io.sockets[before].conn.close()
        assert again.wait(scaled(10))
        found["recovery"] = "yes" if client.id == before else "no"
    return found


def python_refusal(url: str) -> Any:
    refusals: list[Any] = []
    client = socketio.Client(reconnection=False)
    client.on("connect_error", refusals.append, namespace="/private")
    with requests.Session() as session:
        client.eio.http = session
        with pytest.raises(socketio.exceptions.ConnectionError):
            client.connect(url, namespaces=["/private"], auth={"token": "guess"}, transports=["polling"])
    (refusal,) = refusals
    return [refusal["message"], refusal["data"]]


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.parametrize("client", FEATURES)
def test_each_client_can_do_what_the_table_says(js: JavaScript, client: str) -> None:
    row = FEATURES[client]
    options = options_of(row["server option"])
    with serving(connection_state_recovery=True, cors_allowed_origins="*", **options) as (io, url):
        if client.startswith("socket.io-client"):
            found = observed(js, client, url)
        else:
            found = observed_in_python(io, url) if client.startswith(PYTHON) else observed_in_ours(io, url)
    assert found == {**dict.fromkeys(COMMON, "yes"), **{name: row[name] for name in found if name in row}}
    assert {"client", "server option", *found} == {*COMMON, *row}
    assert ("allow_eio3" in options) == (client.split()[-1] in OLD)
