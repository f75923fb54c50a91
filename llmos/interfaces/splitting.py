"""Whether a turn is several tasks, and its sub-goals as turns of the same dispatcher one level further down.

The machinery itself (`orchestrating`) is imported by the first goal whose structure shows several tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from llmos.core.events import Mode, Outcome, nested
from llmos.core.policy import TurnLimits, plan_event
from llmos.core.ports import Clock, Emit, Model
from llmos.core.split import may_hold_several
from llmos.engine.invoke import Invoker
from llmos.interfaces.keeping import Keeper
from llmos.interfaces.turn import Ending, Turn, Within
from llmos.memory.record import Record

if TYPE_CHECKING:
    from llmos.core.graph import SubGoal
    from llmos.interfaces.dispatcher import Dispatcher
    from llmos.interfaces.orchestrating import AskPlan, Orchestrator, Split


class Splitting:
    """What a dispatcher needs for turns of several tasks; `make` is the dispatcher's own class."""

    def __init__(
        self,
        *,
        make: type[Dispatcher],
        record: Record,
        invoker: Invoker,
        model: Callable[[], Model],
        clock: Clock,
        limits: TurnLimits,
        workspace: Path,
        sink: Emit,
        keeper: Keeper,
        ask_plan: AskPlan | None,
        within: Within,
        freeze: bool,
    ) -> None:
        self._make = make
        self._record = record
        self._invoker = invoker
        self._model = model
        self._clock = clock
        self._limits = limits
        self._workspace = workspace
        self._sink = sink
        self._keeper = keeper
        self._ask_plan = ask_plan
        self._within = within
        self._freeze = freeze

    async def decide(self, turn: Turn, emit: Emit) -> None:
        """Take the goal of a turn for several tasks where its structure, or a saved graph, says so."""
        plan, limits = turn.plan, self._limits.orchestrator
        saved = plan.trace if plan.mode is Mode.FOLLOWER else None
        if saved is not None and not saved.header.is_graph:
            return
        if limits.depth > 0 and limits.split != "off" and turn.form is None and not turn.attached:
            split = self._orchestrator.of_trace(saved, turn.goal, plan.reasons) if saved is not None else None
            if split is None and may_hold_several(turn.goal):
                split = await self._orchestrator.split(turn, plan, emit)
            if split is not None and turn.planned is not None:
                turn.split, turn.mode = split, Mode.ORCHESTRATOR
                turn.plan = replace(plan, mode=Mode.ORCHESTRATOR, reasons=split.reasons)
                turn.planned = self._orchestrator.planned(split, turn.planned)
                return
        if saved is not None or any(header.is_graph for header in plan.guidance):
            # What holds no calls guides nobody.
            reasons = (*plan.reasons, "its sub-goals are not run here")
            turn.plan = replace(plan, mode=Mode.LEARNER, trace=None, guidance=(), values=(), reasons=reasons)
            turn.mode, turn.planned = Mode.LEARNER, plan_event(turn.plan)

    async def run(self, turn: Turn, split: Split) -> Ending:
        """Run the sub-goals of a turn, once the person lets them where they are asked, and keep what was learned."""
        confirmed = await self._orchestrator.confirmed(turn, split)
        if confirmed is None:
            why = "the person did not let the plan run" if self._ask_plan else "orchestrator.confirm is always"
            return Ending(Outcome.DENIED, reason=f"{why}, and nothing was run")
        ending, trace = await self._orchestrator.run(turn, confirmed)
        if confirmed.by == "trace" and turn.plan.trace:
            self._keeper.count(turn.plan.trace, "ok" if ending.outcome is Outcome.OK else "diverged")
        elif trace is not None:
            self._keeper.write(turn, trace)
        return ending

    @cached_property
    def _orchestrator(self) -> Orchestrator:
        from llmos.interfaces.orchestrating import Orchestrator

        return Orchestrator(
            limits=self._limits.orchestrator,
            traces=self._record.traces,
            model=self._model,
            clock=self._clock,
            cwd=str(self._invoker.context.cwd),
            emit=self._sink,
            child=self._sub_goal,
            agents={},
            ask=self._ask_plan,
        )

    def _sub_goal(self, turn: Turn, one: SubGoal, after: frozenset[str]) -> Dispatcher:
        """The dispatcher of a sub-goal: in the same place, under the same permissions, one level further down."""
        above = f"{self._within.who}/" if self._within.who else ""
        place, earlier = f"{above}{one.id}", frozenset(f"{above}{name}" for name in after)
        below = replace(self._limits.orchestrator, depth=self._limits.orchestrator.depth - 1)
        return self._make(
            record=self._record,
            invoker=lambda emit: self._invoker.child(place, emit, after=earlier),
            model=self._model,
            clock=self._clock,
            limits=replace(self._limits, orchestrator=below),
            workspace=self._workspace,
            emit=lambda event: self._sink(nested(one.id, event)),
            freeze=self._freeze,
            one_shot=True,
            within=Within(place, turn.calls.account, self._within.cut_off, self._within.deciding),
        )
