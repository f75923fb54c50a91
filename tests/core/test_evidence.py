"""How sure a replay is: the number rises and falls with what became of replays, and bars are never lowered."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.events import Mode
from llmos.core.evidence import (
    HIGHEST_REQUIRED,
    OTHER_VALUES,
    OTHER_WORDS,
    RETIRE_AFTER,
    Evidence,
    Family,
    Outcomes,
)
from llmos.core.policy import Candidate, Thresholds, decide
from llmos.core.tool import Effect
from llmos.core.trace import Expect, Learned, Require, Step, Trace, TraceHeader, TraceStatus

WHEN = "2026-11-22T12:00:00+00:00"
FLOOR = Thresholds().follower
GOAL = "count the files"


def after(history: str) -> Outcomes:
    """What a trace has to its name after right (+), wrong (-) and by a person wrong (!) replays, enabled (e)."""
    steps = {
        "+": lambda one: one.succeeded(WHEN),
        "-": lambda one: one.failed(WHEN),
        "!": lambda one: one.failed(WHEN, by_person=True),
        "e": lambda one: one.enabled(),
    }
    return reduce(lambda one, sign: steps[sign](one), history, Outcomes())


def candidate(identifier: str = "one", history: str = "", command: str = "ls | wc -l", **more: object) -> Candidate:
    header = TraceHeader(identifier, GOAL, TraceStatus.VERIFIED, "", {}, Learned(WHEN, "LEARNER", "m", 0.1, 1))
    step = Step("shell", {"command": command}, Effect.EXECUTE, Require(), Expect(0), "3")
    return replace(Candidate(Trace(header, (step,)), after(history), True, (), ()), **more)  # type: ignore[arg-type]


class TestPosterior:
    @pytest.mark.parametrize(
        ("own", "family", "expected"),
        [
            ((0, 0), (0, 0), 0.960),
            ((0, 0), (40, 0), 0.978),
            ((0, 0), (0, 2), 0.923),
            ((0, 0), (0, 3), 0.906),
            ((20, 0), (0, 3), 0.948),
            ((0, 1), (0, 0), 0.923),
            ((0, 2), (100, 0), 0.914),
        ],
    )
    def test_own_outcomes_move_what_the_family_starts_with(
        self, own: tuple[int, int], family: tuple[int, int], expected: float
    ) -> None:
        assert round(Evidence(Outcomes(*own), Family(*family)).posterior, 3) == expected

    @given(*(st.integers(0, 500) for _ in range(4)))
    def test_it_is_a_probability_that_every_right_raises_and_every_wrong_lowers(
        self, right: int, wrong: int, others_right: int, others_wrong: int
    ) -> None:
        def posterior(*counts: int) -> float:
            return Evidence(Outcomes(*counts[:2]), Family(*counts[2:])).posterior

        now = posterior(right, wrong, others_right, others_wrong)
        assert 0 < now < 1
        assert posterior(right, wrong + 1, others_right, others_wrong) < now
        assert posterior(right, wrong, others_right, others_wrong + 1) < now
        assert posterior(right + 1, wrong, others_right, others_wrong) > now
        assert posterior(right, wrong, others_right + 1, others_wrong) > now

    def test_what_is_further_from_the_saved_goal_is_less_sure(self) -> None:
        numbers = [Evidence(structure=one).confidence for one in (1.0, OTHER_VALUES, OTHER_WORDS)]
        assert [round(number, 3) for number in numbers] == [0.96, 0.95, 0.941]
        assert min(numbers) > FLOOR


class TestThreshold:
    @pytest.mark.parametrize(
        ("history", "required"),
        [
            ("", 0.92),
            ("-", 0.93),
            ("-+", 0.925),
            ("-++", 0.92),
            ("+++++", 0.92),
            ("!", 0.94),
            ("--", 0.94),
            ("-" * 50, HIGHEST_REQUIRED),
            ("--e", 0.92),
        ],
    )
    def test_a_failure_raises_it_and_two_successes_pay_for_it(self, history: str, required: float) -> None:
        assert round(Evidence(after(history)).required(FLOOR), 4) == required

    @given(st.text("+-!e"), st.floats(0.5, 1.0))
    def test_it_is_never_below_what_is_configured(self, history: str, floor: float) -> None:
        assert floor <= Evidence(after(history)).required(floor) <= max(floor, HIGHEST_REQUIRED)

    def test_after_one_failure_a_young_trace_is_not_replayed_and_a_proven_one_is(self) -> None:
        young = decide(GOAL, [candidate(history="-")], [], Thresholds())
        assert (young.mode, young.reasons) == (
            Mode.MIXED,
            ("one not replayed: confidence: 0.923 is below 0.930, raised by its failures",),
        )
        assert decide(GOAL, [candidate(history="+++++-")], [], Thresholds()).mode is Mode.FOLLOWER
        confirmed = decide(GOAL, [candidate(history="-+")], [], Thresholds())
        assert confirmed.mode is Mode.FOLLOWER


class TestRetiring:
    def test_three_failures_in_a_row_end_it_until_a_person_enables_it(self) -> None:
        assert after("--+--").retired == ""
        assert after("+" * 90 + "---").retired == "its last 3 replays went wrong"
        assert after("---+++").retired != ""
        assert after("---e").retired == ""
        assert RETIRE_AFTER == 3

    def test_however_sure_it_is_never_replayed(self) -> None:
        plan = decide(GOAL, [candidate(history="+" * 900 + "---")], [], Thresholds())
        assert (plan.mode, plan.reasons) == (
            Mode.MIXED,
            (
                "one not replayed: retired: its last 3 replays went wrong; `llmos traces enable one` lets it be "
                "replayed again",
            ),
        )

    def test_what_a_person_switched_off_does_not_even_guide(self) -> None:
        off = candidate(outcomes=Outcomes(disabled="switched off by hand"))
        plan = decide(GOAL, [off], [], Thresholds())
        assert (plan.mode, plan.guidance) == (Mode.LEARNER, ())


class TestTwoRuns:
    ONE, TWO = candidate("one", "+"), candidate("two", "+++", "find . | wc -l")

    def test_the_better_verified_is_replayed_and_the_other_is_named(self) -> None:
        for order in ([self.ONE, self.TWO], [self.TWO, self.ONE]):
            plan = decide(GOAL, order, [], Thresholds())
            assert plan.trace == self.TWO.trace
            assert plan.reasons == (
                "m did this goal before, and it was checked; replays so far: 3 right, 0 wrong",
                "one does this with other steps; replays so far: 1 right, 0 wrong; the better verified one is replayed",
            )

    def test_runs_with_the_same_steps_do_not_contradict(self) -> None:
        same = candidate("two", "+++")
        assert len(decide(GOAL, [self.ONE, same], [], Thresholds()).reasons) == 1

    def test_what_a_person_prefers_comes_first(self) -> None:
        pinned = replace(self.ONE, outcomes=replace(self.ONE.outcomes, pinned=True))
        plan = decide(GOAL, [self.TWO, pinned], [], Thresholds())
        assert plan.trace == self.ONE.trace
        assert plan.reasons[1].endswith("; a person prefers the one replayed")

    def test_where_the_better_one_may_not_run_the_other_does(self) -> None:
        plan = decide(GOAL, [self.ONE, replace(self.TWO, unmet=("a is missing",))], [], Thresholds())
        assert plan.trace == self.ONE.trace
        assert plan.reasons[1] == "two not replayed: precondition: a is missing"

    def test_of_two_that_were_never_replayed_the_later_is(self) -> None:
        old, new = candidate("old"), candidate("new", command="ls -A | wc -l")
        header = replace(new.trace.header, learned=replace(new.trace.header.learned, when="2026-11-23T00:00:00+00:00"))
        new = replace(new, trace=replace(new.trace, header=header))
        assert decide(GOAL, [old, new], [], Thresholds()).trace == new.trace
