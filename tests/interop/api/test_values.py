"""Odd values in both directions, between Python and the official client, with both parsers."""

from __future__ import annotations

import enum
import uuid
from collections import OrderedDict
from collections import namedtuple
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from datetime import date
from datetime import datetime
from datetime import timedelta
from datetime import timezone
from decimal import Decimal
from typing import Any

import pytest

from socketio_sync import Socket
from socketio_sync import parsers
from tests.support.javascript import JavaScript
from tests.support.javascript import undefined
from tests.support.served import Served
from tests.support.served import served
from tests.support.wire import until

NAN, INF = float("nan"), float("inf")
UTC = timezone.utc
MOMENT = datetime(2024, 2, 29, 12, 30, 15, 250_000, UTC)
ID = uuid.UUID("12345678-1234-5678-1234-567812345678")


class Colour(enum.Enum):
    RED = "red"
    NESTED = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Point:
    x: int
    picture: bytes = b"\x01"
    when: datetime = MOMENT
    parts: list[Any] = field(default_factory=list)


Pair = namedtuple("Pair", "left right")


class Text(str):
    """As a framework's safe string."""


in_json = pytest.mark.parametrize("server", ["json"], indirect=True)


@pytest.fixture(scope="module", params=["json", "msgpack"])
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    parser = parsers.msgpack if request.param == "msgpack" else None
    with served("threads", parser=parser) as server:
        yield server


def is_msgpack(server: Served) -> bool:
    return isinstance(server.io.options.parser, type(parsers.msgpack))


def dial(js: JavaScript, server: Served, transport: str = "websocket") -> Socket:
    """A client that keeps what comes in ``kept.got``; its socket here."""
    options = {"transport": transport, **({"parser": "msgpack"} if is_msgpack(server) else {})}
    id = js(
        """
        kept.client = await connect(url, options);
        kept.client.on("take", (...args) => { kept.got = args; });
        return kept.client.id;
        """,
        url=server.url,
        options=options,
    )
    return until(lambda: server.io.sockets.get(id))


@pytest.fixture
def socket(js: JavaScript, server: Served) -> Socket:
    return dial(js, server)


@pytest.fixture
def arrives(js: JavaScript, socket: Socket) -> Callable[..., list[Any]]:
    """What a client gets of the arguments of an event."""

    def give(*args: Any) -> list[Any]:
        socket.emit("take", *args)
        return js("await until(() => kept.got); const got = kept.got; delete kept.got; return got")

    return give


@pytest.fixture
def comes(js: JavaScript, server: Served, socket: Socket) -> Callable[[str], Any]:
    """What a handler gets of an event with the value of a piece of JavaScript."""
    got: list[Any] = []
    server.io.off("give")
    server.io.on("give", lambda socket, *args: got.append(args))

    def take(expression: str) -> Any:
        js(f"await kept.client.timeout(5000).emitWithAck('give', {expression})")
        return got[-1]

    return take


def same(left: Any, right: Any) -> bool:
    """Equal, of the same type, and with NaN and -0 told apart."""
    if isinstance(left, float) and isinstance(right, float):
        return repr(left) == repr(right)
    if isinstance(left, (list, tuple)) and type(left) is type(right):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and type(left) is type(right):
        return list(left) == list(right) and all(map(same, left.values(), right.values()))
    return type(left) is type(right) and left == right


# -- from JavaScript -----------------------------------------------------------------------------------------------

# What is sent; what comes in JSON; what comes in MessagePack, if that differs.
FROM_JAVASCRIPT: list[tuple[Any, ...]] = [
    ("NaN", None, NAN),
    ("Infinity", None, INF),
    ("-Infinity", None, -INF),
    ("-0", 0),
    ("1.0", 1),
    ("0.1 + 0.2", 0.1 + 0.2),
    ("5e-324", 5e-324),
    ("2 ** 53", 2**53),
    ("2 ** 53 + 2", 2**53 + 2),
    ("2 ** 63", 9223372036854776000, 2**63),
    ("-(2 ** 63)", -9223372036854776000.0, -(2**63)),
    ("undefined", None),
    ("[undefined, , 1]", [None, None, 1]),
    ("{a: undefined, b: 1}", {"b": 1}),
    ("''", ""),
    ("'\\0'", "\0"),
    ("'é 漢字 😀 \\u2028'", "é 漢字 😀 \u2028"),
    ("{1: 'a', '': 'b', ' ': 'c'}", {"1": "a", "": "b", " ": "c"}),
    ('JSON.parse(\'{"__proto__": 1, "toString": 2}\')', {"__proto__": 1, "toString": 2}),
    ("new Map([[1, 2]])", {}),
    ("new Set([1])", {}),
    ("new Date(1709209815250)", "2024-02-29T12:30:15.250Z", MOMENT),
    ("new Date(-1)", "1969-12-31T23:59:59.999Z", datetime(1970, 1, 1, tzinfo=UTC) - timedelta(milliseconds=1)),
    ("({toJSON: () => 'as it likes'})", "as it likes"),
    ("new Uint8Array([1, 2, 255])", b"\x01\x02\xff"),
    ("new Uint8Array([1, 2, 3]).buffer", b"\x01\x02\x03"),
    ("new Uint8Array(0)", b""),
    ("Buffer.from('é')", "é".encode()),
    ("{a: [Buffer.from('1'), {b: Buffer.from('2')}], c: Buffer.from('3')}", {"a": [b"1", {"b": b"2"}], "c": b"3"}),
]

# What the MessagePack package spoils, or throws for, before it is sent.
FROM_JAVASCRIPT_IN_JSON: list[tuple[Any, ...]] = [
    ("1.7976931348623157e308", 1.7976931348623157e308),
    ("2 ** 64", 18446744073709552000.0),
    ("1e21", 1e21),
    ("() => 1", None),
    ("'\\ud83d'", "\ud83d"),
    ("'a\\udc00b'", "a\udc00b"),
    ("{'\\ud83d': 1}", {"\ud83d": 1}),
    ("new Uint16Array([1, 258]).subarray(1)", b"\x02\x01"),
]


@pytest.mark.parametrize("row", FROM_JAVASCRIPT, ids=lambda row: row[0])
def test_what_comes_from_javascript(server: Served, comes: Callable[[str], Any], row: tuple[Any, ...]) -> None:
    (value,) = comes(row[0])
    assert same(value, row[-1] if is_msgpack(server) else row[1]), value


@in_json
@pytest.mark.parametrize("row", FROM_JAVASCRIPT_IN_JSON, ids=lambda row: row[0])
def test_what_comes_from_javascript_in_json(server: Served, comes: Callable[[str], Any], row: tuple[Any, ...]) -> None:
    (value,) = comes(row[0])
    assert same(value, row[1]), value


def test_all_that_fits_a_double_comes_back_as_it_went(js: JavaScript, server: Served, socket: Socket) -> None:
    server.io.off("echo")
    server.io.on("echo", lambda socket, *args: args)
    wrong = js(
        """
        const view = new DataView(new ArrayBuffer(8));
        const numbers = [0, 1, -1, 2 ** 31, 2 ** 32, -(2 ** 31) - 1, 2 ** 53 - 1, -(2 ** 53) + 1, 1e15, 1e16, 1e17];
        // Integers of more than 64 bits are spoilt by the MessagePack package.
        const usable = (number) => Number.isFinite(number) && (!msgpacked || Math.abs(number) < 2 ** 63);
        let seed = 1;
        const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648);
        while (numbers.length < 2000) {
          view.setUint32(0, random() * 2);
          view.setUint32(4, random() * 2);
          if (usable(view.getFloat64(0))) numbers.push(view.getFloat64(0));
        }
        const back = await kept.client.emitWithAck("echo", numbers);
        return numbers.filter((number, i) => number !== back[i]);
        """,
        msgpacked=is_msgpack(server),
    )
    assert wrong == []


def test_a_thousand_levels_come(comes: Callable[[str], Any]) -> None:
    (value,) = comes("Array.from({length: 999}).reduce((inner) => [inner], [])")
    for _ in range(999):
        (value,) = value
    assert value == []


@in_json
@pytest.mark.parametrize("shape", ["[inner]", "{a: inner}"])
def test_far_too_many_levels_cost_only_the_sender_its_connection(
    js: JavaScript, server: Served, socket: Socket, shape: str
) -> None:
    ended: list[Any] = []
    socket.on("disconnect", lambda reason, details: ended.append((reason, details and details.description)))
    code = f"""
        const deep = Array.from({{length: 1500}}).reduce((inner) => ({shape}), []);
        kept.client.emit("give", deep);
        await until(() => kept.client.ended.length);
        return kept.client.ended;
        """
    assert js(code) == ["transport close"]
    until(lambda: ended)
    assert ended == [("forced close", "invalid payload")]
    dial(js, server)


# -- from Python ---------------------------------------------------------------------------------------------------

# What is sent; what comes in JSON; what comes in MessagePack, if that differs.
FROM_PYTHON: list[tuple[Any, ...]] = [
    (None, None),
    (True, True),
    (1.0, 1),
    (-0.0, -0.0),
    (0.1 + 0.2, 0.1 + 0.2),
    (5e-324, 5e-324),
    (1.7976931348623157e308, 1.7976931348623157e308),
    (2**53, 2**53),
    (2**63, 9223372036854776000),
    (2**64 - 1, 18446744073709552000),
    (-(2**63), -9223372036854776000),
    (1e21, 1e21),
    ("", ""),
    ("\0", "\0"),
    ("é 漢字 😀 \u2028", "é 漢字 😀 \u2028"),
    ("\ud83d", "\ud83d", "\ufffd\ufffd\ufffd"),
    (["a\udc00b", b"1"], ["a\udc00b", b"1"], ["a\ufffd\ufffd\ufffdb", b"1"]),
    (Text("text"), "text"),
    (Level.HIGH, 3),
    (Colour.RED, "red"),
    (Colour.NESTED, [1, 2]),
    (ID, str(ID)),
    (MOMENT, "2024-02-29T12:30:15.250000+00:00"),
    (datetime(2024, 1, 2, 3, 4), "2024-01-02T03:04:00"),
    (date(2024, 1, 2), "2024-01-02"),
    ((1, (2, 3)), [1, [2, 3]]),
    (Pair(1, b"2"), [1, b"2"]),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    ({1: "a", ID: "b", Colour.RED: "c", MOMENT: "d"}, {"1": "a", str(ID): "b", "red": "c", MOMENT.isoformat(): "d"}),
    (
        Point(1, parts=[Point(2, b"")]),
        {
            "x": 1,
            "picture": b"\x01",
            "when": MOMENT.isoformat(),
            "parts": [{"x": 2, "picture": b"", "when": MOMENT.isoformat(), "parts": []}],
        },
    ),
    (b"", b""),
    (b"\x00\xff", b"\x00\xff"),
    (bytearray(b"12"), b"12"),
    (memoryview(b"1234")[1:3], b"23"),
    ({"_placeholder": True, "num": 0}, {"_placeholder": True, "num": 0}),
]


@pytest.mark.parametrize(
    "row", FROM_PYTHON, ids=lambda row: "memoryview" if isinstance(row[0], memoryview) else ascii(row[0])[:40]
)
def test_what_comes_from_python(server: Served, arrives: Callable[..., list[Any]], row: tuple[Any, ...]) -> None:
    expected = row[-1] if is_msgpack(server) else row[1]
    got = arrives(row[0], "behind it")
    assert got == [expected, "behind it"]
    assert isinstance(got[0], type(expected)), got


def test_250_levels_go(arrives: Callable[..., list[Any]]) -> None:
    value: list[Any] = []
    for _ in range(250):
        value = [value]
    assert arrives(value) == [value]


class Strange:
    pass


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


# What is sent, what is raised, and what it says.
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (NAN, ValueError, r"args\[0\] is nan, a number that JSON does not have: send None or a str"),
    ({"price": [INF]}, ValueError, r'args\[0\]\["price"\]\[0\] is inf'),
    (2**64, ValueError, r"args\[0\] is an int of more than 64 bits: send it as a str"),
    (-(2**63) - 1, ValueError, r"args\[0\] is an int of more than 64 bits"),
    (Decimal("1.10"), TypeError, r"args\[0\] is a Decimal, which cannot be sent: send str\(value\) or float\(value\)"),
    ({1, 2}, TypeError, r"args\[0\] is a set, which cannot be sent: send a list"),
    ((i for i in "ab"), TypeError, r"args\[0\] is a generator, which cannot be sent: send a list"),
    (Strange(), TypeError, r"args\[0\] is a Strange, which cannot be sent: send a plain value, or teach the parser"),
    (1j, TypeError, r"args\[0\] is a complex"),
    (timedelta(1), TypeError, r"args\[0\] is a timedelta"),
    (print, TypeError, r"args\[0\] is a .*callback="),
    ({"a": {None: 1}}, TypeError, r'args\[0\]\["a"\] has the key None \(NoneType\); keys may be str, int'),
    ({1.5: 1}, TypeError, r"args\[0\] has the key 1.5 \(float\)"),
    ({True: 1}, TypeError, r"args\[0\] has the key True \(bool\)"),
    ({(1, 2): 1}, TypeError, r"args\[0\] has the key \(1, 2\) \(tuple\)"),
    ({b"a": 1}, TypeError, r"args\[0\] has the key b'a' \(bytes\)"),
    ({1: "a", "1": "b"}, ValueError, r"args\[0\] has two keys that are sent as '1'"),
    (endless(), ValueError, "nested deeper than 254 levels, or contains itself"),
]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: repr(row[0])[:30])
def test_what_cannot_be_sent_is_told_to_who_sends_it(
    server: Served, socket: Socket, arrives: Callable[..., list[Any]], row: tuple[Any, type[Exception], str]
) -> None:
    value, error, message = row
    for send in (socket.emit, socket.to("room").emit, server.io.emit, socket.volatile.emit, socket.emit_with_ack):
        with pytest.raises(error, match=message):
            send("take", value)
    assert arrives("still alive") == ["still alive"]


def test_a_parser_that_takes_more(js: JavaScript) -> None:
    def encode(value: Any) -> Any:
        if isinstance(value, Decimal):
            return str(value)
        if isinstance(value, (set, frozenset)):
            return sorted(value)
        if isinstance(value, timedelta):
            return {"seconds": value.total_seconds(), "raw": b"\x01"}
        raise TypeError("no idea")

    for parser in (parsers.default, parsers.msgpack):
        with served("threads", parser=parser(encode=encode)) as server:
            socket = dial(js, server)
            socket.emit("take", Decimal("1.10"), [{1, 2}], timedelta(seconds=3))
            got = js("await until(() => kept.got); return kept.got")
            assert got == ["1.10", [[1, 2]], {"seconds": 3, "raw": b"\x01"}]
            with pytest.raises(TypeError, match=r"args\[0\] is a Strange, which encode= refused: no idea"):
                socket.emit("take", Strange())
            js.reset()


# -- attachments ---------------------------------------------------------------------------------------------------


@in_json
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_too_many_attachments_are_told_to_who_sends_them(js: JavaScript, server: Served, transport: str) -> None:
    socket = dial(js, server, transport)
    ten = [bytes([n]) for n in range(10)]
    socket.emit("take", *ten)
    assert js("await until(() => kept.got); return kept.got") == ten
    for send in (socket.emit, server.io.emit, socket.emit_with_ack):
        with pytest.raises(ValueError, match=r"11 .*max_attachments"):
            send("take", *ten, b"one more")
    assert socket.connected


@in_json
@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_too_many_attachments_of_a_client_are_refused(js: JavaScript, server: Served, transport: str) -> None:
    socket = dial(js, server, transport)
    ended: list[Any] = []
    socket.on("disconnect", lambda reason, details: ended.append((reason, details.description)))
    js("kept.client.emit('give', ...Array.from({length: 11}, () => Buffer.from('1')))")
    until(lambda: ended)
    assert ended == [("forced close", "too many attachments")]


def test_the_limit_is_an_option(js: JavaScript) -> None:
    with served("threads", max_attachments=30) as server:
        server.io.on("echo", lambda socket, *args: args[::-1])
        socket = dial(js, server)
        # The client has its own limit of 10, which its parser may be told.
        back = js(
            """
            const { Decoder, Encoder } = dependency("socket.io-client", "socket.io-parser");
            class Generous extends Decoder { constructor() { super({ maxAttachments: 30 }); } }
            const client = await connect(url, { transport: "websocket", parser: { Encoder, Decoder: Generous } });
            const sent = Array.from({length: 30}, (_, n) => Buffer.from([n]));
            return await new Promise((resolve) => client.emit("echo", ...sent, (...args) => resolve(args)));
            """,
            url=server.url,
        )
        assert back == [bytes([n]) for n in reversed(range(30))]
        with pytest.raises(ValueError, match="31 .*max_attachments"):
            socket.emit("take", *[b""] * 31)


def test_undefined_and_null_are_one_in_python(js: JavaScript, server: Served, socket: Socket) -> None:
    """What a JavaScript client can tell apart in an answer: no argument, and None."""
    server.io.off("nothing")
    server.io.off("null")
    server.io.on("nothing", lambda socket: None)
    server.io.on("null", lambda socket: (None,))
    assert js("return await kept.client.emitWithAck('nothing')") is undefined
    assert js("return await kept.client.emitWithAck('null')") is None
