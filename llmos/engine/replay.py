"""Replaying a trace: its tool calls again, each checked before the next. Never handed a model.

The first mismatch stops the replay. What was planned, started, done, failed or left unknown stands in the events
(core/journal folds them); what ran is handed on, so that a run that goes on from there is whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from llmos.core.answer import compute, describe_changes
from llmos.core.dataclass import dataclass
from llmos.core.events import Outcome, StepChecked, StepWaiting
from llmos.core.heal import is_at_fault
from llmos.core.journal import AS_RECORDED, REPLAY_CALL
from llmos.core.messages import ToolCall
from llmos.core.permission import SavedRun
from llmos.core.ports import Clock, Emit
from llmos.core.sandbox import weaker
from llmos.core.tool import Tool, ToolContext
from llmos.core.trace import RunStep, Step, Trace, mismatch
from llmos.engine.contents import head_digest, stands_inside
from llmos.engine.invoke import Invoker

WAIT_FACTOR = 3.0
SHORTEST_WAIT_S = 5.0
"""A replay waits so many times as long as the run did that it replays, and at least so long: machines differ."""
LOOK_EVERY_S = 0.1
DONE_BEFORE = "done before it was cut off"


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay ended: OK, DIVERGED or DENIED."""

    outcome: Outcome
    answer: str
    reason: str
    done: tuple[RunStep | None, ...]
    """The steps that went as recorded; None for one that had nothing to do."""
    failed: RunStep | None = None
    """The step at which it stopped, where that step ran."""
    at_fault: bool = False
    """Whether the steps are to blame and not the world: the same world, and no longer the same effect."""

    @property
    def ran(self) -> bool:
        """Whether any step ran before it stopped."""
        return self.failed is not None or any(run is not None for run in self.done)

    @property
    def has_effects(self) -> bool:
        """Whether it did anything to files."""
        return any(run is not None and run.has_effects for run in (*self.done, self.failed))


def unmet_requirements(
    trace: Trace, tools: Mapping[str, Tool], context: ToolContext, *, done: int = 0
) -> tuple[str, ...]:
    """The preconditions that do not hold, in words. Later steps count on what earlier ones will have left.

    `done`: so many steps were done before and are not begun again.

    What a step had to wait for when it was learned may come in time again, so it is no condition now.
    """
    if context.unheld:
        return ("no sandbox holds commands on this machine, and nothing is replayed without one",)
    there: dict[str, bool] = {}
    found = [problem] if (problem := _weaker_sandbox(trace, context)) else []
    for step in trace.steps[done:]:
        found += [
            f"{path} is missing"
            for path in step.require.present
            if not there.get(path, _is_there(path, context)) and not _may_come(step, path, context)
        ]
        found += [
            f"the first line of {path} is another than when this was learned"
            for path, head in step.require.heads
            if path not in there and head_digest(context.cwd, path) != head and not _may_come(step, path, context)
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


def _weaker_sandbox(trace: Trace, context: ToolContext) -> str:
    """Why what holds commands here is not enough for a run that was learned behind more; empty where it is."""
    recorded, now = trace.header.sandbox, context.tier_name
    if not weaker(now, recorded):
        return ""
    return f"its commands were held by {recorded} when it was learned, and here by {now or 'nothing'}, which is weaker"


def _may_come(step: Step, path: str, context: ToolContext) -> bool:
    """Whether a path that is not there now had to be waited for when the step was learned."""
    return step.require.wait_s > 0.0 and not _exists(path, context)


def _is_there(path: str, context: ToolContext) -> bool:
    """Whether what a step needs is there: a folder where the path ends in a slash, else a file or what leads to one."""
    place = os.path.join(context.cwd, path)  # noqa: PTH118
    try:
        return os.path.isdir(place) if path.endswith("/") else os.path.exists(place) and not os.path.isdir(place)  # noqa: PTH110,PTH112
    except ValueError:  # what can be no name
        return False


def _exists(path: str, context: ToolContext) -> bool:
    """Whether the name is taken; a link that leads nowhere takes it too. False for what can be no name."""
    return os.path.lexists(os.path.join(context.cwd, path))  # noqa: PTH118 - Path drops the final slash of a folder


def _satisfied(step: Step, tools: Mapping[str, Tool], context: ToolContext) -> bool:
    tool = tools.get(step.tool)
    return tool is not None and tool.satisfied is not None and tool.satisfied(step.args, context)


class Replay:
    """One replay of a trace. `rebound` says that it was learned for another goal; `wait_s` bounds each wait.

    `content` is the hash of the trace's file: a person's yes to a saved run is a yes to this content. `before` are the
    steps that were done before it was cut off: it goes on after them.
    """

    def __init__(
        self,
        trace: Trace,
        invoker: Invoker,
        emit: Emit,
        *,
        clock: Clock,
        wait_s: float,
        content: str,
        rebound: bool = False,
        before: Sequence[RunStep | None] = (),
    ) -> None:
        self.trace = trace
        self._before = tuple(before)
        self._saved_run = SavedRun(trace.header.id, content)
        self._invoker = invoker
        self._emit = emit
        self._clock = clock
        self._wait_s = wait_s
        self._rebound = rebound

    @property
    def cwd(self) -> Path:
        """Where its steps run."""
        return self._invoker.context.cwd

    async def run(self) -> Replayed:
        """Run the steps in order; stops at the first that is denied or does not give what was recorded."""
        done: list[RunStep | None] = [*self._before]
        for number in range(len(done)):
            self._emit(StepChecked(step=number, ok=True, reason=DONE_BEFORE))
        for number, step in [*enumerate(self.trace.steps)][len(done) :]:
            if _satisfied(step, self._invoker.tools, self._invoker.context):
                self._emit(StepChecked(step=number, ok=True, reason="already as this step would leave it"))
                done.append(None)
                continue
            outcome, reason, run = await self._step(number, step)
            self._emit(StepChecked(step=number, ok=outcome is Outcome.OK, reason=reason))
            if outcome is not Outcome.OK:
                at_fault = run is not None and is_at_fault(step, run, rebound=self._rebound)
                return Replayed(outcome, "", reason, tuple(done), run, at_fault)
            done.append(run)
        answer = _answer(self.trace, done)
        if answer is None:
            reason = "the outputs no longer hold what the answer is computed from"
            return Replayed(Outcome.DIVERGED, "", reason, tuple(done))
        return Replayed(Outcome.OK, answer, "", tuple(done))

    async def _step(self, number: int, step: Step) -> tuple[Outcome, str, RunStep | None]:
        context = self._invoker.context
        if missing := await self._still_missing(number, step):
            waited = " after waiting for it" if step.require.wait_s else ""
            return Outcome.DIVERGED, f"step {number + 1} needs {missing}, which is missing{waited}", None
        for path in step.require.absent:
            if _exists(path, context):
                return Outcome.DIVERGED, f"step {number + 1} creates {path}, which exists already", None
        call = ToolCall(f"{REPLAY_CALL}{number + 1}", step.tool, step.args)
        expect = step.expect
        touches = (*expect.created, *expect.changed, *expect.deleted)
        invocation = await self._invoker.invoke(call, saved_run=self._saved_run, touches=touches)
        if invocation.denied:
            return Outcome.DENIED, invocation.denied, None
        run = invocation.step
        if run is None:
            return Outcome.DIVERGED, f"step {number + 1}: {invocation.result.content}", None
        difference = mismatch(step, run, str(context.cwd))
        if difference:
            return Outcome.DIVERGED, f"step {number + 1} ({step.tool}): {difference}", run
        return Outcome.OK, AS_RECORDED, run

    async def _still_missing(self, number: int, step: Step) -> str:
        """The first path that the step needs and that is not there, after the wait that was recorded, if any."""
        missing = self._missing(step)
        if not missing or not step.require.wait_s:
            return missing
        limit_s = min(self._wait_s, max(SHORTEST_WAIT_S, WAIT_FACTOR * step.require.wait_s))
        self._emit(StepWaiting(step=number, path=missing, limit_s=limit_s))
        until = self._clock.monotonic() + limit_s
        sizes = self._sizes(step)
        while self._clock.monotonic() < until:
            await self._clock.sleep(LOOK_EVERY_S)
            before, sizes = sizes, self._sizes(step)
            # What is still being written is not there yet.
            if sizes == before and not self._missing(step):
                return ""
        return self._missing(step)

    def _missing(self, step: Step) -> str:
        return next((path for path in step.require.present if not _is_there(path, self._invoker.context)), "")

    def _sizes(self, step: Step) -> list[int]:
        sizes = []
        for path in step.require.present:
            try:
                sizes.append((self._invoker.context.cwd / path).stat().st_size)
            except (OSError, ValueError):
                sizes.append(-1)
        return sizes


def _answer(trace: Trace, runs: Sequence[RunStep | None]) -> str | None:
    """The answer from these runs, None where they do not give it; a step that was skipped has no run."""
    changes = [run.changes for run in runs if run is not None]
    sources = [runs[value.step] for value in trace.answer.values]
    if any(run is None or run.truncated for run in sources):
        return None
    if sources or None not in runs:
        return compute(trace.answer, ["" if run is None else run.stdout for run in runs], changes)
    skipped = {
        path
        for step, run in zip(trace.steps, runs, strict=True)
        if run is None
        for path in (step.expect.created or step.expect.changed or (str(step.args.get("path", step.tool)),))
    }
    already = f"Already as asked: {', '.join(sorted(skipped))}."
    return f"{already} {describe_changes(changes) if any(changes) else 'Nothing had to change.'}"
