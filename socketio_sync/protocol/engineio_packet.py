"""Engine.IO packets as they travel: the unit of queueing and its wire forms.

An EncodedPacket is one Socket.IO packet with all its attachments (or one control packet), so that nothing can come
between them. It is immutable and shared by every recipient of a broadcast; each wire form is made once, when first
asked for, and kept by its form (a race between two threads makes it twice, to the same value).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from socketio_sync.protocol.websocket import binary_frame
from socketio_sync.protocol.websocket import deflated_binary_frame
from socketio_sync.protocol.websocket import deflated_text_frame
from socketio_sync.protocol.websocket import text_frame

OPEN = "0"
CLOSE = "1"
PING = "2"
PONG = "3"
MESSAGE = "4"
UPGRADE = "5"
NOOP = "6"


def _frame(type: str, message: str | bytes) -> bytes:
    return text_frame(type + message) if isinstance(message, str) else binary_frame(message)


class EncodedPacket:
    """One packet and its attachments, ready for any transport.

    Args:
        messages: the payloads in order, without the type digit: str is text, bytes is binary.
        type: the Engine.IO type digit of the text messages; binary is always a message.
        compress: False asks the transports not to compress it.
    """

    __slots__ = ("_deflated", "_frames", "_polling", "_websocket_v3", "compress", "messages", "type")

    def __init__(self, messages: Sequence[str | bytes], *, type: str = MESSAGE, compress: bool = True) -> None:
        self.messages = tuple(messages)
        self.type = type
        self.compress = compress
        self._frames: bytes | None = None
        # The other forms have no value until one is asked for: most packets never are.
        self._websocket_v3: bytes
        self._polling: tuple[str, ...]
        self._deflated: tuple[int, bytes]

    @property
    def size(self) -> int:
        """Characters and bytes: not the exact length on the wire, but exact for ASCII; it bounds queues."""
        return sum(map(len, self.messages)) + len(self.messages)

    def websocket_frames(self) -> bytes:
        """The finished unmasked WebSocket frames of Engine.IO 4: one a message."""
        frames = self._frames
        if frames is None:
            messages = self.messages
            if len(messages) == 1 and messages[0].__class__ is str:
                frames = text_frame(self.type + messages[0])
            else:
                frames = b"".join([_frame(self.type, message) for message in messages])
            self._frames = frames
        return frames

    @property
    def websocket(self) -> bytes:
        """The same as ``websocket_frames``."""
        return self.websocket_frames()

    @property
    def websocket_v3(self) -> bytes:
        """The same for Engine.IO 3, whose binary frames begin with the type byte."""
        if not hasattr(self, "_websocket_v3"):
            self._websocket_v3 = b"".join(
                text_frame(self.type + message) if isinstance(message, str) else binary_frame(b"\x04" + message)
                for message in self.messages
            )
        return self._websocket_v3

    @property
    def websocket_base64(self) -> bytes:
        """The frames for a client that cannot take binary ones: its binary as base64 text (not kept: rare)."""
        return b"".join(map(text_frame, self.polling))

    def deflated(self, threshold: int) -> bytes:
        """The frames with messages of at least ``threshold`` bytes compressed (RFC 7692), without context takeover."""
        if not self.compress:
            return self.websocket
        if not hasattr(self, "_deflated") or self._deflated[0] != threshold:
            parts = []
            for message in self.messages:
                if isinstance(message, str):
                    text = self.type + message
                    parts.append(deflated_text_frame(text) if len(text) >= threshold else text_frame(text))
                else:
                    compress = len(message) >= threshold
                    parts.append(deflated_binary_frame(message) if compress else binary_frame(message))
            self._deflated = (threshold, b"".join(parts))
        return self._deflated[1]

    @property
    def polling(self) -> tuple[str, ...]:
        """The packets of an Engine.IO 4 payload: binary as ``b`` and base64, without a type digit."""
        if not hasattr(self, "_polling"):
            self._polling = tuple(
                self.type + message if isinstance(message, str) else "b" + base64.b64encode(message).decode("ascii")
                for message in self.messages
            )
        return self._polling

    @property
    def typed(self) -> list[tuple[str, str | bytes]]:
        """Type digit and data of each packet, for the payloads of Engine.IO 3."""
        return [(self.type if isinstance(message, str) else MESSAGE, message) for message in self.messages]

    def __repr__(self) -> str:
        return f"<EncodedPacket type={self.type} messages={len(self.messages)} size={self.size}>"
