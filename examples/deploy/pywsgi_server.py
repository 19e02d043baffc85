"""gevent's own server: python pywsgi_server.py

It ends when asked to by SIGTERM or Ctrl-C; clients are told to reconnect, handlers may finish.
"""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()  # before all other imports

import os
import signal

import gevent
from app import app
from gevent.pywsgi import WSGIServer

server = WSGIServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), app)
gevent.signal_handler(signal.SIGTERM, server.stop)
gevent.signal_handler(signal.SIGINT, server.stop)
server.serve_forever()
