"""``socketio.run``: the package's own web server, with Werkzeug's reloader and debugger where they are wanted."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any

from werkzeug._reloader import run_with_reloader
from werkzeug.debug import DebuggedApplication
from werkzeug.serving import generate_adhoc_ssl_context
from werkzeug.serving import load_ssl_context

from socketio_sync.wsgi.serve import bind
from socketio_sync.wsgi.serve import serving
from socketio_sync.wsgi.serve import wait_and_close

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication

    from socketio_sync.server.server import Server

_PORT = 5000


class WebServer:
    """Runs an application, and stops."""

    def __init__(self) -> None:
        self._running = False
        self._stopped = False

    def run(
        self, server: Server, app: Any, host: str | None, port: Any, options: dict[str, Any], *, gevent: bool
    ) -> None:
        """See ``SocketIO.run``; with ``gevent`` on gevent, else on what the Server's options say."""
        if "socketio" not in app.extensions:
            raise RuntimeError(f"run(): the application {app.name!r} has no SocketIO yet; init_app(app) comes first")
        options = dict(options)
        debug = options.pop("debug", app.debug)
        log_output = options.pop("log_output", debug)
        use_reloader = options.pop("use_reloader", debug)
        reloader_options = dict(options.pop("reloader_options", None) or {})
        extra_files = options.pop("extra_files", None)
        if extra_files:
            reloader_options["extra_files"] = extra_files
        options.pop("allow_unsafe_werkzeug", None)
        ssl_context = _ssl_context(options)
        if options:
            raise TypeError(
                f"run() has no option {', '.join(map(repr, options))}: the web server is this package's; it has host,"
                " port, debug, use_reloader, reloader_options, extra_files, log_output, ssl_context, certfile, keyfile"
            )
        if os.environ.get("FLASK_RUN_FROM_CLI") == "true":
            print(" * Ignoring a call to socketio.run(): 'flask run' serves the application.", file=sys.stderr)
            return
        app.debug = debug
        application: WSGIApplication = DebuggedApplication(app, evalex=True) if debug else app
        if log_output:
            application = _logged(application)
        address = host or "127.0.0.1", int(_port_of(app) if port is None else port)

        def serve() -> None:
            if gevent:
                server.engine.start(gevent_socket=True)
            self._serve(server, application, address, ssl_context)

        def serve_beside_the_reloader() -> None:
            serve()
            if self._stopped:  # the reloader has the main thread
                os.kill(os.getpid(), signal.SIGINT)

        if use_reloader:
            run_with_reloader(serve_beside_the_reloader, **reloader_options)
        else:
            serve()

    def _serve(self, server: Server, app: WSGIApplication, address: tuple[str, int], ssl_context: Any) -> None:
        host, port = address
        self._stopped = False
        with bind(host, port) as listener, serving(server, app, listener, host, ssl_context) as listening:
            self._running = True
            try:
                wait_and_close(server, f"Socket.IO listens on {listening.url}", lambda: self._stopped)
            finally:
                self._running = False

    def stop(self) -> None:
        """See ``SocketIO.stop``."""
        if not self._running:
            raise RuntimeError("stop() ends what socketio.run() serves: another web server is stopped by its own means")
        self._stopped = True


def _port_of(app: Any) -> int:
    name = app.config["SERVER_NAME"]
    return int(name.rsplit(":", 1)[1]) if name and ":" in name else _PORT


def _ssl_context(options: dict[str, Any]) -> Any:
    """The context that these options name; takes them out."""
    context = options.pop("ssl_context", None)
    certfile = options.pop("certfile", None)
    keyfile = options.pop("keyfile", None)
    if certfile is not None:
        context = (certfile, keyfile)
    if isinstance(context, (tuple, list)):
        return load_ssl_context(*context)
    return generate_adhoc_ssl_context() if context == "adhoc" else context


def _logged(app: WSGIApplication) -> WSGIApplication:
    """A line on standard error for each request."""

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            line = f'"{environ["REQUEST_METHOD"]} {environ.get("PATH_INFO", "")}"'
            print(f"{environ.get('REMOTE_ADDR', '-')} {line} {status.split(' ')[0]}", file=sys.stderr, flush=True)
            return start_response(status, headers, *exc_info)

        return app(environ, start)

    return application
