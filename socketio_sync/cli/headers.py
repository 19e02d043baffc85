"""``--header 'Name: value'``, as ``doctor`` and ``connect`` take it."""

from __future__ import annotations

from collections.abc import Iterable

import click


def parse_headers(lines: Iterable[str]) -> dict[str, str]:
    """The headers by their names.

    Raises:
        click.BadParameter: one is no header.
    """
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or "\n" in line or "\r" in line:
            raise click.BadParameter(f"{line!r} is no header, as in 'Authorization: Bearer abc'", param_hint="--header")
        headers[name.strip()] = value.strip()
    return headers
