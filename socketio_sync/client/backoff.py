"""How long to wait before the next attempt. Pure: chance comes in as a function."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Delays that double from ``least`` to ``most`` seconds, each then shifted at random by a share of itself.

    The reference cuts to ``most`` after the shift, so that from the fifth attempt on all clients of a server that
    restarts come at the same moments. Here the jitter comes last.

    Args:
        least, most: seconds.
        jitter: 0 to 1; 0.5 makes 5 seconds anything from 2.5 to 7.5.
        chance: returns a number from 0 to 1.
    """

    __slots__ = ("_chance", "_jitter", "_least", "_most", "_next")

    def __init__(
        self, least: float, most: float, jitter: float, chance: Callable[[], float] = random.random
    ) -> None:
        self._least = least
        self._most = most
        self._jitter = jitter
        self._chance = chance
        self._next = least

    def delay(self) -> float:
        """Seconds to wait now."""
        base = min(self._next, self._most)
        self._next = base * 2
        return base * (1 + self._jitter * (2 * self._chance() - 1))
