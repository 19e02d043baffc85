"""``connect``: a client for the terminal and for scripts."""

from __future__ import annotations

import json
import os
import ssl
import sys
from typing import Any

import click

from socketio_sync import Client
from socketio_sync import parsers
from socketio_sync.cli.headers import parse_headers
from socketio_sync.cli.script import Script
from socketio_sync.cli.terminal import Terminal

_TRANSPORTS = click.Choice(["polling", "websocket"])
_SECONDS = click.FloatRange(0, 999, min_open=True)


@click.command()
@click.argument("url")
@click.option("--auth", metavar="JSON", envvar="SOCKETIO_SYNC_AUTH", show_envvar=True, help="What a middleware checks.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Of each request; may be repeated.")
@click.option("--query", "query", multiple=True, metavar="NAME=VALUE", help="Of each request; may be repeated.")
@click.option("--path", default="/socket.io/", show_default=True, help="Where Socket.IO is on the server.")
@click.option("--transport", "transports", multiple=True, type=_TRANSPORTS, help="Only this; may be repeated.")
@click.option("--parser", type=click.Choice(["default", "msgpack"]), default="default", show_default=True)
@click.option("--insecure", is_flag=True, help="Do not verify the certificate.")
@click.option("--reconnect/--no-reconnect", default=True, show_default=True)
@click.option("--ack/--no-ack", default=None, help="Ask for answers.  [default: on a terminal]")
@click.option("--json", "as_json", is_flag=True, help="JSON lines, as without a terminal.")
@click.option("--until", multiple=True, metavar="EVENT", help="End when it has come; may be repeated.")
@click.option("--wait", type=click.FloatRange(0), default=0.0, help="Stay so long after the end of the input.")
@click.option("--timeout", type=_SECONDS, help="For the connection, answers, --until.  [default: 20, 20, none]")
def connect(url: str, ack: bool | None, as_json: bool, until: tuple[str, ...], wait: float, **options: Any) -> None:
    """Talk to a server. The path of URL is the namespace: localhost:3000/admin.

    On a terminal a line is an event and its arguments, JSON or words: say "hello" 3 {"to": "all"}. Events and answers
    that come are a line each; Ctrl-D ends. Otherwise lines are JSON, ["event", args...], in both directions, an answer
    is {"ack": [...], "of": "event"}, and bytes are {"$base64": "..."}.

    \b
    Exit codes of scripts:
      0  all was sent, and what was waited for came
      1  not connected, refused, or disconnected for good
      2  a wrong option or line
      3  an answer or --until did not come in time
    """
    timeout: float | None = options["timeout"]
    client = _client(url, **options)
    if as_json or not os.isatty(0):
        script = Script(client, ack=bool(ack), until=until, wait=wait, timeout=timeout)
        sys.exit(script.run(url))
    if until or wait:
        raise click.UsageError("--until and --wait are for scripts: add --json")
    sys.exit(Terminal(client, ack).run(url))


def _client(
    url: str,
    auth: str | None,
    headers: tuple[str, ...],
    query: tuple[str, ...],
    path: str,
    transports: tuple[str, ...],
    parser: str,
    insecure: bool,
    reconnect: bool,
    timeout: float | None,
) -> Client:
    options: dict[str, Any] = {} if timeout is None else {"timeout": timeout, "ack_timeout": timeout}
    if transports:
        options["transports"] = transports
    if parser == "msgpack":
        options["parser"] = parsers.msgpack
    if insecure:
        options["ssl_context"] = ssl._create_unverified_context()
    try:
        return Client(
            url if "://" in url else f"http://{url}",
            auth=_auth(auth),
            extra_headers=parse_headers(headers),
            query=dict(_pair(item) for item in query),
            path=path,
            runtime="threads",
            reconnection=reconnect,
            **options,
        )
    except (TypeError, ValueError, ImportError) as error:
        raise click.UsageError(str(error)) from None


def _auth(text: str | None) -> dict[str, Any] | None:
    try:
        auth = json.loads(text) if text else None
    except json.JSONDecodeError as error:
        raise click.BadParameter(f"no JSON: {error}", param_hint="--auth") from None
    if auth is not None and not isinstance(auth, dict):
        raise click.BadParameter('an object is needed, as in \'{"token": "abc"}\'', param_hint="--auth")
    return auth


def _pair(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals or not name:
        raise click.BadParameter(f"{item!r}: NAME=VALUE is needed", param_hint="--query")
    return name, value

