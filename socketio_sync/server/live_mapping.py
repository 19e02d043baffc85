"""A read-only view of a dict that other threads change."""

from __future__ import annotations

from collections.abc import ItemsView
from collections.abc import Iterator
from collections.abc import KeysView
from collections.abc import Mapping
from collections.abc import ValuesView
from typing import Any
from typing import TypeVar

Value = TypeVar("Value")


class LiveMapping(Mapping[str, Value]):
    """Looks up in the dict as it is now; iterates over a copy, which nobody changes meanwhile."""

    __slots__ = ("_live",)

    def __init__(self, live: dict[str, Value]) -> None:
        self._live = live

    def __getitem__(self, key: str) -> Value:
        return self._live[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The value of the key, or ``default``."""
        return self._live.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._live

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[str]:
        # Copying a dict is one step of the interpreter; iterating over it is not.
        return iter(self._live.copy())

    def keys(self) -> KeysView[str]:
        """A view of a copy."""
        return self._live.copy().keys()

    def values(self) -> ValuesView[Value]:
        """A view of a copy."""
        return self._live.copy().values()

    def items(self) -> ItemsView[str, Value]:
        """A view of a copy."""
        return self._live.copy().items()

    def __repr__(self) -> str:
        return f"<LiveMapping of {len(self._live)}>"
