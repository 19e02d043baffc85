"""The index of rooms, against a model and by example."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from socketio_sync.adapters.room_index import RoomIndex


def test_adding_tells_what_is_new_in_order():
    index = RoomIndex()
    assert index.add("a", ["red", "blue"]) == [
        ("create_room", "red"),
        ("join_room", "red", "a"),
        ("create_room", "blue"),
        ("join_room", "blue", "a"),
    ]
    assert index.add("b", ["red"]) == [("join_room", "red", "b")]
    assert index.add("b", ["red"]) == []


def test_an_id_may_be_known_without_rooms():
    index = RoomIndex()
    assert index.add("a", []) == []
    assert "a" in index
    assert "b" not in index
    assert index.rooms_of("a") == frozenset()
    assert index.select(None) == ["a"]


def test_the_last_to_leave_deletes_the_room():
    index = RoomIndex()
    index.add("a", ["red"])
    index.add("b", ["red"])
    assert index.remove("a", "red") == [("leave_room", "red", "a")]
    assert index.remove("b", "red") == [("leave_room", "red", "b"), ("delete_room", "red")]
    assert index.select(["red"]) == []


def test_removing_what_is_not_there_changes_nothing():
    index = RoomIndex()
    index.add("a", ["red"])
    assert index.remove("a", "blue") == []
    assert index.remove("b", "red") == []
    assert index.remove_all("b") == []
    assert index.rooms_of("b") == frozenset()


def test_remove_all_forgets_the_id():
    index = RoomIndex()
    index.add("a", ["red", "blue"])
    index.add("b", ["blue"])
    assert index.remove_all("a") == [("leave_room", "red", "a"), ("delete_room", "red"), ("leave_room", "blue", "a")]
    assert "a" not in index
    assert index.select(None) == ["b"]


def test_selecting():
    index = RoomIndex()
    index.add("a", ["a", "red"])
    index.add("b", ["b", "red", "blue"])
    index.add("c", ["c", "blue"])
    assert index.select(None) == ["a", "b", "c"]
    assert index.select([]) == []
    assert index.select(["red", "blue"]) == ["a", "b", "c"]
    assert index.select(["nowhere"]) == []
    assert index.select(None, ["red"]) == ["c"]
    assert index.select(["red", "blue"], ["b", "nowhere"]) == ["a", "c"]


def test_what_is_returned_is_a_copy():
    index = RoomIndex()
    index.add("a", ["red"])
    rooms = index.rooms_of("a")
    ids = index.select(None)
    index.remove_all("a")
    assert rooms == {"red"}
    assert ids == ["a"]


IDS = st.sampled_from("abc")
ROOMS = st.sampled_from(["red", "green", "blue"])
STEPS = st.one_of(
    st.tuples(st.just("add"), IDS, st.lists(ROOMS)),
    st.tuples(st.just("remove"), IDS, ROOMS),
    st.tuples(st.just("remove_all"), IDS),
)


@given(st.lists(STEPS), st.none() | st.lists(ROOMS), st.lists(ROOMS))
def test_it_agrees_with_a_set_of_pairs(steps, rooms, except_):
    index, known, pairs, told = RoomIndex(), set(), set(), set()
    for name, *arguments in steps:
        for event in getattr(index, name)(*arguments):
            if event[0] == "join_room":
                told.add(event[1:])
            elif event[0] == "leave_room":
                told.remove(event[1:])
        id = arguments[0]
        if name == "add":
            known.add(id)
            pairs |= {(room, id) for room in arguments[1]}
        elif name == "remove":
            pairs.discard((arguments[1], id))
        else:
            known.discard(id)
            pairs = {pair for pair in pairs if pair[1] != id}
    assert told == pairs
    wanted = {id for id in known if rooms is None or any((room, id) in pairs for room in rooms)}
    wanted -= {id for id in known if any((room, id) in pairs for room in except_)}
    found = index.select(rooms, except_)
    assert len(found) == len(set(found))
    assert set(found) == wanted
    for id in known:
        assert index.rooms_of(id) == {room for room, member in pairs if member == id}


@given(st.lists(STEPS), st.none() | st.lists(ROOMS))
def test_it_tells_and_orders_as_plain_dicts_do(steps, rooms):
    index = RoomIndex()
    joined: dict[str, dict[str, None]] = {}
    members: dict[str, dict[str, None]] = {}
    for name, id, *rest in steps:
        expected = []
        if name == "add":
            own = joined.setdefault(id, {})
            for room in rest[0]:
                if room not in own:
                    expected += [("create_room", room)] if room not in members else []
                    expected.append(("join_room", room, id))
                    own[room] = members.setdefault(room, {})[id] = None
        else:
            own = joined.get(id, {})
            for room in [rest[0]] if name == "remove" and rest[0] in own else list(own) if name == "remove_all" else []:
                del own[room], members[room][id]
                expected.append(("leave_room", room, id))
                if not members[room]:
                    del members[room]
                    expected.append(("delete_room", room))
            if name == "remove_all":
                joined.pop(id, None)
        assert getattr(index, name)(id, *rest) == expected
    wanted = joined if rooms is None else {id: None for room in rooms for id in members.get(room, ())}
    assert index.select(rooms) == list(wanted)
