"""A chat with rooms, nicknames, who is typing, and pictures.

    python examples/chat/app.py                                  then open http://127.0.0.1:3000
    gunicorn -k gevent -b 127.0.0.1:3000 examples.chat.app:app   the same under gunicorn

Some 90 lines of it are in ``socketio_sync/demo/chat.py``, the page is beside them: ``socketio-sync demo`` has it too.
"""

from __future__ import annotations

import os

from socketio_sync.demo.chat import app as app
from socketio_sync.demo.chat import io
from socketio_sync.demo.chat import page

if __name__ == "__main__":
    io.listen(int(os.environ.get("PORT", "3000")), wsgi_app=page)
