"""Replaying a trace: its tool calls again, each checked before the next. Never handed a model.

The first mismatch stops the replay and leaves a list of what was done, failed and not begun.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llmos.core.answer import compute, describe_changes
from llmos.core.events import Outcome, StepChecked
from llmos.core.messages import ToolCall
from llmos.core.ports import Emit
from llmos.core.prompt import step_line
from llmos.core.tool import Tool, ToolContext
from llmos.core.trace import RunStep, Step, Trace, mismatch
from llmos.engine.contents import head_digest, stands_inside
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
    found: list[str] = []
    for step in trace.steps:
        found += [f"{path} is missing" for path in step.require.present if not there.get(path, _exists(path, context))]
        found += [
            f"the first line of {path} is another than when this was learned"
            for path, head in step.require.heads
            if path not in there and head_digest(context.cwd, path) != head
        ]
        found += [
            f"{text!r} stands in {path} as a part of a longer word"
            for path, text in step.require.bounded
            if path not in there and stands_inside(context.cwd, path, text)
        ]
        if not _satisfied(step, tools, context):
            found += [
                f"{path} exists already" for path in step.require.absent if there.get(path, _exists(path, context))
            ]
        there.update(dict.fromkeys(step.expect.created, True))
        there.update(dict.fromkeys(step.expect.deleted, False))
    return tuple(found)


def _exists(path: str, context: ToolContext) -> bool:
    """Whether the name is taken; a link that leads nowhere takes it too. False for what can be no name."""
    return os.path.lexists(os.path.join(context.cwd, path))  # noqa: PTH118 - Path drops the final slash of a folder


def _satisfied(step: Step, tools: Mapping[str, Tool], context: ToolContext) -> bool:
    tool = tools.get(step.tool)
    return tool is not None and tool.satisfied is not None and tool.satisfied(step.args, context)


async def replay(trace: Trace, invoker: Invoker, emit: Emit) -> Replayed:
    """Run the steps of a trace in order; stops at the first that is denied or does not give what was recorded."""
    runs: list[RunStep | None] = []
    for number, step in enumerate(trace.steps):
        if _satisfied(step, invoker.tools, invoker.context):
            emit(StepChecked(step=number, ok=True, reason="already as this step would leave it"))
            runs.append(None)
            continue
        outcome, reason, run = await _replay_step(number, step, invoker)
        emit(StepChecked(step=number, ok=outcome is Outcome.OK, reason=reason))
        if run is not None:
            runs.append(run)
        if outcome is not Outcome.OK:
            return _stopped(outcome, reason, trace, runs, number)
    answer = _answer(trace, runs)
    if answer is None:
        reason = "the outputs no longer hold what the answer is computed from"
        return _stopped(Outcome.DIVERGED, reason, trace, runs, len(trace.steps))
    return Replayed(Outcome.OK, answer, "", (), any(runs))


async def _replay_step(number: int, step: Step, invoker: Invoker) -> tuple[Outcome, str, RunStep | None]:
    context = invoker.context
    for path in step.require.present:
        if not _exists(path, context):
            return Outcome.DIVERGED, f"step {number + 1} needs {path}, which is missing", None
    for path in step.require.absent:
        if _exists(path, context):
            return Outcome.DIVERGED, f"step {number + 1} creates {path}, which exists already", None
    invocation = await invoker.invoke(ToolCall(f"replay-{number + 1}", step.tool, step.args), replayed=True)
    if invocation.denied:
        return Outcome.DENIED, invocation.denied, None
    run = invocation.step
    if run is None:
        return Outcome.DIVERGED, f"step {number + 1}: {invocation.result.content}", None
    difference = mismatch(step, run, str(context.cwd))
    if difference:
        return Outcome.DIVERGED, f"step {number + 1} ({step.tool}): {difference}", run
    return Outcome.OK, "as recorded", run


def _answer(trace: Trace, runs: Sequence[RunStep | None]) -> str | None:
    """The answer from these runs, None where they do not give it; a step that was skipped has no run."""
    changes = [run.changes for run in runs if run is not None]
    sources = [runs[value.step] for value in trace.answer.values]
    if any(run is None or run.truncated for run in sources):
        return None
    if sources or None not in runs:
        return compute(trace.answer, ["" if run is None else run.stdout for run in runs], changes)
    skipped = {path for path, _ in _skipped(trace, runs)}
    already = f"Already as asked: {', '.join(sorted(skipped))}."
    return f"{already} {describe_changes(changes) if any(changes) else 'Nothing had to change.'}"


def _skipped(trace: Trace, runs: Sequence[RunStep | None]) -> list[tuple[str, Step]]:
    """The paths that were already as a step would leave them, each with its step."""
    return [
        (path, step)
        for step, run in zip(trace.steps, runs, strict=False)
        if run is None
        for path in (step.expect.created or step.expect.changed or (str(step.args.get("path", step.tool)),))
    ]


def _stopped(outcome: Outcome, reason: str, trace: Trace, runs: Sequence[RunStep | None], at: int) -> Replayed:
    lines = [f"already so: {path}" for path, _ in _skipped(trace, runs)]
    lines += [step_line(run) for run in runs if run is not None]
    lines += [f"not begun: {step.tool} {dict(step.args)}" for step in trace.steps[max(at + 1, len(runs)) :]]
    return Replayed(outcome, "", reason, tuple(lines), any(runs))
