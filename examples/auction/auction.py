"""An auction and its tests: who bids last before ten quiet seconds gets it.

    python examples/auction/auction.py
    python -m pytest examples/auction
"""

from __future__ import annotations

import os

from socketio_sync import AckTimeout
from socketio_sync import ConnectError
from socketio_sync import Server

QUIET = 10
MUCH = 1000


def make_io() -> Server:
    io = Server(connection_state_recovery=True)
    highest = {"price": 0, "bidder": None}

    @io.use
    def login(socket):
        name = socket.handshake.auth.get("name")
        if not isinstance(name, str) or not 1 <= len(name) <= 20:
            raise ConnectError("who are you?")
        socket.data["name"] = name

    @io.on("bid")
    def bid(socket, price):
        if not isinstance(price, int):  # what comes from outside can be anything
            return False
        if price > MUCH and not is_sure(socket, price):
            return False
        if price <= highest["price"]:
            return False
        highest.update(price=price, bidder=socket.data["name"])
        io.emit("price", price)
        io.start_background_task(hammer, price)
        return True

    def is_sure(socket, price):
        try:
            return socket.timeout(5).emit_with_ack("really?", price) is True
        except AckTimeout:
            return False

    def hammer(price):
        io.sleep(QUIET)
        if highest["price"] == price:
            io.emit("sold", highest["bidder"], price)

    return io


if __name__ == "__main__":
    make_io().listen(int(os.environ.get("PORT", "3000")))
