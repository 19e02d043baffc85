"""Which encoding is chosen, and that other people's code can read it."""

from __future__ import annotations

import gzip
import zlib

import pytest

from socketio_sync.engine.compression import choose_encoding
from socketio_sync.engine.compression import compress

BODY = b'42["chat","hello"]' * 100


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br, zstd", "gzip"),
        ("deflate, gzip", "gzip"),
        ("gzip;q=0.5, deflate", "deflate"),
        ("gzip;q=0.5,deflate;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, *", "deflate"),
        ("*", "gzip"),
        ("*;q=0", None),
        ("br", None),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip ; q=0.8", "gzip"),
        ("gzip;q=high", None),
        ("gzip;q=nan", None),
        ("gzip;q=7", None),
        (",,;;=,", None),
    ],
)
def test_the_clients_choice(accept: str | None, chosen: str | None) -> None:
    assert choose_encoding(accept) == chosen


def test_gzip_is_gzip() -> None:
    body, encoding = compress(BODY, "gzip")
    assert encoding == "gzip"
    assert len(body) < len(BODY) / 10
    assert gzip.decompress(body) == BODY


def test_deflate_is_zlibs_format() -> None:
    body, encoding = compress(BODY, "deflate")
    assert encoding == "deflate"
    assert zlib.decompress(body) == BODY


def test_without_agreement_the_body_is_sent_as_it_is() -> None:
    assert compress(BODY, "br") == (BODY, None)
