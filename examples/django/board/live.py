"""The Socket.IO side: who is logged in to the site is logged in here, and handlers use the models as views do."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from threading import Lock

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.signals import user_logged_out
from django.core.exceptions import ValidationError
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.dispatch import receiver

from board.models import Notice
from socketio_sync import ConnectError
from socketio_sync import Server

io = Server(max_http_buffer_size=20_000)
telling = Lock()


@io.wrap_handlers
@contextmanager
def connections(socket, event):
    """Around each handler what Django does around each request: without it old database connections stay open."""
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


@io.use
def log_in(socket):
    """The site's own session cookie came with the handshake."""
    request = WSGIRequest(socket.environ)
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user = get_user(request)
    if not user.is_authenticated:
        raise ConnectError("log in first", {"url": settings.LOGIN_URL})
    socket.data["user_id"] = user.pk
    socket.data["name"] = user.get_username()
    socket.join(f"session:{key}")  # takes effect when it is let in


@receiver(user_logged_out)
def log_out(sender, request, **_):
    """Who logs out in one window is out in all of them."""
    io.in_(f"session:{request.session.session_key}").disconnect_sockets()


def online_users():
    return sorted({socket.data["name"] for socket in io.fetch_sockets()})


def tell_who_is_online():
    with telling:  # or, of two who leave at once, the one who counted first may tell last
        io.emit("online", online_users())


@io.on("connection")
def connection(socket):
    notices = Notice.objects.select_related("author").order_by("-id")[:50]
    socket.emit("notices", [notice.as_dict() for notice in reversed(notices)])
    tell_who_is_online()


@io.on("disconnect")
def disconnect(socket):
    tell_who_is_online()


def clean(text):
    """What a client sent, as a text that databases take: no NUL, no half characters."""
    return text.encode("utf-8", "ignore").decode().replace("\0", "").strip() if isinstance(text, str) else ""


@io.on("write")
def write(socket, text):
    notice = Notice(author_id=socket.data["user_id"], text=clean(text))
    try:
        notice.full_clean()  # the model's own rules
    except ValidationError as error:
        return {"error": " ".join(error.message_dict["text"])}
    notice.save()
    io.emit("notice", notice.as_dict())  # the datetime travels as ISO 8601
