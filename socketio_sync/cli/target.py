"""``module:app``: import it, and find the Socket.IO in it."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import os
import re
import sys
import traceback
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType
from types import MethodType
from types import ModuleType
from types import TracebackType
from typing import Any

import click

from socketio_sync import Engine
from socketio_sync import Server
from socketio_sync import WSGIApp

# Where nothing is named behind the colon: the first of these that the module has.
USUAL_NAMES = ("app", "application", "io", "socketio", "server")

# So many objects are looked at for the Socket.IO inside of an application.
_ENOUGH = 3000


class TargetError(click.ClickException):
    """``module:app`` cannot be served; the message says what to do."""


class BrokenModule(TargetError):
    """The module raised when it was imported or called; the message has its traceback."""


@dataclass(frozen=True)
class Target:
    """A loaded application.

    Attributes:
        spec: how the user called it.
        app: the WSGI application, outermost.
        mounts: the WSGIApps in it, outermost first.
        around: what is around the outermost of them, from the outside in; without WSGIApp itself.
    """

    spec: str
    app: Callable[..., Iterable[bytes]]
    mounts: list[WSGIApp]
    around: list[Any]


def load(spec: str) -> Target:
    """Import ``module:app``, ``module:create_app()`` or ``module``, the working directory first.

    Raises:
        TargetError: it is not there, or has no Socket.IO in it.
        BrokenModule: its own code raised.
    """
    name, _, attribute = spec.partition(":")
    _check_name(spec, name)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    module = _import(name)
    found = _attribute(module, attribute)
    if isinstance(found, (Server, Engine)):
        found = WSGIApp(found)
    return _target(spec, module, found)


def _check_name(spec: str, name: str) -> None:
    if "/" in name or name.endswith(".py"):
        dotted = os.path.normpath(name).removesuffix(".py").replace("/", ".").lstrip(".")
        raise TargetError(f"{spec!r} is a path; modules are named with dots: {dotted}:app")
    if not all(part.isidentifier() for part in name.split(".")):
        raise TargetError(f"{spec!r} is no module:app, as in chat:app or shop.chat:create_app()")


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            hint = f"look at its spelling, or go to the folder that it is in (this is {os.getcwd()})"
            raise TargetError(f"there is no module {missing!r}: {hint}") from error
        raise BrokenModule(_told(f"importing {name} failed", error)) from error
    except (Exception, SystemExit) as error:
        raise BrokenModule(_told(f"importing {name} failed", error)) from error


def _attribute(module: ModuleType, attribute: str) -> Any:
    """What is named behind the colon; a factory is called."""
    if not attribute:
        attribute = next((usual for usual in USUAL_NAMES if hasattr(module, usual)), "")
        if not attribute:
            raise TargetError(f"{module.__name__} has none of {', '.join(USUAL_NAMES)}: name it, as in chat:app")
    path, arguments = _call(attribute)
    found: Any = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise TargetError(f"{module.__name__} has no {path!r}{_candidates(module)}")
        found = getattr(found, part)
    if arguments is None:
        return found
    try:
        return found(*arguments)
    except (Exception, SystemExit) as error:
        raise BrokenModule(_told(f"{module.__name__}:{attribute} failed", error)) from error


def _call(attribute: str) -> tuple[str, list[Any] | None]:
    """A name with dots, and the arguments if it is called; these are literals."""
    found = re.fullmatch(r"([\w.]+)(\(.*\))?", attribute)
    if found is None:
        raise TargetError(f"{attribute!r} is neither a name nor a call, as in app or create_app('test')")
    path, call = found.groups()
    if call is None:
        return path, None
    try:
        arguments = ast.literal_eval(f"({call[1:-1]},)" if call != "()" else "()")
    except (SyntaxError, ValueError):
        raise TargetError(f"{attribute!r}: only literals can be given, as in create_app('test', 3)") from None
    return path, list(arguments)


def _candidates(module: ModuleType) -> str:
    """What of the module could be meant."""
    names = [name for name, value in vars(module).items() if _serves(value)]
    return f"; what can be served there: {', '.join(f'{module.__name__}:{name}' for name in names)}" if names else ""


def _serves(value: Any) -> bool:
    if _is(value, Server, Engine, WSGIApp):
        return True
    return callable(value) and not _is(value, type, FunctionType) and bool(find(value)[0])


def _is(value: Any, *kinds: type) -> bool:
    """As isinstance, which asks the value too: Flask's proxies raise outside of a request."""
    return issubclass(type(value), kinds)


def _told(what: str, error: BaseException) -> str:
    """The traceback, from the first frame that is the user's on."""
    frames = error.__traceback__
    while frames is not None and _is_machinery(frames):
        frames = frames.tb_next
    lines = "".join(traceback.format_exception(type(error), error, frames))
    return f"{what}:\n\n{lines}".rstrip()


def _is_machinery(frame: TracebackType) -> bool:
    file = frame.tb_frame.f_code.co_filename
    return file == __file__ or file.startswith("<frozen importlib") or file == importlib.__file__


def _target(spec: str, module: ModuleType, app: Any) -> Target:
    if not callable(app):
        kind, others = type(app).__name__, _candidates(module)
        raise TargetError(f"{spec} is a {kind}: a Server, a WSGIApp or a WSGI application is needed{others}")
    mounts, around = find(app)
    if not mounts:
        raise TargetError(f"{spec} has no Socket.IO in it. {_advice(spec, module, app)}")
    return Target(spec, app, mounts, around)


def _advice(spec: str, module: ModuleType, app: Any) -> str:
    if isinstance(app, FunctionType) and _parameters(app) != 2:
        return f"If it is a factory, call it: {spec}()"
    wrapped = [name for name, value in vars(module).items() if _is(value, WSGIApp)]
    if wrapped:
        return f"Serve what wraps it: {module.__name__}:{wrapped[0]}"
    server = next((name for name, value in vars(module).items() if _is(value, Server)), "io")
    name = spec.partition(":")[2] or "app"
    if hasattr(app, "wsgi_app"):
        return f"Put it there: {name}.wsgi_app = WSGIApp({server}, {name}.wsgi_app)"
    return f"Put it around: {name} = WSGIApp({server}, {name})"


def _parameters(function: FunctionType) -> int:
    return len([p for p in inspect.signature(function).parameters.values() if p.default is p.empty])


def find(app: Any) -> tuple[list[WSGIApp], list[Any]]:
    """The WSGIApps that ``app`` leads to, nearest first, and what is around the first, from the outside in.

    Nothing is called: what an object, a closure or a function's globals hold is looked at, as far as it can be called.
    """
    mounts: list[WSGIApp] = []
    around: list[Any] = []
    came_from: dict[int, Any] = {id(app): None}
    waiting = deque([app])
    while waiting and len(came_from) < _ENOUGH:
        current = waiting.popleft()
        if _is(current, WSGIApp):
            if not mounts:
                around = _way(current, came_from)
            mounts.append(current)
        for part in _parts(current):
            if id(part) not in came_from:
                came_from[id(part)] = current
                waiting.append(part)
    return mounts, around


def _way(mount: WSGIApp, came_from: dict[int, Any]) -> list[Any]:
    way: list[Any] = []
    outer = came_from[id(mount)]
    while outer is not None:
        way.insert(0, outer)
        outer = came_from[id(outer)]
    return way


def _parts(current: Any) -> Iterator[Any]:
    """The callables that ``current`` holds, but no classes and modules."""
    if _is(current, WSGIApp):
        held: list[Any] = [current.wsgi_app]
    elif _is(current, MethodType):
        held = [current.__self__]
    elif _is(current, functools.partial):
        held = [current.func, *current.args, *current.keywords.values()]
    elif _is(current, FunctionType):
        held = [*_cells(current), *(current.__globals__.get(name) for name in current.__code__.co_names)]
        held += vars(current).values()
    else:
        held = list(_attributes(current).values())
        held += [item for value in held for item in _items(value) if not _is(item, FunctionType)]
    return (part for part in held if callable(part) and not _is(part, type))


def _attributes(current: Any) -> dict[str, Any]:
    try:
        return dict(vars(current))
    except Exception:  # it has none, or is a proxy of what is not there
        return {}


def _cells(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def _items(value: Any) -> Iterable[Any]:
    """What a list or dict of applications holds, as dispatchers have one."""
    if _is(value, dict):
        return list(value.values())
    if _is(value, list, tuple):
        return [part for item in value for part in (item if _is(item, tuple) else (item,))]
    return ()
