"""The Dispatcher: one goal to its end. Match, decide, act, keep.

Deciding is core/policy; acting is engine/replay or engine/converse; this module carries values between them and says
truthfully how the turn ended.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from llmos.core.budget import Ledger
from llmos.core.errors import ExitStatus, LlmosError, NoModelError, StoreError, UsageError
from llmos.core.events import Event, Mode, Notice, Outcome, TraceKept, TurnEnded, TurnStarted
from llmos.core.goal import normalise_goal
from llmos.core.learn import FinishedRun, trace_of
from llmos.core.messages import Message, Text, all_text, user_text
from llmos.core.policy import Plan, TurnLimits, plan_event
from llmos.core.ports import Clock, Emit, Example, Model
from llmos.core.prompt import example_of, guidance_text, handoff_text, system_prompt
from llmos.core.trace import Learned, Trace
from llmos.core.verify import judge
from llmos.engine.converse import Converse, Conversed
from llmos.engine.invoke import Invoker
from llmos.engine.model_calls import ModelCalls
from llmos.engine.replay import Replayed, replay, unmet_requirements
from llmos.engine.surroundings import surroundings
from llmos.memory.record import Record

EXIT_OF_OUTCOME = {
    Outcome.OK: ExitStatus.OK,
    Outcome.UNVERIFIED: ExitStatus.UNVERIFIED,
    Outcome.FAILED: ExitStatus.FAILED,
    Outcome.DIVERGED: ExitStatus.DIVERGED,
    Outcome.DENIED: ExitStatus.DENIED,
    Outcome.INTERRUPTED: ExitStatus.INTERRUPTED,
    Outcome.OVER_BUDGET: ExitStatus.OVER_BUDGET,
}

EXAMPLES_SHOWN = 3
SMALL_MODEL_TOOLS = ("read_file", "shell", "write_file")
"""What a small model is offered: with more ways to the same end it picks the wrong one (docs/decisions/0003)."""


UNDECIDED = Plan(Mode.LEARNER, 0.0, None, (), ())
"""What stands in a turn that ends before its plan is made."""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What became of a goal. `outcome` is None for a dry run, which does nothing."""

    goal: str
    mode: Mode
    confidence: float
    trace_id: str | None
    reasons: tuple[str, ...]
    answer: str
    outcome: Outcome | None
    reason: str
    exit_status: ExitStatus
    cost_usd: float
    saved_usd: float
    model_calls: int
    elapsed_s: float
    kept: str | None


@dataclass(slots=True)
class _Turn:
    """What accumulates while one goal is worked on."""

    goal: str
    plan: Plan
    calls: ModelCalls
    started: float
    mode: Mode
    begun: bool = False
    saved_usd: float = 0.0
    kept: str | None = None
    shown: str = ""
    """What the model was shown besides the goal and its own results: memory, files, earlier runs and turns."""


@dataclass(frozen=True, slots=True)
class _Ending:
    outcome: Outcome
    answer: str = ""
    reason: str = ""
    exit_status: ExitStatus | None = None


@dataclass(slots=True)
class _Sink:
    """Events to the transcript first, then to the screen. A transcript that fails is reported once, then left."""

    record: Callable[[Event], None]
    show: Emit
    broken: bool = field(default=False)

    def __call__(self, event: Event) -> None:
        if not self.broken:
            try:
                self.record(event)
            except StoreError:
                self.broken = True
                raise
        self.show(event)


class Dispatcher:
    """Works on one goal after the other in one session, keeping the conversation between them.

    `model` gives the model on demand and raises NoModelError when there is none; a replay never asks for it.
    """

    def __init__(
        self,
        *,
        record: Record,
        invoker: Callable[[Emit], Invoker],
        model: Callable[[], Model],
        clock: Clock,
        limits: TurnLimits,
        workspace: Path,
        emit: Emit,
    ) -> None:
        self._record = record
        self._sink = _Sink(record.transcript.record, emit)
        self._show = emit
        self._invoker = invoker(self._sink)
        self._model = model
        self._clock = clock
        self._limits = limits
        self._workspace = workspace
        self._conversation: tuple[Message, ...] = ()
        self._system: str | None = None
        self._turn = 0

    async def dispatch(self, goal: str, *, dry_run: bool = False) -> TurnResult:
        """Carry out one goal. With `dry_run` decide, show, and do nothing.

        Raises UsageError for a goal that is empty or too long, StoreError when the turn cannot even be recorded.
        Cancelling it stops everything in flight, records the turn as interrupted and raises CancelledError again.
        """
        self._check(goal)
        self._turn += 1
        emit = self._show if dry_run else self._sink
        turn = self._new_turn(goal)
        if dry_run:
            self._begin(turn, emit)
            await self._decide(turn, emit)
            return self._result(turn, None, _Ending(Outcome.OK))
        try:
            self._begin(turn, emit)
            await self._decide(turn, emit)
            ending = await self._act(turn)
        except asyncio.CancelledError:
            self._end(turn, _Ending(Outcome.INTERRUPTED, reason="stopped before its end"))
            raise
        except LlmosError as error:
            if not turn.begun:
                raise
            ending = _Ending(Outcome.FAILED, "", str(error), error.exit_status)
        except BaseException as error:
            self._end(turn, _Ending(Outcome.FAILED, reason=f"llmos itself failed: {type(error).__name__}: {error}"))
            raise
        return self._end(turn, ending)

    def _new_turn(self, goal: str) -> _Turn:
        ledger, total_s = Ledger(self._limits.cap_usd), self._limits.retry_total_s
        calls = ModelCalls(ledger=ledger, clock=self._clock, emit=self._sink, retry_total_s=total_s)
        return _Turn(goal, UNDECIDED, calls, self._clock.monotonic(), Mode.LEARNER)

    def _begin(self, turn: _Turn, emit: Emit) -> None:
        emit(TurnStarted(goal=turn.goal, cwd=str(self._cwd), workspace=str(self._workspace), turn=self._turn))
        turn.begun = True

    # ------------------------------------------------------------------------------------------------ deciding

    def _check(self, goal: str) -> None:
        if not normalise_goal(goal):
            raise UsageError("the goal is empty; say what is to be done")
        size = len(goal.encode("utf-8", "surrogatepass"))
        if size > self._limits.goal_bytes:
            raise UsageError(
                f"the goal has {size:,} bytes and at most {self._limits.goal_bytes:,} are taken; "
                "put long material in a file and name the file in the goal"
            )

    async def _decide(self, turn: _Turn, emit: Emit) -> None:
        """Make the plan of the turn; what judging the likeness of goals cost is charged to it."""
        traces = self._record.traces
        candidates = [
            replace(candidate, unmet=unmet_requirements(candidate.trace, self._invoker.tools, self._invoker.context))
            for candidate in traces.candidates(turn.goal)
        ]
        before = traces.judging
        try:
            turn.plan = await traces.plan(turn.goal, candidates)
            turn.mode = turn.plan.mode
        finally:
            turn.calls.charge(traces.judging.calls - before.calls, traces.judging.cost_usd - before.cost_usd)
        emit(plan_event(turn.plan))

    # -------------------------------------------------------------------------------------------------- acting

    async def _act(self, turn: _Turn) -> _Ending:
        if turn.plan.mode is not Mode.FOLLOWER or turn.plan.trace is None:
            return await self._converse(turn, "")
        trace = turn.plan.trace
        replayed = await replay(trace, self._invoker, self._sink)
        if replayed.outcome is Outcome.OK:
            self._count(trace, "ok")
            turn.saved_usd = trace.header.learned.cost_usd
            self._extend(turn.goal, replayed.answer)
            return _Ending(Outcome.OK, replayed.answer)
        if replayed.ran and replayed.outcome is Outcome.DIVERGED:
            self._count(trace, "diverged")
        if replayed.outcome is Outcome.DENIED:
            return _Ending(Outcome.DENIED, reason=replayed.reason)
        return await self._continue(turn, replayed)

    def _count(self, trace: Trace, outcome: str) -> None:
        """Note what became of a replay; what was done stays done where that cannot be written."""
        try:
            self._record.traces.record_outcome(trace.header.id, outcome, self._clock.now())
        except StoreError as error:
            self._sink(Notice(text=f"this replay does not count: {error}"))

    async def _continue(self, turn: _Turn, replayed: Replayed) -> _Ending:
        """The model goes on where a replay stopped; without a model the turn ends as diverged."""
        try:
            self._model()
        except NoModelError as error:
            return _Ending(Outcome.DIVERGED, "", f"{replayed.reason}; {error}", ExitStatus.DIVERGED)
        self._sink(Notice(text=f"the replay stopped: {replayed.reason}; the model goes on from there"))
        turn.mode = Mode.MIXED
        return await self._converse(turn, handoff_text(replayed.journal, replayed.reason))

    async def _converse(self, turn: _Turn, handoff: str) -> _Ending:
        model = self._model()
        small = model.info.small
        guidance = [self._record.traces.load(header.id) for header in turn.plan.guidance]
        examples: tuple[Example, ...] = ()
        if small:
            # Nearest last: what stands next to the goal weighs most with a small model.
            found = self._record.traces.examples_for(turn.goal, EXAMPLES_SHOWN)
            examples = tuple(example_of(trace) for trace in reversed(found))
            context = handoff + surroundings(turn.goal, self._cwd)
        else:
            context = handoff + guidance_text(guidance)
        earlier = () if small else self._conversation
        turn.shown = "\n".join([self._record.memory.core_text(), context, *(all_text(message) for message in earlier)])
        opening = Message("user", (Text(context + turn.goal),))
        conversed = await self._loop(turn, model).run(earlier, opening, examples)
        return self._conclude(turn, conversed, small=small, healed=bool(handoff))

    def _loop(self, turn: _Turn, model: Model) -> Converse:
        small = model.info.small
        return Converse(
            model=model,
            calls=turn.calls,
            invoker=self._invoker,
            tools=[
                tool.spec
                for name, tool in sorted(self._invoker.tools.items())
                if not small or name in SMALL_MODEL_TOOLS
            ],
            system=self._record.memory.core_text() if small else self._system_prompt(),
            max_steps=self._limits.small_model_steps if small else self._limits.max_steps,
            max_tokens=self._limits.max_tokens,
            emit=self._sink,
            review=(lambda answer, steps: judge(turn.goal, answer, steps, small=True)[1]) if small else None,
        )

    def _system_prompt(self) -> str:
        """Built once a session: within a conversation the prefix never changes."""
        if self._system is None:
            self._system = system_prompt(
                cwd=str(self._cwd),
                platform=f"{platform.system()} {platform.machine()}",
                core_memory=self._record.memory.core_text(),
            )
        return self._system

    # ------------------------------------------------------------------------------------------------- keeping

    def _conclude(self, turn: _Turn, conversed: Conversed, *, small: bool, healed: bool) -> _Ending:
        outcome, reason = conversed.outcome, conversed.reason
        if outcome is Outcome.OK and not conversed.denied:
            outcome, reason = judge(turn.goal, conversed.answer, conversed.steps, small=small)
        elif outcome is Outcome.OK:
            outcome, reason = Outcome.DENIED, conversed.denied
        if conversed.outcome is Outcome.OK:
            self._conversation = conversed.messages
        else:
            self._extend(turn.goal, f"[this turn ended {outcome.value}: {reason}]")
        if conversed.steps:
            self._keep(turn, conversed, outcome, reason, healed)
        return _Ending(outcome, conversed.answer, reason, conversed.exit_status)

    def _extend(self, goal: str, answer: str) -> None:
        """Take a turn into the conversation that the model did not see whole."""
        self._conversation = (*self._conversation, user_text(goal), Message("assistant", (Text(answer or "Done."),)))

    def _keep(self, turn: _Turn, conversed: Conversed, outcome: Outcome, reason: str, healed: bool) -> None:
        run = FinishedRun(
            goal=turn.goal,
            outcome=outcome,
            reason=reason,
            answer=conversed.answer,
            steps=conversed.steps,
            cwd=str(self._cwd),
            shown=turn.shown,
            denied=conversed.any_denied,
            continued=healed,
        )
        learned = Learned(
            when=self._clock.now().isoformat(timespec="seconds"),
            mode=turn.mode.value,
            model=conversed.model,
            cost_usd=turn.calls.ledger.spent,
            elapsed_s=round(self._clock.monotonic() - turn.started, 3),
        )
        trace = trace_of(run, learned)
        try:
            kept = self._record.traces.keep(trace, self._clock.now())
        except StoreError as error:
            self._sink(Notice(text=f"this run was not kept: {error}"))
            return
        turn.kept = kept.header.id
        if kept.new:
            header = kept.header
            self._sink(
                TraceKept(trace_id=header.id, path=str(kept.path), status=header.status.value, reason=header.reason)
            )

    # -------------------------------------------------------------------------------------------------- ending

    def _end(self, turn: _Turn, ending: _Ending) -> TurnResult:
        event = TurnEnded(
            outcome=ending.outcome,
            mode=turn.mode,
            answer=ending.answer,
            reason=ending.reason,
            cost_usd=turn.calls.ledger.spent,
            saved_usd=turn.saved_usd,
            model_calls=turn.calls.count,
            elapsed_s=round(self._clock.monotonic() - turn.started, 3),
        )
        try:
            self._sink(event)
        except StoreError as error:
            self._show(event)
            self._show(Notice(text=f"the end of this turn is not on record: {error}"))
        self._record.nested.track_message()
        return self._result(turn, ending.outcome, ending)

    def _result(self, turn: _Turn, outcome: Outcome | None, ending: _Ending) -> TurnResult:
        return TurnResult(
            goal=turn.goal,
            mode=turn.mode,
            confidence=turn.plan.confidence,
            trace_id=turn.plan.trace.header.id if turn.plan.trace else None,
            reasons=turn.plan.reasons,
            answer=ending.answer,
            outcome=outcome,
            reason=ending.reason,
            exit_status=ending.exit_status or EXIT_OF_OUTCOME[ending.outcome],
            cost_usd=turn.calls.ledger.spent,
            saved_usd=turn.saved_usd,
            model_calls=turn.calls.count,
            elapsed_s=round(self._clock.monotonic() - turn.started, 3),
            kept=turn.kept,
        )

    @property
    def _cwd(self) -> Path:
        return self._invoker.context.cwd
