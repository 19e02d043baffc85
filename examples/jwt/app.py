"""Who may come in, by JSON Web Tokens: refused with a reason, renewed while connected, ended when they run out.

    pip install flask pyjwt
    python examples/jwt/app.py                                  then open http://127.0.0.1:3000
    gunicorn -k gevent -b 127.0.0.1:3000 examples.jwt.app:app   the same under gunicorn
"""

from __future__ import annotations

import os
import secrets
import time
from functools import partial
from pathlib import Path

import jwt
from flask import Flask
from flask import request
from flask import send_file
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash

from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync import WSGIApp

PAGE = Path(__file__).with_name("index.html")
SECRET = os.environ.get("SECRET") or secrets.token_hex(32)  # a new one: a restart logs everybody out
ACCESS = int(os.environ.get("ACCESS_SECONDS", "60"))  # lives in the page, is short, opens the sockets
REFRESH = 30 * 24 * 3600  # lives in a cookie that no script can read; gets new access tokens
USERS = {"ada": (generate_password_hash("lovelace"), True), "bob": (generate_password_hash("builder"), False)}
NOBODY = generate_password_hash(secrets.token_hex())

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 10_000
io = Server(max_http_buffer_size=20_000)
admin = io.of("/admin")
app.wsgi_app = WSGIApp(io, app.wsgi_app)
ended = set()  # logins that were ended before their time; yours are in a database


# --- tokens ---


def issue(use, user, login, seconds):
    """A token for one use; ``login`` is the id of the login that it belongs to."""
    claims = {"aud": use, "sub": user, "login": login, "admin": USERS[user][1], "exp": int(time.time()) + seconds}
    return jwt.encode(claims, SECRET, "HS256")


def read(use, token):
    """The claims of a token.

    Raises:
        jwt.ExpiredSignatureError: it was one.
        jwt.InvalidTokenError: it is none, or one for another use, or its login was ended.
    """
    required = {"require": ["exp", "sub", "login"]}
    claims = jwt.decode(token, SECRET, ["HS256"], audience=use, options=required)
    if claims["login"] in ended:
        raise jwt.InvalidTokenError("this login was ended")
    return claims


@app.post("/login")
def login():
    form = request.get_json(silent=True)
    name, password = (str(form.get(key)) for key in ("name", "password")) if isinstance(form, dict) else ("", "")
    known, _ = USERS.get(name, (NOBODY, False))  # the same work for a name that nobody has
    if not check_password_hash(known, password):
        return {"error": "Name or password are wrong."}, 401
    session = secrets.token_hex(8)
    answer = app.json.response(token=issue("access", name, session, ACCESS))
    refresh = issue("refresh", name, session, REFRESH)
    safe = {"httponly": True, "samesite": "Strict", "secure": request.is_secure}
    answer.set_cookie("refresh", refresh, REFRESH, path="/token", **safe)
    return answer


@app.post("/token")
def renew():
    """A new access token for the cookie."""
    try:
        claims = read("refresh", request.cookies.get("refresh", ""))
    except jwt.InvalidTokenError as error:
        return {"error": str(error)}, 401
    return {"token": issue("access", claims["sub"], claims["login"], ACCESS)}


@app.post("/token/end")
def log_out():
    """Ends the login everywhere: no new tokens, and its sockets are closed."""
    try:
        claims = read("refresh", request.cookies.get("refresh", ""))
    except jwt.InvalidTokenError:
        return {}
    ended.add(claims["login"])
    for nsp in (io, admin):
        nsp.in_(f"login:{claims['login']}").disconnect_sockets(True)
    answer = app.json.response({})
    answer.delete_cookie("refresh", path="/token")
    return answer


# --- sockets ---


def authenticate(socket):
    """Returning lets the socket in; a ConnectError is the client's ``connect_error``, with its data."""
    try:
        claims = read("access", socket.handshake.auth.get("token"))
    except jwt.ExpiredSignatureError:
        raise ConnectError("the token has expired", {"code": "expired"}) from None
    except jwt.InvalidTokenError:
        raise ConnectError("log in first", {"code": "invalid"}) from None
    socket.data["claims"] = claims
    socket.join([f"user:{claims['sub']}", f"login:{claims['login']}"])


def only_admins(socket):
    if not socket.data["claims"]["admin"]:
        raise ConnectError("admins only", {"code": "forbidden"})


io.use(authenticate)
admin.use(authenticate)
admin.use(only_admins)


def watch():
    """The task that asks for a new token at half time, and disconnects who has none in the end."""
    while True:
        io.sleep(1)
        for nsp in (io, admin):
            for socket in nsp.sockets.values():
                left = socket.data["claims"]["exp"] - time.time()
                if left <= 0:
                    socket.disconnect()
                elif left < ACCESS / 2:
                    socket.timeout(5).emit("token?", callback=partial(take, socket))


def take(socket, token=None):
    """What the page answers."""
    try:
        claims = read("access", token)
    except jwt.InvalidTokenError:
        return  # watch() asks again, and ends it in time
    if claims["login"] == socket.data["claims"]["login"]:  # another login has other rights
        socket.data["claims"] = claims


@io.once("connection")
def start(socket):
    io.start_background_task(watch)


@io.on("who am i")
def who_am_i(socket):
    claims = socket.data["claims"]
    return {"name": claims["sub"], "admin": claims["admin"], "seconds": claims["exp"] - time.time()}


@admin.on("announce")
def announce(socket, text):
    if not isinstance(text, str) or not 1 <= len(text) <= 200:
        return {"error": "An announcement has 1 to 200 characters."}
    io.emit("announcement", socket.data["claims"]["sub"], text)


@app.get("/")
def index():
    return send_file(PAGE)


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "3000")))
