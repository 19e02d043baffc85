"""Fuzz the two ends of JSONP polling: the form of a POST, and the script that answers a GET."""

from __future__ import annotations

import json
import re

from socketio_sync.protocol.jsonp import unwrap
from socketio_sync.protocol.jsonp import wrap

CORPUS = [
    b"d=14%3A42%5B%22m%22%2C%22a%5C%5Cnb%22%5D",
    b"d=4hello%1E2",
    b"x=1&d=%C3%A9%FF+\\n\\\\n&d=2",
    b"0\xe2\x80\xa8</script>",
]
_SCRIPT = re.compile(r'___eio\[[0-9]*\]\((".*")\);')


def target(data: bytes) -> None:
    """A payload no longer than the form, or none; and a script of one line that holds exactly the payload."""
    body = data.decode("utf-8", "replace")
    payload = unwrap(body)
    assert payload is None or len(payload) <= len(body)
    script = wrap(body, body)
    match = _SCRIPT.fullmatch(script)
    assert match is not None
    assert len(script.splitlines()) == 1 or not {"\n", "\r", "\u2028", "\u2029"} & set(script)
    assert json.loads(match[1]) == body
