"""JSONP: long-polling by script tags, for browsers without cross-origin requests; the polling payload inside a call."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from socketio_sync.protocol.json_codec import dumps

_NO_DIGITS = re.compile("[^0-9]")
_NEWLINE = re.compile(r"(\\)?\\n")
# A form has one field; the limit is that of Node's querystring module.
_MAX_FIELDS = 1000


def wrap(index: str, payload: str) -> str:
    """Return the script for the answer of a GET; ``index`` is the query's ``j``, of which only the digits count."""
    # A JavaScript literal, not merely JSON: older engines end a line at these two.
    literal = dumps(payload).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return f"___eio[{_NO_DIGITS.sub('', index)}]({literal});"


def unwrap(body: str) -> str | None:
    """Return the payload in the form of a POST, or None if there is none.

    The client escapes newlines, because a form would turn them into CR LF: a backslash and n is a newline, two
    backslashes and n are one backslash and n.
    """
    try:
        fields = parse_qsl(body, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        return None
    for name, value in fields:
        if name == "d":
            text = _NEWLINE.sub(lambda match: match[0] if match[1] else "\n", value)
            return text.replace("\\\\n", "\\n")
    return None
