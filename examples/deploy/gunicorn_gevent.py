"""The usual choice: gunicorn -c gunicorn_gevent.py app:app      (pip install "gunicorn[gevent]")"""

bind = "127.0.0.1:8000"
worker_class = "gevent"
workers = 1  # a client's requests must all reach one process; for more processes see app@.service
accesslog = "-"
graceful_timeout = 10  # seconds for handlers that still run; clients are told to reconnect at once
