"""The pure parts of a batch: reading lines, what is left to do, who may run beside whom."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.batch import BadLine, BatchGoal, EffectFold, Effects, InputReader, Known, Progress, Todo
from llmos.core.batch_queue import FolderQueue


def read(*lines: str, only_json: bool = False) -> list[BatchGoal | BadLine | None]:
    reader = InputReader("/home/me", only_json=only_json, goal_bytes=100)
    return [reader.take(number, line) for number, line in enumerate(lines, start=1)]


def test_a_line_is_a_goal_or_an_object() -> None:
    plain, empty, whole, absolute = read(
        " list the files ",
        "   ",
        '{"id": 7, "goal": "count", "directory": "sub/../b", "cap": 0.5}',
        '{"goal": "count", "directory": "/srv//x/."}',
    )
    assert empty is None
    assert isinstance(plain, BatchGoal) and isinstance(whole, BatchGoal) and isinstance(absolute, BatchGoal)
    assert (plain.line, plain.id, plain.goal, plain.directory, plain.cap_usd) == (
        1,
        "1",
        "list the files",
        "/home/me",
        None,
    )
    assert (whole.line, whole.id, whole.goal, whole.directory, whole.cap_usd) == (3, "7", "count", "/home/me/b", 0.5)
    assert (absolute.id, absolute.directory) == ("4", "/srv/x")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"goal": "x"', 'this is not JSON (Expecting \',\' delimiter); write {"goal": "…"}'),
        ('{"gaol": "x"}', "'gaol' is no field of a goal; you may mean 'goal'"),
        ('{"goal": "x", "zzz": 1}', "'zzz' is no field of a goal; a goal has id, goal, directory, cap"),
        ('{"id": "x"}', 'it says no goal; write {"goal": "what is to be done"}'),
        ('{"goal": " "}', 'it says no goal; write {"goal": "what is to be done"}'),
        ('{"goal": "x", "id": true}', "its id must be a text of 1 to 200 characters or a whole number"),
        ('{"goal": "x", "directory": ""}', "its directory must be a text that names a folder"),
        ('{"goal": "x", "cap": -1}', "its cap must be a number of US dollars, 0 or more"),
        ('{"goal": "x", "cap": NaN}', "its cap must be a number of US dollars, 0 or more"),
        ("{" * 5000, 'this is not JSON (Expecting property name enclosed in double quotes); write {"goal": "…"}'),
        ("é" * 51, "its goal has 102 bytes and at most 100 are taken; put long material in a file"),
    ],
)
def test_a_bad_line_says_what_to_write_instead(line: str, problem: str) -> None:
    assert read(line) == [BadLine(1, problem)]


def test_where_every_line_is_json_a_bare_goal_is_a_mistake() -> None:
    assert [isinstance(one, BadLine) for one in read("list the files", '{"goal": "x"}', "[1]", only_json=True)] == [
        True,
        False,
        True,
    ]


def test_an_id_stands_once() -> None:
    first, second = read('{"id": "a", "goal": "x"}', '{"id": "a", "goal": "y"}')
    assert isinstance(first, BatchGoal)
    assert second == BadLine(2, "the id 'a' stands on line 1 too; give each goal an id of its own")


lines = st.lists(
    st.builds(
        lambda goal, folder, named: json.dumps({"goal": goal, "directory": folder} | ({"id": named} if named else {})),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["x", "y"]),
        st.sampled_from(["", "", "p", "q"]),
    ),
    max_size=12,
)


@given(lines, st.randoms())
def test_keys_are_unique_and_outlive_another_order_of_the_lines(written: list[str], random: object) -> None:
    def keys(of: list[str]) -> list[str]:
        return [one.key for one in read(*of) if isinstance(one, BatchGoal)]

    found = keys(written)
    assert len(set(found)) == len(found)
    anonymous = [line for line in written if "id" not in json.loads(line)]
    shuffled = list(anonymous)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert sorted(keys(anonymous)) == sorted(keys(["", *shuffled, ""]))


# ------------------------------------------------------------------------------------------------------ what is left


def started(call: str, effect: str = "execute") -> dict[str, str]:
    return {"event": "tool_started", "call_id": call, "effect": effect}


LOOKS = {"event": "permission_decided", "call_id": "1", "by": "reading"}
MAY = {"event": "permission_decided", "call_id": "1", "by": "--yes"}
FINISHED = {"event": "tool_finished", "call_id": "1"}


@pytest.mark.parametrize(
    ("records", "effects"),
    [
        ([], Effects.NONE),
        ([started("1", "read")], Effects.NONE),
        ([LOOKS, started("1")], Effects.NONE),
        ([MAY, started("1")], Effects.UNKNOWN),
        ([MAY, started("1"), FINISHED], Effects.KNOWN),
        ([MAY, started("1"), FINISHED, started("2", "write")], Effects.UNKNOWN),
        # The id of a call that only looked may come again in a later turn.
        ([LOOKS, started("1"), FINISHED, started("1")], Effects.UNKNOWN),
    ],
)
def test_what_a_turn_may_have_changed(records: list[dict[str, str]], effects: Effects) -> None:
    fold = EffectFold()
    for record in records:
        fold.take(record)
    assert (fold.effects, fold.ended) == (effects, None)


def test_what_a_sub_goal_does_counts_and_its_end_is_not_the_end() -> None:
    fold = EffectFold()
    for of in ({"call_id": "1", "effect": "write"}, {"outcome": "ok"}):
        kind = "tool_started" if "effect" in of else "turn_ended"
        fold.take({"event": "nested", "parent": "a", "kind": kind, "of": of})
    assert (fold.effects, fold.ended) == (Effects.UNKNOWN, None)
    fold.take({"event": "tool_finished", "call_id": "1"})
    assert fold.effects is Effects.UNKNOWN
    fold.take({"event": "nested", "parent": "a", "kind": "tool_finished", "of": {"call_id": "1"}})
    assert fold.effects is Effects.KNOWN


@pytest.mark.parametrize(
    ("status", "effects", "todo"),
    [
        ("ok", "known", Todo.DONE),
        ("unverified", "known", Todo.DONE),
        ("failed", "none", Todo.FAILED),
        ("denied", "none", Todo.FAILED),
        ("over_budget", "none", Todo.RUN),
        ("over_budget", "known", Todo.FAILED),
        ("interrupted", "none", Todo.RUN),
        ("interrupted", "known", Todo.UNKNOWN),
        ("unknown", "unknown", Todo.UNKNOWN),
    ],
)
def test_what_a_second_run_does(status: str, effects: str, todo: Todo) -> None:
    assert Known({"status": status, "effects": effects}).todo is todo


def test_a_row_ends_the_attempt_that_it_names() -> None:
    progress = Progress()
    (goal,) = read("x")
    assert isinstance(goal, BatchGoal)
    for session in ("s1", "s2"):
        progress.begin({"event": "goal_begun", "key": goal.key, "session": session})
    row = {"key": goal.key, "session": "s1", "status": "interrupted", "effects": "none"}
    progress.end(row)
    assert progress.of(goal) == Known(row, "s2")
    last = {**row, "session": "s2", "status": "ok"}
    progress.end(last)
    assert progress.of(goal) == Known(last)


# ---------------------------------------------------------------------------------------------------------- the queue


@dataclass(frozen=True)
class Item:
    number: int
    directory: str


folders = st.lists(st.sampled_from("ab"), max_size=3).map(lambda parts: "/" + "/".join(parts))


def near(one: str, other: str) -> bool:
    """Whether one is the other or inside it."""
    return f"{one.rstrip('/')}/".startswith(f"{other.rstrip('/')}/") or f"{other.rstrip('/')}/".startswith(
        f"{one.rstrip('/')}/"
    )


@given(st.lists(folders, max_size=15), st.data())
def test_the_queue_hands_out_each_once_in_order_and_none_beside_its_like(
    places: list[str], data: st.DataObject
) -> None:
    items = [Item(number, place) for number, place in enumerate(places)]
    queue = FolderQueue(items)
    busy: list[Item] = []
    taken: list[Item] = []
    while len(queue) or busy:
        item = queue.take() if data.draw(st.booleans()) or not busy else None
        if item is None:
            assert busy, "nothing is under way and nothing is handed out"
            queue.done(busy.pop(data.draw(st.integers(0, len(busy) - 1))))
            continue
        assert not any(near(item.directory, other.directory) for other in busy)
        busy.append(item)
        taken.append(item)
    assert sorted(item.number for item in taken) == list(range(len(items)))
    for place in set(places):
        numbers = [item.number for item in taken if item.directory == place]
        assert numbers == sorted(numbers)
