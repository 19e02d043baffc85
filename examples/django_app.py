"""Beside a Django project: in its ``wsgi.py`` only the last two lines change. (The settings are here to make one file.)

    gunicorn -k gevent -b 127.0.0.1:3000 examples.django_app:application
    python examples/django_app.py
"""

from __future__ import annotations

import os
from wsgiref.simple_server import make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

from socketio_sync import Server
from socketio_sync import WSGIApp

io = Server()


def online(request):
    """A view that asks the server."""
    return JsonResponse({"online": len(io.sockets)})


@io.on("greet")
def greet(socket, name):
    return f"hello {name}"


urlpatterns = [path("online", online)]
settings.configure(ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, SECRET_KEY="an example's")

application = get_wsgi_application()
application = WSGIApp(io, application)

if __name__ == "__main__":
    make_server("127.0.0.1", int(os.environ.get("PORT", "3000")), application).serve_forever()
