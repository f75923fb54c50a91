"""A turn that is several tasks: how it is split, shown, run through the same dispatcher, answered and kept.

Imported by the first goal whose structure shows several tasks; a replay of one task never pays for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from llmos.core.dataclass import dataclass
from llmos.core.errors import LlmosError, NoModelError, UsageError
from llmos.core.events import Mode, Notice, Outcome, PlanMade, PlannedSubGoal
from llmos.core.graph import Graph, SubGoal, ancestors, graph_problem, ordered_by_writes
from llmos.core.graph_prompt import given_text
from llmos.core.graph_text import results_text
from llmos.core.graph_trace import graph_of_trace, trace_of_graph
from llmos.core.list_order import graph_of_list
from llmos.core.policy import OrchestratorLimits, Plan, decide
from llmos.core.ports import Clock, Emit, Model
from llmos.core.split import Shape, shape_of
from llmos.core.trace import Learned, Trace
from llmos.engine.orchestrate import Orchestrate, SubResult
from llmos.engine.planning import ask_for_answer, ask_for_plan
from llmos.interfaces.call_view import money
from llmos.interfaces.turn import Ending, Turn
from llmos.memory.traces_sdk import TraceManager

if TYPE_CHECKING:
    from llmos.interfaces.dispatcher import Dispatcher


class AskPlan(Protocol):
    """Shows a plan to a person. The graph that is to run, perhaps edited; None where they say no."""

    async def __call__(self, plan: PlanMade, graph: Graph) -> Graph | None: ...


@dataclass(frozen=True, slots=True)
class Split:
    """A goal as it was split, and what did that."""

    graph: Graph
    by: str
    """"list", "model" or "trace"."""
    reasons: tuple[str, ...]
    model: str = ""


class Orchestrator:
    """Splits and runs the turns of one session. `child` gives the dispatcher of a sub-goal within a turn."""

    def __init__(
        self,
        *,
        limits: OrchestratorLimits,
        traces: TraceManager,
        model: Callable[[], Model],
        clock: Clock,
        cwd: str,
        emit: Emit,
        child: Callable[[Turn, SubGoal, frozenset[str]], Dispatcher],
        agents: Mapping[str, str],
        ask: AskPlan | None,
        did: Callable[[str], str],
    ) -> None:
        self._limits = limits
        self._traces = traces
        self._model = model
        self._clock = clock
        self._cwd = cwd
        self._emit = emit
        self._child = child
        self._agents = agents
        self._ask = ask
        self._did = did

    # --------------------------------------------------------------------------------------------------- deciding

    async def split(self, turn: Turn, plan: Plan, emit: Emit) -> Split | None:
        """How the goal of a turn is split; None where it is one task. Never raises for a plan that cannot be run."""
        shape, before_usd = shape_of(turn.goal), turn.calls.ledger.spent
        try:
            found = await self._found(turn, plan, shape, emit)
            problem = self._problem(found.graph) if found else ""
        except UsageError as error:
            found, problem = None, str(error)
        except NoModelError:
            return None
        except LlmosError as error:
            found, problem = None, f"no plan was made: {error}"
        if problem:
            spent_usd = turn.calls.ledger.spent - before_usd
            cost = f"; asking for a plan cost {money(spent_usd)}" if spent_usd else ""
            emit(Notice(text=f"{problem}; so the goal is worked on as one task{cost}"))
            return None
        return self._in_order(found) if found else None

    async def _found(self, turn: Turn, plan: Plan, shape: Shape, emit: Emit) -> Split | None:
        if shape.by:
            count = len(shape.parts)
            return Split(graph_of_list(turn.goal, shape), "list", (f"{count} tasks, set apart by {shape.by}",))
        if not shape.may_be_several or self._limits.split != "auto":
            return None
        model = self._model()
        graph, why = await ask_for_plan(
            model,
            turn.calls.without_words(),
            turn.goal,
            self._agents,
            most=self._limits.max_sub_goals,
            problem_of=self._problem,
            emit=emit,
        )
        name = model.info.name
        if graph is None:
            emit(Notice(text=f"{shape.may_be_several}; {name} says it is one task: {why}"))
            return None
        return Split(graph, "model", (f"{why} (planned by {name})", *plan.reasons), name)

    def of_trace(self, trace: Trace, goal: str, reasons: Sequence[str]) -> Split | None:
        """A saved graph bound to this goal; None where it cannot be read or run any more."""
        try:
            split = Split(graph_of_trace(trace, goal), "trace", tuple(reasons))
        except ValueError:
            return None
        return None if self._problem(split.graph) else self._in_order(split)

    def _problem(self, graph: Graph) -> str:
        """Why a graph cannot be run here, in one sentence; empty when it can."""
        if problem := graph_problem(graph, self._limits.max_sub_goals):
            return problem
        strange = next((one for one in graph.sub_goals if one.role and one.role not in self._agents), None)
        return (
            f"sub-goal {strange.id} names the agent {strange.role!r}, and there is none of that name" if strange else ""
        )

    def _in_order(self, split: Split) -> Split:
        """What would write the same file is put in order, as far as leaves and saved runs tell it beforehand."""
        writes = {one.id: (*one.leaves, *self._recorded(one)) for one in split.graph.sub_goals}
        graph, said = ordered_by_writes(split.graph, writes)
        return replace(split, graph=graph, reasons=(*split.reasons, *said))

    def _recorded(self, one: SubGoal) -> tuple[str, ...]:
        ready = self._ready(one)
        expects = [step.expect for step in ready.steps] if ready else []
        return tuple(path for expect in expects for path in (*expect.created, *expect.changed, *expect.deleted))

    def _ready(self, one: SubGoal) -> Trace | None:
        """The saved run that stands ready for a sub-goal, as far as its text alone tells."""
        if "{{" in one.goal:
            return None
        plan = decide(one.goal, self._traces.candidates(one.goal), [], self._traces.thresholds)
        return plan.trace if plan.mode is Mode.FOLLOWER else None

    def planned(self, split: Split, plan: PlanMade) -> PlanMade:
        """The decision as it is shown, each sub-goal with the saved run that stands ready for it."""
        subs = []
        for one in split.graph.sub_goals:
            ready = self._ready(one)
            subs.append(
                PlannedSubGoal(
                    id=one.id,
                    goal=one.goal,
                    depends_on=one.waits_for,
                    inputs=one.inputs,
                    leaves=one.leaves,
                    role=one.role,
                    mode=Mode.FOLLOWER.value if ready else "",
                    trace_id=ready.header.id if ready else "",
                )
            )
        return replace(
            plan,
            mode=Mode.ORCHESTRATOR,
            reasons=split.reasons,
            guidance=(),  # each sub-goal finds its own
            differs=(),
            steps=(),
            sub_goals=tuple(subs),
        )

    async def confirmed(self, turn: Turn, split: Split) -> Split | None:
        """The plan as the person lets it run, perhaps edited; None where they say no. Raises UsageError."""
        wanted = {"never": (), "planned": ("model",), "always": ("model", "list", "trace")}[self._limits.confirm]
        if split.by not in wanted:
            return split
        if self._ask is None:
            return None if self._limits.confirm == "always" else split
        assert turn.planned is not None
        graph = await self._ask(turn.planned, split.graph)
        if graph is None or graph == split.graph:
            return split if graph else None
        if problem := self._problem(graph):
            raise UsageError(problem)
        edited = self._in_order(replace(split, graph=graph, by="person", reasons=("edited by the person",)))
        turn.planned = self.planned(edited, turn.planned)
        self._emit(turn.planned)
        return edited

    # ---------------------------------------------------------------------------------------------------- running

    async def run(self, turn: Turn, split: Split) -> tuple[Ending, Trace | None]:
        """Run the sub-goals of a turn; its end, and the trace that it is worth keeping, if any."""
        before = ancestors(split.graph)

        async def run_sub(one: SubGoal, goal: str, given: Mapping[str, str]) -> SubResult:
            child = self._child(turn, one, before[one.id])
            result = await child.dispatch(goal, given=given_text(split.graph, given))
            assert result.outcome is not None
            return SubResult(
                result.outcome,
                result.answer,
                result.reason,
                result.mode,
                result.exit_status,
                result.cost_usd,
                result.saved_usd,
                result.model_calls,
            )

        work = Orchestrate(
            split.graph,
            run_sub,
            parallel=self._limits.parallel,
            emit=self._emit,
            clock=self._clock,
            missing=self._missing,
            did=self._did,
        )
        try:
            outcome = await work.run()
        finally:
            turn.progress = work.progress.summary
            turn.saved_usd = sum(one.saved_usd for one in work.results.values())
        text = results_text(split.graph, work.progress, {name: one.answer for name, one in work.results.items()})
        answer = await self._answer(turn, split, text, outcome)
        trace = self._trace(turn, split) if outcome is Outcome.OK and split.by != "trace" else None
        return Ending(outcome, answer, work.reason, work.exit_status), trace

    async def _answer(self, turn: Turn, split: Split, text: str, outcome: Outcome) -> str:
        """One answer for the whole: a model's where a model made the plan, else what each part gave."""
        if split.by != "model" or outcome not in (Outcome.OK, Outcome.UNVERIFIED):
            return text
        model = self._model()
        if model.info.small:
            return text
        try:
            return await ask_for_answer(model, turn.calls, turn.goal, text) or text
        except LlmosError as error:
            self._emit(Notice(text=f"the answer is that of the parts, because the model gave none: {error}"))
            return text

    def _missing(self, paths: Sequence[str]) -> list[str]:
        return [path for path in paths if not os.path.lexists(os.path.join(self._cwd, path))]  # noqa: PTH118

    def _trace(self, turn: Turn, split: Split) -> Trace:
        learned = Learned(
            when=self._clock.now().isoformat(timespec="seconds"),
            mode=Mode.ORCHESTRATOR.value,
            model=split.model or "llmos",
            cost_usd=turn.calls.ledger.spent,
            elapsed_s=round(self._clock.monotonic() - turn.started, 3),
        )
        return trace_of_graph(split.graph, learned)
