"""Who may come in: a middleware reads the token of the handshake and refuses with a message and data.

    python examples/auth.py        in the page: io("/", { auth: { token: "alice's token" } })
"""

from __future__ import annotations

import os

from socketio_sync import ConnectError
from socketio_sync import Server

USERS = {"alice's token": {"name": "alice", "admin": True}, "bob's token": {"name": "bob", "admin": False}}

io = Server(cors_allowed_origins="*")
admin = io.of("/admin")


def authenticate(socket):
    """Returning lets the socket in; what raises ConnectError is the client's ``connect_error``."""
    user = USERS.get(socket.handshake.auth.get("token"))
    if user is None:
        raise ConnectError("not authorized", {"hint": "log in first"})
    socket.data["user"] = user


def only_admins(socket):
    if not socket.data["user"]["admin"]:
        raise ConnectError("admins only")


io.use(authenticate)
admin.use(authenticate)
admin.use(only_admins)


@io.on("connection")
def connection(socket):
    socket.join(f"user:{socket.data['user']['name']}")  # all windows of one user


@io.on("whoami")
def whoami(socket):
    return socket.data["user"]["name"]


@admin.on("warn")
def warn(socket, name, text):
    io.to(f"user:{name}").emit("warning", text)


if __name__ == "__main__":
    io.listen(int(os.environ.get("PORT", "3000")))
