"""Beside a Flask application, which keeps its ``app``, its routes and its command line.

    python examples/flask_app.py                                       the development server
    gunicorn -k gevent -b 127.0.0.1:3000 examples.flask_app:app        in production
"""

from __future__ import annotations

import os

from flask import Flask
from flask import request

from socketio_sync import Server
from socketio_sync import WSGIApp

app = Flask(__name__)
io = Server()
app.wsgi_app = WSGIApp(io, app.wsgi_app)


@app.get("/")
def index():
    return """
        <script src="/socket.io/socket.io.js"></script>
        <script>
            const socket = io();
            socket.on("news", (text) => document.body.append(text, document.createElement("br")));
        </script>
    """


@app.post("/news")
def publish():
    """An ordinary route tells every page: curl -d "text=hello" http://127.0.0.1:3000/news"""
    io.emit("news", request.form["text"])
    return "", 204


@io.on("connection")
def connection(socket):
    socket.emit("news", "welcome")


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "3000")))
