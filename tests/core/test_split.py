"""Whether a goal holds several tasks, judged from its structure. The table was written before the rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from split_goals import ONE as UNSEEN_ONE
from split_goals import SEVERAL

from llmos.core.graph import Graph, SubGoal, ancestors, graph_problem, waves
from llmos.core.list_order import graph_of_list
from llmos.core.split import ASK_FROM, Shape, may_hold_several, shape_of

ONE = [
    "copy the handbook and then understand it",
    "count the lines of notes.txt",
    "how many python files are here?",
    "copy a.txt and b.txt to out",
    "count files and folders",
    "find all files and directories older than 3 days",
    "write 'wash and sort; then dry' to a.txt",
    'write "1. wash 2. cook" to list.txt',
    "create a file todo.txt with these lines:\n1. wash the car\n2. cook dinner",
    "write to list.txt:\n- create the report\n- delete the old one",
    "create these files:\n- a.txt\n- b.txt\n- c.txt",
    "make a folder for each of: red; green; blue",
    "run `cd src; make test; make clean`",
    "run this:\n```\nlist files; count them\nshow x\n```",
    "for i in *.txt; do wc -l $i; done",
    "run cd src; make",
    "echo a; echo b",
    "sort names.txt and count its lines",
    "sort names.txt and print the first three",
    "read config.yaml and tell me which port it names",
    "find the biggest file and show its first ten lines",
    "create a.txt containing hello and create b.txt containing world",
    "explain what src/main.py does and how it is started",
    "rename draft.md to final.md and fix the links to it",
    "what is 1. and what is 2. in this list?",
    "show version 2. 3. is not wanted",
    "compare a.txt and b.txt, and say which is longer",
    "say hello; world",
    "delete old.log",
    "",
    "   ",
    "1. count the lines of a.txt",
    "list",
    "replace ; by , in data.csv",
    "in a.txt replace 'x; delete y' by 'z; show y'",
    "the config is in etc/app.yaml; the port is 80",
    "why does the test fail? I changed a.py and b.py yesterday; it worked before",
    "translate this text:\nshow me the way\nlist the names",
    "summarise README.md in three sentences",
    "add a line 'count: 3' to a.txt, then sort it",
]
LISTS = [
    ("1. create a.txt containing hello\n2. count the lines of b.txt", 2),
    ("1) list all files\n2) count the folders\n3) show notes.txt", 3),
    ("1. create a.txt containing hello 2. count the lines of b.txt", 2),
    ("Do the following:\n1. create a.txt containing hello\n2. count the lines of b.txt", 2),
    ("please do these tasks in order:\n- sort names.txt\n- count the lines of names.txt", 2),
    ("- sort names.txt\n- count the lines of b.txt\n- show c.txt", 3),
    ("* sort names.txt\n* count the lines of b.txt", 2),
    ("count the lines of a.txt; count the lines of b.txt", 2),
    ("sort names.txt; then count the lines of names.txt; show c.txt", 3),
    ("write 'a; b' to a.txt; count the lines of b.txt", 2),
    ("count the lines of a.txt\ncount the words of b.txt\nshow c.txt", 3),
    ("1. create a.txt with the text:\n   one; two\n2. show b.txt", 2),
    ("1. Create a.txt containing hello.\n2. Then copy a.txt to b.txt.", 2),
    (
        "tasks:\n1. find all TODO comments\n2. rename old.md to new.md\n3. run the tests\n4. show the log\n"
        "5. delete tmp.txt",
        5,
    ),
    ("steps: 1. sort names.txt 2. count the lines of names.txt", 2),
    ("create a.txt containing hello;\ncreate b.txt containing world;\nshow c.txt", 3),
    ("- review src/a.py\n- explain src/b.py", 2),
    ("1. fix the typo in README.md\n2. update CHANGELOG.md\n3. run make test", 3),
]
MAY_BE_SEVERAL = [
    "create a.txt containing hello, create b.txt containing world and create c.txt containing again",
    "sort names.txt and count the lines of b.txt and delete c.txt",
    "Read README.md. Then fix the typo in docs/a.md. Finally run the tests.",
    "count the lines of a.txt, count the words of b.txt and write a summary to c.txt",
    "review src/a.py, then update docs/a.md, then run the tests",
    "Find all TODO comments. Write them to todo.md. Delete tmp.txt.",
    "rename a.txt to b.txt, delete c.txt, and show what is in d.txt",
]


@pytest.mark.parametrize("goal", ONE)
def test_one_task(goal: str) -> None:
    assert shape_of(goal) == Shape((goal,), "", "")


@pytest.mark.parametrize(("goal", "count"), LISTS)
def test_an_explicit_list_is_split_without_a_model(goal: str, count: int) -> None:
    shape = shape_of(goal)
    assert (len(shape.parts), bool(shape.by), shape.may_be_several) == (count, True, "")
    assert graph_problem(graph_of_list(goal, shape), 100) == ""


@pytest.mark.parametrize("goal", MAY_BE_SEVERAL)
def test_what_may_be_several_is_asked_of_a_model(goal: str) -> None:
    shape = shape_of(goal)
    assert (shape.parts, shape.by) == ((goal,), "")
    assert f"{ASK_FROM} tasks" in shape.may_be_several


@pytest.mark.parametrize("goal", [*(goal for goal, _ in LISTS), *MAY_BE_SEVERAL])
def test_the_cheap_look_overlooks_nothing(goal: str) -> None:
    assert may_hold_several(goal)


def test_the_cheap_look_spares_most_goals() -> None:
    assert not any(may_hold_several(goal) for goal in ("count the lines of a.txt", "copy a.txt and b.txt to out", ""))


def test_the_table_is_large_enough() -> None:
    assert len(ONE) + len(LISTS) + len(MAY_BE_SEVERAL) >= 60


@given(st.text(alphabet="ab12.;)- \n'\"`andthen", max_size=120))
def test_parts_stand_in_the_goal_in_order_and_are_never_empty(goal: str) -> None:
    shape = shape_of(goal)
    if shape.by:
        assert len(shape.parts) >= 2
        at = 0
        for part in shape.parts:
            assert part.strip() == part != ""
            for line in part.split("\n"):
                at = goal.index(line.strip(), at) + len(line.strip())


ORDERS = ["create {}.txt containing hello", "count the lines of {}.txt", "delete {}.txt", "how many files are here?"]


@given(st.lists(st.tuples(st.sampled_from(ORDERS), st.sampled_from("abc")), min_size=2, max_size=6))
def test_what_touches_the_same_stays_in_the_order_of_the_list(items: list[tuple[str, str]]) -> None:
    parts = [order.format(name) for order, name in items]
    goal = "\n".join(f"{number}. {part}" for number, part in enumerate(parts, start=1))
    graph = graph_of_list(goal, shape_of(goal))
    place = {identifier: number for number, wave in enumerate(waves(graph)) for identifier in wave}
    for later in range(len(parts)):
        for earlier in range(later):
            first, second = items[earlier], items[later]
            looks = [order.startswith(("count", "how")) for order in (first[0], second[0])]
            same = first[1] == second[1] or "here" in first[0] or "here" in second[0]
            if same and not all(looks):
                assert place[str(earlier + 1)] < place[str(later + 1)]


@pytest.mark.parametrize(
    ("goal", "waits"),
    [
        ("create a.txt containing x; create b.txt containing y; show c.txt", {}),
        ("create a.txt containing x; copy a.txt to b.txt; show c.txt", {"2": ("1",)}),
        ("sort a.txt; then show c.txt", {"2": ("1",)}),
        ("create a.txt containing x; create b.txt containing y; how many txt files are here?", {"3": ("1", "2")}),
        ("show a.txt; write the result to b.txt", {"2": ("1",)}),
        ("count the lines of a.txt; count the lines of b.txt; write the results to c.txt", {"3": ("1", "2")}),
        ("count the lines of a.txt; write {{1}} to b.txt", {"2": ("1",)}),
        ("create out/a.txt containing x; list the files in out", {"2": ("1",)}),
        ("do these in order:\n- show a.txt\n- show b.txt", {"2": ("1",)}),
        ("run the tests; create a.txt containing x", {"2": ("1",)}),
    ],
)  # fmt: skip
def test_what_waits_for_what(goal: str, waits: dict[str, tuple[str, ...]]) -> None:
    graph = graph_of_list(goal, shape_of(goal))
    assert {one.id: one.waits_for for one in graph.sub_goals if one.waits_for} == waits


def test_a_file_that_is_to_be_created_must_be_left() -> None:
    goal = "create a.txt containing x; show b.txt; copy a.txt to c.txt"
    graph = graph_of_list(goal, shape_of(goal))
    assert [one.leaves for one in graph.sub_goals] == [("a.txt",), (), ()]


# --------------------------------------------------------------------------- goals written before the rules were mended


def lost(graph: Graph, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The dependencies that a graph does not keep."""
    before = ancestors(graph)
    return [(first, later) for first, later in pairs if str(first) not in before[str(later)]]


@pytest.mark.parametrize(("goal", "count", "pairs"), SEVERAL)
def test_unseen_tasks_are_split_with_every_dependency_or_not_at_all(
    goal: str, count: int, pairs: list[tuple[int, int]]
) -> None:
    shape = shape_of(goal)
    assert len(shape.parts) in (1, count)
    if shape.by:
        assert lost(graph_of_list(goal, shape), pairs) == []


@pytest.mark.parametrize("goal", UNSEEN_ONE)
def test_what_is_one_task_is_never_split(goal: str) -> None:
    assert shape_of(goal) == Shape((goal,), "", "")


def test_most_unseen_lists_are_split_and_what_is_lost_would_be_seen() -> None:
    split = [(goal, pairs) for goal, _, pairs in SEVERAL if shape_of(goal).by]
    assert len(split) >= 41
    loose = [Graph(goal, tuple(SubGoal(str(n), f"do {n}") for n in range(1, 5))) for goal, _ in split]
    assert sum(bool(lost(graph, pairs)) for graph, (_, pairs) in zip(loose, split, strict=True)) >= 35


@pytest.mark.parametrize(
    "goal",
    [
        "create a.txt containing hello; create b.txt containing world",
        "count the lines of a.txt; count the lines of b.txt",
        "1. set the version in setup.cfg to 2.0\n2. add a line for 2.0 to CHANGES.md",
        "Do these:\n- delete a.txt\n- move b.txt to out/b.txt\n- show the first line of c.txt",
    ],
)
def test_what_says_all_that_it_touches_runs_at_once(goal: str) -> None:
    graph = graph_of_list(goal, shape_of(goal))
    assert len(graph.sub_goals) >= 2
    assert all(not one.waits_for for one in graph.sub_goals)
