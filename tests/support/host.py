"""Run one WSGI server in this process: ``python -m tests.support.host NAME MODULE:APP PORT [CERTIFICATE KEY]``."""

from __future__ import annotations

import importlib
import logging
import socketserver
import ssl
import sys
from collections.abc import Callable
from typing import Any

HOST = "127.0.0.1"


def pywsgi(app: Any, port: int, pem: list[str]) -> None:
    from gevent.pywsgi import WSGIServer

    files = {"certfile": pem[0], "keyfile": pem[1]} if pem else {}
    WSGIServer((HOST, port), app, **files).serve_forever()


def pywsgi_websocket(app: Any, port: int, pem: list[str]) -> None:
    from gevent.pywsgi import WSGIServer
    from geventwebsocket.handler import WebSocketHandler

    WSGIServer((HOST, port), app, handler_class=WebSocketHandler).serve_forever()


def werkzeug(app: Any, port: int, pem: list[str], threaded: bool = True, **options: Any) -> None:
    from werkzeug.serving import run_simple

    ssl_context = (pem[0], pem[1]) if pem else None
    run_simple(HOST, port, app, threaded=threaded, ssl_context=ssl_context, **options)


def werkzeug_debugger(app: Any, port: int, pem: list[str]) -> None:
    werkzeug(app, port, pem, use_debugger=True)


def werkzeug_single(app: Any, port: int, pem: list[str]) -> None:
    werkzeug(app, port, pem, threaded=False)


def wsgiref_single(app: Any, port: int, pem: list[str]) -> None:
    from wsgiref.simple_server import make_server

    make_server(HOST, port, app).serve_forever()


def wsgiref_threads(app: Any, port: int, pem: list[str]) -> None:
    from wsgiref.simple_server import WSGIServer
    from wsgiref.simple_server import make_server

    class Threaded(socketserver.ThreadingMixIn, WSGIServer):
        daemon_threads = True

    make_server(HOST, port, app, Threaded).serve_forever()


def django(app: Any, port: int, pem: list[str]) -> None:
    from django.conf import settings
    from django.core.servers.basehttp import run

    settings.configure()
    logging.basicConfig(level=logging.INFO)
    run(HOST, port, app, threading=True)


def cheroot(app: Any, port: int, pem: list[str]) -> None:
    from cheroot.ssl.builtin import BuiltinSSLAdapter
    from cheroot.wsgi import Server

    server = Server((HOST, port), app)
    server.error_log = lambda msg="", level=20, traceback=False: logging.error(msg, exc_info=traceback)
    if pem:
        server.ssl_adapter = BuiltinSSLAdapter(pem[0], pem[1])
    try:
        server.start()
    except KeyboardInterrupt:
        server.stop()


def waitress(app: Any, port: int, pem: list[str]) -> None:
    from waitress import serve

    serve(app, host=HOST, port=port, threads=6)


def own(app: Any, port: int, pem: list[str]) -> None:
    from socketio_sync.wsgi.serve import listen

    ssl_context = None
    if pem:
        ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ssl_context.load_cert_chain(*pem)
    listen(app.io, port, HOST, wsgi_app=app.wsgi_app, ssl_context=ssl_context)


SERVERS: dict[str, Callable[[Any, int, list[str]], None]] = {
    "pywsgi": pywsgi,
    "pywsgi-gevent-websocket": pywsgi_websocket,
    "werkzeug": werkzeug,
    "werkzeug-debugger": werkzeug_debugger,
    "werkzeug-single": werkzeug_single,
    "wsgiref": wsgiref_single,
    "wsgiref-threads": wsgiref_threads,
    "django": django,
    "cheroot": cheroot,
    "waitress": waitress,
    "own-threads": own,
    "own-gevent": own,
}


def main(name: str, target: str, port: str, *pem: str) -> None:
    """Serve until the process is told to end."""
    if name == "own-gevent":
        from gevent import monkey

        monkey.patch_all()
    logging.basicConfig(level=logging.INFO)
    module, _, attribute = target.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    SERVERS[name](app, int(port), list(pem))


if __name__ == "__main__":
    main(*sys.argv[1:])
