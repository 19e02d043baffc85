"""One function that a user registered: what its signature says, and how it is called.

A function is never called to find out what it accepts: its signature is read once, when it is registered.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from socketio_sync.exceptions import ArgumentsError

_UNFINISHED = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE


class Handler:
    """A function that a user registered, and how it may be called.

    Attributes:
        function: as it was given.
        least: positional arguments it needs, not counting ``ack``.
        most: positional arguments it takes, or None for any number.
        wants_ack: whether it has a parameter ``ack``, which then answers instead of the return value.
        ordered: what ``on`` was told, or None for the server's ``ordered_events``.
        once: whether its first call is its last; see ``Listeners.claim``.
        warned: for the caller: whether a call with too few arguments has been logged as a warning.
    """

    __slots__ = ("function", "least", "most", "once", "ordered", "wants_ack", "warned")

    def __init__(
        self, function: Callable[..., Any], least: int = 0, most: int | None = None, wants_ack: bool = False
    ) -> None:
        self.function = function
        self.least = least
        self.most = most
        self.wants_ack = wants_ack
        self.ordered: bool | None = None
        self.once = False
        self.warned = False

    @classmethod
    def inspect(
        cls, function: Callable[..., Any], name: str, *, given: int | None = None, answers: bool = False
    ) -> Handler:
        """Read a function's signature.

        Args:
            name: what it is registered for, for the error texts.
            given: how many positional arguments it will get; None if that is not known.
            answers: whether a parameter ``ack`` gets the means to answer; else it is a parameter like any other.

        Raises:
            TypeError: it cannot be called as a handler: not callable, ``async def``, a generator function, a required
                keyword, or more required arguments than ``given``.
        """
        check_callable(function, name)
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):  # some built-ins do not tell
            return cls(function)
        wants_ack = answers and _takes_ack(parameters, name)
        if wants_ack:
            parameters = [parameter for parameter in parameters if parameter.name != "ack"]
        return cls(function, *_positional(parameters, name, given), wants_ack)

    def accepts(self, count: int) -> bool:
        """Whether ``count`` positional arguments are enough; surplus ones are dropped by ``call``."""
        return count >= self.least

    def call(self, args: tuple[Any, ...], ack: Any = None) -> Any:
        """Call the function with as many of ``args`` as it takes, and with ``ack`` if it has that parameter."""
        if self.most is not None and len(args) > self.most:
            args = args[: self.most]
        return self.function(*args, ack=ack) if self.wants_ack else self.function(*args)

    def arguments_error(self, event: str, count: int) -> ArgumentsError:
        """What ``on_error`` gets when a client sent too little; ``count`` includes the socket, if it gets one."""
        name = getattr(self.function, "__qualname__", repr(self.function))
        text = f"the handler {name} of {event!r} needs {self.least} arguments, {count} came"
        return ArgumentsError(event, self.function, text)

    def __repr__(self) -> str:
        return f"<Handler {self.function!r}>"


def check_callable(function: Callable[..., Any], name: str) -> None:
    """Refuse what is not callable, and what would only make an object that nobody runs; cheaper than ``inspect``.

    Raises:
        TypeError: not callable, ``async def`` or a generator function.
    """
    if not callable(function):
        raise TypeError(f"{name}: the function must be callable, got {function!r}")
    code = getattr(function, "__code__", None)
    if code is not None and not code.co_flags & _UNFINISHED:
        return  # a plain function or method, as nearly always
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    for candidate in (inner, type(inner).__call__):
        if inspect.iscoroutinefunction(candidate):
            raise TypeError(f"{name}: {function!r} is async def; handlers are synchronous here, use def")
        if inspect.isgeneratorfunction(candidate) or inspect.isasyncgenfunction(candidate):
            raise TypeError(f"{name}: {function!r} is a generator function, calling it would run nothing")


def _takes_ack(parameters: list[inspect.Parameter], name: str) -> bool:
    """Whether ``ack`` is there, keyword-only or the last of the positional ones."""
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.name == "ack" and p.kind is p.KEYWORD_ONLY for p in parameters):
        return True
    if not positional or positional[-1].name != "ack" or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return False
    if positional[-1].kind is inspect.Parameter.POSITIONAL_ONLY:
        raise TypeError(f"{name}: the parameter ack is given by name, it cannot be positional-only")
    return True


def _positional(parameters: list[inspect.Parameter], name: str, given: int | None) -> tuple[int, int | None]:
    """How many positional arguments these need and take."""
    least = most = 0
    for parameter in parameters:
        required = parameter.default is parameter.empty
        if parameter.kind is parameter.KEYWORD_ONLY and required:
            raise TypeError(f"{name}: the keyword {parameter.name!r} is required, but only ack is ever given by name")
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            most += 1
            least += required
    if given is not None and least > given:
        raise TypeError(f"{name}: {least} arguments are required, but it is called with {given}")
    unlimited = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    return least, None if unlimited else most


def validate_middleware(function: Callable[..., Any], name: str = "use", *, given: int = 1) -> Handler:
    """Inspect a middleware, which is called with ``given`` arguments: ``fn(socket)`` 1, ``fn(event, args)`` 2.

    Raises:
        TypeError: it asks for more, such as the reference's ``next``, or cannot be called as any handler.
    """
    try:
        return Handler.inspect(function, name, given=given)
    except TypeError as error:
        if "are required" not in str(error):
            raise
        raise TypeError(f"{error}; there is no next: return to let through, raise ConnectError to refuse") from None
