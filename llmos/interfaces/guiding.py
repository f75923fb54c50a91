"""What a model is shown of earlier runs: the traces of a plan, how their goals differ, and what failed before."""

from __future__ import annotations

from collections.abc import Sequence

from llmos.core.blend import Piece
from llmos.core.differs import differences
from llmos.core.events import Mode
from llmos.core.goal import goal_key
from llmos.core.journal import call_line
from llmos.core.policy import Plan
from llmos.core.prompt import Avoid, Guide
from llmos.core.provenance import Source
from llmos.core.trace import Trace
from llmos.memory.traces_sdk import TraceManager

FAILURES_SHOWN = 2
"""Failed runs, and as many verdicts of a person, that a model is shown; more would crowd out the goal."""


def differs_of(goal: str, plan: Plan) -> tuple[str, ...]:
    """How the goal differs from that of the nearest trace of a plan that replays nothing."""
    if plan.mode is Mode.FOLLOWER:
        return ()
    headers = [*plan.guidance, *([plan.trace.header] if plan.trace else [])]
    return differences(headers[0].goal, goal) if headers else ()


def guides_of(goal: str, plan: Plan, pieces: Sequence[Piece], traces: TraceManager) -> list[Guide]:
    """The guiding traces of a plan, whole. Raises UsageError, StoreError for one that is gone by now."""
    parts = {piece.header.id: piece.part for piece in pieces}
    guides = []
    for header in plan.guidance:
        part = parts.get(header.id, goal)
        outcomes = traces.outcomes(header.id)
        trace = traces.load(header.id)
        foreign = trace.header.provenance if not traces.vouched(header.id) else ()
        guides.append(
            Guide(
                trace,
                differences(header.goal, part),
                "" if part == goal else part,
                outcomes.successes,
                outcomes.failures,
                "; ".join(foreign),
            )
        )
    return guides


def failures_of(goal: str, plan: Plan, traces: TraceManager) -> list[Avoid]:
    """What a person called wrong, and the latest failed runs: of this goal, and of the traces that guide."""
    runs = traces.failed_runs([goal, *(header.goal for header in plan.guidance)], FAILURES_SHOWN)
    failed = [Avoid(run.header.goal, run.header.reason, _calls(run)) for run in runs]
    return [*_verdicts(goal, plan, traces), *failed]


def unproven(runs: Sequence[Trace], traces: TraceManager) -> tuple[Source, ...]:
    """What those of these runs do that rest on foreign text and that no person said yes to."""
    return tuple(
        Source(f"the saved run {run.header.id}, to which nobody said yes", "\n".join(_calls(run)))
        for run in runs
        if run.header.provenance and not traces.vouched(run.header.id)
    )


def _verdicts(goal: str, plan: Plan, traces: TraceManager) -> list[Avoid]:
    """The latest verdicts of a person, with the calls where it is known which they were."""
    guiding = {header.id for header in plan.guidance}
    key = goal_key(goal)
    found = []
    for one in traces.wrong():
        if one.trace in guiding or goal_key(one.goal) == key:
            because = f": {one.reason}" if one.reason else ""
            known = plan.trace is not None and plan.trace.header.id == one.trace and goal_key(one.goal) == key
            calls = _calls(plan.trace) if known and plan.trace else ()
            found.append(Avoid(one.goal, f"a person called what a replay did wrong{because}", calls))
    return found[-FAILURES_SHOWN:]


def _calls(trace: Trace) -> tuple[str, ...]:
    return tuple(call_line(step.tool, step.args) for step in trace.steps)
