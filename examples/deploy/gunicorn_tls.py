"""TLS ended by the server, without a proxy: gunicorn -c gunicorn_tls.py app:app      (pip install "gunicorn[gevent]")

With gevent, since a WebSocket over TLS stays in the server's hands: here it holds a greenlet, elsewhere a thread.
"""

bind = "0.0.0.0:443"
certfile = "/etc/ssl/certs/site.pem"  # with the whole chain
keyfile = "/etc/ssl/private/site.key"
worker_class = "gevent"
workers = 1
worker_connections = 10_000  # each client counts: these connections cannot be taken from gunicorn
accesslog = "-"
graceful_timeout = 10
