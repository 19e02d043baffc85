"""python-socketio, the class for WSGI: under gunicorn ``python_socketio:app``, or ``python python_socketio.py PORT``.

By itself it runs on gevent's pywsgi with gevent-websocket, the fastest of the ways that its documentation names.
ASYNC_MODE is python-socketio's own option: gevent, or threading.
"""

import os
import sys

ASYNC_MODE = os.environ.get("ASYNC_MODE", "gevent")
if ASYNC_MODE == "gevent":
    from gevent import monkey

    monkey.patch_all()

import socketio  # noqa: E402

sio = socketio.Server(
    async_mode=ASYNC_MODE, max_http_buffer_size=4_000_000, ping_interval=float(os.environ.get("PING_INTERVAL", 25))
)
app = socketio.WSGIApp(sio)


@sio.event
def echo(sid, payload):
    return payload


@sio.event
def bcast(sid, payload):
    sio.emit("bcast", payload)


@sio.event
def say(sid, room, payload):
    sio.emit("bcast", payload, to=room)


@sio.event
def join(sid, rooms):
    for room in rooms:
        sio.enter_room(sid, room)
    return len(rooms)


@sio.event
def leave(sid, rooms):
    for room in rooms:
        sio.leave_room(sid, room)
    return len(rooms)


@sio.event
def sink(sid, *payload):
    pass


if __name__ == "__main__":
    from gevent.pywsgi import WSGIServer
    from geventwebsocket.handler import WebSocketHandler

    server = WSGIServer(("127.0.0.1", int(sys.argv[1])), app, log=None, backlog=4096, handler_class=WebSocketHandler)
    server.serve_forever()
