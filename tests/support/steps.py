"""What another thread may do between any two steps of the interpreter."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count
from types import CodeType
from types import FrameType
from typing import Any


def interrupted(step: int, code: CodeType, intruder: Callable[[], object], act: Callable[[], object]) -> None:
    """Call ``act``; before this step of a function with ``code`` in it, call ``intruder``."""

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal step
        if frame.f_code is code:
            frame.f_trace_opcodes = True
            step -= event == "opcode"
            if step == 0:
                intruder()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)


def failing_steps(fails: Callable[[int, list[int]], bool]) -> list[int]:
    """The steps at which ``fails(step, reached)`` says so; the first that is not reached is behind the last."""
    failing = []
    for step in count(1):
        reached: list[int] = []
        if fails(step, reached):
            failing.append(step)
        if not reached:
            return failing
    raise AssertionError
