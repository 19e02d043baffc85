"""An application for all ways to run one; RUN has the options of ``socketio.run``, MODE the async_mode."""

from __future__ import annotations

import json
import os

from flask import Flask
from flask import g
from flask import request
from flask import session

from socketio_sync.flask import SocketIO
from socketio_sync.flask import emit

VERSION = "one"

app = Flask(__name__)
app.secret_key = "secret"
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


@socketio.on("connect")
def connect():
    session["sid"] = request.sid


@socketio.on("who")
def who(number):
    g.number = number
    socketio.sleep(number % 7 / 1000)
    emit("mine", (request.sid, g.number))
    return [request.sid, session["sid"], g.number, request.event["args"][0]]


if __name__ == "__main__":
    socketio.run(app, port=int(os.environ["PORT"]), **json.loads(os.environ.get("RUN", "{}")))
