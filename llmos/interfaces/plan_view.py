"""A plan in words: one line, a panel's rows, the whole explanation, and a replay as a difference. Pure.

Shared by the screen, the dry run and `--explain`, so that none of them tells another story.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from llmos.core.events import Mode, PlanMade, PlannedStep
from llmos.core.explain import Considered
from llmos.core.journal import call_line
from llmos.interfaces.call_view import EFFECT_WORDS, money
from llmos.interfaces.sub_goal_tree import sub_goal_lines

_ROLE_WORDS = {
    "replay": "is replayed",
    "guidance": "guides the model",
    "refused": "refused",
    "near": "near in words",
    "spare": "could be replayed as well",
}


def cost_words(plan: PlanMade) -> str:
    """What the turn will cost, as far as anything tells, and what a replay saves."""
    if plan.mode is Mode.FOLLOWER:
        return f"$0.00, saves {money(plan.saving_usd)}"
    if plan.expected_cost_usd is None:
        return "not known: no saved run is like it"
    return f"about {money(plan.expected_cost_usd)}, by what similar goals cost"


def plan_line(plan: PlanMade) -> str:
    """The decision in one line: what is done, how sure it is and by what, how many steps, and what it costs."""
    if plan.mode is Mode.ORCHESTRATOR:
        return " · ".join([plan.mode.words, f"{plan.mode.value}{_rests_on(plan)}", _counted_sub_goals(plan)])
    parts = [plan.mode.words, f"{plan.mode.value}{_how_sure(plan)}"]
    if plan.steps:
        parts.append(_counted(plan.steps))
    if plan.mode is Mode.FOLLOWER or plan.expected_cost_usd is not None:
        parts.append(_short_cost(plan))
    return " · ".join(parts)


def percent(probability: float) -> str:
    """A probability for a person; cut, so that what is below a threshold never looks as if it reached it."""
    return f"{int(100 * probability + 1e-9)} %"


def _how_sure(plan: PlanMade) -> str:
    """How probable it is that the saved run at hand is right for the goal; nothing where there is none."""
    if plan.confidence <= 0 or plan.mode is Mode.LEARNER or plan.trace_id is None:
        return ""  # no run of this goal: at most one with words like it, which the reasons name
    return f", {percent(plan.confidence)} sure{_rests_on(plan)}"


def _counted_sub_goals(plan: PlanMade) -> str:
    ready = sum(bool(one.mode) for one in plan.sub_goals)
    runs = {0: "no saved run", 1: "a saved run", len(plan.sub_goals): "a saved run for each"}
    return f"{len(plan.sub_goals)} sub-goals, {runs.get(ready, f'saved runs for {ready}')}"


def _counted(steps: Sequence[PlannedStep]) -> str:
    """How many steps of each effect: `2 steps: 1 reads, 1 writes files`."""
    counts = Counter(step.effect for step in steps)
    first = f"{len(steps)} step{'s' if len(steps) != 1 else ''}"
    if len(counts) == 1:
        return f"{first}, {'each ' if len(steps) != 1 else ''}{EFFECT_WORDS[steps[0].effect]}"
    return f"{first}: {', '.join(f'{count} {EFFECT_WORDS[effect]}' for effect, count in counts.items())}"


def detail_lines(plan: PlanMade, more_by: str = "--explain") -> list[str]:
    """What belongs under that line: trace, values and steps of a replay; else why there is none, and what guides.

    `more_by` is what shows all reasons.
    """
    if plan.mode is Mode.FOLLOWER:
        lines = [f"saved run: {plan.trace_id}"]
        return lines + ([f"with: {', '.join(f'{old} → {new}' for old, new in plan.values)}"] if plan.values else [])
    more = len(plan.reasons) - 1
    others = f" (and {more} more; {more_by} shows all)" if more > 0 else ""
    lines = [f"why: {plan.reasons[0]}{others}"] if plan.reasons else []
    lines += [f"guided by: {', '.join(plan.guidance)}"] if plan.guidance else []
    if plan.sub_goals:
        return [*lines, *sub_goal_lines(plan.sub_goals)]
    return lines + ([f"differs: {'; '.join(plan.differs)}"] if plan.differs else [])


def _short_cost(plan: PlanMade) -> str:
    return cost_words(plan) if plan.mode is Mode.FOLLOWER else f"about {money(plan.expected_cost_usd or 0.0)}"


def plan_rows(plan: PlanMade) -> list[tuple[str, str]]:
    """Label and value of everything that a decision panel shows; a label stands at the first of its values."""
    rows: list[tuple[str, str]] = [("confidence", f"{plan.confidence:.2f}{_rests_on(plan)}")]
    if plan.trace_id:
        rows.append(("saved run", plan.trace_id))
    groups = (
        ("why", plan.reasons),
        ("with", [f"{old} → {new}" for old, new in plan.values]),
        ("guided by", plan.guidance),
        ("differs", plan.differs),
        ("closed", _closed_gates(plan)),
        ("sub-goals", sub_goal_lines(plan.sub_goals)),
        ("will run", [_step_words(number, step) for number, step in enumerate(plan.steps, start=1)]),
    )
    for label, values in groups:
        rows.extend((label if number == 0 else "", value) for number, value in enumerate(values))
    rows.append(("cost", cost_words(plan)))
    return rows


def explain_lines(plan: PlanMade) -> list[str]:
    """The whole decision: thresholds, every trace that was looked at, its gates, and what its confidence rests on."""
    lines = [
        f"decision    {plan.mode.value}, confidence {plan.confidence:.2f}; a replay needs {plan.follower_from:.2f} "
        f"and every gate open, guidance {plan.mixed_from:.2f}"
    ]
    lines += [f"why         {reason}" for reason in plan.reasons]
    lines += [f"differs     {difference}" for difference in plan.differs]
    lines += [f"cost        {cost_words(plan)}"]
    lines += [f"sub-goal    {line}" for line in sub_goal_lines(plan.sub_goals)]
    if not plan.considered:
        lines.append("candidates  none: no saved run is like it")
    for number, one in enumerate(plan.considered, start=1):
        lines.append(f"candidate {number} {one.trace_id}: {_ROLE_WORDS.get(one.role, one.role)}")
        lines.append(f"    goal    {' '.join(one.goal.split())}")
        lines.append(f"    sure    {_evidence(one)}")
        for gate in one.gates:
            reason = f": {gate.reason}" if gate.reason else ""
            lines.append(f"    {'open' if gate.open else 'CLOSED':<6}  {gate.name}{reason}")
        if not one.gates:
            lines.append("    gates   not asked: it is worded differently, so it can only guide a model")
    return lines


def plan_diff(plan: PlanMade) -> list[str]:
    """What a replay would run beside what was recorded, in the manner of a unified diff; empty when nothing would.

    Of several tasks: the sub-goals.
    """
    if plan.sub_goals:
        return sub_goal_lines(plan.sub_goals)
    if not plan.steps:
        return []
    lines = [f"--- recorded {plan.trace_id}", "+++ to be run"]
    for number, step in enumerate(plan.steps, start=1):
        lines.append(f"@@ step {number}: {step.tool} ({EFFECT_WORDS[step.effect]}) @@")
        lines += _difference(step.recorded, step.args)
    return lines


def _difference(recorded: Mapping[str, Any], args: Mapping[str, Any]) -> list[str]:
    """Argument by argument and line by line: ` ` as recorded, `-` what it was, `+` what it is."""
    import difflib

    lines: list[str] = []
    for name in [*args, *(name for name in recorded if name not in args)]:
        was, now = recorded.get(name), args.get(name)
        if isinstance(was, str) and isinstance(now, str) and was.endswith("\n") and now.endswith("\n"):
            was, now = was[:-1], now[:-1]  # a line that both end with is no line of its own
        old = _argument_lines(name, was) if name in recorded else []
        new = _argument_lines(name, now) if name in args else []
        for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new).get_opcodes():
            if tag == "equal":
                lines += [f" {line}" for line in old[i1:i2]]
            else:
                lines += [f"-{line}" for line in old[i1:i2]] + [f"+{line}" for line in new[j1:j2]]
    return lines


def _argument_lines(name: str, value: object) -> list[str]:
    text = value if isinstance(value, str) else repr(value)
    first, *rest = text.split("\n")
    return [f"{name}: {first}", *(f"    {line}" for line in rest)]


def _step_words(number: int, step: PlannedStep) -> str:
    return f"{number}. {call_line(step.tool, step.args)} ({EFFECT_WORDS[step.effect]})"


def _rests_on(plan: PlanMade) -> str:
    chosen = next(
        (one for one in plan.considered if one.trace_id == plan.trace_id and one.confidence is not None), None
    )
    if chosen is None:
        return ""
    last = f", last {chosen.last_used[:10]}" if chosen.last_used else ""
    return f" ({chosen.evidence}{last})"


def _evidence(one: Considered) -> str:
    if one.confidence is None:
        return "" if one.likeness is None else f"words alike {one.likeness:.2f}; that ranks, and never allows a replay"
    last = f", last {one.last_used}" if one.last_used else ""
    return f"{one.confidence:.3f} ({one.evidence}{last}); learning it cost {money(one.cost_usd)}"


def _closed_gates(plan: PlanMade) -> list[str]:
    """The closed gates of the traces that might have been replayed, beyond those that the reasons name already."""
    return [
        f"{'' if one.trace_id == plan.trace_id else f'{one.trace_id}, '}{gate.name}: {gate.reason}"
        for one in plan.considered
        for gate in one.closed
        if not any(gate.reason in reason for reason in plan.reasons)
    ]
