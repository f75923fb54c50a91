"""The plan of a turn: which mode, resting on which traces, for which reasons. Pure and total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from llmos.core.dataclass import dataclass
from llmos.core.events import Mode, PlanMade, PlannedStep
from llmos.core.evidence import NO_FAMILY, OTHER_VALUES, OTHER_WORDS, SAME_GOAL, Evidence, Family, Outcomes
from llmos.core.explain import Considered, GateCheck, first_closed
from llmos.core.goal import context_reference
from llmos.core.trace import Step, Trace, TraceHeader, TraceStatus

PROVENANCE = "provenance"
"""The gate that a person's yes opens."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Cuts on the probability that a replay is right."""

    follower: float = 0.92
    mixed: float = 0.75


@dataclass(frozen=True, slots=True)
class OrchestratorLimits:
    """How goals are split. `depth` 0: never."""

    split: str = "auto"
    """auto: lists, and what a model plans; list: lists only; off: nothing."""
    parallel: int = 3
    max_sub_goals: int = 50
    depth: int = 2
    confirm: str = "planned"
    """Whether a person is asked before a plan runs: always, planned (where a model made it), never."""
    max_agents: int = 8
    """How often sub-agents are called in one turn."""
    alive_agents: int = 8
    """Sub-agents of a session that can be asked again."""


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """The bounds of one turn. `cap_usd` is the most that its model calls may cost."""

    cap_usd: float = 1.0
    max_steps: int = 30
    small_model_steps: int = 8
    max_tokens: int = 16_000
    retry_total_s: float = 300.0
    goal_bytes: int = 100_000
    mixed_k: int = 1
    """How many earlier runs guide a model for each part of a goal."""
    replay_wait_s: float = 30.0
    """The most that a replayed step waits for what it had to wait for when it was learned."""
    orchestrator: OrchestratorLimits = OrchestratorLimits()


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
    recorded: tuple[Step, ...] = ()
    """The steps as they were learned, where values were rebound; else empty."""
    blocked: str = ""
    """Why a person's verdict keeps it from this goal; empty when none does."""
    family: Family = NO_FAMILY
    """What became of the other traces of its wording."""
    alias: str = ""
    """The goal text by which it was found when that is not its own: a paraphrase that a run confirmed."""
    reworded: bool = False
    """The goal is put in other words than the saved one, or than the alias."""
    judged: str = ""
    """What a judging model said to join the two goals, and the gates that it explained; empty when none was asked."""
    claimed: float = 1.0
    """The confidence of that judgement."""
    unproven: tuple[str, ...] = ()
    """Why a person must say yes before it is replayed; empty where one did, or nobody need be asked."""
    suggests_only: str = ""
    """Why that judgement may propose guidance and no replay; empty when it may propose both."""
    content: str = ""
    """SHA-256 of the file that the trace was read from: every fact above is about these bytes, and so is a yes."""

    @property
    def may_guide(self) -> bool:
        """Whether it may be shown to a model: nobody else's words, no run that failed, none that a person refused."""
        refused = self.blocked or self.outcomes.disabled
        return self.approved and self.trace.header.status is not TraceStatus.DRAFT and not refused

    @property
    def evidence(self) -> Evidence:
        structure = min(OTHER_WORDS, self.claimed) if self.reworded else OTHER_VALUES if self.values else SAME_GOAL
        return Evidence(self.outcomes, self.family, structure)


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
    recorded: tuple[Step, ...] = ()
    """The steps of a FOLLOWER as they were learned, where values are rebound; else empty."""
    considered: tuple[Considered, ...] = ()
    """Every trace that was looked at, the one that was chosen first."""
    thresholds: Thresholds = Thresholds()
    judged: bool = False
    """A FOLLOWER by a judgement: once it was checked, the goal is an alias of the trace."""
    content: str = ""
    """SHA-256 of the file that the steps of a FOLLOWER were read from."""
    expected_cost_usd: float | None = None
    """What the turn may cost by what like goals cost to learn; 0.0 for a FOLLOWER, None when nothing tells."""


def _confidence(candidate: Candidate) -> float:
    return candidate.evidence.confidence


def _old_values(candidate: Candidate) -> str:
    return ", ".join(old for old, _ in candidate.values)


def _ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The better-verified first: preferred by a person, surer, replayed rightly more often, learned later."""
    newest = sorted(candidates, key=lambda c: (c.trace.header.learned.when, c.trace.header.id), reverse=True)
    return sorted(newest, key=lambda c: (not c.outcomes.pinned, -_confidence(c), -c.outcomes.successes))


def _counts(outcomes: Outcomes) -> str:
    return f"{outcomes.successes} right, {outcomes.failures} wrong"


def _others(chosen: Candidate, candidates: Sequence[Candidate]) -> list[str]:
    """The verified runs of the same goal, or for the same values, that do something else than the chosen one."""
    calls = _calls(chosen.trace)
    return [
        f"{other.trace.header.id} does this with other steps; replays so far: {_counts(other.outcomes)}; "
        + ("a person prefers the one replayed" if chosen.outcomes.pinned else "the better verified one is replayed")
        for other in candidates
        if other.approved
        and other.trace.header.status is TraceStatus.VERIFIED
        and not (other.refusal or other.blocked or other.outcomes.retired)
        and _calls(other.trace) != calls
    ]


def _calls(trace: Trace) -> list[tuple[str, object]]:
    return [(step.tool, dict(step.args)) for step in trace.steps]


def decide(
    goal: str,
    candidates: Sequence[Candidate],
    near: Sequence[tuple[TraceHeader, float]],
    thresholds: Thresholds,
    *,
    mixed_similarity: float = 0.4,
    nearness: str = "in words",
) -> Plan:
    """The plan of a goal, with everything that was looked at for it; `_choose` says how the mode is chosen.

    `nearness` says, for a person, by what the traces of `near` are near.
    """
    plan = _choose(goal, candidates, near, thresholds, mixed_similarity, nearness)
    return replace(
        plan,
        considered=_considered(goal, candidates, near, plan, thresholds),
        thresholds=thresholds,
        expected_cost_usd=_expected_cost(plan, near),
    )


def _choose(
    goal: str,
    candidates: Sequence[Candidate],
    near: Sequence[tuple[TraceHeader, float]],
    thresholds: Thresholds,
    mixed_similarity: float,
    nearness: str,
) -> Plan:
    """Choose the mode. A refused gate is never out-voted: it leads to MIXED, with its reason named.

    `near` are the traces closest in words, best first, with a similarity of 0 to 1; from `mixed_similarity` on the
    first guides, where no run of the goal itself may.
    """
    refusals: list[str] = []
    best = _ranked(candidates)
    near = [pair for pair in near if pair[0].id not in {c.trace.header.id for c in best if c.blocked}]
    for index, candidate in enumerate(best):
        confidence = _confidence(candidate)
        refusal = first_closed(gate_checks(goal, candidate, thresholds))
        if refusal is None:
            reasons = (_why(candidate), *_others(candidate, best[index + 1 :]), *refusals)
            return Plan(
                Mode.FOLLOWER,
                confidence,
                candidate.trace,
                (),
                reasons,
                candidate.values,
                candidate.recorded,
                judged=bool(candidate.judged),
                content=candidate.content,
            )
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
        why = f"no saved run of this goal; the nearest {nearness} ({score:.2f}): {header.goal}"
        confidence = min(thresholds.follower - 0.01, max(thresholds.mixed, score))
        return Plan(Mode.MIXED, confidence, trace, (header,), (*refusals, why))
    why = f"no saved run is close; the nearest {nearness}: {near[0][0].goal}" if near else "no saved run is like it"
    return Plan(Mode.LEARNER, near[0][1] if near else 0.0, trace, (), tuple(refusals) or (why,))


def _why(candidate: Candidate) -> str:
    """Why this trace is replayed, for a person."""
    same = f"this goal before with {_old_values(candidate)}" if candidate.values else "this goal before"
    if candidate.judged:
        same = f"{candidate.trace.header.goal!r}, which is judged the same: {candidate.judged}"
    elif candidate.alias:
        same = f"the same as {candidate.trace.header.goal!r}, which a checked run confirmed"
    elif candidate.reworded and not candidate.values:
        same = "this goal before in other words"
    model = candidate.trace.header.learned.model
    return f"{model} did {same}, and it was checked; replays so far: {_counts(candidate.outcomes)}"


def gate_checks(goal: str, candidate: Candidate, thresholds: Thresholds) -> tuple[GateCheck, ...]:
    """Every gate between a candidate and a replay, in order. Behind a closed gate of the goal nothing is asked."""
    if candidate.blocked:
        return (GateCheck("wrong", False, candidate.blocked),)
    if candidate.refusal:
        name, _, reason = candidate.refusal.partition(": ")
        return (GateCheck(name, False, reason),)
    header = candidate.trace.header
    reference = context_reference(goal)
    verified = header.status is TraceStatus.VERIFIED
    same = ", ".join(f"{old} → {new}" for old, new in candidate.values) or "the same goal"
    foreign = "it was not learned or approved here, or its file was changed since"
    changed = ", ".join(candidate.changed_tools)
    retired = candidate.outcomes.retired
    ended = f"{retired}; `llmos traces enable {header.id}` lets it be replayed again"
    return (
        GateCheck("goal", True, f"{same}; {candidate.judged}" if candidate.judged else same),
        *((GateCheck("judge", False, candidate.suggests_only),) if candidate.suggests_only else ()),
        *((GateCheck("retired", False, ended),) if retired else ()),
        GateCheck("status", verified, "verified" if verified else header.reason or header.status.value),
        GateCheck("origin", candidate.approved, "learned or approved here" if candidate.approved else foreign),
        *((GateCheck(PROVENANCE, False, _needs_yes(candidate)),) if candidate.unproven else ()),
        GateCheck("context", not reference, f"{reference!r} points at something outside the goal" if reference else ""),
        GateCheck("tools", not changed, f"{changed} changed since it was learned" if changed else "unchanged"),
        GateCheck("precondition", not candidate.unmet, candidate.unmet[0] if candidate.unmet else "as it needs it"),
        _sure_enough(candidate.evidence, thresholds.follower),
    )


def _needs_yes(candidate: Candidate) -> str:
    identifier = candidate.trace.header.id
    return f"{candidate.unproven[0]}; `llmos traces approve {identifier}` shows it whole and lets it be replayed"


def _sure_enough(evidence: Evidence, floor: float) -> GateCheck:
    required, confidence = evidence.required(floor), evidence.confidence
    sure = confidence >= required
    digits = 2 if required == floor and round(confidence, 2) != round(required, 2) else 3
    raised = ", raised by its failures" if required > floor else ""
    compared = f"{confidence:.{digits}f} is {'at least' if sure else 'below'} {required:.{digits}f}{raised}"
    return GateCheck("confidence", sure, compared)


def _considered(
    goal: str,
    candidates: Sequence[Candidate],
    near: Sequence[tuple[TraceHeader, float]],
    plan: Plan,
    thresholds: Thresholds,
) -> tuple[Considered, ...]:
    guides = {header.id for header in plan.guidance}
    replayed = plan.trace.header.id if plan.mode is Mode.FOLLOWER and plan.trace else ""
    found = []
    for candidate in candidates:
        header, counts, confidence = candidate.trace.header, candidate.outcomes, _confidence(candidate)
        gates = gate_checks(goal, candidate, thresholds)
        role = "replay" if header.id == replayed else "guidance" if header.id in guides else "refused"
        if role == "refused" and all(gate.open for gate in gates):
            role = "spare"
        found.append(
            Considered(
                header.id,
                header.goal,
                role,
                confidence,
                successes=counts.successes,
                failures=counts.failures,
                last_used=counts.last_used,
                cost_usd=header.learned.cost_usd,
                gates=gates,
            )
        )
    found.sort(key=lambda one: (one.role != "replay", -(one.confidence or 0.0), one.trace_id))
    for header, score in near:
        role = "guidance" if header.id in guides else "near"
        found.append(Considered(header.id, header.goal, role, None, likeness=score, cost_usd=header.learned.cost_usd))
    return tuple(found)


def _expected_cost(plan: Plan, near: Sequence[tuple[TraceHeader, float]]) -> float | None:
    """The median of what the guiding traces cost to learn, else of the nearest ones; None when there are none."""
    if plan.mode is Mode.FOLLOWER:
        return 0.0
    costs = [header.learned.cost_usd for header in plan.guidance or [header for header, _ in near]]
    return median(costs) if costs else None


def plan_event(plan: Plan, differs: Sequence[str] = ()) -> PlanMade:
    """The plan as it is shown and recorded before anything runs; `differs` says how the nearest goal is another."""
    follower = plan.mode is Mode.FOLLOWER and plan.trace is not None
    steps = plan.trace.steps if follower and plan.trace else ()
    return PlanMade(
        mode=plan.mode,
        confidence=plan.confidence,
        trace_id=plan.trace.header.id if plan.trace else None,
        reasons=plan.reasons,
        guidance=tuple(header.id for header in plan.guidance),
        values=plan.values,
        steps=tuple(
            PlannedStep(tool=step.tool, args=dict(step.args), recorded=dict(saved.args), effect=step.effect)
            for step, saved in zip(steps, plan.recorded or steps, strict=True)
        ),
        differs=tuple(differs),
        saving_usd=plan.trace.header.learned.cost_usd if follower and plan.trace else 0.0,
        expected_cost_usd=plan.expected_cost_usd,
        considered=plan.considered,
        follower_from=plan.thresholds.follower,
        mixed_from=plan.thresholds.mixed,
    )
