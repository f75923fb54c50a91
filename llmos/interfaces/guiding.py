"""What a model is shown of earlier runs: the traces of a plan, how their goals differ, and what failed before."""

from __future__ import annotations

from collections.abc import Sequence

from llmos.core.blend import Piece
from llmos.core.differs import differences
from llmos.core.events import Mode
from llmos.core.journal import call_line
from llmos.core.policy import Plan
from llmos.core.prompt import Avoid, Guide
from llmos.memory.traces_sdk import TraceManager

FAILURES_SHOWN = 2
"""Failed runs that a model is shown; each says what to leave, and more would crowd out the goal."""


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
        guides.append(
            Guide(
                traces.load(header.id),
                differences(header.goal, part),
                "" if part == goal else part,
                outcomes.successes,
                outcomes.failures,
            )
        )
    return guides


def failures_of(goal: str, plan: Plan, traces: TraceManager) -> list[Avoid]:
    """The latest failed runs of this goal and of those that guide."""
    runs = traces.failed_runs([goal, *(header.goal for header in plan.guidance)], FAILURES_SHOWN)
    return [
        Avoid(run.header.goal, run.header.reason, tuple(call_line(step.tool, step.args) for step in run.steps))
        for run in runs
    ]
