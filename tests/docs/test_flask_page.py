"""The page about the Flask extension: its sample works, and it has every name."""

from __future__ import annotations

import re
from typing import Any

import pytest

import socketio_sync.flask
from tests.support import pages

PAGE = "reference/flask.rst"


@pytest.fixture
def page() -> dict[str, Any]:
    return pages.run(PAGE)


def test_the_sample(page: dict[str, Any]) -> None:
    client = page["socketio"].test_client(page["app"], headers={"Referer": "http://localhost/shop"})
    assert client.emit("join", "attic", callback=True) == "welcome"
    assert [event["name"] for event in client.get_received()] == ["joined"]
    page["app"].test_client().get("/notify/hello")
    assert client.get_received() == [{"name": "news", "args": ["hello"], "namespace": "/"}]
    (socket,) = page["socketio"].server.sockets.values()
    assert socket.data == {"page": "http://localhost/shop"}
    client.disconnect()


def test_every_name_is_described() -> None:
    text = (pages.DOCS / PAGE).read_text()
    assert set(re.findall(r"^\.\. auto\w+:: (\w+)", text, re.MULTILINE)) == set(socketio_sync.flask.__all__)
