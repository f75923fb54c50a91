"""The plan of a turn: which mode, resting on which traces, for which reasons. Pure and total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmos.core.events import Mode, PlanMade
from llmos.core.goal import context_reference
from llmos.core.matching import Outcomes, replay_confidence
from llmos.core.trace import Trace, TraceHeader, TraceStatus


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Cuts on the probability that a replay is right."""

    follower: float = 0.92
    mixed: float = 0.75


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """The bounds of one turn. `cap_usd` is the most that its model calls may cost."""

    cap_usd: float = 1.0
    max_steps: int = 30
    small_model_steps: int = 8
    max_tokens: int = 16_000
    retry_total_s: float = 300.0
    goal_bytes: int = 100_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trace of the goal, identical or bound to its values, with every fact that a gate asks for."""

    trace: Trace
    outcomes: Outcomes
    approved: bool
    """Learned or approved here, and its content unchanged since."""
    changed_tools: tuple[str, ...]
    """Tools that are gone or have another version now."""
    unmet: tuple[str, ...]
    """Preconditions that do not hold, in words."""
    values: tuple[tuple[str, str], ...] = ()
    """Old and new text of each value that was rebound; empty for the identical goal."""
    refusal: str = ""
    """The gate between the saved goal and this one, and its reason; empty when it is open."""

    @property
    def may_guide(self) -> bool:
        """Whether it may be shown to a model: nobody else's words, and no run that failed."""
        return self.approved and self.trace.header.status is not TraceStatus.DRAFT


@dataclass(frozen=True, slots=True)
class Plan:
    mode: Mode
    confidence: float
    trace: Trace | None
    """What a FOLLOWER replays; for the other modes the trace that was refused, or None."""
    guidance: tuple[TraceHeader, ...]
    reasons: tuple[str, ...]
    values: tuple[tuple[str, str], ...] = ()
    """Old and new text of each value that a FOLLOWER rebinds."""


def _confidence(candidate: Candidate) -> float:
    return replay_confidence(candidate.outcomes, rebound=bool(candidate.values))


def _old_values(candidate: Candidate) -> str:
    return ", ".join(old for old, _ in candidate.values)


def decide(
    goal: str,
    candidates: Sequence[Candidate],
    near: Sequence[tuple[TraceHeader, float]],
    thresholds: Thresholds,
    *,
    mixed_similarity: float = 0.4,
) -> Plan:
    """Choose the mode. A refused gate is never out-voted: it leads to MIXED, with its reason named.

    `near` are the traces closest in words, best first, with a similarity of 0 to 1; from `mixed_similarity` on the
    first guides, where no run of the goal itself may.
    """
    refusals: list[str] = []
    best = sorted(candidates, key=lambda c: (-_confidence(c), c.trace.header.id))
    for candidate in best:
        confidence = _confidence(candidate)
        refusal = _first_refusal(goal, candidate, confidence, thresholds)
        if refusal is None:
            counts = candidate.outcomes
            same = f"this goal before with {_old_values(candidate)}" if candidate.values else "this very goal before"
            why = (
                f"{candidate.trace.header.learned.model} did {same}, and it was checked; "
                f"replays so far: {counts.successes} right, {counts.failures} wrong"
            )
            return Plan(Mode.FOLLOWER, confidence, candidate.trace, (), (why, *refusals), candidate.values)
        refusals.append(f"{candidate.trace.header.id} not replayed: {refusal}")
    trace = best[0].trace if best else None
    usable = [candidate for candidate in best if candidate.may_guide]
    if usable:
        # A refused gate caps what the number may claim: it is then a related job, not a replay.
        confidence = min(_confidence(usable[0]), thresholds.follower - 0.01)
        if confidence >= thresholds.mixed:
            return Plan(Mode.MIXED, confidence, trace, (usable[0].trace.header,), tuple(refusals))
        return Plan(Mode.LEARNER, confidence, trace, (), tuple(refusals))
    if near and near[0][1] >= mixed_similarity:
        header, score = near[0]
        why = f"no run of this very goal; nearest in words ({score:.2f}): {header.goal}"
        confidence = min(thresholds.follower - 0.01, max(thresholds.mixed, score))
        return Plan(Mode.MIXED, confidence, trace, (header,), (*refusals, why))
    why = f"nothing near it is known; nearest in words: {near[0][0].goal}" if near else "nothing like it is known yet"
    return Plan(Mode.LEARNER, near[0][1] if near else 0.0, trace, (), tuple(refusals) or (why,))


def _first_refusal(goal: str, candidate: Candidate, confidence: float, thresholds: Thresholds) -> str | None:
    """The name and reason of the first closed gate, or None when all are open."""
    header = candidate.trace.header
    if candidate.refusal:
        return candidate.refusal
    if header.status is not TraceStatus.VERIFIED:
        return f"status: {header.reason or header.status.value}"
    if not candidate.approved:
        return "origin: it was not learned or approved here, or its file was changed since"
    if reference := context_reference(goal):
        return f"context: {reference!r} points at something outside the goal"
    if candidate.changed_tools:
        return f"tools: {', '.join(candidate.changed_tools)} changed since it was learned"
    if candidate.unmet:
        return f"precondition: {candidate.unmet[0]}"
    if confidence < thresholds.follower:
        return f"confidence: {confidence:.2f} is below {thresholds.follower:.2f}"
    return None


def plan_event(plan: Plan) -> PlanMade:
    """The plan as it is shown and recorded before anything runs."""
    follower = plan.mode is Mode.FOLLOWER and plan.trace is not None
    steps = plan.trace.steps if follower and plan.trace else ()
    return PlanMade(
        mode=plan.mode,
        confidence=plan.confidence,
        trace_id=plan.trace.header.id if plan.trace else None,
        reasons=plan.reasons,
        guidance=tuple(header.id for header in plan.guidance),
        values=plan.values,
        steps=tuple(_step_summary(step.tool, step.args) for step in steps),
        saving_usd=plan.trace.header.learned.cost_usd if follower and plan.trace else 0.0,
    )


def _step_summary(tool: str, args: object) -> str:
    """One planned call in one line; the whole command of a shell step, else tool and arguments."""
    if isinstance(args, dict) and isinstance(args.get("command"), str):
        return f"{tool}: {args['command']}"
    return f"{tool} {args}"
