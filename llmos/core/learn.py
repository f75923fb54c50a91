"""From a finished run to the trace that is kept of it. Pure.

Every run with a step is kept: as verified when it may be replayed, as guidance when it only may be shown to a model,
as a draft when it is neither. The reason stands in the trace.
"""

from __future__ import annotations

from collections.abc import Sequence

from llmos.core.answer import derive
from llmos.core.dataclass import dataclass
from llmos.core.events import Outcome
from llmos.core.goal import context_reference
from llmos.core.provenance import Source, reasons
from llmos.core.replayable import obstacle
from llmos.core.template import generalise
from llmos.core.tool import Effect
from llmos.core.trace import AnswerTemplate, Learned, RunStep, Trace, TraceHeader, TraceStatus, steps_from_runs


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What became of a goal, and what its steps rest on."""

    goal: str
    outcome: Outcome
    reason: str
    """Why the outcome is not OK."""
    answer: str
    """As the model gave it."""
    steps: Sequence[RunStep]
    cwd: str
    shown: str = ""
    """What the model was shown besides the goal and its own results."""
    denied: bool = False
    """Whether a call was refused on the way."""
    secret: bool = False
    """Whether a secret stood in the goal, a step or its output: what is written leaves it out."""
    healed: str = ""
    """Why a run that went on from a replay is not to be replayed itself; empty when it may be, or went on from none."""
    supersedes: str = ""
    """Id of the trace that it takes the place of, where it may be replayed itself."""
    sandbox: str = ""
    """The tier that held its commands."""
    foreign: Sequence[Source] = ()
    """What the model was shown that neither the person nor a model wrote, besides the results of this run."""


def trace_of(run: FinishedRun, learned: Learned) -> Trace:
    """The trace of a run, without an id: that is derived from its content when it is written."""
    template = derive(run.answer, run.goal, run.steps)
    status, why = trace_status(run, template)
    header = TraceHeader(
        id="",
        goal=run.goal,
        status=status,
        reason=why,
        tools={step.tool: step.version for step in run.steps},
        learned=learned,
        supersedes=run.supersedes if status is TraceStatus.VERIFIED else "",
        sandbox=run.sandbox if any(step.effect is Effect.EXECUTE for step in run.steps) else "",
        provenance=reasons(run.goal, run.steps, run.foreign),
    )
    by_place = bool(generalise(run.goal, run.steps).columns)
    return Trace(header, steps_from_runs(run.steps, run.cwd, heads=by_place), template or AnswerTemplate())


def trace_status(run: FinishedRun, template: AnswerTemplate | None) -> tuple[TraceStatus, str]:
    """What a run is worth keeping as, and why it is not replayable."""
    if run.outcome is not Outcome.OK:
        return TraceStatus.DRAFT, f"the run ended {run.outcome.value}: {run.reason}"
    if run.healed:
        return TraceStatus.GUIDANCE, run.healed
    return (TraceStatus.GUIDANCE, why) if (why := _why_not(run, template)) else (TraceStatus.VERIFIED, "")


def _why_not(run: FinishedRun, template: AnswerTemplate | None) -> str:
    if reference := context_reference(run.goal):
        return f"{reference!r} in the goal points at something outside it"
    if run.secret:
        return "it held a secret, which is not kept, so the run cannot be made again from what is"
    if any(not step.changes.complete for step in run.steps):
        return "the directory was too large to see what the steps changed"
    if any(not step.ok and step.has_effects for step in run.steps):
        return "a failed step changed files"
    if any(run.cwd in str(value) for step in run.steps for value in step.args.values()):
        return "a step names the working directory by its full path, so it would act there again"
    if template is None:
        return "its answer is in the model's own words"
    if run.denied:
        return "a call was not allowed on the way, so the run is not the whole job"
    return obstacle(run.goal, run.answer, template, run.steps, run.shown)
