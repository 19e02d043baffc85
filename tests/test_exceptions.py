"""The exceptions as other processes get them."""

from __future__ import annotations

import pickle

import pytest

from socketio_sync import AckTimeout
from socketio_sync import ArgumentsError
from socketio_sync import ConnectError
from socketio_sync import DisconnectDetails
from socketio_sync import DisconnectedError
from socketio_sync import LimitError
from socketio_sync import TransportError


@pytest.mark.parametrize(
    "error",
    [
        ConnectError("no", {"a": 1}),
        TransportError("no", status=502),
        DisconnectedError("ping timeout", DisconnectDetails("late", code=1006)),
        AckTimeout(responses=[1]),
        ArgumentsError("chat", print, "too few"),
        LimitError("max_rooms", "too many"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_they_survive_pickling(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (type(error), str(error))
    assert {name: repr(value) for name, value in vars(copy).items()} == {
        name: repr(value) for name, value in vars(error).items()
    }
