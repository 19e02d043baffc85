"""Compression of response bodies, negotiated by Accept-Encoding (RFC 9110, 12.5.3)."""

from __future__ import annotations

import zlib

# In order of preference; zlib's window bits choose the container.
_ENCODINGS = {"gzip": 31, "deflate": 15}


def compress(body: bytes, accept_encoding: str | None) -> tuple[bytes, str | None]:
    """The body, compressed if the client takes gzip or deflate, and the name of the encoding, or None.

    Whether a body is worth it, by its size, is for the caller to say.
    """
    encoding = choose_encoding(accept_encoding)
    if encoding is None:
        return body, None
    compressor = zlib.compressobj(wbits=_ENCODINGS[encoding])
    return compressor.compress(body) + compressor.flush(), encoding


def choose_encoding(accept_encoding: str | None) -> str | None:
    """The encoding that the client likes best, gzip before deflate where it likes both alike; None: send as it is."""
    if not accept_encoding:
        return None
    qualities = dict(_quality(item) for item in accept_encoding.split(","))
    best = None
    best_quality = 0.0
    for encoding in _ENCODINGS:
        quality = qualities.get(encoding, qualities.get("*", 0.0))
        if quality > best_quality:
            best, best_quality = encoding, quality
    # "identity" is taken unless refused, but only preferred to a compressed body where the client says so.
    return best if best_quality >= qualities.get("identity", 0.0) else None


def _quality(item: str) -> tuple[str, float]:
    name, _, parameters = item.partition(";")
    key, _, value = parameters.partition("=")
    quality = 1.0
    if key.strip().lower() == "q":
        try:
            quality = float(value)
        except ValueError:
            quality = 0.0  # it is not clear what the client wants: leave this encoding alone
    return name.strip().lower(), quality if 0.0 <= quality <= 1.0 else 0.0
