"""The browser's client, served under the server's path: socket.io.js and its variants."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from socketio_sync.engine.compression import choose_encoding
from socketio_sync.engine.compression import compress
from socketio_sync.engine.cors import origin_is_allowed
from socketio_sync.engine.cors import response_headers
from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response

# The only names there are: nothing of a request ever becomes a path.
_SCRIPTS = ("socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js")
CONTENT_TYPES = {name: "application/javascript; charset=utf-8" for name in _SCRIPTS}
CONTENT_TYPES |= {f"{name}.map": "application/json; charset=utf-8" for name in _SCRIPTS}

# Where there is no file: the project's public CDN has every release of the client.
_CDN = "https://cdn.socket.io/4.8.3/"


def serve(options: Any, request: Request, name: str) -> Response:
    """The answer to a request for one of CONTENT_TYPES; like the reference's, whatever the method.

    From ``client_dir``, or a socket.io-client 4 that npm installed (in a ``node_modules`` of the working directory or
    above it, or in NODE_PATH), else a redirect to the CDN.
    """
    headers = response_headers(options, request) if origin_is_allowed(options, request) else []
    path = _find(options.client_dir, name)
    if path is None:
        if options.client_dir is not None:
            return Response("404 Not Found", [*headers, ("Content-Length", "0")])
        return Response("302 Found", [*headers, ("Location", _CDN + name), ("Content-Length", "0")])
    status = path.stat()
    body, tag = _load(path, status.st_mtime_ns)
    headers += [("Cache-Control", "public, max-age=0"), ("ETag", tag)]
    if _matches(request.header("if-none-match"), tag):
        return Response("304 Not Modified", headers)
    encoding = choose_encoding(request.header("accept-encoding"))
    if encoding is not None:
        body = _packed(path, status.st_mtime_ns, encoding)
        headers.append(("Content-Encoding", encoding))
    headers += [
        ("Vary", "Accept-Encoding"),
        ("Content-Type", CONTENT_TYPES[name]),
        ("Content-Length", str(len(body))),
    ]
    return Response("200 OK", headers, body)


def _find(client_dir: str | os.PathLike[str] | None, name: str) -> Path | None:
    directory = Path(client_dir) if client_dir is not None else _installed_client(Path().absolute())
    path = directory / name if directory is not None else None
    return path if path is not None and path.is_file() else None


@lru_cache(maxsize=8)
def _installed_client(directory: Path) -> Path | None:
    """The ``dist`` of an installed socket.io-client that speaks our protocol; looked for once a working directory."""
    for package in _candidates(directory):
        try:
            version = json.loads((package / "package.json").read_text("utf-8"))["version"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if str(version).startswith("4."):
            return package / "dist"
    return None


def _candidates(directory: Path) -> Iterator[Path]:
    for parent in (directory, *directory.parents):
        yield parent / "node_modules" / "socket.io-client"
    for entry in filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep)):
        yield Path(entry) / "socket.io-client"


@lru_cache(maxsize=16)
def _load(path: Path, mtime: int) -> tuple[bytes, str]:
    """A file and its strong ETag."""
    body = path.read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


@lru_cache(maxsize=32)
def _packed(path: Path, mtime: int, encoding: str) -> bytes:
    return compress(_load(path, mtime)[0], encoding)[0]


def _matches(if_none_match: str | None, tag: str) -> bool:
    """RFC 9110, 13.1.2: compared weakly."""
    if not if_none_match:
        return False
    tags = [item.strip().removeprefix("W/") for item in if_none_match.split(",")]
    return tag in tags or "*" in tags
