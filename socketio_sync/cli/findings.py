"""What the doctor finds: a line each, with its cure where something is wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import click

Level = Literal["ok", "note", "warning", "fault"]

_LOOKS: dict[Level, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "note": ("--", "bright_black"),
    "warning": ("!!", "yellow"),
    "fault": ("XX", "red"),
}
_INDENT = " " * 5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: "ok"; "note", to know; "warning", works for now; "fault", does not work.
        text: what it is.
        cure: what to do.
    """

    level: Level
    text: str
    cure: str = ""


def ok(text: str) -> Finding:
    return Finding("ok", text)


def note(text: str, cure: str = "") -> Finding:
    return Finding("note", text, cure)


def warning(text: str, cure: str) -> Finding:
    return Finding("warning", text, cure)


def fault(text: str, cure: str) -> Finding:
    return Finding("fault", text, cure)


def show(title: str, findings: Iterable[Finding]) -> list[Finding]:
    """Print a section as its findings come; returns them."""
    click.secho(f"\n{title}", bold=True)
    shown = []
    for finding in findings:
        mark, colour = _LOOKS[finding.level]
        click.echo(f"  {click.style(mark, fg=colour)} {finding.text}")
        for paragraph in finding.cure.splitlines():
            wrap = not paragraph.startswith(" ")  # lines of a configuration stay as they are
            lines = textwrap.wrap(paragraph, 100) if wrap else [paragraph]
            for line in lines:
                click.secho(f"{_INDENT}{line}", fg="cyan")
        shown.append(finding)
    return shown


def summary(findings: list[Finding]) -> str:
    """The last line."""
    faults = sum(finding.level == "fault" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if not faults and not warnings:
        return click.style("Nothing wrong was found.", fg="green")
    parts = [_count(faults, "fault"), _count(warnings, "warning")]
    return click.style(", ".join(filter(None, parts)), fg="red" if faults else "yellow")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}" if number else ""
