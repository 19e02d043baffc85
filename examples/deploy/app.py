"""The application that the configurations in this folder serve; yours takes its place.

    python app.py                                    # for a look: http://127.0.0.1:8000
    gunicorn -c gunicorn_gevent.py app:app           # or any other of this folder

Its page says how it is connected: by which transport, from which address, to which worker. In the environment:

    PROXIES=1            there is one proxy in front: believe what it says about the client. Never without a proxy!
    PING_INTERVAL=25     seconds between heartbeats; with ping_timeout (20) below every time limit of the proxy
"""

from __future__ import annotations

import os

from werkzeug.middleware.proxy_fix import ProxyFix

from socketio_sync import Server
from socketio_sync import WSGIApp

io = Server(
    ping_interval=float(os.environ.get("PING_INTERVAL", "25")),
    cookie="io",  # haproxy.cfg keeps a client with its worker by this cookie
)

PAGE = b"""<!doctype html>
<meta charset="utf-8">
<title>It works</title>
<pre id="state">not connected</pre>
<script src="/socket.io/socket.io.js"></script>
<script>
    const socket = io();
    const show = async () => {
        const state = { transport: socket.io.engine.transport.name, ...(await socket.emitWithAck("hello")) };
        document.getElementById("state").textContent = JSON.stringify(state, null, 4);
    };
    socket.on("connect", () => { show(); socket.io.engine.once("upgrade", show); });
    socket.on("disconnect", (reason) => { document.getElementById("state").textContent = reason; });
</script>
"""


@io.on("hello")
def hello(socket):
    return {"address": socket.handshake.address, "secure": socket.handshake.secure, "worker": os.getpid()}


@io.on("echo")
def echo(socket, *args):
    return list(args)


@io.on("say")
def say(socket, text):
    io.emit("said", text)


def site(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]


app = WSGIApp(io, site)
if proxies := int(os.environ.get("PROXIES", "0")):
    # Around the WSGIApp, so that socket.handshake.address and .secure are the client's as well.
    app = ProxyFix(app, x_for=proxies, x_proto=proxies)

if __name__ == "__main__":
    io.listen(int(os.environ.get("PORT", "8000")), wsgi_app=site)
