"""A paraphrase as one more goal text of a trace: what it does for that text's own values. Pure.

A verified run of another goal with the very calls of a trace, once bound, says that the two goals ask for the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations

from llmos.core.gate import Refusal
from llmos.core.judgement import Values
from llmos.core.rebind import Rebound, rebind
from llmos.core.trace import Trace
from llmos.core.wording import analyse

MOST_VALUES = 4
"""Values of a goal whose pairing is tried; of more, each order would be a guess among too many."""


def aliased(trace: Trace, goal: str, values: Values) -> Trace | None:
    """The trace as if it had been learned for `goal`; None when its values cannot be bound without doubt."""
    found = _bound(trace, values) if values else trace
    return replace(found, header=replace(found.header, goal=goal)) if found is not None else None


def confirmed_values(trace: Trace, run: Trace) -> Values | None:
    """How the values of `trace` become those of `run`, when both then do the very same; None when they do not."""
    if _calls(trace) == _calls(run):
        return ()
    old = [literal.text for literal in analyse(trace.header.goal).literals]
    new = [literal.text for literal in analyse(run.header.goal).literals]
    if len(old) != len(new) or not 0 < len(old) <= MOST_VALUES or len(set(old)) < len(old):
        return None
    for order in permutations(new):
        pairs = tuple((one, other) for one, other in zip(old, order, strict=True) if one != other)
        bound = _bound(trace, pairs)
        if bound is not None and _calls(bound) == _calls(run):
            return pairs
    return None


def with_values(trace: Trace, values: Mapping[str, str]) -> Rebound | Refusal:
    """The trace bound to its own goal with other values in it, or the gate that is closed."""
    goal = trace.header.goal
    literals = analyse(goal).literals
    wanted = [values.get(literal.text, literal.text) for literal in literals]
    for literal, text in sorted(zip(literals, wanted, strict=True), key=lambda pair: -pair[0].start):
        written = goal[literal.start : literal.end].replace(literal.text, text)
        goal = goal[: literal.start] + written + goal[literal.end :]
    if [literal.text for literal in analyse(goal).literals] != wanted:
        return Refusal(trace.header.id, "kind", "the new values would be read as something else in the saved goal")
    return rebind(trace, goal)


def _bound(trace: Trace, values: Values) -> Trace | None:
    answer = with_values(trace, dict(values))
    return answer.trace if isinstance(answer, Rebound) else None


def _calls(trace: Trace) -> Sequence[tuple[str, dict[str, object]]]:
    return [(step.tool, dict(step.args)) for step in trace.steps]
