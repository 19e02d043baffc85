"""An application of the old kind learns to push: CherryPy, its sessions, and threads that work for minutes.

    pip install cherrypy
    python examples/cherrypy/app.py        then open http://127.0.0.1:3000 in two windows
"""

from __future__ import annotations

import os
import random
import threading
import time
from http.cookies import CookieError
from http.cookies import SimpleCookie
from pathlib import Path

import cherrypy

from socketio_sync import ConnectError
from socketio_sync import Server
from socketio_sync import WSGIApp

PAGE = Path(__file__).with_name("index.html")
MOST = 5  # reports of one user

io = Server(max_http_buffer_size=20_000)
reports = {}  # session -> its reports, by number
lock = threading.Lock()


class Site:
    """As it was before, but for the line marked "new"."""

    @cherrypy.expose
    def index(self):
        cherrypy.session["known"] = True  # CherryPy keeps a session once something is in it
        return cherrypy.lib.static.serve_file(str(PAGE), "text/html; charset=utf-8")

    @cherrypy.expose
    @cherrypy.tools.allow(methods=["POST"])
    def start(self):
        """An ordinary form: makes a report in a thread."""
        cherrypy.session["known"] = True
        with lock:
            mine = reports.setdefault(cherrypy.session.id, {})
            if len(mine) == MOST:
                del mine[min(mine)]
            number = max(mine, default=0) + 1
            mine[number] = {"number": number, "percent": 0, "state": "working"}
        threading.Thread(target=work, args=(cherrypy.session.id, mine[number]), daemon=True).start()
        raise cherrypy.HTTPRedirect("/", 303)


def work(session, report):
    """What takes so long."""
    while report["state"] == "working":
        time.sleep(0.1)
        report["percent"] = min(100, report["percent"] + random.randint(1, 5))
        if report["percent"] == 100:
            report["state"] = "done"
        io.to(f"session:{session}").emit("report", report)  # new: any thread may emit


@io.use
def recognize(socket):
    """CherryPy's session, by its cookie."""
    try:
        cookies = SimpleCookie(socket.environ.get("HTTP_COOKIE", ""))
    except CookieError:
        cookies = {}
    session = cookies["session_id"].value if "session_id" in cookies else ""
    if session not in cherrypy.lib.sessions.RamSession.cache:
        raise ConnectError("no session")
    socket.data["session"] = session
    socket.join(f"session:{session}")


@io.on("connection")
def connection(socket):
    with lock:
        mine = list(reports.get(socket.data["session"], {}).values())
    socket.emit("reports", mine)


@io.on("cancel")
def cancel(socket, number):
    mine = reports.get(socket.data["session"], {})
    report = mine.get(number) if isinstance(number, int) else None  # only one's own can be found
    if report is None or report["state"] != "working":
        return {"error": "There is no such report in the making."}
    report["state"] = "cancelled"


site = cherrypy.Application(Site(), "", {"/": {"tools.sessions.on": True, "tools.sessions.httponly": True}})
site.wsgiapp.pipeline.append(("socketio", lambda inner: WSGIApp(io, inner)))  # CherryPy's own place for it

if __name__ == "__main__":
    port = int(os.environ.get("PORT", "3000"))
    cherrypy.config.update({"server.socket_port": port, "engine.autoreload.on": False, "log.access_file": os.devnull})
    cherrypy.quickstart(site)
