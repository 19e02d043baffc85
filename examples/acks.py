"""Acknowledgements both ways: the client gets answers, and the server asks its clients.

    python examples/acks.py        in a client: await socket.emitWithAck("add", 1, 2)
"""

from __future__ import annotations

import os

from socketio_sync import AckTimeout
from socketio_sync import Server

SAFE = 2**53  # from here on JavaScript's integers have gaps

io = Server(cors_allowed_origins="*")


def are_numbers(*values):
    return all(isinstance(value, int) and abs(value) < SAFE for value in values)


@io.on("add")
def add(socket, a, b):
    if not are_numbers(a, b):  # what comes from outside can be anything
        return {"error": "add takes two integers"}
    return a + b  # what a handler returns is the answer


@io.on("divide")
def divide(socket, a, b):
    if not are_numbers(a, b) or b == 0:
        return {"error": "divide takes two integers, and the second is not 0"}
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
    if not isinstance(question, str) or len(question) > 200:
        return {"error": "a question is a text of at most 200 characters"}
    try:
        answers = io.timeout(2).emit_with_ack("question", question)
    except AckTimeout as late:
        answers = late.responses
    return {"question": question, "answers": answers}


if __name__ == "__main__":
    io.listen(int(os.environ.get("PORT", "3000")))
