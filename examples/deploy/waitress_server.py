"""waitress, also on Windows: python waitress_server.py      (pip install waitress)

Long-polling only: waitress does not let a client's socket be reached. A waiting poll holds a thread. How many threads
there are cannot be seen, so say in ``Server(max_held_requests=12)`` how many may be held at once: without it two, and
polls beyond that take turns, a second each.
"""

import os
import signal
import threading

from app import app
from app import io
from waitress import serve


def stop():
    io.close()  # answers the polls; waitress's own loop, in the main thread, sends the answers meanwhile
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=stop).start())
serve(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), threads=16)
