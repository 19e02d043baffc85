"""``python -m tests.fuzz <target>`` runs one target until it finds something, or Ctrl-C.

With atheris, libFuzzer's options may follow, such as ``-max_total_time=60``. Files given as arguments, such as those
which libFuzzer leaves behind, are run alone.
"""

from __future__ import annotations

import contextlib
import importlib
import pathlib
import random
import sys
import tempfile

from tests.fuzz.harness import mutations
from tests.fuzz.harness import run

try:
    import atheris
except ImportError:
    atheris = None


def main(name: str, *arguments: str) -> None:
    """Fuzz the target of this name."""
    # atheris follows the branches only of what is imported here.
    with atheris.instrument_imports(include=["socketio_sync"]) if atheris else contextlib.nullcontext():
        module = importlib.import_module(f"tests.fuzz.{name}")
    files = [pathlib.Path(argument) for argument in arguments if pathlib.Path(argument).is_file()]
    if files:
        run(module.target, (file.read_bytes() for file in files))
    elif atheris:
        with tempfile.TemporaryDirectory() as folder:
            for number, data in enumerate(module.CORPUS):
                (pathlib.Path(folder) / str(number)).write_bytes(data)
            # libFuzzer writes what it learns into the first folder given, so this one comes last.
            atheris.Setup([sys.argv[0], *arguments, folder], module.target)
            atheris.Fuzz()
    else:
        seed = random.randrange(1 << 32)
        print(f"atheris is not installed: mutating the corpus, seed {seed}", file=sys.stderr)
        run(module.target, mutations(module.CORPUS, seed))


if __name__ == "__main__":
    main(*sys.argv[1:])
