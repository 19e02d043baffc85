"""Who is in which room: a pure index, looked up both ways. No lock, no sending: the adapter has those."""

from __future__ import annotations

from collections.abc import Iterable

# ("create_room", room), ("join_room", room, id), ("leave_room", room, id) or ("delete_room", room)
RoomEvent = tuple[str, ...]


class RoomIndex:
    """The rooms of every id and the ids of every room, in the order of joining.

    The methods that change something return what has changed, as the reference's adapter tells it: a room is created
    before it is joined and left before it is deleted, and nothing is said about what was so before.
    """

    __slots__ = ("_ids", "_rooms")

    def __init__(self) -> None:
        # Dicts with None as values are sets that keep their order, and smaller ones while they are small.
        self._rooms: dict[str, dict[str, None]] = {}
        self._ids: dict[str, dict[str, None]] = {}

    def __contains__(self, id: str) -> bool:
        return id in self._rooms

    def add(self, id: str, rooms: Iterable[str]) -> list[RoomEvent]:
        """Put the id, which may be new, into these rooms."""
        events: list[RoomEvent] = []
        own = self._rooms.setdefault(id, {})
        for room in rooms:
            if room in own:
                continue
            own[room] = None
            if room not in self._ids:
                self._ids[room] = {}
                events.append(("create_room", room))
            self._ids[room][id] = None
            events.append(("join_room", room, id))
        return events

    def remove(self, id: str, room: str) -> list[RoomEvent]:
        """Take the id out of the room; it stays known without any."""
        own = self._rooms.get(id)
        if own is None or room not in own:
            return []
        del own[room]
        return self._leave(id, room)

    def remove_all(self, id: str) -> list[RoomEvent]:
        """Take the id out of all its rooms and forget it; costs the number of its own rooms."""
        return [event for room in self._rooms.pop(id, ()) for event in self._leave(id, room)]

    def rooms_of(self, id: str) -> frozenset[str]:
        """The rooms of the id; none if it is unknown."""
        return frozenset(self._rooms.get(id, ()))

    def select(self, rooms: Iterable[str] | None, except_: Iterable[str] = ()) -> list[str]:
        """The ids that are in any of ``rooms`` (None: all ids) and in none of ``except_``, each once."""
        excluded: set[str] = set()
        for room in except_:
            excluded.update(self._ids.get(room, ()))
        if rooms is None:
            found: Iterable[str] = self._rooms
        else:
            found = {id: None for room in rooms for id in self._ids.get(room, ())}
        return [id for id in found if id not in excluded] if excluded else list(found)

    def _leave(self, id: str, room: str) -> list[RoomEvent]:
        ids = self._ids[room]
        del ids[id]
        events: list[RoomEvent] = [("leave_room", room, id)]
        if not ids:
            del self._ids[room]
            events.append(("delete_room", room))
        return events
