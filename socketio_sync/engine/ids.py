"""Session ids: 20 characters that nobody can guess (the shape of the reference's base64id)."""

from __future__ import annotations

import base64
import itertools
import os

_sequence = itertools.count()


def new_id() -> str:
    """Return 11 random bytes of the system's CSPRNG and a 4-byte sequence number, in URL-safe base64: 20 characters."""
    number = next(_sequence) & 0xFFFFFFFF
    return base64.urlsafe_b64encode(os.urandom(11) + number.to_bytes(4, "big")).decode("ascii")
