"""Registering handlers: what is accepted, how signatures are read, order, removal, and the public methods' types."""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from socketio_sync.exceptions import ArgumentsError
from socketio_sync.handler import Handler
from socketio_sync.handler import validate_middleware
from socketio_sync.server.listeners import REFUSED_BY_SERVER_SIDE
from socketio_sync.server.listeners import Listeners
from socketio_sync.server.listeners import NamespaceHandlers
from socketio_sync.server.listeners import SocketHandlers
from tests.support.timing import scaled


class Namespace(NamespaceHandlers):
    def __init__(self):
        self._listeners = Listeners(takes_socket=True)


class Socket(SocketHandlers):
    def __init__(self):
        self._listeners = Listeners(takes_socket=False)


@pytest.fixture(params=[Namespace, Socket])
def target(request):
    return request.param()


def functions(target, event):
    return [handler.function for handler in target._listeners.get(event)]


def inspected(function, **options):
    return Handler.inspect(function, "test", **options)


# Signatures


def shape(function, *, answers=True):
    handler = inspected(function, answers=answers)
    return handler.least, handler.most, handler.wants_ack


class Methods:
    def plain(self, socket, text="x"): ...

    @classmethod
    def of_class(cls, socket): ...

    @staticmethod
    def static(socket, *args): ...

    def __call__(self, socket, ack): ...


@functools.wraps(Methods().plain)
def wrapping(*args, **kwargs): ...


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: 0, (0, 0, False)),
        (lambda socket: 0, (1, 1, False)),
        (lambda socket, text: 0, (2, 2, False)),
        (lambda socket, text="": 0, (1, 2, False)),
        (lambda *args: 0, (0, None, False)),
        (lambda socket, *args: 0, (1, None, False)),
        (lambda socket, *args, flag=True: 0, (1, None, False)),
        (lambda socket, **options: 0, (1, 1, False)),
        (lambda socket, text, ack: 0, (2, 2, True)),
        (lambda socket, text, ack=None: 0, (2, 2, True)),
        (lambda socket, text="", ack=None: 0, (1, 2, True)),
        (lambda socket, ack, **options: 0, (1, 1, True)),
        (lambda socket, ack, *, flag=1: 0, (1, 1, True)),
        (lambda socket, *, ack: 0, (1, 1, True)),
        (lambda socket, *args, ack: 0, (1, None, True)),
        # Not last: an argument like any other.
        (lambda socket, ack, text: 0, (3, 3, False)),
        (lambda socket, ack, *args: 0, (2, None, False)),
        (Methods().plain, (1, 2, False)),
        (Methods.of_class, (1, 1, False)),
        (Methods.static, (1, None, False)),
        (Methods(), (1, 1, True)),
        (wrapping, (1, 2, False)),
        (functools.partial(Methods().plain, "first"), (0, 1, False)),
        (functools.partial(lambda store, socket, ack: 0, "store"), (1, 1, True)),
        ([].append, (1, 1, False)),
        (print, (0, None, False)),
        (dict, (0, None, False)),  # it does not tell
    ],
)
def test_what_a_signature_says(function, expected):
    assert shape(function) == expected


def test_where_nothing_is_answered_ack_is_an_argument():
    assert shape(lambda event, ack: 0, answers=False) == (2, 2, False)


async def coroutine(socket): ...


def generator(socket):
    yield socket


async def async_generator(socket):
    yield socket


class AsyncCall:
    async def __call__(self, socket): ...


class GeneratorCall:
    def __call__(self, socket):
        yield socket


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (coroutine, "async def"),
        (functools.partial(coroutine), "async def"),
        (functools.partial(functools.partial(coroutine)), "async def"),
        (AsyncCall(), "async def"),
        (AsyncCall().__call__, "async def"),
        (generator, "generator function"),
        (async_generator, "generator function"),
        (GeneratorCall(), "generator function"),
        (lambda socket, *, room: 0, "keyword 'room' is required"),
        (lambda ack, /: 0, "positional-only"),
        ("chat", "must be callable"),
    ],
)
def test_what_cannot_be_a_handler(function, text):
    with pytest.raises(TypeError, match=text):
        inspected(function, answers=True)


def test_a_synchronous_wrapper_of_a_coroutine_function_is_a_handler():
    @functools.wraps(coroutine)
    def run(socket): ...

    assert shape(run) == (1, 1, False)


# Calling


def test_surplus_arguments_are_dropped():
    handler = inspected(lambda *args: args)
    assert handler.call((1, 2, 3)) == (1, 2, 3)
    assert inspected(lambda a, b=0: (a, b)).call((1, 2, 3)) == (1, 2)
    assert inspected(lambda: "none").call((1,)) == "none"


def test_ack_is_given_by_name():
    assert inspected(lambda a, ack: (a, ack), answers=True).call((1, 2), "ack") == (1, "ack")
    assert inspected(lambda a, b=0, ack=None: (a, b, ack), answers=True).call((1,), "ack") == (1, 0, "ack")
    assert inspected(lambda *a, ack: (a, ack), answers=True).call((1, 2), "ack") == ((1, 2), "ack")
    assert inspected(lambda a: a, answers=True).call((1, 2), "ack") == 1


def test_too_few_arguments():
    def chat(socket, room, text): ...

    handler = inspected(chat)
    assert [handler.accepts(count) for count in (2, 3, 4)] == [False, True, True]
    error = handler.arguments_error("chat", 2)
    assert isinstance(error, ArgumentsError)
    assert (error.event, error.handler) == ("chat", chat)
    assert "chat of 'chat' needs 3 arguments, 2 came" in str(error)
    assert "functools.partial" in str(inspected(functools.partial(chat)).arguments_error("chat", 2))
    assert "chat" in repr(handler)


# Registering


def test_on_registers_and_returns_the_function_unchanged(target):
    def first(*args): ...

    @target.on("chat")
    def second(*args): ...

    assert target.on("chat", first) is first
    assert second.__name__ == "second"
    assert functions(target, "chat") == [second, first]
    assert functions(target, "other") == []


def test_event_takes_the_functions_name(target):
    @target.event
    def chat(*args): ...

    @target.event()
    def typing(*args): ...

    @target.event(ordered=False)
    def cancel(*args): ...

    assert functions(target, "chat") == [chat]
    assert functions(target, "typing") == [typing]
    assert functions(target, "cancel") == [cancel]
    assert [target._listeners.get(name)[0].ordered for name in ("chat", "typing", "cancel")] == [None, None, False]
    with pytest.raises(TypeError, match="has none"):
        target.event(functools.partial(chat))


def test_options_of_a_registration(target):
    target.on("a", print, ordered=False)
    target.on("b", ordered=True)(print)
    target.once("c", print, ordered=False)
    target.once("d")(print)
    found = [target._listeners.get(name)[0] for name in "abcd"]
    assert [(handler.ordered, handler.once) for handler in found] == [
        (False, False),
        (True, False),
        (False, True),
        (None, True),
    ]


def test_the_decorator_without_a_name(target):
    with pytest.raises(TypeError, match="needs an event's name, or use event"):

        @target.on
        def chat(*args): ...


def test_a_name_is_a_str(target):
    with pytest.raises(TypeError, match="must be a str, got 5"):
        target.on(5, print)


def test_off_takes_the_latest_of_the_same_function_or_all(target):
    a, b = (lambda *args: "a"), (lambda *args: "b")
    for function in (a, b, a):
        target.on("chat", function)
    target.off("chat", a)
    assert functions(target, "chat") == [a, b]
    target.off("chat", print)
    target.off("other", a)
    assert functions(target, "chat") == [a, b]
    target.off("chat")
    target.off("chat")
    assert functions(target, "chat") == []
    target.on("chat", Methods().static)
    target.off("chat", Methods().static)
    assert target._listeners.named == {}


def test_off_recognises_bound_methods(target):
    methods = Methods()
    target.on("chat", methods.plain)
    target.off("chat", methods.plain)
    assert functions(target, "chat") == []


def test_on_any(target):
    def first(*args): ...

    @target.on_any
    def second(*args): ...

    assert target.prepend_any(first) is first
    assert target.listeners_any() == [first, second]
    target.off_any(print)
    target.off_any(second)
    assert target.listeners_any() == [first]
    target.off_any()
    assert target.listeners_any() == []
    with pytest.raises(TypeError, match="on_any.*async def"):
        target.on_any(coroutine)


def test_on_any_outgoing():
    socket = Socket()

    def first(*args): ...

    @socket.on_any_outgoing
    def second(*args): ...

    assert socket.prepend_any_outgoing(first) is first
    assert socket.listeners_any_outgoing() == [first, second]
    assert socket.listeners_any() == []
    socket.off_any_outgoing(first)
    assert socket.listeners_any_outgoing() == [second]
    socket.off_any_outgoing()
    assert socket.listeners_any_outgoing() == []


# Life cycle and names that cannot fire


@pytest.mark.parametrize("name", ["connection", "connect", "disconnecting", "disconnect", "chat", "error", "message"])
def test_names_of_a_namespace(name):
    Namespace().on(name, lambda socket: 0)


@pytest.mark.parametrize("name", ["connection", "disconnecting", "disconnect", "chat", "new_namespace"])
def test_names_of_a_socket(name):
    Socket().on(name, lambda *args: 0)


@pytest.mark.parametrize(
    ("target", "name", "instead"),
    [
        (Namespace(), "connect_error", "ConnectError in a middleware"),
        (Namespace(), "newListener", "no client may send"),
        (Namespace(), "removeListener", "no client may send"),
        (Namespace(), "*", "on_any"),
        (Namespace(), "new_namespace", "on_new_namespace"),
        (Socket(), "connect", "of the server or namespace"),
        (Socket(), "connect_error", "ConnectError in a middleware"),
        (Socket(), "*", "on_any"),
    ],
)
def test_names_that_cannot_fire_name_the_right_hook(target, name, instead):
    with pytest.raises(ValueError, match=instead):
        target.on(name, lambda *args: 0)
    assert functions(target, name) == []


def test_names_refused_on_the_server_side():
    listeners = Listeners(takes_socket=False, refused=REFUSED_BY_SERVER_SIDE)
    for name in ("connect", "connection", "new_namespace"):
        with pytest.raises(ValueError, match="life-cycle"):
            listeners.add(name, print)
    listeners.add("disconnect", lambda a, b: 0)
    listeners.add("cache", lambda *args: 0)


@pytest.mark.parametrize(
    ("target", "name", "most"),
    [
        (Namespace(), "connection", 1),
        (Namespace(), "connect", 1),
        (Namespace(), "disconnecting", 3),
        (Namespace(), "disconnect", 3),
        (Socket(), "disconnecting", 2),
        (Socket(), "disconnect", 2),
    ],
)
def test_a_life_cycle_handler_cannot_ask_for_more_than_there_is(target, name, most):
    takes = [lambda a: 0, lambda a, b: 0, lambda a, b, c: 0, lambda a, b, c, d: 0]
    assert target.on(name, takes[most - 1]) is takes[most - 1]
    target.on(name, lambda a, ack=None, more=None: 0)
    assert not target._listeners.get(name)[-1].wants_ack
    with pytest.raises(TypeError, match=f"it is called with {most}"):
        target.on(name, takes[most])


def test_a_client_may_call_an_event_connection():
    socket = Socket()
    socket.on("connection", lambda a, b, c, ack: 0)
    assert socket._listeners.get("connection")[0].wants_ack


# Middlewares


def test_middlewares():
    assert validate_middleware(lambda socket: 0).call(("socket",)) == 0
    assert validate_middleware(lambda event, args: (event, args), "socket.use", given=2).call(("e", [])) == ("e", [])
    assert validate_middleware(lambda: "surplus is dropped").call(("socket",)) == "surplus is dropped"
    with pytest.raises(TypeError, match="there is no next: return to let through, raise ConnectError"):
        validate_middleware(lambda socket, next: 0)
    with pytest.raises(TypeError, match="there is no next"):
        validate_middleware(lambda event, args, next: 0, "socket.use", given=2)
    with pytest.raises(TypeError, match="async def"):
        validate_middleware(coroutine)


# Threads


def test_building_makes_no_lock():
    assert "_lock" not in vars(Listeners(takes_socket=True))


def run_together(count, function):
    barrier = threading.Barrier(count)

    def run(number):
        barrier.wait(scaled(10))
        function(number)

    workers = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(scaled(30))


def test_once_is_claimed_by_one_thread_only():
    for _ in range(100):
        listeners = Listeners(takes_socket=True)
        listeners.add("chat", print, once=True)
        listeners.add("chat", repr)
        once, always = listeners.get("chat")
        claims = []
        claim = functools.partial(listeners.claim, "chat", once)
        run_together(4, lambda number, claim=claim, claims=claims: claims.append(claim()))
        assert sorted(claims) == [False, False, False, True]
        assert listeners.get("chat") == (always,)
        assert listeners.claim("chat", always) is True


def test_the_last_once_leaves_nothing_behind():
    listeners = Listeners(takes_socket=True)
    listeners.add("chat", print, once=True)
    (handler,) = listeners.get("chat")
    assert listeners.claim("chat", handler)
    assert not listeners.claim("chat", handler)
    assert listeners.named == {}


def test_registering_and_removing_race_without_loss():
    listeners = Listeners(takes_socket=False)

    def work(number):
        mine = [lambda *args, n=n: n for n in range(200)]
        for function in mine:
            listeners.add("chat", function)
            listeners.add_any(function)
            found = listeners.get("chat")
            assert function in [handler.function for handler in found]
        for function in mine[::2]:
            listeners.remove("chat", function)
            listeners.remove_any(function)

    run_together(4, work)
    assert len(listeners.get("chat")) == len(listeners.any) == 400


# Types


def test_decorators_keep_the_functions_type(tmp_path):
    """What a user's type checker says; lines marked as errors are errors, the others are not."""
    pytest.importorskip("mypy")
    code = tmp_path / "user.py"
    code.write_text(
        textwrap.dedent(
            """
            from socketio_sync import Connection, Engine
            from socketio_sync.adapters import Adapter
            from socketio_sync.server.listeners import NamespaceHandlers, SocketHandlers
            from socketio_sync.server.socket import Socket

            def use(nsp: NamespaceHandlers, socket: SocketHandlers) -> None:
                @nsp.on("chat")
                def chat(socket: Socket, text: str, number: int = 0) -> str:
                    return text

                @nsp.event
                def typing(socket: Socket) -> None: ...

                @nsp.event(ordered=False)
                def cancel(socket: Socket, *names: str) -> None: ...

                @socket.on("reply")
                def reply(text: str) -> int:
                    return 1

                @nsp.on_any
                def see(socket: Socket, event: str, *args: object) -> None: ...

                one: str = chat(Socket.__new__(Socket), "text")
                two: int = reply("text")
                three: int = chat(Socket.__new__(Socket), "text")  # error
                nsp.on("chat", reply)  # error
                nsp.once("chat")(reply)  # error
                nsp.on_any(reply)  # error

            def below(engine: Engine, conn: Connection, adapter: Adapter) -> None:
                @engine.use
                def check(environ: dict[str, object]) -> None: ...

                @engine.on("connection_error")
                def refused(info: object) -> str:
                    return ""

                @conn.on("close")
                def closed(reason: str, details: object) -> str:
                    return reason

                @adapter.on("join_room")
                def joined(room: str, id: str) -> str:
                    return room

                check(environ={})
                texts: list[str] = [refused(1), closed("", 1), joined("", id="")]
                number: int = closed("", 1)  # error
            """
        )
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", str(tmp_path)]
    found = subprocess.run([*command, str(code)], cwd=root, capture_output=True, text=True, timeout=scaled(300))
    wrong = {int(line.split(":")[1]) for line in found.stdout.splitlines() if line.startswith(str(code))}
    expected = {n for n, line in enumerate(code.read_text().splitlines(), 1) if line.endswith("# error")}
    assert wrong == expected, found.stdout + found.stderr
