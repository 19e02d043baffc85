"""An application for all ways to run one; RUN has the options of ``socketio.run``, MODE the async_mode."""

from __future__ import annotations

import json
import os

from flask import Flask
from flask import request

from socketio_sync.flask import SocketIO

VERSION = "one"

app = Flask(__name__)
socketio = SocketIO(app, async_mode=os.environ.get("MODE"))


@app.get("/")
def index():
    return VERSION


@app.get("/mode")
def mode():
    return socketio.async_mode


@app.get("/fail")
def fail():
    raise RuntimeError("on purpose")


@app.get("/stop")
def stop():
    socketio.stop()
    return "stopping"


@socketio.on("version")
def version():
    return VERSION, request.environ["wsgi.url_scheme"]


@socketio.on("stop")
def stop_by_event():
    socketio.stop()
    return "stopping"


if __name__ == "__main__":
    socketio.run(app, port=int(os.environ["PORT"]), **json.loads(os.environ.get("RUN", "{}")))
