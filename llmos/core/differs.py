"""How two goals differ, in words: for the model that adapts an earlier run, and for the person. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from llmos.core.goal import goal_key
from llmos.core.wording import Analysis, analyse

_ARTICLES = frozenset(["a", "an", "the"])
_MOST = 8
"""Values or words beyond this many are counted, not listed."""


def differences(earlier: str, goal: str) -> tuple[str, ...]:
    """Values and words in which `goal` differs from an `earlier` goal; empty where they ask for the same thing."""
    if goal_key(earlier) == goal_key(goal):
        return ()
    old, new = analyse(earlier), analyse(goal)
    found = _values(old, new)
    for who, words in (("only this goal says", _only(new, old)), ("only the earlier goal said", _only(old, new))):
        if words:
            found.append(f"{who}: {_listed(words)}")
    if not found and _plain(old) != _plain(new):
        found.append("the same words in another order")
    return tuple(found)


def _values(old: Analysis, new: Analysis) -> list[str]:
    """The values, paired in order where there are as many of each kind, else both lists."""
    before, after = [literal.text for literal in old.literals], [literal.text for literal in new.literals]
    kinds = [sorted(literal.kind for literal in one.literals) for one in (old, new)]
    if kinds[0] == kinds[1]:
        left = list(old.literals)
        pairs = []
        for literal in new.literals:
            partner = next(other for other in left if other.kind is literal.kind)
            left.remove(partner)
            if partner.text != literal.text:
                pairs.append(f"{partner.text} is now {literal.text}")
        return [f"values: {_listed(pairs)}"] if pairs else []
    return [f"values: {_listed(after) or 'none'} instead of {_listed(before) or 'none'}"]


def _only(one: Analysis, other: Analysis) -> list[str]:
    """The words of one goal that the other lacks, in order."""
    missing = Counter(_plain(one)) - Counter(_plain(other))
    return [word for word in dict.fromkeys(_plain(one)) if word in missing]


def _plain(analysis: Analysis) -> list[str]:
    return [word for word in analysis.surface if word[0].isalnum() and word not in _ARTICLES]


def _listed(texts: Iterable[str]) -> str:
    shown = list(texts)
    more = len(shown) - _MOST
    return ", ".join(shown[:_MOST]) + (f" and {more} more" if more > 0 else "")
