"""Whether a finished run did what it says, judged from its steps. Pure.

A run is OK when it ended by itself, every call that the answer rests on succeeded, and something was really looked at
or changed. A small model is held to more: the facts it names must be in its outputs, and an order to change something
must have changed something.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmos.core.answer import unshown
from llmos.core.events import Outcome
from llmos.core.goal import asks_for_change, asks_only, context_reference
from llmos.core.replayable import obstacle
from llmos.core.trace import AnswerTemplate, RunStep, TraceStatus


def judge(goal: str, answer: str, steps: Sequence[RunStep], *, small: bool) -> tuple[Outcome, str]:
    """Outcome of a run that ended by itself, and why it is not OK."""
    if not steps:
        return Outcome.UNVERIFIED, "an answer in words alone: nothing was run that could show it"
    if not steps[-1].ok:
        return Outcome.FAILED, f"the last step ({steps[-1].tool}) failed"
    if not small:
        return Outcome.OK, ""
    changed = any(step.has_effects for step in steps)
    if asks_for_change(goal):
        if changed:
            return Outcome.OK, ""
        return Outcome.UNVERIFIED, "the goal asks for a change, and no file was changed"
    spoiled = sorted({path for step in steps for path in (*step.changes.changed, *step.changes.deleted)})
    if asks_only(goal) and spoiled:
        return Outcome.UNVERIFIED, f"the goal asks to be told something, and {spoiled[0]} was changed"
    if token := unshown(answer, goal, steps):
        return Outcome.UNVERIFIED, f"no tool result shows {token!r}"
    return Outcome.OK, ""


def trace_status(
    goal: str,
    outcome: Outcome,
    reason: str,
    answer: AnswerTemplate | None,
    steps: Sequence[RunStep],
    cwd: str,
    *,
    said: str = "",
    shown: str = "",
    denied: bool = False,
) -> tuple[TraceStatus, str]:
    """What a run in `cwd` is worth keeping as, and why it is not replayable.

    `said` and `shown` are core.replayable.obstacle's; `denied`: a call was refused on the way.
    """
    if outcome is not Outcome.OK:
        return TraceStatus.DRAFT, f"the run ended {outcome.value}: {reason}"
    if reference := context_reference(goal):
        return TraceStatus.GUIDANCE, f"{reference!r} in the goal points at something outside it"
    if any(not step.changes.complete for step in steps):
        return TraceStatus.GUIDANCE, "the directory was too large to see what the steps changed"
    if any(not step.ok and step.has_effects for step in steps):
        return TraceStatus.GUIDANCE, "a failed step changed files"
    if any(cwd in str(value) for step in steps for value in step.args.values()):
        return TraceStatus.GUIDANCE, "a step names the working directory by its full path, so it would act there again"
    if answer is None:
        return TraceStatus.GUIDANCE, "the answer cannot be computed from the outputs of the steps"
    if denied:
        return TraceStatus.GUIDANCE, "a call was not allowed on the way, so the run is not the whole job"
    if why := obstacle(goal, said, answer, steps, shown):
        return TraceStatus.GUIDANCE, why
    return TraceStatus.VERIFIED, ""
