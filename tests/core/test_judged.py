"""A judgement explains other words and nothing else: every other gate stays closed, whatever it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.gate import Refusal
from llmos.core.gates import GATES
from llmos.core.judged import EXPLAINED, UNEXPLAINED, JudgedRun, bind_judged
from llmos.core.judgement import Judgement, pairing
from llmos.core.tool import Effect
from llmos.core.trace import Expect, Learned, Require, Step, Trace, TraceHeader, TraceStatus
from llmos.core.wording import analyse

LEARNED = Learned("2026-11-22T00:00:00+00:00", "LEARNER", "some model", 0.02, 1.0)
SURE = 1.0


def trace(goal: str, command: str) -> Trace:
    step = Step("shell", {"command": command}, Effect.EXECUTE, Require(), Expect(0), "")
    return Trace(TraceHeader("saved", goal, TraceStatus.VERIFIED, "", {}, LEARNED), (step,))


def judged(saved: str, command: str, goal: str, *pairs: tuple[str, str]) -> JudgedRun | Refusal:
    values = pairing(analyse(saved), analyse(goal), pairs)
    return bind_judged(trace(saved, command), goal, Judgement(SURE, values, "the same"))


def test_a_synonym_is_explained_and_named() -> None:
    found = judged("count the lines of a.txt", "wc -l a.txt", "tally the rows of b.txt", ("a.txt", "b.txt"))
    assert isinstance(found, JudgedRun)
    assert found.rebound.trace.steps[0].args == {"command": "wc -l b.txt"}
    assert found.rebound.values == (("a.txt", "b.txt"),)
    assert [name.partition(":")[0] for name in found.explained] == ["verb", "words"]


def test_values_go_where_the_judgement_pairs_them() -> None:
    saved, command = "copy a.txt to b.txt", "cp a.txt b.txt"
    found = judged(saved, command, "make y.txt a copy of x.txt", ("a.txt", "x.txt"), ("b.txt", "y.txt"))
    assert isinstance(found, JudgedRun)
    assert found.rebound.trace.steps[0].args == {"command": "cp x.txt y.txt"}


@pytest.mark.parametrize(
    ("gate", "saved", "command", "goal", "pairs"),
    [
        ("negation", "list files of x1", "ls x1", "enumerate what is not in y1", [("x1", "y1")]),
        ("exception", "list files of x1", "ls x1", "enumerate everything but y1", [("x1", "y1")]),
        ("polarity", "enable the unit x1", "unit-on x1", "disable the unit y1", [("x1", "y1")]),
        ("comparative", "list files over 5 MB", "find . -size +5M", "list files below 5 MB", [("5", "5")]),
        ("quantifier", "kill one job of x1", "pkill -n x1", "kill every single job of y1", [("x1", "y1")]),
        ("conjunction", "count lines of a.txt", "wc -l a.txt", "count lines and words of b.txt", [("a.txt", "b.txt")]),
        ("order", "show the first of x1", "head -n 1 x1", "show the last of y1", [("x1", "y1")]),
        ("pronoun", "show x1", "cat x1", "show it again like y1", [("x1", "y1")]),
        ("effect", "tidy x1", "rm -r x1", "admire y1", [("x1", "y1")]),
        ("effect", "delete x1", "rm -r x1", "show what is in y1", [("x1", "y1")]),
        ("letters", "count words of x1", "wc -w x1", "tаlly words of y1", [("x1", "y1")]),
        ("recursion", "count files in x1", "ls x1 | wc -l", "tally files in y1 recursively", [("x1", "y1")]),
        ("place", "list files of x1", "ls x1", "enumerate files of y1 in the home directory", [("x1", "y1")]),
        ("number", "show the process of x1", "ps -u x1", "report the processes of y1", [("x1", "y1")]),
        ("binding", "copy a.txt to b.txt", "cp a.txt b.txt", "duplicate c.txt", [("a.txt", "c.txt")]),
        ("code", "show field 2 of x1", "awk '{print $2}' x1", "print column 3 of y1", [("2", "3"), ("x1", "y1")]),
        ("option", "count words of x1", "wc -w x1", "tally words of '-y'", [("x1", "-y")]),
        ("outside", "count words of x1", "wc -w x1", "tally words of '$y'", [("x1", "$y")]),
    ],
)  # fmt: skip
def test_what_it_can_never_explain(
    gate: str, saved: str, command: str, goal: str, pairs: list[tuple[str, str]]
) -> None:
    found = judged(saved, command, goal, *pairs)
    assert isinstance(found, Refusal)
    assert found.gate == gate, found.reason


def test_each_wording_gate_is_explained_or_never() -> None:
    names = {gate.name for gate in GATES}
    assert set(EXPLAINED) | UNEXPLAINED <= names
    assert not set(EXPLAINED) & UNEXPLAINED


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ([("a", "c"), ("b", "d")], (("a.x", "c.x"), ("b.x", "d.x"))),
        ([("b", "c"), ("a", "d")], (("a.x", "d.x"), ("b.x", "c.x"))),
        ([("a", "c")], None),
        ([("a", "c"), ("a", "d")], None),
        ([("a", "c"), ("b", "c")], None),
        ([("a", "c"), ("z", "d")], None),
        ([], None),
    ],
)
def test_a_pairing_is_whole_or_none(pairs: list[tuple[str, str]], found: object) -> None:
    given = [(f"{old}.x", f"{new}.x") for old, new in pairs]
    assert pairing(analyse("copy a.x to b.x"), analyse("put c.x over d.x"), given) == found


@given(st.text(), st.text(), st.lists(st.tuples(st.text(), st.text()), max_size=3))
def test_judging_is_total(saved: str, goal: str, pairs: list[tuple[str, str]]) -> None:
    values = pairing(analyse(saved), analyse(goal), pairs)
    assert bind_judged(trace(saved, "true"), goal, Judgement(SURE, values, "")) is not None
