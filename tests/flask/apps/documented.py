"""What Flask-SocketIO's documentation shows, in our own words: one application for their package and for ours.

``FLAVOUR=theirs`` imports Flask-SocketIO. Nothing else differs, not even by a line.
"""

from __future__ import annotations

import functools
import os

from flask import Blueprint
from flask import Flask
from flask import current_app
from flask import g
from flask import request
from flask import session
from flask_login import LoginManager
from flask_login import UserMixin
from flask_login import current_user
from flask_login import login_user

if os.environ.get("FLAVOUR") == "theirs":
    from flask_socketio import ConnectionRefusedError
    from flask_socketio import Namespace
    from flask_socketio import SocketIO
    from flask_socketio import call
    from flask_socketio import close_room
    from flask_socketio import disconnect
    from flask_socketio import emit
    from flask_socketio import join_room
    from flask_socketio import leave_room
    from flask_socketio import rooms
    from flask_socketio import send
else:
    from socketio_sync.flask import ConnectionRefusedError
    from socketio_sync.flask import Namespace
    from socketio_sync.flask import SocketIO
    from socketio_sync.flask import call
    from socketio_sync.flask import close_room
    from socketio_sync.flask import disconnect
    from socketio_sync.flask import emit
    from socketio_sync.flask import join_room
    from socketio_sync.flask import leave_room
    from socketio_sync.flask import rooms
    from socketio_sync.flask import send

socketio = SocketIO()
login = LoginManager()
pages = Blueprint("pages", __name__)
seen = []  # what happened on the server, for the page /seen


class User(UserMixin):
    def __init__(self, name):
        self.id = self.name = name


login.user_loader(User)


def authenticated_only(handler):
    @functools.wraps(handler)
    def wrapped(*args, **kwargs):
        if not current_user.is_authenticated:
            disconnect()
        else:
            return handler(*args, **kwargs)

    return wrapped


# -- HTTP routes, in a blueprint --


@pages.get("/")
def index():
    return "documented"


@pages.get("/login/<name>")
def log_in(name):
    login_user(User(name))
    session["colour"] = "green"
    return "welcome"


@pages.get("/session")
def show_session():
    return {"colour": session.get("colour")}


@pages.get("/seen")
def show_seen():
    return {"seen": seen}


@pages.post("/news/<text>")
def publish(text):
    socketio.emit("news", {"text": text})
    emit("more news", text, namespace="/", broadcast=True)
    return "", 204


# -- connecting --


@socketio.on("connect")
def connect(auth):
    if auth and auth.get("token") == "wrong":
        return False
    if auth and auth.get("token") == "banned":
        raise ConnectionRefusedError("unauthorized!", {"until": "tomorrow"})
    if auth and auth.get("token") == "plain":
        raise ConnectionRefusedError
    emit("my response", {"data": "Connected", "auth": auth})
    join_room("lobby")
    emit("somebody came", to="lobby", include_self=False)


@socketio.on("disconnect")
def gone(reason):
    seen.append(["disconnect", reason, current_app.name])
    socketio.emit("somebody left", reason)


# -- receiving --


@socketio.on("message")
def handle_message(message):
    send(message)


@socketio.on("json")
def handle_json(json):
    send(json, json=True)


@socketio.on("my event")
def handle_my_event(data):
    emit("my response", data)
    return "one", 2


@socketio.event
def my_custom_event(arg1, arg2, arg3):
    emit("my response", (arg1, arg2, arg3))
    return [arg1, arg2, arg3]


@socketio.on("nothing")
def answer_nothing():
    pass


def plain_function(data):
    return {"by": "on_event", "data": data}


socketio.on_event("plain", plain_function)


@socketio.on("who am i")
def who():
    return {
        "sid": request.sid in rooms(),
        "namespace": request.namespace,
        "event": request.event["message"],
        "args": list(request.event["args"]),
        "query": request.args.get("page"),
        "user": current_user.name if current_user.is_authenticated else None,
        "colour": session.get("colour"),
        "g": g.get("left over"),
    }


@socketio.on("paint")
def paint(colour):
    session["colour"] = colour
    setattr(g, "left over", True)


@socketio.on("secret")
@authenticated_only
def secret(question):
    return f"{current_user.name} asked {question}"


# -- sending --


@socketio.on("broadcast")
def broadcast(data):
    emit("to all", data, broadcast=True)


@socketio.on("others")
def others(data):
    emit("to others", data, broadcast=True, include_self=False)


@socketio.on("skip")
def skip(sid, data):
    emit("to some", data, broadcast=True, skip_sid=sid)


@socketio.on("tell")
def tell(sid, data):
    emit("told", data, to=sid)
    send(data, to=[sid])


@socketio.on("elsewhere")
def elsewhere(data):
    emit("from elsewhere", data, namespace="/test", broadcast=True)


@socketio.on("with callback")
def with_callback(data):
    def acknowledged(*args):
        emit("acknowledged", [request.namespace, *args])

    emit("please answer", data, callback=acknowledged)


@socketio.on("ask me")
def ask_me(question):
    return {"you said": call("question", question, timeout=10)}


@socketio.on("background")
def background(count):
    sid = request.sid

    def work():
        for number in range(count):
            socketio.sleep(0.01)
            socketio.emit("progress", number, to=sid)

    socketio.start_background_task(work)


@socketio.on("binary")
def binary(data):
    emit("bytes back", {"size": len(data), "data": data})
    return data[::-1]


# -- rooms --


@socketio.on("join")
def on_join(data):
    join_room(data["room"])
    send(data["username"] + " has entered the room.", to=data["room"])


@socketio.on("leave")
def on_leave(data):
    leave_room(data["room"])
    send(data["username"] + " has left the room.", to=data["room"])


@socketio.on("close")
def on_close(room):
    close_room(room)
    emit("closed", sorted(room for room in rooms() if room != request.sid))


@socketio.on("leave me")
def leave_me():
    disconnect()


# -- errors --


@socketio.on("fail")
def fail(data):
    raise RuntimeError("it failed")


@socketio.on("fail", namespace="/test")
def fail_too(data):
    raise RuntimeError("it failed, too")


@socketio.on_error()
def on_error(error):
    return f"{type(error).__name__} in {request.event['message']} {list(request.event['args'])}"


@socketio.on_error_default
def on_any_error(error):
    return f"default: {error}"


# -- namespaces --


@socketio.on("connect", namespace="/test")
def connect_test():
    emit("my response", "test")


@socketio.on("connect", namespace="/arrivals")
def arrive():
    join_room("hall")
    emit("to the hall", to="hall")
    emit("to everybody", broadcast=True)
    emit("to me", callback=lambda *args: None)
    socketio.emit("by the object", namespace="/arrivals")
    emit("in rooms", len(rooms()))


@socketio.on("disconnect", namespace="/arrivals")
def depart():
    emit("was in rooms", len(rooms()), broadcast=True)


@socketio.on("my event", namespace="/test")
def handle_in_test(data):
    emit("my response", [request.namespace, data])


@socketio.on("*", namespace="/any")
def catch_all(event, *args):
    return [event, *args]


@socketio.on("special", namespace="/any")
def special():
    return "special"


class MyCustomNamespace(Namespace):
    def on_connect(self):
        emit("my response", "class")

    def on_disconnect(self, reason):
        seen.append(["class", reason])

    def on_my_event(self, data):
        emit("my response", data)
        self.emit("to everybody", data)
        return "from a class"

    def on_fail(self):
        raise ValueError("wrong")

    def on_room(self, room):
        join_room(room)
        self.send("entered", room=room)
        self.close_room(room)
        self.send("nobody hears it", room=room)


class Careful(Namespace):
    def on_connect(self, auth=None):
        if auth is None:
            raise ConnectionRefusedError("who?")

    def trigger_event(self, event, *args):
        return super().trigger_event(event.replace("-", "_"), *args)

    def on_odd_name(self, value):
        return value


socketio.on_namespace(MyCustomNamespace("/class"))
socketio.on_namespace(Careful("/careful"))


def create_app():
    app = Flask("documented")
    app.config["SECRET_KEY"] = "secret!"
    app.register_blueprint(pages)
    login.init_app(app)
    socketio.init_app(app)
    return app


app = create_app()

if __name__ == "__main__":
    socketio.run(app, port=int(os.environ["PORT"]), allow_unsafe_werkzeug=True)
