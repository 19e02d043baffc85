"""A Django project with a live notice board: its users, its sessions, its database, and Socket.IO beside its pages.

    pip install django
    python examples/django/manage.py migrate && python examples/django/manage.py runserver 3000

Then open http://127.0.0.1:3000 in two windows, as ada (password lovelace) and bob (password builder). In production:

    gunicorn -k gthread --threads 4 -b 127.0.0.1:3000 --chdir examples/django board.wsgi
"""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "board.settings")
    execute_from_command_line(sys.argv)
