"""For an application that is not ready for threads: gunicorn -c gunicorn_sync.py app:app      (pip install gunicorn)

Your pages are served one at a time, as ever. Event handlers run in threads of their own, ``handler_threads`` at once;
``Server(handler_threads=1)`` has them one at a time, too.
"""

bind = "127.0.0.1:8000"
worker_class = "sync"
workers = 1  # a client's requests must all reach one process; for more processes see app@.service
accesslog = "-"
graceful_timeout = 10  # seconds for handlers that still run; clients are told to reconnect at once
