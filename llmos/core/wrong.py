"""What a person called wrong, and the replays that follow from it never to be made. Pure.

A run that was wrong for a goal is blocked for it, whichever trace holds it; and the template must not be bound again
across the same difference: the same other values at the same places, or the same other wording.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from llmos.core.dataclass import dataclass
from llmos.core.events import Mode
from llmos.core.goal import goal_key
from llmos.core.policy import Candidate, Thresholds, decide
from llmos.core.trace import Step, Trace
from llmos.core.wording import Analysis, analyse


@dataclass(frozen=True, slots=True)
class Wrong:
    """One record: the replay of `trace` (a run of the goal `of`) was wrong for `goal`."""

    trace: str
    of: str
    goal: str
    calls: str
    """`calls_digest` of what was replayed; empty when that is not known."""
    when: str
    """UTC, ISO 8601."""
    reason: str = ""


def calls_digest(steps: Sequence[Step]) -> str:
    """32 hex digits over tools and arguments: equal for two replays that do the same."""
    calls: list[tuple[str, Mapping[str, Any]]] = [(step.tool, step.args) for step in steps]
    text = json.dumps(calls, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def forbids(wrong: Wrong, trace: Trace, source: str, goal: str) -> str:
    """Why `trace`, bound from the goal `source` to `goal`, must not be replayed after `wrong`; empty when it may be."""
    same_run = trace.header.id == wrong.trace or calls_digest(trace.steps) == wrong.calls
    if same_run and goal_key(goal) == goal_key(wrong.goal):
        return f"a person called this replay wrong on {wrong.when[:10]}{_because(wrong)}"
    if goal_key(source) == goal_key(goal):
        return ""
    if difference := _same_difference(analyse(wrong.of), analyse(wrong.goal), analyse(source), analyse(goal)):
        return f"{difference}, which a person called wrong on {wrong.when[:10]}{_because(wrong)}"
    return ""


def _because(wrong: Wrong) -> str:
    return f" ({wrong.reason})" if wrong.reason else ""


def _same_difference(of: Analysis, goal: Analysis, source: Analysis, asked: Analysis) -> str:
    """The difference between source and asked that is also the one between of and goal, in words; both ways."""
    if of.surface != goal.surface:
        same = {of.surface, goal.surface} == {source.surface, asked.surface} and source.surface != asked.surface
        return "it joins the two wordings again" if same else ""
    if not of.surface == source.surface == asked.surface or len(of.literals) != len(asked.literals):
        return ""
    if not len(of.literals) == len(goal.literals) == len(source.literals):
        return ""
    rows = zip(*((literal.text for literal in one.literals) for one in (of, goal, source, asked)), strict=True)
    changed = [(old, new, here, there) for old, new, here, there in rows if old != new]
    if changed and all(here != there and there == new for _, new, here, there in changed):
        return f"it puts {changed[0][1]!r} where the run had another value"
    if changed and all((here, there) == (new, old) for old, new, here, there in changed):
        return f"it puts {changed[0][0]!r} where the run had {changed[0][1]!r}"
    return ""


@dataclass(frozen=True, slots=True)
class CheckedWrong:
    """A verdict "wrong" decided again."""

    wrong: Wrong
    replays: bool
    """Whether the same replay would be made all the same."""
    reason: str


def check_wrong(wrong: Wrong, candidates: Sequence[Candidate], thresholds: Thresholds) -> CheckedWrong:
    """Decide again on a verdict from the candidates for its goal."""
    reason = "the run is no candidate for it"
    for candidate in candidates:
        trace = candidate.trace
        if trace.header.id != wrong.trace and calls_digest(trace.steps) != wrong.calls:
            continue
        plan = decide(wrong.goal, [candidate], [], thresholds)
        reason = plan.reasons[0]
        if plan.mode is Mode.FOLLOWER:
            return CheckedWrong(wrong, True, reason)
    return CheckedWrong(wrong, False, reason)
