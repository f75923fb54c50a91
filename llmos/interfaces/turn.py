"""The state and the ends of one turn, as the dispatcher's parts hand them to each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import field, replace
from typing import TYPE_CHECKING

from llmos.core.blend import Piece
from llmos.core.budget import Account
from llmos.core.dataclass import dataclass
from llmos.core.errors import ExitStatus, StoreError, UsageError
from llmos.core.event_records import event_record
from llmos.core.events import (
    Event,
    Mode,
    Outcome,
    PlanMade,
    StepChecked,
    ToolFinished,
    ToolStarted,
    TurnEnded,
    TurnStarted,
)
from llmos.core.goal import normalise_goal
from llmos.core.journal import Journal
from llmos.core.policy import Plan
from llmos.core.ports import AnswerForm, Emit
from llmos.core.provenance import Source
from llmos.engine.model_calls import ModelCalls
from llmos.interfaces.delegating import AliveAgents

if TYPE_CHECKING:
    from llmos.interfaces.orchestrating import Split
    from llmos.memory.replay_lock import SharedReplayLock

EXIT_OF_OUTCOME = {
    Outcome.OK: ExitStatus.OK,
    Outcome.UNVERIFIED: ExitStatus.UNVERIFIED,
    Outcome.FAILED: ExitStatus.FAILED,
    Outcome.DIVERGED: ExitStatus.DIVERGED,
    Outcome.DENIED: ExitStatus.DENIED,
    Outcome.INTERRUPTED: ExitStatus.INTERRUPTED,
    Outcome.OVER_BUDGET: ExitStatus.OVER_BUDGET,
}

_JOURNALLED = (TurnStarted, PlanMade, ToolStarted, ToolFinished, StepChecked)


@dataclass(frozen=True, slots=True)
class Within:
    """The turn that a dispatcher works in as a sub-goal or sub-agent of it.

    Its events go to that turn's log (those of an agent to one of its own), its spending to that turn's account; a
    replay that was cut off is known there.
    """

    who: str
    """Its place: the ids from the outermost on, joined by "/"; empty for a turn of the session itself."""
    account: Account | None
    cut_off: dict[str, str]
    replays: SharedReplayLock | None = None
    """What lets the sub-goals of one turn write side by side; None for the turn of the session itself."""
    agents: AliveAgents = field(default_factory=AliveAgents)
    """The agents of the session that can be asked again."""
    log: Callable[[Event], None] | None = None
    """Where the events of an agent are kept; None where they stand in the log of the turn."""
    is_agent: bool = False
    """Whether it may be asked again: a sub-goal, and all that it called, ends with its one turn."""
    deciding: asyncio.Lock = field(default_factory=asyncio.Lock)
    """What judging costs is seen by the difference, so one of the turn decides at a time."""


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
    plan: PlanMade | None = None
    """The decision with everything that it looked at; None when the turn ended before it."""


@dataclass(slots=True)
class Turn:
    """What accumulates while one goal is worked on."""

    goal: str
    plan: Plan
    calls: ModelCalls
    started: float
    mode: Mode
    begun: bool = False
    planned: PlanMade | None = None
    pieces: tuple[Piece, ...] = ()
    """Which trace guides for which part of the goal, where several do."""
    saved_usd: float = 0.0
    kept: str | None = None
    attached: tuple[str, ...] = ()
    """Paths of files that the person attached: a model is shown them before it begins."""
    form: AnswerForm | None = None
    """What the final answer must look like; None: as it comes."""
    given: str = ""
    """Results of other sub-goals, as the model is shown them."""
    split: Split | None = None
    """How the goal is split, where it is several tasks."""
    progress: str = ""
    """What became of its sub-goals, in one clause; empty without any."""
    shown: str = ""
    """What the model was shown besides the goal and its own results: memory, files, earlier runs and turns."""
    foreign: tuple[Source, ...] = ()
    """The part of it that neither the person nor a model wrote."""

    def ended(self, ending: Ending, now: float) -> TurnEnded:
        """The event of this end; `now` is of the clock that `started` was read from."""
        return TurnEnded(
            outcome=ending.outcome,
            mode=self.mode,
            answer=ending.answer,
            reason=ending.reason,
            cost_usd=self.calls.ledger.spent,
            saved_usd=self.saved_usd,
            model_calls=self.calls.count,
            elapsed_s=round(now - self.started, 3),
        )

    def result(self, ending: Ending, now: float, *, ran: bool = True) -> TurnResult:
        """What the caller is told; without `ran` nothing was carried out and there is no outcome."""
        return TurnResult(
            goal=self.goal,
            mode=self.mode,
            confidence=self.plan.confidence,
            trace_id=self.plan.trace.header.id if self.plan.trace else None,
            reasons=self.plan.reasons,
            answer=ending.answer,
            outcome=ending.outcome if ran else None,
            reason=ending.reason,
            exit_status=ending.exit_status or EXIT_OF_OUTCOME[ending.outcome],
            cost_usd=self.calls.ledger.spent,
            saved_usd=self.saved_usd,
            model_calls=self.calls.count,
            elapsed_s=round(now - self.started, 3),
            kept=self.kept,
            plan=self.planned,
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """How a turn ended, before its numbers are known. `exit_status` None: the outcome's own."""

    outcome: Outcome
    answer: str = ""
    reason: str = ""
    exit_status: ExitStatus | None = None


@dataclass(slots=True)
class Sink:
    """Events to the transcript first, then to the screen. A transcript that fails is reported once, then left."""

    record: Callable[[Event], None]
    show: Emit
    broken: bool = field(default=False)
    journal: Journal = field(default=Journal())
    """What became of the steps of the replay in this turn."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, _JOURNALLED):
            self.journal = self.journal.after(event_record(event))
        if not self.broken:
            try:
                self.record(event)
            except StoreError:
                self.broken = True
                raise
        self.show(event)


def formed(turn: Turn, ending: Ending) -> Ending:
    """The ending; not verified where an answer that would pass has another form than was asked for."""
    if turn.form is None or ending.outcome not in (Outcome.OK, Outcome.UNVERIFIED):
        return ending
    wrong = turn.form.problem(ending.answer)
    if not wrong:
        return ending
    return replace(ending, outcome=Outcome.UNVERIFIED, reason=f"the answer does not follow the schema: {wrong}")


def check_goal(goal: str, most_bytes: int) -> None:
    """Raises UsageError for a goal that says nothing, or is too long to be one."""
    if not normalise_goal(goal):
        raise UsageError("the goal is empty; say what is to be done")
    size = len(goal.encode("utf-8", "surrogatepass"))
    if size > most_bytes:
        raise UsageError(
            f"the goal has {size:,} bytes and at most {most_bytes:,} are taken; "
            "put long material in a file and name the file in the goal"
        )
