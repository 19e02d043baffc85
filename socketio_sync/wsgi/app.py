"""The WSGI application: requests under the path go to the engine, all others to the application inside."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

from socketio_sync.engine.http import Request
from socketio_sync.engine.http import Response
from socketio_sync.wsgi import client_files
from socketio_sync.wsgi.adopt import ServerPeer
from socketio_sync.wsgi.adopt import find_peer
from socketio_sync.wsgi.gunicorn import leave_gunicorn
from socketio_sync.wsgi.shutdown import HostWatch

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication


class Endpoint(Protocol):
    """What is served: an Engine, as a Server has one."""

    @property
    def options(self) -> Any: ...
    @property
    def handle(self) -> Callable[[Request], Response]: ...
    @property
    def start(self) -> Callable[[bool | None], Any]: ...


class WSGIApp:
    """Serve Socket.IO, or Engine.IO alone, on any WSGI server, in front of another application.

    Args:
        io: a Server, or an Engine.
        wsgi_app: gets every request that is not for ``io``; without it they are answered with 404.

    Attributes:
        io: what it serves.
        wsgi_app: the application inside, or None.

    Raises:
        TypeError: ``io`` is neither, or ``wsgi_app`` cannot be called.
        ValueError: ``wsgi_app`` serves this server already, or another one at the same path.
    """

    def __init__(self, io: Any, wsgi_app: WSGIApplication | None = None) -> None:
        engine = getattr(io, "engine", io)
        if not callable(getattr(engine, "handle", None)) or not hasattr(engine, "options"):
            raise TypeError(f"WSGIApp serves a Server or an Engine, not {io!r}")
        if wsgi_app is not None and not callable(wsgi_app):
            raise TypeError(f"wsgi_app must be a WSGI application, not {wsgi_app!r}")
        self.wsgi_app = wsgi_app
        self.io = io
        self._engine: Endpoint = engine
        self._watch = HostWatch(io, engine)
        self._directory = _wire_path(engine.options.path)
        self._path = self._directory if engine.options.add_trailing_slash else self._directory.rstrip("/") or "/"
        self._refuse_twice(wsgi_app)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """One request, by PEP 3333."""
        path: str = environ.get("PATH_INFO", "")
        if path == self._path:
            return self._serve(environ, start_response)
        if path.startswith(self._directory):
            name = path[len(self._directory) :]
            if name in client_files.CONTENT_TYPES and getattr(self._engine.options, "serve_client", False):
                request = Request(environ, find_peer(environ))
                return _respond(client_files.serve(self._engine.options, request, name), request, start_response)
        if self.wsgi_app is not None:
            return self.wsgi_app(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "9")])
        return [b"Not Found" if environ["REQUEST_METHOD"] != "HEAD" else b""]

    def _serve(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        peer = find_peer(environ)
        request = Request(environ, peer)
        self._watch.request_came(self._engine, peer.is_gevent)
        response = self._engine.handle(request)
        if peer.spare is None and not (peer.kind == "hold" and peer.bury_if_gone()):
            return _respond(response, request, start_response)
        # The socket is ours: what the server writes reaches nobody, but its access log shows the status.
        start_response(response.status, [])
        return Left(peer, start_response)

    def _refuse_twice(self, app: Any) -> None:
        """Follow the applications inside: a Flask app has its ``wsgi_app`` as we have."""
        seen = set()
        while app is not None and id(app) not in seen:
            seen.add(id(app))
            if isinstance(app, WSGIApp):
                if app._engine is self._engine:
                    raise ValueError(f"{self.io!r} is served already by the application inside")
                if app._path == self._path:
                    raise ValueError(f"another server has the path {self._path!r} already: give one another path")
            app = getattr(app, "wsgi_app", None)

    def __repr__(self) -> str:
        return f"<WSGIApp {self._path!r} {self.io!r}>"


class Left(list[bytes]):
    """The empty body with which a server is left whose socket was taken; it is closed when the server has written.

    One empty string makes uWSGI write the headers before it closes the response instead of after it.
    """

    def __init__(self, peer: ServerPeer, start_response: StartResponse) -> None:
        super().__init__([b""])
        self._spare = peer.spare
        self._start_response = start_response

    def __iter__(self) -> Iterator[bytes]:
        """The server writes now: no middleware can fail any more, and want its answer logged."""
        leave_gunicorn(self._start_response)
        return super().__iter__()

    def close(self) -> None:
        """PEP 3333: the server is done with the response."""
        if self._spare is not None:
            self._spare.close()


def _respond(response: Response, request: Request, start_response: StartResponse) -> Iterable[bytes]:
    # How the connection goes on is the server's to say: waitress raises for a hop-by-hop header (PEP 3333).
    start_response(response.status, [header for header in response.headers if header[0].lower() != "connection"])
    return [response.body] if response.body and request.method != "HEAD" else []


def _wire_path(path: str) -> str:
    """A path option as PATH_INFO has it (bytes disguised as Latin-1), with one slash at both ends."""
    path = path.strip("/").encode("utf-8").decode("latin-1")
    return f"/{path}/" if path else "/"
