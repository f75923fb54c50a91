"""Running a graph of sub-goals: what may run runs at once, a failure stops its dependents only, a stop stops all.

What a sub-goal is made of is the caller's: `run` carries one out to its end, and cancelling it stops it at once. When
`Orchestrate.run` is left, no sub-goal of it is at work any more, whatever happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from llmos.core.dataclass import dataclass
from llmos.core.errors import ExitStatus
from llmos.core.events import Mode, Outcome, SubGoalEnded
from llmos.core.graph import Graph, Progress, SubGoal, SubState, with_results
from llmos.core.ports import Clock, Emit


@dataclass(frozen=True, slots=True)
class SubResult:
    """How the turn of a sub-goal ended."""

    outcome: Outcome
    answer: str
    reason: str
    mode: Mode
    exit_status: ExitStatus = ExitStatus.FAILED
    """What it would have ended with by itself, where it was not done."""
    cost_usd: float = 0.0
    saved_usd: float = 0.0
    model_calls: int = 0


RunSub = Callable[[SubGoal, str, Mapping[str, str]], Awaitable[SubResult]]
"""Carries out a sub-goal: itself, its text with the results that it takes in, and the results that it is given."""

_DONE = (Outcome.OK, Outcome.UNVERIFIED)


class Orchestrate:
    """One run of a graph. `missing` tells which of some paths are not there, `did` what one that is cut off had done.

    `progress` says what became of each.
    """

    def __init__(
        self,
        graph: Graph,
        run_sub: RunSub,
        *,
        parallel: int,
        emit: Emit,
        clock: Clock,
        missing: Callable[[Sequence[str]], list[str]],
        did: Callable[[str], str] = lambda _: "",
    ) -> None:
        self.graph = graph
        self.run_sub = run_sub
        self.parallel = parallel
        self.emit = emit
        self.clock = clock
        self.missing = missing
        self.did = did
        self.progress = Progress(graph)
        self.results: dict[str, SubResult] = {}
        self._tasks: dict[asyncio.Task[SubResult], str] = {}
        self._began: dict[str, float] = {}

    async def run(self) -> Outcome:
        """The outcome of all together. Raises what a sub-goal raised that is no outcome, and CancelledError."""
        try:
            self._begin_ready()
            while self._tasks:
                ended, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    self._take(self._tasks.pop(task), task.result())
                if any(one.outcome is Outcome.OVER_BUDGET for one in self.results.values()):
                    await self._stop("the budget of the turn is used up")
                self._begin_ready()
        except BaseException as error:
            why = (
                "all was stopped"
                if isinstance(error, asyncio.CancelledError)
                else f"llmos failed in another one: {error}"
            )
            await self._stop(why)
            raise
        return self._outcome()

    def _begin_ready(self) -> None:
        for identifier in self.progress.ready()[: max(0, self.parallel - len(self._tasks))]:
            sub = self.graph[identifier]
            texts = {other: one.answer for other, one in self.results.items()}
            goal, problem = with_results(sub.goal, texts)
            self._began[identifier] = self.clock.monotonic()
            self.progress.begin(identifier)
            if problem:
                self._take(identifier, SubResult(Outcome.FAILED, "", problem, Mode.LEARNER))
                return self._begin_ready()
            given = {other: texts[other] for other in sub.inputs}
            task = asyncio.ensure_future(self.run_sub(sub, goal, given))
            self._tasks[task] = identifier
        return None

    def _take(self, identifier: str, result: SubResult) -> None:
        """Note how a sub-goal ended, and which others are skipped for it."""
        state, reason = SubState.DONE, result.reason
        if result.outcome not in _DONE:
            state = SubState.STOPPED if result.outcome is Outcome.INTERRUPTED else SubState.FAILED
        elif lost := self.missing(self.graph[identifier].leaves):
            state, reason = SubState.FAILED, f"{lost[0]} is not there, and it was to leave it"
        self.results[identifier] = result
        skipped = self.progress.end(identifier, state, reason)
        self._tell(identifier)
        for other in skipped:
            self._tell(other)

    def _tell(self, identifier: str) -> None:
        result = self.results.get(identifier)
        began = self._began.get(identifier)
        self.emit(
            SubGoalEnded(
                id=identifier,
                goal=self.graph[identifier].goal,
                state=self.progress.states[identifier].value,
                outcome=result.outcome.value if result else "",
                mode=result.mode.value if result else "",
                answer=result.answer if result else "",
                reason=self.progress.reasons.get(identifier, ""),
                cost_usd=result.cost_usd if result else 0.0,
                saved_usd=result.saved_usd if result else 0.0,
                model_calls=result.model_calls if result else 0,
                elapsed_s=round(self.clock.monotonic() - began, 3) if began is not None else 0.0,
            )
        )

    async def _stop(self, why: str) -> None:
        """Cut off whatever runs, wait until it has ended, and say of each what became of it."""
        for task in self._tasks:
            task.cancel()
        while any(not task.done() for task in self._tasks):
            with suppress(asyncio.CancelledError):  # insisting changes nothing: they end as fast as they can
                await asyncio.wait(self._tasks)
        for task, identifier in self._tasks.items():
            if not task.cancelled() and task.exception() is None:
                self._take(identifier, task.result())
        self._tasks.clear()
        left = [one for one, state in self.progress.states.items() if state in (SubState.RUNNING, SubState.WAITING)]
        self.progress.stop(why, self.did)
        for identifier in left:
            with suppress(Exception):  # where telling is what failed, the first failure is the one to report
                self._tell(identifier)

    def _outcome(self) -> Outcome:
        """The gravest of what the sub-goals came to; OK only where every one was done and checked."""
        outcomes = {one.outcome for one in self.results.values()}
        if self.progress.count(SubState.DONE) == len(self.graph.sub_goals):
            return Outcome.UNVERIFIED if Outcome.UNVERIFIED in outcomes else Outcome.OK
        if Outcome.OVER_BUDGET in outcomes:
            return Outcome.OVER_BUDGET
        bad = outcomes - set(_DONE)
        return Outcome.DENIED if bad == {Outcome.DENIED} and self._own_status is not None else Outcome.FAILED

    @property
    def exit_status(self) -> ExitStatus | None:
        """What all together end with; None where the outcome says it."""
        failed = self._outcome() in (Outcome.FAILED, Outcome.DENIED)
        return (self._own_status or ExitStatus.FAILED) if failed else None

    @property
    def _own_status(self) -> ExitStatus | None:
        """What every sub-goal that failed would have ended with by itself; None where they differ.

        Those that were skipped for another, or cut off for it, say nothing.
        """
        found = {
            self.results[one].exit_status if self.results[one].outcome not in _DONE else ExitStatus.FAILED
            for one, state in self.progress.states.items()
            if state is SubState.FAILED and one in self.results
        }
        return found.pop() if len(found) == 1 else None

    @property
    def reason(self) -> str:
        """Why the whole is not OK, in one sentence; empty when it is."""
        if self.progress.count(SubState.DONE) < len(self.graph.sub_goals):
            return self.progress.summary
        doubts = [f"{one} ({r.reason})" for one, r in self.results.items() if r.outcome is Outcome.UNVERIFIED]
        return f"not checked: {', '.join(doubts)}" if doubts else ""
