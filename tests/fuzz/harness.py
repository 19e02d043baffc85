"""What the fuzz targets share: a source of inputs (atheris where installed, else mutations of a corpus) and a measure.

A target is a module here with a ``CORPUS`` of good inputs and a function ``target(data)``, which puts any bytes into
one decoder. It lets through a value or the decoder's own error, and checks that the value is bounded by the input;
anything else that is raised is a find.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

Target = Callable[[bytes], None]

_LONGEST = 4096
_INTERESTING = b"\x00\x01\x7f\x80\xff\x1e0123456789-:,;=/[]{}\"'\\%&b \n"


def mutations(corpus: Sequence[bytes], seed: int | str) -> Iterator[bytes]:
    """The corpus, and then endless changes of it; the same for the same seed."""
    yield b""
    yield from corpus
    source = random.Random(seed)
    while True:
        data = bytearray(source.choice(corpus))
        for _ in range(source.choice((1, 1, 2, 3, 8))):
            _change(source, data, corpus)
        yield bytes(data[:_LONGEST])


def _change(source: random.Random, data: bytearray, corpus: Sequence[bytes]) -> None:
    start = source.randint(0, len(data))
    stop = min(len(data), start + source.choice((0, 1, 1, 2, 4, 16)))
    match source.randrange(6):
        case 0:
            data[start:stop] = source.randbytes(stop - start)
        case 1:
            data[start:stop] = bytes((source.choice(_INTERESTING),))
        case 2:
            data[start:stop] = data[start:stop] * source.choice((0, 2, 3, 300))
        case 3:
            other = source.choice(corpus)
            cut = source.randint(0, len(other))
            data[start:] = other[cut:]
        case 4:
            other = source.choice(corpus)
            data[start:start] = other
        case 5 if start < len(data):
            data[start] ^= 1 << source.randrange(8)


def run(target: Target, inputs: Iterator[bytes]) -> int:
    """Put all inputs into the target; returns their number. A find says which input it was."""
    number = 0
    for data in inputs:
        try:
            target(data)
        except Exception:
            print(f"found with the input {data!r}", file=sys.stderr)
            raise
        number += 1
    return number


def weight(value: Any) -> int:
    """How much a decoded value is: one for every value in it, and the length of its texts and bytes."""
    seen: set[int] = set()
    total = 0
    pending = [value]
    while pending:
        item = pending.pop()
        total += 1
        if isinstance(item, (str, bytes)):
            # An attachment may be referred to many times; it is still one.
            total += len(item) if id(item) not in seen else 0
            seen.add(id(item))
        elif isinstance(item, dict):
            pending += item
            pending += item.values()
        elif isinstance(item, (list, tuple)):
            pending += item
    return total
