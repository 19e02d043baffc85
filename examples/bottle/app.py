"""A poll in a Bottle application: the votes are counted live, and Bottle's signed cookie tells who has voted.

    pip install bottle
    python examples/bottle/app.py                                  then open http://127.0.0.1:3000 in two browsers
    gunicorn -k gevent -b 127.0.0.1:3000 examples.bottle.app:app   the same under gunicorn
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from pathlib import Path

import bottle

from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync import WSGIApp

HERE = Path(__file__).parent
SECRET = os.environ.get("SECRET") or secrets.token_hex(32)
DRINKS = ["Coffee", "Tea", "Chocolate", "Water"]

site = bottle.Bottle()
io = Server(max_http_buffer_size=20_000)
votes = {}  # voter -> drink


def result():
    """The drinks with their votes."""
    counted = Counter(votes.copy().values())
    return [[drink, counted[drink]] for drink in DRINKS]


@site.get("/")
def index():
    if not bottle.request.get_cookie("voter", secret=SECRET):
        voter = secrets.token_hex(8)
        bottle.response.set_cookie("voter", voter, secret=SECRET, httponly=True, samesite="lax", max_age=10**7)
    bottle.response.set_header("Cache-Control", "no-store")
    return (HERE / "index.html").read_text("utf-8")


@site.get("/result")
def as_json():
    """For those without a socket."""
    return dict(result())


@io.use
def recognize(socket):
    """Bottle's own request object reads the environ of the handshake."""
    voter = bottle.LocalRequest(socket.environ).get_cookie("voter", secret=SECRET)
    if voter is None:
        raise ConnectError("open the page first")
    socket.data["voter"] = voter
    socket.join(f"voter:{voter}")  # all windows of this browser


@io.on("connection")
def connection(socket):
    socket.emit("result", result())
    socket.emit("mine", votes.get(socket.data["voter"]))


@io.on("vote")
def vote(socket, drink):
    if drink not in DRINKS:
        return {"error": "That is not on the menu."}
    votes[socket.data["voter"]] = drink
    io.to(f"voter:{socket.data['voter']}").emit("mine", drink)
    io.emit("result", result())


app = WSGIApp(io, site)

if __name__ == "__main__":
    bottle.run(app, port=int(os.environ.get("PORT", "3000")))
