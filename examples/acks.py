"""Acknowledgements both ways: the client gets answers, and the server asks its clients.

    python examples/acks.py        in the page: await socket.emitWithAck("add", 1, 2)
"""

from __future__ import annotations

import os

from socketio_sync import AckTimeout
from socketio_sync import Server

io = Server(cors_allowed_origins="*")


@io.on("add")
def add(socket, a, b):
    return a + b  # what a handler returns is the answer


@io.on("divide")
def divide(socket, a, b):
    return (a // b, a % b)  # a tuple is several arguments


@io.on("slow")
def slow(socket, ack):
    """A parameter named ``ack`` answers later, from wherever you like; the client's other events go on meanwhile."""

    def work():
        io.sleep(0.1)
        ack("done")

    io.start_background_task(work)


@io.on("survey")
def survey(socket, question):
    """Asks every client and waits at most 2 seconds; a handler may block, all other clients go on."""
    try:
        answers = io.timeout(2).emit_with_ack("question", question)
    except AckTimeout as late:
        answers = late.responses
    return {"question": question, "answers": answers}


if __name__ == "__main__":
    io.listen(int(os.environ.get("PORT", "3000")))
