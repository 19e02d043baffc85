"""A chat in Flask: people sign in on an ordinary page, and their name is in Flask's session.

    python examples/flask_chat/app.py                                        then open http://127.0.0.1:3000
    gunicorn -k gevent -b 127.0.0.1:3000 examples.flask_chat.app:app         the same under gunicorn
    flask --app examples/flask_chat/app.py run --debug                       with Flask's reloader and debugger
"""

from __future__ import annotations

import os
from collections import deque
from datetime import datetime
from datetime import timezone

from flask import Flask
from flask import redirect
from flask import render_template
from flask import request
from flask import session

from socketio_sync.flask import ConnectionRefusedError
from socketio_sync.flask import SocketIO
from socketio_sync.flask import emit

app = Flask(__name__)
app.secret_key = os.environ.get("SECRET_KEY", "only for trying it out")
socketio = SocketIO(app)

people = {}  # the sid of each window -> the name
messages = deque(maxlen=50)


def clean(text, longest):
    """A text of 1 to ``longest`` characters without the space around it; else None."""
    text = text.strip() if isinstance(text, str) else ""
    return text if 1 <= len(text) <= longest else None


@app.get("/")
def index():
    return render_template("chat.html" if "name" in session else "sign_in.html")


@app.post("/sign-in")
def sign_in():
    name = clean(request.form.get("name"), 20)
    if name is None:
        return render_template("sign_in.html", problem="A name has 1 to 20 characters."), 400
    session["name"] = name
    return redirect("/")


@app.post("/sign-out")
def sign_out():
    session.clear()
    return redirect("/")


@socketio.on("connect")
def connect():
    if "name" not in session:
        raise ConnectionRefusedError("Please sign in first.")
    people[request.sid] = session["name"]
    emit("history", list(messages))
    show_people()


@socketio.on("disconnect")
def leave():
    people.pop(request.sid, None)
    show_people()


@socketio.on("say")
def say(text):
    text = clean(text, 2000)
    if text is None:
        return {"error": "A message has 1 to 2000 characters."}
    message = {"name": session["name"], "text": text, "time": datetime.now(timezone.utc)}
    messages.append(message)
    emit("said", message, broadcast=True)
    return None


@socketio.on("typing")
def typing():
    emit("typing", session["name"], broadcast=True, include_self=False)


def show_people():
    emit("people", sorted(set(people.values())), broadcast=True)


if __name__ == "__main__":
    socketio.run(app, port=int(os.environ.get("PORT", "3000")))
