"""What holds for every test: the time limits scale by one environment variable."""

from __future__ import annotations

import signal

import pytest

from tests.support.timing import scaled

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell: the programs that are tested would inherit that they are deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    default = float(config.getini("timeout"))
    for item in items:
        marker = item.get_closest_marker("timeout")
        seconds = default if marker is None else float(marker.args[0])
        item.add_marker(pytest.mark.timeout(scaled(seconds)), append=False)
