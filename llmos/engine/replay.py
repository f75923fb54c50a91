"""Replaying a trace: its tool calls again, each checked before the next. Never handed a model.

The first mismatch stops the replay and leaves a list of what was done, failed and not begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmos.core.answer import compute
from llmos.core.events import Outcome, StepChecked
from llmos.core.messages import ToolCall
from llmos.core.ports import Emit
from llmos.core.prompt import step_line
from llmos.core.tool import FileChanges, Tool, ToolContext
from llmos.core.trace import RunStep, Step, Trace, mismatch
from llmos.engine.invoke import Invoker


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay ended: OK, DIVERGED or DENIED."""

    outcome: Outcome
    answer: str
    reason: str
    journal: tuple[str, ...]
    """A line for each step: done, failed or not begun."""
    ran: bool
    """Whether any step ran before it stopped."""


def unmet_requirements(trace: Trace, tools: Mapping[str, Tool], context: ToolContext) -> tuple[str, ...]:
    """The preconditions that do not hold, in words. Later steps count on what earlier ones will have left."""
    there: dict[str, bool] = {}

    def exists(path: str) -> bool:
        return there.get(path, (context.cwd / path).exists())

    found: list[str] = []
    for step in trace.steps:
        found += [f"{path} is missing" for path in step.require.present if not exists(path)]
        if not _satisfied(step, tools, context):
            found += [f"{path} exists already" for path in step.require.absent if exists(path)]
        there.update(dict.fromkeys(step.expect.created, True))
        there.update(dict.fromkeys(step.expect.deleted, False))
    return tuple(found)


def _satisfied(step: Step, tools: Mapping[str, Tool], context: ToolContext) -> bool:
    tool = tools.get(step.tool)
    return tool is not None and tool.satisfied is not None and tool.satisfied(step.args, context)


async def replay(trace: Trace, invoker: Invoker, emit: Emit) -> Replayed:
    """Run the steps of a trace in order; stops at the first that is denied or does not give what was recorded."""
    done: list[RunStep] = []
    skipped: list[str] = []
    stdouts: list[str] = []
    for number, step in enumerate(trace.steps):
        if _satisfied(step, invoker.tools, invoker.context):
            emit(StepChecked(step=number, ok=True, reason="already as this step would leave it"))
            skipped += step.expect.created or step.expect.changed
            stdouts.append("")
            continue
        outcome, reason, run = await _replay_step(number, step, invoker)
        emit(StepChecked(step=number, ok=outcome is Outcome.OK, reason=reason))
        if run is not None:
            done.append(run)
            stdouts.append(run.stdout)
        if outcome is not Outcome.OK:
            return Replayed(outcome, "", reason, _journal(trace, number, done, skipped), bool(done))
    answer = _answer(trace, stdouts, done, skipped)
    if answer is None:
        reason = "the outputs no longer hold what the answer is computed from"
        return Replayed(Outcome.DIVERGED, "", reason, _journal(trace, len(trace.steps), done, skipped), bool(done))
    return Replayed(Outcome.OK, answer, "", (), bool(done))


async def _replay_step(number: int, step: Step, invoker: Invoker) -> tuple[Outcome, str, RunStep | None]:
    cwd = invoker.context.cwd
    for path in step.require.present:
        if not (cwd / path).exists():
            return Outcome.DIVERGED, f"step {number + 1} needs {path}, which is missing", None
    for path in step.require.absent:
        if (cwd / path).exists():
            return Outcome.DIVERGED, f"step {number + 1} creates {path}, which exists already", None
    invocation = await invoker.invoke(ToolCall(f"replay-{number + 1}", step.tool, step.args), replayed=True)
    if invocation.denied:
        return Outcome.DENIED, invocation.denied, None
    run = invocation.step
    if run is None:
        return Outcome.DIVERGED, f"step {number + 1}: {invocation.result.content}", None
    difference = mismatch(step, ok=run.ok, exit_code=run.exit_code, stdout=run.stdout, changes=run.changes)
    if difference:
        return Outcome.DIVERGED, f"step {number + 1} ({step.tool}): {difference}", run
    return Outcome.OK, "as recorded", run


def _answer(trace: Trace, stdouts: list[str], done: list[RunStep], skipped: list[str]) -> str | None:
    if not skipped:
        return compute(trace.answer, stdouts, [run.changes for run in done])
    already = f"Already as asked: {', '.join(sorted(set(skipped)))}."
    changes: list[FileChanges] = [run.changes for run in done]
    if not any(changes):
        return f"{already} Nothing had to change."
    rest = compute(type(trace.answer)(), stdouts, changes)
    return f"{already} {rest}"


def _journal(trace: Trace, stopped_at: int, done: list[RunStep], skipped: list[str]) -> tuple[str, ...]:
    lines = [f"already so: {path}" for path in skipped]
    lines += [step_line(run) for run in done]
    lines += [f"not begun: {step.tool} {dict(step.args)}" for step in trace.steps[stopped_at + 1 :]]
    return tuple(lines)
