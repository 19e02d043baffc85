"""Fuzz what reads the query string of an Engine.IO request."""

from __future__ import annotations

import json

from socketio_sync.protocol.engineio_handshake import MAX_QUERY_FIELDS
from socketio_sync.protocol.engineio_handshake import EngineError
from socketio_sync.protocol.engineio_handshake import parse_query
from socketio_sync.protocol.engineio_handshake import parse_revision

CORPUS = [
    b"EIO=4&transport=polling",
    b"EIO=4&transport=websocket&sid=X7OGvrdBLbHl2CKhAAAA&t=PqZxyz",
    b"EIO=3&transport=polling&j=0&b64=1",
    b"token=%C3%A9%zz&token=2&&=&a=b;c=d+e",
    b"EIO=4&transport=__proto__",
]


def target(data: bytes) -> None:
    """Fields that are text and no longer than the query, and a revision; or an error that can be sent."""
    query = data.decode("latin-1")
    try:
        fields = parse_query(query)
    except EngineError as error:
        assert json.loads(error.json) == {"code": 3, "message": "Bad request"}
        assert error.status == "400 Bad Request"
        return
    assert len(fields) <= MAX_QUERY_FIELDS
    assert sum(len(name) + len(value) for name, value in fields.items()) <= len(query)
    assert parse_revision(fields) in (3, 4)
