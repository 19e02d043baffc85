"""The chat of ``socketio-sync demo``: its server, its page, and the browser's client, so that it needs no network."""
