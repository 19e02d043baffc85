"""``serve`` and ``demo``: the embedded server."""

from __future__ import annotations

import errno
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any
from typing import TypeVar

import click

from socketio_sync.cli import reload
from socketio_sync.cli.target import Target
from socketio_sync.cli.target import TargetError
from socketio_sync.cli.target import load
from socketio_sync.wsgi.serve import bind
from socketio_sync.wsgi.serve import serving

Command = TypeVar("Command", bound=Callable[..., Any])

# How often is looked whether to end, in seconds.
_TICK = 0.1
# How long handlers may go on, in seconds: at the end, and before a reload, when somebody waits for it.
_CLOSE_TIMEOUT = 5.0
_RELOAD_TIMEOUT = 1.0


_FILE = click.Path(exists=True, dir_okay=False)
_RUNTIMES = click.Choice(["auto", "gevent", "threads"])
_WHERE = (
    click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 for all addresses of this machine."),
    click.option("--port", "-p", type=click.IntRange(0, 65535), default=3000, show_default=True, help="0: a free one."),
    click.option("--runtime", type=_RUNTIMES, default="auto", show_default=True, help="gevent: patched first."),
    click.option("--cert", type=_FILE, help="Serve https: the certificate, as PEM."),
    click.option("--key", type=_FILE, help="Its private key, if that is in another file."),
)


def _where(command: Command) -> Command:
    """Add the options that say where and how to listen."""
    for option in reversed(_WHERE):
        command = option(command)
    return command


@click.command()
@click.argument("target", metavar="MODULE:APP")
@_where
@click.option("--reload", "reloading", is_flag=True, help="Start anew when an imported source file changes.")
@click.option("--child", type=(int, int), hidden=True)
def serve(
    target: str,
    host: str,
    port: int,
    runtime: str,
    cert: str | None,
    key: str | None,
    reloading: bool,
    child: tuple[int, int] | None,
) -> None:
    """Serve an application with the embedded server.

    MODULE:APP is a Server, a WSGIApp, a WSGI application with one in it (Flask, Django), or a call that makes one:
    chat:app, shop.web:create_app('test'). Modules of the working directory are found. For development and small
    installations; for more, see the documentation's page on deployment.
    """
    context = _ssl_context(cert, key)
    if child is not None:
        with socket.socket(fileno=child[0]) as listener:
            _serve_until_changed(target, listener, host, runtime, context, first=child[1] == 0)
        return
    with _bound(host, port) as listener:
        if reloading:
            command = [sys.executable, "-m", "socketio_sync", "serve", target, "--host", host, "--runtime", runtime]
            for name, value in (("--cert", cert), ("--key", key)):
                command += [name, value] if value else []
            sys.exit(reload.supervise(command, listener))
        _patch(runtime)
        _run(load(target), listener, host, runtime, context)


@click.command()
@_where
def demo(host: str, port: int, runtime: str, cert: str | None, key: str | None) -> None:
    """A chat with rooms, pictures and who is typing. Nothing to write, no network needed: open it in two windows."""
    context = _ssl_context(cert, key)
    with _bound(host, port) as listener:
        _patch(runtime)
        click.echo("A chat, to be opened in two windows; its code is socketio_sync/demo/chat.py.")
        _run(load("socketio_sync.demo.chat:app"), listener, host, runtime, context)


def _ssl_context(cert: str | None, key: str | None) -> ssl.SSLContext | None:
    if cert is None:
        if key is not None:
            raise click.UsageError("--key is of use only with --cert")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key)
    except (ssl.SSLError, OSError) as error:
        files = cert if key is None else f"{cert} and {key}"
        raise click.ClickException(f"{files}: not a PEM certificate and its key ({error})") from None
    return context


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    try:
        listener = bind(host, port)
    except OSError as error:
        raise click.ClickException(_bind_error(error, host, port)) from None
    with listener:
        yield listener


def _bind_error(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program: choose one with --port, or --port 0 for a free one"
    if error.errno == errno.EACCES:
        return f"port {port} is for the administrator: ports from 1024 on are for everybody"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host}: no address of this machine; 127.0.0.1 is for itself only, 0.0.0.0 for all"
    return f"cannot listen on {host}:{port}: {error}"


def _patch(runtime: str) -> None:
    if runtime == "gevent":
        from gevent import monkey

        monkey.patch_all()


def _serve_until_changed(
    target: str, listener: socket.socket, host: str, runtime: str, context: ssl.SSLContext | None, first: bool
) -> None:
    """What a child of the reloader does; it ends with ``CHANGED`` to be followed by another."""
    listener.setblocking(True)
    _patch(runtime)
    watch = reload.Watch()
    try:
        loaded = load(target)
    except TargetError as error:
        if first:
            raise
        error.show()
        click.secho("Waiting for a change.", fg="yellow", err=True)
        if watch.wait(error) is not None:
            sys.exit(reload.CHANGED)
        return
    _run(loaded, listener, host, runtime, context, watch)


def _run(
    target: Target,
    listener: socket.socket,
    host: str,
    runtime: str,
    context: ssl.SSLContext | None,
    watch: reload.Watch | None = None,
) -> None:
    """Serve until a signal comes, the application closes its server, or, if watched, a file changes."""
    io = target.mounts[0].io
    engine = getattr(io, "engine", io)
    if engine.closing:
        raise click.ClickException(
            f"{target.spec} was served and closed while it was imported: call listen() only under"
            ' `if __name__ == "__main__":`'
        )
    _check_runtime(runtime, engine.start().name)
    changed = None
    with _signals() as stopping, serving(io, target.app, listener, host, context) as server:
        _announce(server.url, target, engine)
        while not (stopping or engine.closing):
            engine.runtime.sleep(_TICK)
            changed = watch.changed() if watch is not None else None
            if changed is not None or (watch is not None and watch.orphaned()):
                break
        for mount in target.mounts:
            mount.io.close(timeout=_RELOAD_TIMEOUT if changed else _CLOSE_TIMEOUT)
    if changed is not None:
        click.secho(f"{changed} changed: starting anew", fg="yellow")
        sys.exit(reload.CHANGED)


def _check_runtime(asked: str, chosen: str) -> None:
    if asked == "auto" or asked == chosen:
        return
    why = "the module monkey-patches, or its Server has runtime='gevent'"
    if chosen == "threads":
        why = "the module's Server has runtime='threads'"
    raise click.ClickException(f"--runtime {asked} cannot be: {why}")


def _announce(url: str, target: Target, engine: Any) -> None:
    paths = ", ".join(getattr(mount.io, "engine", mount.io).options.path for mount in target.mounts)
    here = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    others = "" if here == url else " and at this machine's other addresses"
    address = f"{click.style(here, fg='green', bold=True)}{others}"
    click.echo(f"{address}  {target.spec}, Socket.IO at {paths}, on {engine.runtime.name}; Ctrl-C ends it")


@contextmanager
def _signals() -> Iterator[list[int]]:
    """A list that is no longer empty once Ctrl-C or SIGTERM came; a second Ctrl-C ends at once."""
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and signal.SIGINT in came:
            raise KeyboardInterrupt
        came.append(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
