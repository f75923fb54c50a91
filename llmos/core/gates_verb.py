"""The gate on verbs: what is to be done must be the same, also where one verb may mean two things."""

from __future__ import annotations

import re
from itertools import pairwise

from llmos.core.gate import Case
from llmos.core.gates_wording import IDLE_WORDS, same_class
from llmos.core.literals import Kind
from llmos.core.wording import Analysis, WordClass, base_word


def check_verb(case: Case) -> str:
    old, new = case.template.analysis, case.goal
    if old.surface == new.surface and old.verb == new.verb:
        return ""
    asks = new.surface[:1] and new.surface[0] in _QUESTIONS
    if (asks and _PAST & set(old.surface) != _PAST & set(new.surface)) or _past_states(old) != _past_states(new):
        return "one of the goals asks about now, the other about before"
    if old.verb != new.verb and case.template.programs & _PRINTERS:
        return "'print' means paper in the saved run"
    by_content = new.form[:2] == ("LOOK", "§") and not any(each.kind is Kind.FILE for each in new.literals[1:])
    if not case.template.only_lists and _searches(old) != _searches(new) and by_content:
        return "one of the goals searches for a text, the other may look for a name"
    if not case.template.only_lists and _says_name(old) != _says_name(new) and {"LIKE", "NAMEEND"} & set(new.form):
        return "one of the goals speaks of names, the other may mean what is in the files"
    shows = "show" in (_SHOWS.get(old.verb), _SHOWS.get(new.verb))
    if shows and _SHOWS.get(old.verb) != _SHOWS.get(new.verb) and _ONE_FILE.search(f"{old.goal}\n{new.goal}"):
        return f"'{new.verb}' may ask for what is in the file, where '{old.verb}' asked for the file"
    differ = old.verb != new.verb and _SHOWS.get(old.verb) != _SHOWS.get(new.verb, "")
    if differ and not case.template.only_lists and not _lists_things(case):
        return f"'{new.verb or new.form[:1]}' may be another thing than '{old.verb}' for what the saved run does"
    return same_class(WordClass.VERB, "what is to be done differs")(case)


_LISTING = frozenset(
    """getent cut ps who w ss netstat lsof lsblk lsmod lspci lsusb jobs docker git head tail sort grep uniq
    column du df""".split()
)
_LISTING_COMMANDS = frozenset(
    """docker ps|docker images|git log|git branch|git tag|git remote|git stash|git worktree|git shortlog""".split("|")
)
_SHOWING = frozenset("list show display see view".split())


def _lists_things(case: Case) -> bool:
    """Whether the run prints which things there are, and the goal asks for several: "show the ports" is "list" them.

    Not so for files and folders, in which there is something to be shown.
    """
    listing = _LISTING | _LISTING_COMMANDS
    words = [word for word in case.goal.surface if word not in IDLE_WORDS | {"me"}]
    end = next((at for at, word in enumerate(words) if at and word in _ENDS_OBJECT), len(words))
    several = end > 1 and base_word(words[end - 1]) != words[end - 1] and "§" not in words[:end]
    content = {"content", "line", "detail", "file", "directory", "subdirectory", "symlink"} & {
        base_word(word) for word in words[:end]
    }
    verbs = {case.template.analysis.verb, case.goal.verb}
    return verbs <= _SHOWING and case.template.programs <= listing and several and not content


_ENDS_OBJECT = frozenset(
    "in on of from since until by for with under at sorted ordered owned using , that which and".split()
)


def _searches(goal: Analysis) -> bool:
    return bool({"search", "searches", "look", "looks"} & set(goal.surface[:4]))


def _says_name(goal: Analysis) -> bool:
    return bool({"name", "names", "named", "filename", "filenames", "called"} & set(goal.surface))


_ONE_FILE = re.compile(
    r"\b(?:show|display|print|view|see|output|get)s?\s+(?:me\s+)?(?:the\s+|a\s+)?(?:file|[\"'`“‘]?\S+\.\w+)(?:\s|$)",
    re.IGNORECASE,
)
_QUESTIONS = frozenset("who which what when where why how is are was were did does has had".split())
_PAST = frozenset("was were did had been".split())
_DONE_ONCE = frozenset(
    """modified changed accessed created updated edited altered deleted removed touched added moved renamed copied
    written opened read saved found made installed downloaded last first recently not never""".split()
)
"""What was done to a thing: "are modified" and "were modified" say the same of it."""


def _past_states(goal: Analysis) -> int:
    """How often the goal says that something was so, and may be so no more ("users that were logged in")."""
    return sum(
        word in ("was", "were", "been", "had") and after not in _DONE_ONCE and after not in _PAST
        for word, after in pairwise(goal.surface)
    )


_PRINTERS = frozenset("lp lpr lpq lpstat lprm cancel enscript a2ps".split())
_SHOWS = dict.fromkeys(["show", "display", "print", "view", "see"], "show") | dict.fromkeys(["find"], "find")
