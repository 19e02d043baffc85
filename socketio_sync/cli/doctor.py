"""``doctor``: what this environment supports, what an application or a running deployment suffers from."""

from __future__ import annotations

import sys

import click

from socketio_sync.cli.deployment import check_url
from socketio_sync.cli.environment import check_packages
from socketio_sync.cli.environment import check_python
from socketio_sync.cli.environment import check_runtime
from socketio_sync.cli.environment import check_servers
from socketio_sync.cli.findings import show
from socketio_sync.cli.findings import summary
from socketio_sync.cli.headers import parse_headers
from socketio_sync.cli.inspection import check_app
from socketio_sync.cli.probe import Deployment


@click.command()
@click.argument("target", metavar="[MODULE:APP]", required=False)
@click.option("--url", help="A running deployment, as in https://example.org.")
@click.option("--path", default="/socket.io/", show_default=True, help="Where Socket.IO is there.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Send it too; may be repeated.")
@click.option("--origin", help="Come as a page of this origin, if pages are elsewhere.")
@click.option("--idle", is_flag=True, help="Wait for a ping in silence, some 25 s: does a proxy cut it?")
@click.option("--timeout", type=click.FloatRange(0.1), default=10.0, show_default=True, help="Of each request.")
def doctor(
    target: str | None,
    url: str | None,
    path: str,
    headers: tuple[str, ...],
    origin: str | None,
    idle: bool,
    timeout: float,
) -> None:
    """Say what this environment supports and what is wrong, each with its cure.

    With MODULE:APP the application is imported and looked at, with --url a running deployment is tried: handshake,
    polls, WebSocket, what proxies do to them, origins, certificate. The exit code is 1 if there is a fault.
    """
    findings = []
    if url is not None:
        try:
            deployment = Deployment(url, path, parse_headers(headers), origin, timeout)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--url") from None
        findings += show(deployment.origin, check_url(deployment, idle))
    if target is not None:
        findings += show(target, check_app(target))
    if target is None and url is None:
        findings += show("Python", check_python())
        findings += show("Packages", check_packages())
        findings += show("Runtime", check_runtime())
        findings += show("Web servers", check_servers())
    click.echo(f"\n{summary(findings)}")
    sys.exit(any(finding.level == "fault" for finding in findings))
