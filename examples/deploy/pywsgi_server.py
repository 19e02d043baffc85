"""gevent's own server: python pywsgi_server.py

It ends when asked to by SIGTERM or Ctrl-C; clients are told to reconnect, handlers may finish.
"""

from gevent import monkey

monkey.patch_all()  # before all other imports

import os  # noqa: E402
import signal  # noqa: E402

import gevent  # noqa: E402
from app import app  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402

server = WSGIServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), app)
gevent.signal_handler(signal.SIGTERM, server.stop)
gevent.signal_handler(signal.SIGINT, server.stop)
server.serve_forever()
