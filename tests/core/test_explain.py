"""What a decision says of itself is what it did: every miss has a reason, every candidate its gates."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmos.core.events import Mode
from llmos.core.evidence import Outcomes
from llmos.core.explain import first_closed
from llmos.core.policy import Candidate, Thresholds, decide, gate_checks, plan_event
from llmos.core.trace import Learned, Trace, TraceHeader, TraceStatus

GOAL = "count the files"


def header(name: str, status: TraceStatus = TraceStatus.VERIFIED) -> TraceHeader:
    learned = Learned("2026-11-01T00:00:00+00:00", "LEARNER", "m", 0.02, 1)
    return TraceHeader(name, GOAL, status, "" if status is TraceStatus.VERIFIED else "why not", {}, learned)


OPEN = Candidate(Trace(header("one"), ()), Outcomes(), True, (), ())
CLOSING = {
    "wrong": replace(OPEN, blocked="a person said so"),
    "polarity": replace(OPEN, refusal="polarity: the opposite may be meant"),
    "status": replace(OPEN, trace=Trace(header("one", TraceStatus.GUIDANCE), ())),
    "origin": replace(OPEN, approved=False),
    "tools": replace(OPEN, changed_tools=("shell",)),
    "precondition": replace(OPEN, unmet=("a.txt is missing",)),
    "confidence": replace(OPEN, outcomes=Outcomes(failures=3)),
}


@pytest.mark.parametrize("name", CLOSING)
def test_each_fact_closes_its_own_gate(name: str) -> None:
    gates = gate_checks(GOAL, CLOSING[name], Thresholds())
    assert first_closed(gates[: [gate.name for gate in gates].index(name)]) is None
    assert first_closed(gates) == f"{name}: {next(gate.reason for gate in gates if gate.name == name)}"
    assert decide(GOAL, [CLOSING[name]], [], Thresholds()).mode is not Mode.FOLLOWER


def test_with_every_gate_open_it_is_replayed() -> None:
    gates = gate_checks(GOAL, OPEN, Thresholds())
    assert first_closed(gates) is None
    assert all(gate.open for gate in gates)
    assert decide(GOAL, [OPEN], [], Thresholds()).mode is Mode.FOLLOWER


def test_a_goal_that_points_elsewhere_closes_its_gate() -> None:
    assert (first_closed(gate_checks("count it again", OPEN, Thresholds())) or "").startswith("context: ")


CANDIDATES = st.lists(st.sampled_from([OPEN, *CLOSING.values()]), max_size=4).map(
    lambda found: [
        replace(one, trace=Trace(replace(one.trace.header, id=f"t{number}"), ())) for number, one in enumerate(found)
    ]
)
NEAR = st.lists(st.floats(0, 1), max_size=3).map(
    lambda scores: [(header(f"n{number}"), score) for number, score in enumerate(sorted(scores, reverse=True))]
)


@given(CANDIDATES, NEAR)
def test_the_explanation_is_the_decision(candidates: list[Candidate], near: list[tuple[TraceHeader, float]]) -> None:
    plan = decide(GOAL, candidates, near, Thresholds())
    asked = [one for one in plan.considered if one.gates]
    assert {one.trace_id for one in plan.considered} == {
        *(candidate.trace.header.id for candidate in candidates),
        *(one.id for one, _ in near),
    }
    replayable = [one for one in asked if not one.closed]
    assert (plan.mode is Mode.FOLLOWER) == bool(replayable)
    assert plan.reasons
    if plan.mode is Mode.FOLLOWER:
        assert plan.considered[0].role == "replay"
        assert plan.considered[0].trace_id == plan_event(plan).trace_id
    else:
        for one in asked:
            assert any(f"{one.trace_id} not replayed: {first_closed(one.gates)}" == reason for reason in plan.reasons)
