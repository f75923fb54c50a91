"""The gates on number: one thing or several, a part or all of them, and what a noun stands for.

Each check gives a reason for a person, or an empty text when it is open.
"""

from __future__ import annotations

from itertools import pairwise

from llmos.core.gate import Case
from llmos.core.wording import Analysis, WordClass, base_word, class_of

_BETWEEN = frozenset(["the", "of", "regular", "empty", "§"])
_MANY = frozenset("every each all any".split())
_COUNTED = frozenset("file directory".split())
_RANKED = frozenset("first last top bottom next newest oldest latest largest biggest smallest longest".split())


def check_number(case: Case) -> str:
    """One thing or several, where that decides how many are changed or shown.

    A run of `find` alone lists what there is, be it one or many; everywhere else a noun keeps its number.
    """
    old, new = _numbers(case.template.analysis), _numbers(case.goal)
    if _shows_folder(case.template.analysis) != _shows_folder(case.goal):
        return "one of the goals asks for what is in a folder, the other for folders"
    if not _lists_whole(case) or case.goal.form[:1] == ("count",):
        for noun in old.keys() & new.keys():
            if old[noun] != new[noun]:
                return f"one of the goals speaks of one {noun}, the other of several"
    if not case.template.only_lists and _means_many(case.template.analysis) != _means_many(case.goal):
        return "one of the goals means one thing, the other may mean several"
    before, after = _ranked(case.template.analysis), _ranked(case.goal)
    if any(before[noun] != after[noun] for noun in before.keys() & after.keys()):
        return "one of the goals asks for one, the other for several"
    looks = case.goal.form[:1] in (("LOOK",), ("count",)) and not case.template.only_lists
    if looks and ("all" in case.goal.surface) != ("all" in case.template.analysis.surface):
        return "only one of the goals says 'all', and the saved run may show a part"
    return ""


def _lists_whole(case: Case) -> bool:
    """Whether the run lists what there is and stops at no number of things."""
    stops = any(option == "-quit" for option, _ in case.template.options) or case.template.programs & {"head", "tail"}
    return case.template.only_lists and not stops


def _shows_folder(goal: Analysis) -> bool:
    """Whether the goal asks to show one folder, which is to show what is in it."""
    words = [word for word in goal.surface[:5] if word not in _ARTICLES | {"me", "please", "current", "working"}]
    return goal.verb not in ("", "find", "get") and words[1:2] in (["directory"], ["folder"])


def _numbers(goal: Analysis) -> dict[str, set[bool]]:
    """For each noun, whether it stands for one, for several, or for both in turn; after a number that is said."""
    found: dict[str, set[bool]] = {}
    for before, word in pairwise(goal.surface):
        base = base_word(word)
        noun = before in _ARTICLES or before in _MANY or class_of(base) in (WordClass.TOPIC, WordClass.QUANTIFIER)
        if noun and before != "§" and word not in _ARTICLES and base not in _MASS:
            found.setdefault(base, set()).add(before in _MANY or (word.endswith("s") and word != base))
    return found


_ARTICLES = frozenset(["the", "a", "an"])
_MASS = frozenset("content use contain match need have".split())
"""Words whose two forms mean the same: "content", or a verb after "that"."""


def _means_many(goal: Analysis) -> bool:
    """Whether the goal speaks of files or folders, not of one."""
    pairs = pairwise(("", *(word for word in goal.surface if word not in _BETWEEN)))
    return any(word.endswith("s") or before in _MANY for before, word in pairs if base_word(word) in _COUNTED)


def _ranked(goal: Analysis) -> dict[str, bool]:
    """For each noun after "last", whether it means several; with a number ("last 5 lines") that is said anyway."""
    return {base_word(word): word.endswith("s") for rank, word in pairwise(goal.surface) if rank in _RANKED}
