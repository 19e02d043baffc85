"""Pieces of JavaScript in a Node process that has the official clients, and what they return.

In each piece there are the tools of javascript.js (``connect``, ``dial``, ``once``, ``until``, ``webSocket`` ...), the
arguments by their names, and ``kept``, an object for what the next piece of the same test shall find.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

from tests.support.programs import node
from tests.support.timing import scaled

HERE = Path(__file__).parent


class JavaScriptError(AssertionError):
    """A piece has thrown; the text is its stack."""


class Undefined:
    """JavaScript's undefined, which is not null."""

    def __repr__(self) -> str:
        return "undefined"


undefined = Undefined()

_NAMED = {
    "undefined": undefined,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
    "-0": -0.0,
}


class Date(str):
    """A JavaScript Date, as it prints itself."""


class Error(Exception):
    """A JavaScript Error that was returned, not thrown."""

    def __init__(self, message: str, data: Any) -> None:
        super().__init__(message, data)
        self.message = message
        self.data = data


class Pending:
    """A piece that runs."""

    def __init__(self) -> None:
        self._outcome: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def finish(self, outcome: dict[str, Any]) -> None:
        self._outcome.put(outcome)

    def result(self, patience: float = 15) -> Any:
        """What it returns, waited for."""
        outcome = self._outcome.get(timeout=scaled(patience))
        if "error" in outcome:
            raise JavaScriptError(outcome["error"])
        return outcome.get("value", undefined)


class JavaScript:
    """A Node process."""

    def __init__(self) -> None:
        command, env = node(str(HERE / "javascript.js"))
        self._process = subprocess.Popen(
            command, env={**os.environ, **env}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._ids = itertools.count()
        self._pending: dict[int, Pending] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            outcome = json.loads(line, object_hook=_lively)
            self._pending.pop(outcome["id"]).finish(outcome)
        for pending in self._pending.values():
            pending.finish({"error": "node has ended"})

    def __call__(self, code: str, *, patience: float = 15, **args: Any) -> Any:
        """What a piece returns; a Promise is awaited."""
        return self.start(code, **args).result(patience)

    def start(self, code: str, **args: Any) -> Pending:
        """Begin a piece, for those that wait for something that this test does meanwhile."""
        id = next(self._ids)
        pending = self._pending[id] = Pending()
        self._write(json.dumps({"id": id, "code": code, "args": args}, default=_plain))
        return pending

    def reset(self) -> None:
        """Close all clients and forget what was kept."""
        self._write("reset")

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(scaled(10))
        self._reader.join(scaled(10))
        self._process.stdout.close()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    raise TypeError(f"{value!r} is nothing for JavaScript")


def _lively(value: dict[str, Any]) -> Any:
    if "$" in value:
        return _NAMED[value["$"]]
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    if "$date" in value:
        return Date(value["$date"])
    if "$error" in value:
        return Error(**value["$error"])
    return value
