"""The decision on one goal: which saved runs there are for it, whether they may be replayed here and now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from llmos.core.blend import blended
from llmos.core.cut_off import CutOff
from llmos.core.events import Mode, Notice, Verdict
from llmos.core.policy import PROVENANCE, Candidate, Plan
from llmos.core.ports import Emit
from llmos.engine.invoke import Invoker
from llmos.engine.replay import unmet_requirements
from llmos.interfaces.turn import Turn
from llmos.memory.traces_sdk import TraceManager

if TYPE_CHECKING:
    from llmos.engine.going_on import Done


class Decider:
    """Decides for one session. `cut_off` are the traces whose replay was cut off before, as they come.

    `going_on` is the one that is to be gone on with; once that is decided, `done` are its steps that
    were done, or `why_not` says why it may not be.
    """

    def __init__(
        self,
        traces: TraceManager,
        invoker: Invoker,
        cut_off: Mapping[str, str],
        mixed_k: int,
        going_on: CutOff | None = None,
    ) -> None:
        self._going_on = going_on
        self.done: Done = ()
        self.why_not = ""
        self._traces = traces
        self._invoker = invoker
        self._cut_off = cut_off
        self._mixed_k = mixed_k
        self._told: set[str] = set()

    async def choose(self, turn: Turn, emit: Emit, *, ask: bool) -> None:
        """Set the plan of a turn; with `ask` a person may vouch for a run that rests on foreign text."""
        traces = self._traces
        await traces.catch_up(lambda count: emit(Notice(text=f"{count:,} saved runs are read for the first time")))
        candidates = [replace(candidate, unmet=self._unmet(candidate)) for candidate in traces.candidates(turn.goal)]
        self._warn(emit)
        before = traces.judging
        try:
            plan = await traces.plan(turn.goal, candidates, self._unmet)
            if ask and (vouched := await self._vouched(plan, candidates, emit)):
                plan = await traces.plan(turn.goal, vouched, self._unmet)
            turn.plan, turn.pieces = blended(turn.goal, plan, traces.nearest, k=self._mixed_k)
            turn.mode = turn.plan.mode
        finally:
            turn.calls.charge(traces.judging.calls - before.calls, traces.judging.cost_usd - before.cost_usd)

    def _warn(self, emit: Emit) -> None:
        """Say what keeps saved runs from being replayed, each once in a session."""
        for why in self._traces.warnings():
            if why not in self._told:
                emit(Notice(text=why))
            self._told.add(why)

    async def _vouched(self, plan: Plan, candidates: Sequence[Candidate], emit: Emit) -> list[Candidate]:
        """The candidates, one of them with a person's yes, where that was all that kept it from being replayed."""
        waiting = {one.trace_id for one in plan.considered if [gate.name for gate in one.closed] == [PROVENANCE]}
        chosen = next((one for one in candidates if one.trace.header.id in waiting), None)
        if chosen is None or plan.mode is Mode.FOLLOWER:
            return []
        answer = await self._invoker.permits.judge_run(chosen.trace, chosen.unproven[0])
        if answer is None:
            return []
        emit(answer)
        if answer.verdict is not Verdict.ALLOW:
            return []
        return [replace(one, unproven=()) if one is chosen else one for one in candidates]

    def _unmet(self, candidate: Candidate) -> tuple[str, ...]:
        """Why the world is not as the trace needs it; a replay that was cut off is not begun anew over its effects."""
        if self._going_on is not None:
            return self._unmet_after(self._going_on, candidate)
        cut_off = self._cut_off.get(candidate.trace.header.id)
        unmet = unmet_requirements(candidate.trace, self._invoker.tools, self._invoker.context)
        return (f"its replay was cut off before its end: {cut_off}", *unmet) if cut_off else unmet

    def _unmet_after(self, cut: CutOff, candidate: Candidate) -> tuple[str, ...]:
        from llmos.engine.going_on import steps_done

        done = steps_done(cut, candidate.trace, self._invoker)
        if isinstance(done, str):
            self.why_not = done if cut.trace == candidate.trace.header.id else self.why_not
            return (done,)
        self.done = done
        return unmet_requirements(candidate.trace, self._invoker.tools, self._invoker.context, done=len(done))
