"""The run that a judgement would let be replayed. Pure.

A judgement proposes; the gates decide. It may explain that other words mean the same. What it can never explain is a
negation, an opposite, a comparison, how many, an order, a joining, a change that nobody asked for, or a value that
cannot stand where it would land.
"""

from __future__ import annotations

from llmos.core.alias import with_values
from llmos.core.binding import make_case
from llmos.core.dataclass import dataclass
from llmos.core.gate import Refusal
from llmos.core.gates import GATES
from llmos.core.gates_wording import same_class
from llmos.core.judgement import Judgement
from llmos.core.rebind import Rebound
from llmos.core.template import generalise
from llmos.core.trace import Trace
from llmos.core.wording import WordClass, analyse

EXPLAINED = ("verb", "words", "order")
"""Gates on wording that a judgement may open: a synonym, a word that adds nothing, another place in the sentence."""
UNEXPLAINED = frozenset(
    """letters pronoun negation exception polarity comparative quantifier conjunction recursion place effect
    number""".split()
)
"""Gates on wording that stay closed whatever a judgement says; those on values are asked when the values are bound."""


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A trace with a goal's values, and the wording gates that the judgement explained, with what they saw."""

    rebound: Rebound
    explained: tuple[str, ...]


def bind_judged(trace: Trace, goal: str, judgement: Judgement) -> JudgedRun | Refusal:
    """The trace for `goal` as the judgement pairs its values, or the first closed gate. Total."""
    identifier, asked = trace.header.id, analyse(goal)
    if judgement.values is None:
        return Refusal(identifier, "binding", "the judgement does not pair every value of the two goals")
    template = generalise(trace.header.goal, trace.steps, identifier)
    case = make_case(template, asked)
    for gate in GATES:
        if gate.name in UNEXPLAINED and (reason := gate.check(case)):
            return Refusal(identifier, gate.name, reason)
    if reason := same_class(WordClass.ORDER, "the order differs")(case):
        return Refusal(identifier, "order", reason)
    bound = with_values(trace, {old: new for old, new in judgement.values if old != new})
    if isinstance(bound, Refusal):
        return bound
    closed = ((gate.name, gate.check(case)) for gate in GATES if gate.name in EXPLAINED)
    return JudgedRun(bound, tuple(f"{name}: {reason}" for name, reason in closed if reason))
