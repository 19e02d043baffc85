"""``python -m socketio_sync``: the command line."""

from __future__ import annotations

from socketio_sync.cli.main import main

if __name__ == "__main__":
    main()
