"""What a judging model says of an earlier goal beside this one, as a value. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from llmos.core.dataclass import dataclass
from llmos.core.wording import Analysis

Values = tuple[tuple[str, str], ...]
"""Values of an earlier goal and of another one, in pairs."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model says of an earlier goal beside this one."""

    confidence: float = 0.0
    """Probability from 0 to 1 that the same steps, with the values exchanged, do what the goal asks for."""
    values: Values | None = None
    """Values of the earlier goal and of this one, in pairs, all of them; None where it gives no pairing that fits."""
    reason: str = ""


def pairing(earlier: Analysis, goal: Analysis, pairs: Sequence[tuple[str, str]]) -> Values | None:
    """The pairs in the order of the earlier goal's values; None unless each value of both goals is in one of them."""
    old = [literal.text for literal in earlier.literals]
    new = [literal.text for literal in goal.literals]
    given = dict(pairs)
    if len(set(old)) < len(old) or len(given) != len(pairs) or not set(given) <= set(old):
        return None
    found = tuple((text, given.get(text, text)) for text in old)
    return found if sorted(text for _, text in found) == sorted(new) else None


def in_order(earlier: Analysis, goal: Analysis) -> Values | None:
    """The values of two goals paired one after the other; None where their kinds do not follow each other so."""
    old, new = earlier.literals, goal.literals
    if [literal.kind for literal in old] != [literal.kind for literal in new]:
        return None
    return pairing(earlier, goal, [(a.text, b.text) for a, b in zip(old, new, strict=True)])
