"""The parts of a goal, the traces for them, and how two goals differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.blend import MOST_PARTS, blended, parts_of
from llmos.core.differs import differences
from llmos.core.events import Mode
from llmos.core.policy import Thresholds, decide
from llmos.core.trace import Learned, TraceHeader, TraceStatus


@pytest.mark.parametrize(
    ("goal", "parts"),
    [
        ("sort names.txt and count its lines", ("sort names.txt", "count its lines")),
        ("make out, copy a.txt there, and then list it", ("make out", "copy a.txt there", "list it")),
        ("find the biggest file; delete all .tmp files", ("find the biggest file", "delete all .tmp files")),
        ("sort n.txt\n- count all of a.txt\n2. show b.txt", ("sort n.txt", "count all of a.txt", "show b.txt")),
        ("copy a.txt and b.txt to out", ("copy a.txt and b.txt to out",)),
        ("count files and folders", ("count files and folders",)),
        ("write 'wash and sort; then dry' to a.txt", ("write 'wash and sort; then dry' to a.txt",)),
        ("list files and show", ("list files and show",)),
        ("sort", ("sort",)),
    ],
)  # fmt: skip
def test_a_goal_in_its_parts(goal: str, parts: tuple[str, ...]) -> None:
    assert parts_of(goal) == parts


@given(st.text(max_size=200))
def test_parts_are_pieces_of_the_goal_in_order(goal: str) -> None:
    parts = parts_of(goal)
    assert 1 <= len(parts) <= MOST_PARTS
    at = 0
    for part in parts:
        at = goal.index(part, at) + len(part)


def header(goal: str) -> TraceHeader:
    learned = Learned("2026-11-22T12:00:00+00:00", "LEARNER", "m", 0.01, 1.0)
    return TraceHeader(goal.replace(" ", "-"), goal, TraceStatus.VERIFIED, "", {}, learned)


SORT, COUNT, OTHER = header("sort list.txt"), header("count the lines of x.txt"), header("sing")


def nearest(text: str, limit: int) -> list[tuple[TraceHeader, float]]:
    found = [(one, 0.8) for one, word in ((SORT, "sort"), (COUNT, "count")) if word in text]
    return [*found, (OTHER, 0.1)][:limit]


class TestBlending:
    GOAL = "sort names.txt and count the lines of a.txt"

    def test_each_part_has_its_own_trace(self) -> None:
        plan = decide(self.GOAL, [], nearest("sort", 5), Thresholds())
        mixed, pieces = blended(self.GOAL, plan, nearest, k=1)
        assert (mixed.mode, mixed.guidance, mixed.confidence) == (Mode.MIXED, (SORT, COUNT), 0.8)
        assert [(piece.part, piece.header) for piece in pieces] == [
            ("sort names.txt", SORT),
            ("count the lines of a.txt", COUNT),
        ]
        assert mixed.reasons[-2:] == (
            "for 'sort names.txt' the nearest in words (0.80): sort list.txt",
            "for 'count the lines of a.txt' the nearest in words (0.80): count the lines of x.txt",
        )
        assert mixed.expected_cost_usd == 0.02
        assert [(one.trace_id, one.role) for one in mixed.considered] == [
            (SORT.id, "guidance"),
            (COUNT.id, "guidance"),
            (OTHER.id, "near"),
        ]

    def test_parts_that_lie_near_make_an_unknown_whole_mixed(self) -> None:
        plan = decide(self.GOAL, [], [], Thresholds())
        assert plan.mode is Mode.LEARNER
        assert blended(self.GOAL, plan, nearest, k=1)[0].mode is Mode.MIXED

    def test_one_trace_for_all_parts_is_no_blend(self) -> None:
        goal = "sort a.txt and sort b.txt"
        plan = decide(goal, [], nearest("sort", 5), Thresholds())
        assert blended(goal, plan, nearest, k=1) == (plan, ())

    def test_nothing_near_stays_as_it_is(self) -> None:
        plan = decide("whistle and hum loudly", [], [], Thresholds())
        assert blended("list stars and show moons", plan, nearest, k=1) == (plan, ())

    def test_with_k_of_2_two_runs_guide_one_part(self) -> None:
        def both(text: str, limit: int) -> list[tuple[TraceHeader, float]]:
            return [(SORT, 0.8), (COUNT, 0.5)][:limit]

        plan = decide("sort names.txt", [], both("", 5), Thresholds())
        mixed, _ = blended("sort names.txt", plan, both, k=2)
        assert mixed.guidance == (SORT, COUNT)
        assert mixed.reasons[-1] == "2 earlier runs guide: matching.mixed_k is 2"
        assert blended("sort names.txt", plan, both, k=1)[0].guidance == (SORT,)


@pytest.mark.parametrize(
    ("earlier", "goal", "said"),
    [
        ("count the lines of a.txt", "Count the lines of a.txt.", ()),
        ("count the lines of a.txt", "count the lines of b.txt", ("values: a.txt is now b.txt",)),
        (
            "count the lines of a.txt",
            "count the words of b.txt",
            ("values: a.txt is now b.txt", "only this goal says: words", "only the earlier goal said: lines"),
        ),
        ("copy a.txt to b.txt", "copy b.txt to a.txt", ("values: a.txt is now b.txt, b.txt is now a.txt",)),
        ("list files", "list the files not in out/", ("values: out/ instead of none", "only this goal says: not, in")),
        ("show files then sort", "sort then show files", ("the same words in another order",)),
    ],
)
def test_how_goals_differ(earlier: str, goal: str, said: tuple[str, ...]) -> None:
    assert differences(earlier, goal) == said


@given(st.text(max_size=80), st.text(max_size=80))
def test_differences_are_total(earlier: str, goal: str) -> None:
    assert isinstance(differences(earlier, goal), tuple)
    assert differences(goal, goal) == ()
