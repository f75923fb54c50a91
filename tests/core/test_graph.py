"""A graph of sub-goals: what is refused in one sentence, in which order it runs, and what a failure stops."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llmos.core.errors import UsageError
from llmos.core.graph import (
    Graph,
    Progress,
    SubGoal,
    SubState,
    ancestors,
    graph_problem,
    ordered_by_writes,
    waves,
    with_results,
)
from llmos.core.graph_prompt import graph_of_answer
from llmos.core.graph_text import graph_text, read_graph
from llmos.core.trace import shorten

GOAL = "count the lines of a.txt, show b.txt and write both results to c.txt"
FINE = Graph(
    GOAL,
    (
        SubGoal("1", "count the lines of a.txt"),
        SubGoal("2", "show b.txt"),
        SubGoal("3", "write {{1}} to c.txt", ("2",), (), ("c.txt",)),
    ),
)


def graph(*subs: SubGoal) -> Graph:
    return Graph(GOAL, subs)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        (graph(), "the plan has no sub-goal"),
        (
            graph(*(SubGoal(str(number), f"show {number}.txt") for number in range(500))),
            "the plan has 500 sub-goals and at most 50 are taken (orchestrator.max_sub_goals)",
        ),
        (graph(SubGoal("1", "a b"), SubGoal("1", "c d")), "two sub-goals of the plan have the id 1"),
        (graph(SubGoal("1", "a b", ("7",))), "sub-goal 1 waits for '7', and there is none of that id"),
        (graph(SubGoal("1", "show {{x}}")), "sub-goal 1 waits for 'x', and there is none of that id"),
        (
            graph(SubGoal("1", "a b", ("3",)), SubGoal("2", "c d"), SubGoal("3", "e f", ("2",), ("1",))),
            "the sub-goals of the plan wait for each other: 1 waits for 3 waits for 1",
        ),
        (graph(SubGoal("1", "a b", ("1",))), "the sub-goals of the plan wait for each other: 1 waits for 1"),
        (graph(SubGoal("1", " "), SubGoal("2", "x y")), "sub-goal 1 of the plan has no text"),
        (
            graph(SubGoal("1", "show b.txt"), SubGoal("2", GOAL)),
            f"sub-goal 2 asks for the whole goal again: {GOAL!r}",
        ),
        (
            graph(SubGoal("1", "show b.txt"), SubGoal("2", f"please {GOAL}, carefully")),
            f"sub-goal 2 asks for the whole goal again: {shorten(f'please {GOAL}, carefully', 80)!r}",
        ),
        (graph(SubGoal("a b", "x")), "'a b' is no id of a sub-goal: letters, digits, - and _, at most 32"),
        (
            graph(SubGoal("1", "x y", leaves=("../a",))),
            "sub-goal 1 would leave '../a', which is no path below the working directory",
        ),
    ],
)  # fmt: skip
def test_a_graph_that_cannot_run_is_one_sentence(bad: Graph, sentence: str) -> None:
    assert graph_problem(bad, 50) == sentence


def test_a_graph_that_can() -> None:
    assert graph_problem(FINE, 3) == ""
    assert waves(FINE) == (("1", "2"), ("3",))
    assert ancestors(FINE)["3"] == {"1", "2"}


def test_results_go_into_the_text_of_another() -> None:
    assert with_results("write {{1}} to c.txt", {"1": "3\n"}) == ("write 3 to c.txt", "")
    said = "it takes in the result of sub-goal 1, which is more than one line and not one value"
    assert with_results("write {{1}} to c.txt", {"1": "3\n4"}) == ("", said)
    assert with_results("write {{1}} to c.txt", {})[1].startswith(
        "it takes in the result of sub-goal 1, which is nothing"
    )


def test_what_writes_one_file_is_put_in_order() -> None:
    made, said = ordered_by_writes(FINE, {"1": ("n.txt",), "2": ("n.txt",), "3": ("n.txt",)})
    assert made["2"].depends_on == ("1",)
    assert said == ("sub-goal 2 waits for 1, because both write n.txt",)


def test_a_failure_stops_its_dependents_only() -> None:
    progress = Progress(
        graph(SubGoal("1", "a"), SubGoal("2", "b"), SubGoal("3", "c", ("1",)), SubGoal("4", "d", ("3",)))
    )
    assert progress.ready() == ["1", "2"]
    progress.begin("1")
    progress.begin("2")
    assert progress.end("1", SubState.FAILED, "no such file") == ["3", "4"]
    assert progress.end("2", SubState.DONE) == []
    assert progress.ready() == []
    assert progress.summary == (
        "1 of 4 sub-goals done, 1 failed (no such file), 3, 4 skipped (it waits for sub-goal 1, which was not done)"
    )


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Graphs without a circle: each waits for some before it."""
    count = draw(st.integers(1, 8))
    subs = []
    for number in range(count):
        before = [str(other) for other in range(number)]
        waits = tuple(draw(st.lists(st.sampled_from(before), unique=True, max_size=3))) if before else ()
        subs.append(SubGoal(str(number), f"do thing {number}", waits))
    return Graph(GOAL, tuple(draw(st.permutations(subs))))


@given(graphs(), st.data())
def test_in_any_order_each_runs_once_and_only_after_what_it_waits_for(made: Graph, data: st.DataObject) -> None:
    assert graph_problem(made, 8) == ""
    progress, begun, running = Progress(made), list[str](), list[str]()
    failed: set[str] = set()
    while running or progress.ready():
        for identifier in progress.ready():
            assert all(progress.states[other] is SubState.DONE for other in made[identifier].waits_for)
            progress.begin(identifier)
            begun.append(identifier)
            running.append(identifier)
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        state = data.draw(st.sampled_from([SubState.DONE, SubState.DONE, SubState.FAILED]))
        failed |= {ended} if state is SubState.FAILED else set()
        progress.end(ended, state)
    assert len(begun) == len(set(begun))
    before = ancestors(made)
    for one in made.sub_goals:
        expected = SubState.FAILED if one.id in failed else SubState.DONE
        if before[one.id] & failed:
            expected = SubState.SKIPPED
        assert progress.states[one.id] is expected


@given(graphs(), st.integers(0, 7), st.integers(0, 7))
def test_a_circle_is_always_found(made: Graph, first: int, second: int) -> None:
    count = len(made.sub_goals)
    one, other = made.sub_goals[first % count], made.sub_goals[second % count]
    assume(one.id in ancestors(made)[other.id] | {other.id})
    closed = replace(one, depends_on=(*one.depends_on, other.id))
    circle = replace(made, sub_goals=tuple(closed if sub.id == one.id else sub for sub in made.sub_goals))
    assert "wait for each other" in graph_problem(circle, 8)


def test_a_graph_as_text_comes_back() -> None:
    made = Graph(
        GOAL,
        (
            SubGoal("1", "create a.txt with the text:\none\ntwo", leaves=("a.txt",)),
            SubGoal("b", "count it", ("1",), ("1",)),
            SubGoal("3", "say: done", (), ("b",), role="writer"),
        ),
    )
    assert read_graph(GOAL, graph_text(made)) == made


def test_a_line_that_cannot_be_read_is_named() -> None:
    with pytest.raises(UsageError) as refused:
        read_graph(GOAL, "1: show a.txt\nand then count it\n", "plan.txt")
    assert str(refused.value) == (
        "plan.txt line 2: 'and then count it' does not begin a sub-goal; write it like `2 after 1: what is to be done`"
    )


def test_the_answer_of_a_model_becomes_a_graph() -> None:
    keys = ("id", "goal", "depends_on", "inputs", "leaves", "role")
    subs = [dict(zip(keys, row, strict=True)) for row in [("1", "a", [], [], [], ""), ("2", "b", ["1"], [], ["x"], "")]]
    made, why = graph_of_answer(GOAL, {"several": True, "why": "two places", "sub_goals": subs})
    assert made == Graph(GOAL, (SubGoal("1", "a"), SubGoal("2", "b", ("1",), (), ("x",))))
    assert why == "two places"
    assert graph_of_answer(GOAL, {"several": False, "why": "one thing", "sub_goals": []}) == (None, "one thing")
    for bad in ([], {"several": True}, {"several": True, "why": "", "sub_goals": [1, 2]}):
        with pytest.raises(UsageError):
            graph_of_answer(GOAL, bad)


def test_states_are_words_of_their_own() -> None:
    assert len(set(itertools.chain(SubState))) == 6
