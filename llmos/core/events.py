"""Everything that can happen in a turn, as frozen values.

A turn is its sequence of events: the screen, the transcript, `--output-format stream-json` and the trace are readers
of it. `EPHEMERAL` events are shown and streamed but not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeAlias

from llmos.core.dataclass import dataclass
from llmos.core.explain import Considered
from llmos.core.messages import Message, StopReason, Usage
from llmos.core.session_events import ConversationCompacted, MemoryTicked, TurnUndone
from llmos.core.tool import Effect, FileChanges


class Mode(StrEnum):
    """How a turn is run. `words` are what a person reads."""

    FOLLOWER = "FOLLOWER"
    MIXED = "MIXED"
    LEARNER = "LEARNER"
    ORCHESTRATOR = "ORCHESTRATOR"

    @property
    def words(self) -> str:
        return {
            Mode.FOLLOWER: "replaying a saved run",
            Mode.MIXED: "adapting a saved run",
            Mode.LEARNER: "working it out",
            Mode.ORCHESTRATOR: "splitting the work",
        }[self]


class Outcome(StrEnum):
    """How a turn ended. Only OK says that what was asked was done and checked."""

    OK = "ok"
    UNVERIFIED = "unverified"
    FAILED = "failed"
    DIVERGED = "diverged"
    DENIED = "denied"
    INTERRUPTED = "interrupted"
    OVER_BUDGET = "over_budget"


class Verdict(StrEnum):
    """What the permission gate says of a call. Strictest wins: deny > ask > allow."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted:
    goal: str
    cwd: str
    workspace: str
    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """A call that a FOLLOWER will make, and the same call as it was learned."""

    tool: str
    args: Mapping[str, Any]
    recorded: Mapping[str, Any]
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSubGoal:
    """A sub-goal as it will run; `mode` is FOLLOWER where a saved run stands ready for it, else empty."""

    id: str
    goal: str
    depends_on: tuple[str, ...]
    inputs: tuple[str, ...]
    leaves: tuple[str, ...]
    role: str
    mode: str
    trace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMade:
    """The decision, before anything runs."""

    mode: Mode
    confidence: float
    trace_id: str | None
    """The trace to replay, or the nearest one; None when nothing is near."""
    reasons: tuple[str, ...]
    guidance: tuple[str, ...] = ()
    """Ids of the traces shown to the model."""
    values: tuple[tuple[str, str], ...] = ()
    """Old and new text of each value that a FOLLOWER rebinds."""
    steps: tuple[PlannedStep, ...] = ()
    """What a FOLLOWER will run."""
    differs: tuple[str, ...] = ()
    """How the goal of the guiding or refused trace differs from this one, in words."""
    saving_usd: float = 0.0
    """What the replay saves: the cost of the run that it replaces."""
    expected_cost_usd: float | None = None
    """What the turn may cost, by what the guiding or nearest runs cost to learn; None when nothing tells."""
    considered: tuple[Considered, ...] = ()
    """Every trace that the decision looked at, with its gates; the chosen one first."""
    follower_from: float = 0.92
    mixed_from: float = 0.75
    """The thresholds that held: FOLLOWER and MIXED from these confidences on."""
    sub_goals: tuple[PlannedSubGoal, ...] = ()
    """What an ORCHESTRATOR will run, in the order of the plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAdded:
    """A message entered the conversation that is sent to the model."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCallStarted:
    call: int
    model: str
    payer: str
    """Which credential pays, in words: "ANTHROPIC_API_KEY", "nobody (local model)"."""
    small: bool
    reserved_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStreamed:
    """Ephemeral: words as they arrive. `thinking` marks a summary of reasoning."""

    text: str
    thinking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCallFinished:
    call: int
    model: str
    stop_reason: StopReason
    usage: Usage
    cost_usd: float
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCallFailed:
    call: int
    kind: str
    reason: str
    cost_usd: float
    retry_in_s: float | None = None
    """Seconds until the next attempt; None when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryCountdown:
    """Ephemeral: one a second while waiting for the next attempt."""

    remaining_s: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionDecided:
    call_id: str
    tool: str
    verdict: Verdict
    """ALLOW or DENY: what finally held."""
    by: str
    """What decided: "rule", "mode", "reading", "floor", "--yes", "person", "nobody to ask", "no sandbox"."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted:
    """Flushed to disk before the tool runs: a log that ends here means "effect unknown"."""

    call_id: str
    tool: str
    args: Mapping[str, Any]
    effect: Effect
    replayed: bool
    world: str = ""
    """Digest of the working directory right before a replayed step; empty where it was not taken in whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFinished:
    call_id: str
    tool: str
    ok: bool
    output: str
    stdout: str
    exit_code: int | None
    truncated: bool
    total_bytes: int
    changes: FileChanges
    backup: str | None
    """Folder with copies of the files that this step changed or deleted; None when nothing had to be kept."""
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWaiting:
    """A replayed step waits for a file that it had to wait for when it was learned."""

    step: int
    path: str
    limit_s: float
    """When it gives up, in seconds from now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChecked:
    """A replayed step was compared with what was recorded. `step` is its index, from 0."""

    step: int
    ok: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceKept:
    trace_id: str
    path: str
    status: str
    reason: str
    provenance: tuple[str, ...] = ()
    """Why a person must say yes before it is replayed; empty where nobody need be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something a person should know that stops nothing."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    outcome: Outcome
    mode: Mode
    answer: str
    reason: str
    """Why the outcome is not OK, in one sentence; empty when it is."""
    cost_usd: float
    saved_usd: float
    model_calls: int
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SubGoalEnded:
    """What became of a sub-goal; also of one that never began."""

    id: str
    goal: str
    state: str
    """done, failed, skipped (never begun), stopped (cut off, perhaps half done)."""
    outcome: str
    """How its own turn ended; empty where it had none."""
    mode: str
    answer: str
    reason: str
    """Why it is not done, or not checked."""
    cost_usd: float
    saved_usd: float
    model_calls: int
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAsked:
    """A call of `delegate` goes to an agent, whose own transcript holds what it does."""

    call_id: str
    agent: str
    """Its id within the session, which is also the name of its transcript."""
    turn: int
    """Which turn of that transcript answers, from 1: an agent may be asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """An event of a sub-goal or sub-agent, in the log of the turn that it belongs to."""

    parent: str
    """Whose event it is: the ids of sub-goals and agents from the outermost on, joined by "/"."""
    event: Event
    elsewhere: bool = False
    """Whether it is on record in a transcript of its own: then it is only shown here."""


Event: TypeAlias = (
    TurnStarted
    | PlanMade
    | MessageAdded
    | ModelCallStarted
    | TextStreamed
    | ModelCallFinished
    | ModelCallFailed
    | RetryCountdown
    | PermissionDecided
    | ToolStarted
    | ToolFinished
    | StepWaiting
    | StepChecked
    | TraceKept
    | Notice
    | MemoryTicked
    | ConversationCompacted
    | TurnUndone
    | TurnEnded
    | SubGoalEnded
    | AgentAsked
    | Nested
)

EPHEMERAL = (TextStreamed, RetryCountdown)


def nested(parent: str, event: Event, *, elsewhere: bool = False) -> Nested:
    """The event as one of `parent`; what is nested in it already keeps its own place below that."""
    if isinstance(event, Nested):
        place, elsewhere = f"{parent}/{event.parent}", elsewhere or event.elsewhere
        return Nested(parent=place, event=event.event, elsewhere=elsewhere)
    return Nested(parent=parent, event=event, elsewhere=elsewhere)


def innermost(event: Event) -> Event:
    """The event itself, without the place that it is nested in."""
    return event.event if isinstance(event, Nested) else event
