"""What the web server calls: Django's application, with Socket.IO in front. Only the last line is new."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from socketio_sync import WSGIApp

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "board.settings")
application = get_wsgi_application()  # sets Django up, so the handlers can be imported after it

from board.live import io  # noqa: E402

application = WSGIApp(io, application)
