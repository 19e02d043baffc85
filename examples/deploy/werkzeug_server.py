"""Werkzeug's server, the one behind ``flask run``: python werkzeug_server.py

For development, or a few users in an intranet. It ends when asked to by SIGTERM or Ctrl-C.
"""

import os
import signal
import sys

from app import app
from werkzeug.serving import run_simple

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
run_simple("127.0.0.1", int(os.environ.get("PORT", "8000")), app, threaded=True)
