"""Who is in which room: a pure index, looked up both ways. No lock, no sending: the adapter has those."""

from __future__ import annotations

from collections.abc import Iterable

# ("create_room", room), ("join_room", room, id), ("leave_room", room, id) or ("delete_room", room)
RoomEvent = tuple[str, ...]

# Names in the order of coming. One alone, as of most rooms and of most sockets, is a str: a dict would take 232 bytes.
Names = str | dict[str, None]


def _has(names: Names | None, name: str) -> bool:
    return names == name if isinstance(names, str) else names is not None and name in names


def _all(names: Names | None) -> Iterable[str]:
    return (names,) if isinstance(names, str) else names or ()


def _add(index: dict[str, Names], key: str, name: str) -> bool:
    """Add a name that is not there. Whether it is the first."""
    names = index.get(key)
    if names is None:
        index[key] = name
        return True
    if isinstance(names, str):
        index[key] = {names: None, name: None}
    else:
        names[name] = None
    return False


def _remove(index: dict[str, Names], key: str, name: str) -> bool:
    """Take a name out that is there. Whether it was the last, and the key has gone with it."""
    names = index[key]
    if isinstance(names, str) or len(names) == 1:
        del index[key]
        return True
    del names[name]
    return False


class RoomIndex:
    """The rooms of every id and the ids of every room, in the order of joining.

    The methods that change something return what has changed, as the reference's adapter tells it: a room is created
    before it is joined and left before it is deleted, and nothing is said about what was so before.
    """

    __slots__ = ("_ids", "_known", "_rooms")

    def __init__(self) -> None:
        self._rooms: dict[str, Names] = {}  # by id
        self._ids: dict[str, Names] = {}  # by room
        self._known: dict[str, None] = {}  # the ids, also those without a room, in the order of coming

    def __contains__(self, id: str) -> bool:
        return id in self._known

    def add(self, id: str, rooms: Iterable[str]) -> list[RoomEvent]:
        """Put the id, which may be new, into these rooms."""
        events: list[RoomEvent] = []
        self._known[id] = None
        for room in rooms:
            if _has(self._rooms.get(id), room):
                continue
            _add(self._rooms, id, room)
            if _add(self._ids, room, id):
                events.append(("create_room", room))
            events.append(("join_room", room, id))
        return events

    def remove(self, id: str, room: str) -> list[RoomEvent]:
        """Take the id out of the room; it stays known without any."""
        if not _has(self._rooms.get(id), room):
            return []
        _remove(self._rooms, id, room)
        return self._leave(id, room)

    def remove_all(self, id: str) -> list[RoomEvent]:
        """Take the id out of all its rooms and forget it; costs the number of its own rooms."""
        self._known.pop(id, None)
        return [event for room in _all(self._rooms.pop(id, None)) for event in self._leave(id, room)]

    def rooms_of(self, id: str) -> frozenset[str]:
        """The rooms of the id; none if it is unknown."""
        return frozenset(_all(self._rooms.get(id)))

    def select(self, rooms: Iterable[str] | None, except_: Iterable[str] = ()) -> list[str]:
        """The ids that are in any of ``rooms`` (None: all ids) and in none of ``except_``, each once."""
        excluded: set[str] = set()
        for room in except_:
            excluded.update(_all(self._ids.get(room)))
        if rooms is None:
            found: Iterable[str] = self._known
        else:
            found = {id: None for room in rooms for id in _all(self._ids.get(room))}
        return [id for id in found if id not in excluded] if excluded else list(found)

    def _leave(self, id: str, room: str) -> list[RoomEvent]:
        events: list[RoomEvent] = [("leave_room", room, id)]
        if _remove(self._ids, room, id):
            events.append(("delete_room", room))
        return events
