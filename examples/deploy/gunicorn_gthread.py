"""Plain threads, nothing patched: gunicorn -c gunicorn_gthread.py app:app      (pip install gunicorn)"""

bind = "127.0.0.1:8000"
worker_class = "gthread"
workers = 1  # a client's requests must all reach one process; for more processes see app@.service
threads = 4  # for your own pages: a WebSocket or a waiting poll holds none
accesslog = "-"
graceful_timeout = 10  # seconds for handlers that still run; clients are told to reconnect at once
