"""What a client may be told: everything is checked at once, and a wrong name gets the right one told."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from socketio_sync import Client
from socketio_sync import Manager
from socketio_sync import connect
from socketio_sync import parsers

URL = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"reconnectionDelay": 1}, TypeError, "reconnection_delay"),
        ({"headers": {}}, TypeError, "extra_headers"),
        ({"socketio_path": "x"}, TypeError, "path"),
        ({"ssl_verify": False}, TypeError, "ssl_context"),
        ({"forceNew": True}, TypeError, "force_new|forceNew"),
        ({"force_new": True}, TypeError, "connection of its own"),
        ({"namespaces": ["/a"]}, TypeError, "path of the URL"),
        ({"nonsense": 1}, TypeError, "nonsense"),
        ({"transports": "websocket"}, TypeError, "list or tuple"),
        ({"transports": []}, ValueError, "at least one"),
        ({"transports": ["webtransport"]}, ValueError, "polling"),
        ({"timeout": 5000}, ValueError, "83 minutes"),
        ({"timeout": 0}, ValueError, "above 0"),
        ({"reconnection_attempts": 0}, ValueError, "at least 1"),
        ({"randomization_factor": 2}, ValueError, "from 0 to 1"),
        ({"randomization_factor": "x"}, TypeError, "number"),
        ({"query": {"EIO": "3"}}, ValueError, "protocol's own"),
        ({"query": "a=b"}, TypeError, "dict of str"),
        ({"query": {"a": 1}}, TypeError, "str"),
        ({"extra_headers": {"A b": "c"}}, ValueError, "letters"),
        ({"extra_headers": {"A": "c\r\nD: e"}}, ValueError, "line break"),
        ({"extra_headers": {"A": "ü"}}, ValueError, "not ASCII"),
        ({"auth": "secret"}, TypeError, "dict"),
        ({"ssl_context": True}, TypeError, "SSLContext"),
        ({"parser": object}, TypeError, "encode"),
        ({"runtime": "asyncio"}, ValueError, "gevent"),
        ({"retries": -1}, ValueError, "at least 0"),
        ({"inbox": -1}, ValueError, "at least 0"),
        ({"max_send_buffer": 0}, ValueError, "at least 1"),
        ({"per_message_deflate": {"treshold": 1}}, TypeError, "threshold"),
    ],
)
def test_a_wrong_option_is_refused_when_the_client_is_made(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        Client(URL, **options)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("localhost:3000", ValueError),
        ("ftp://localhost", ValueError),
        ("http://", ValueError),
        ("http://user:password@localhost", ValueError),
        ("http://localhost:99999", ValueError),
        ("http://localhost/" + "a" * 9000, ValueError),
        (None, TypeError),
    ],
)
def test_a_wrong_url_is_refused(url: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Client(url)
    with pytest.raises(error):
        Manager(url)
    with pytest.raises(error):
        connect(url)


@pytest.mark.parametrize(
    ("url", "nsp", "origin"),
    [
        ("http://localhost", "/", "http://localhost"),
        ("http://localhost/", "/", "http://localhost"),
        ("ws://localhost:80/admin", "/admin", "http://localhost"),
        ("https://example.org:8443/a/b?c=d", "/a/b", "https://example.org:8443"),
        ("wss://[::1]:443/x", "/x", "https://[::1]"),
    ],
)
def test_the_path_of_the_url_is_the_namespace(url: str, nsp: str, origin: str) -> None:
    client = Client(url)
    assert client.nsp == nsp
    assert repr(client) == f"<Client {origin} nsp={nsp!r} closed>"
    assert repr(client.manager) == f"<Manager {origin} closed>"


def test_everything_that_is_allowed_is_taken() -> None:
    client = Client(
        URL,
        auth={"a": 1},
        path="/other",
        query={"a": "b"},
        transports=["websocket"],
        parser=parsers.msgpack,
        runtime="threads",
        per_message_deflate={"threshold": 10},
        upgrade=False,
        try_all_transports=True,
        remember_upgrade=True,
        force_base64=True,
        with_credentials=True,
        extra_headers={"X-A": "b"},
        ssl_context=ssl.create_default_context(),
        request_timeout=5,
        timeout=5,
        ack_timeout=5,
        retries=2,
        reconnection=False,
        reconnection_attempts=2,
        reconnection_delay=0.1,
        reconnection_delay_max=1,
        randomization_factor=0,
        max_send_buffer=10,
        inbox=10,
    )
    assert client.auth == {"a": 1}
    client.auth = lambda: {"b": 2}
    with pytest.raises(TypeError):
        client.auth = 7  # type: ignore[assignment]


def test_a_manager_takes_no_option_of_a_namespace_and_has_each_namespace_once() -> None:
    with pytest.raises(TypeError, match="auth"):
        Manager(URL, auth={})
    manager = Manager(URL)
    client = manager.client("chat", auth={}, inbox=1, retries=1)
    assert (client.nsp, client.manager) == ("/chat", manager)
    with pytest.raises(ValueError, match="/chat"):
        manager.client("/chat")
    with pytest.raises(TypeError, match="transports"):
        manager.client("/b", transports=["polling"])


@pytest.mark.parametrize("event", ["connection", "disconnecting", "newListener", "*"])
def test_what_cannot_fire_is_refused(event: str) -> None:
    with pytest.raises(ValueError, match="cannot fire here"):
        Client(URL).on(event, print)


def test_a_manager_has_its_own_events_only() -> None:
    manager = Manager(URL)
    with pytest.raises(ValueError, match="reconnect_attempt"):
        manager.on("chat", print)
    with pytest.raises(TypeError, match="2 arguments are required"):
        manager.on("reconnect", lambda a, b: None)


def test_handlers_are_inspected_when_registered() -> None:
    client = Client(URL)

    async def handler() -> None: ...

    with pytest.raises(TypeError, match="async def"):
        client.on("x", handler)
    with pytest.raises(TypeError, match="needs an event's name"):
        client.on(print)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="1 arguments are required"):
        client.on("connect", lambda a: None)
    with pytest.raises(TypeError, match="has none"):
        client.event(lambda: None)


def test_without_a_server_nothing_is_started() -> None:
    client = Client(URL)
    assert (client.id, client.connected, client.active, client.recovered) == (None, False, False, False)
    assert client.wait(0.01)
    client.disconnect()
    with pytest.raises(RuntimeError, match="inbox"):
        client.receive()
