"""The gates on wording: two goals must say the same, class of words by class of words, so that a refusal names what
differs. Each check gives a reason for a person, or an empty text when it is open.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from llmos.core.gate import Case
from llmos.core.goal import normalise_goal
from llmos.core.literals import Kind
from llmos.core.shell_roles import Role
from llmos.core.template_facts import texts
from llmos.core.wording import DROPPED, Analysis, WordClass, base_word, class_of


def same_class(wanted: WordClass, what: str) -> Callable[[Case], str]:
    def check(case: Case) -> str:
        if case.template.analysis.form == case.goal.form:
            return ""
        old = tuple(word for word in case.template.analysis.form if class_of(word) is wanted)
        new = tuple(word for word in case.goal.form if class_of(word) is wanted)
        return "" if old == new else f"{what}: {_said(new)} is not {_said(old)}"

    return check


def _said(words: tuple[str, ...]) -> str:
    return " ".join(f"'{word}'" for word in words) or "nothing"


def check_strange(case: Case) -> str:
    if case.goal.goal == case.template.analysis.goal:
        return ""
    return case.goal.strange or case.template.analysis.strange


def check_said(case: Case) -> str:
    """A goal some of whose words reached the run as data must be put word by word as the saved one.

    Which of its words are values there is not known: "docs" is no other "doc", and in "append the line please" even
    a word of courtesy is one. Only words that did not reach the run may differ ("remove" for "delete").
    """
    words, old, new = case.template.words, case.template.analysis.surface, case.goal.surface
    said = tuple(word for word in (*old, *new) if base_word(word) in words)
    if not said or old == new or _said_alike(old, new, words):
        return ""
    differing = {base_word(word) for pair in zip(old, new, strict=False) for word in pair if pair[0] != pair[1]}
    looks = case.template.analysis.verb == case.goal.verb
    if len(old) == len(new) and looks and not differing & words:
        return ""
    held = _said(tuple(dict.fromkeys(said)))
    return f"the saved run holds words of its goal ({held}), and this goal is put in other words"


_ARTICLES_AND_ALL = frozenset(["the", "all"])
_ATTRIBUTED = frozenset("file directory image".split())


def _said_alike(old: tuple[str, ...], new: tuple[str, ...], words: frozenset[str]) -> bool:
    """Whether the words that reached the run stand in both goals in one piece each, between the same neighbours."""
    before, after = _pieces(old, words), _pieces(new, words)
    return before == after and all(ends for *_, ends in before)


def _pieces(surface: tuple[str, ...], words: frozenset[str]) -> list[tuple[str | bool, ...]]:
    """Each run of such words with the word before it, and whether it plainly ends there; in the order of letters.

    It does not where a word follows that could vanish in another wording: that word may belong to the text.
    """
    found: list[tuple[str | bool, ...]] = []
    piece: list[str] = []
    for index, word in enumerate((*surface, "")):
        if word and base_word(word) in words:
            piece.append(word)
        elif piece:
            before = (
                [each for each in surface[: index - len(piece)] if each not in _ARTICLES_AND_ALL]
                if base_word(word) in _ATTRIBUTED
                else surface[: index - len(piece)]
            )
            left = base_word(before[-1]) if before else ""
            found.append((left, *piece, word in ("that", "which") or word not in DROPPED))
            piece = []
    return sorted(found, key=repr)


def check_signs(case: Case) -> str:
    """A sign around the values may be meant, as the `!` of "containing hello!" may."""
    if len(case.template.analysis.literals) != len(case.goal.literals):
        return ""
    old, new = _around_values(case.template.analysis), _around_values(case.goal)
    if not any("  " in text for step in case.template.steps for _, text in texts(step.args)):
        old, new = (" ".join(text.split()) for text in (old, new))
    if not case.same_surface:
        old, new = ("".join(sorted(_ORDINARY.sub("", text))) for text in (old, new))
    return "" if old == new else "what stands around the values differs, if only by a sign"


_ORDINARY = re.compile(r"[\w\s.,;:?'\"`()/“”‘’–—-]")


def _around_values(goal: Analysis) -> str:
    """The goal with a mark in place of each value."""
    rest, end = "", goal.span[0]
    for literal in sorted(goal.literals, key=lambda literal: literal.start):
        rest += f"{goal.goal[end : literal.start]}§"
        end = literal.end
    return normalise_goal(rest + goal.goal[end : max(end, goal.span[1])]).rstrip(" .")


def check_pronoun(case: Case) -> str:
    if case.goal.outward and not case.is_identical:
        return f"'{case.goal.outward}' points at something outside the goal"
    return same_class(WordClass.PRONOUN, "who or what is meant differs")(case)


def check_words(case: Case) -> str:
    if case.template.analysis.form == case.goal.form:
        return ""
    old = Counter(word for word in case.template.analysis.form if class_of(word) is WordClass.TOPIC)
    new = Counter(word for word in case.goal.form if class_of(word) is WordClass.TOPIC)
    extra, missing = sorted((new - old).elements()), sorted((old - new).elements())
    if extra and missing:
        return f"the goal says {_said(tuple(extra))} and not {_said(tuple(missing))}"
    if extra:
        return f"the goal also says {_said(tuple(extra))}"
    return f"the goal does not say {_said(tuple(missing))}" if missing else ""


def check_order(case: Case) -> str:
    if reason := same_class(WordClass.ORDER, "the order differs")(case):
        return reason
    old, new = case.template.analysis.form, case.goal.form
    if Counter(old) == Counter(new) and old != new:
        return "the same words stand in another order"
    return ""


_ASKED_BY = {
    "delete": r"delet\w*|remov\w*|eras\w*|clean\w*|clear\w*|purg\w*|wip\w*|drop|discard\w*|unlink|rid|throw\w*|prun\w*"
    r"|truncat\w*|rm|uninstall|shred|destroy|empty",
    "move": r"mov\w+|renam\w+|mv|append\w*|prepend\w*|chang\w+|replac\w+|add\w*|strip\w*|convert\w*|swap|put|prefix\w*",
    "copy": r"cop(?:y|ies|ied|ying)|duplicat\w+|back\w*|sync\w*|transfer\w*|clon\w+|cp|archiv\w+|upload\w*|download\w*"
    r"|rsync|scp|writ\w+|creat\w+|install\w*|send\w*|put|dd|pass\w*",
    "link": r"link\w*|symlink\w*",
    "permission": r"permission\w*|chmod|mod(?:e|es)|own\w*|chang\w+|set\w*|make\w*|group|executable|readable|writable"
    r"|add\w*|remov\w+|grant\w*|chown|chgrp|allow\w*",
    "stop": r"kill\w*|stop\w*|terminat\w+|end\w*|send\w*|signal\w*",
    "create": r"creat\w+|mak\w+|writ\w+|sav\w+|split\w*|touch\w*|updat\w+|output\w*|stor\w+|append\w*|log\w*"
    r"|redirect\w*|set\w*|mkdir|chang\w+|new|generat\w+|divid\w+|stdout|put|add\w*",
    "archive": r"archiv\w+|compress\w*|decompress\w*|tar\w*|zip\w*|gzip\w*|unzip\w*|extract\w*|unpack\w*|pack\w*|"
    r"back\w*|uncompress\w*|bzip\w*|cop\w+|content\w*|creat\w+",
    "mount": r"\w*mount\w*|attach\w*|detach\w*",
    "user": r"user\w*|group\w*|password\w*|account\w*",
    "system": r"shut\w*|reboot\w*|restart\w*|halt\w*|start\w*|stop\w*|cron\w*|schedul\w+|servic\w+|run\w*|job\w*",
    "install": r"install\w*|updat\w+|upgrad\w+|remov\w+|packag\w+|search\w*|list\w*",
    "fetch": r"download\w*|fetch\w*|get\w*|retriev\w+|url|page|mirror\w*|sav\w+|copy|file",
    "edit": r"edit\w*|replac\w+|chang\w+|substitut\w+|insert\w*|delet\w+|remov\w+|add\w*|append\w*|modif\w+|convert\w*"
    r"|updat\w+|set\w*|strip\w*|trim\w*|comment\w*|put|renam\w+|prepend\w*|clear\w*|open\w*|fix\w*|swap\w*|in.?place",
    "write": r"writ\w+|sav\w+|output\w*|redirect\w*|stor\w+|creat\w+|append\w*|to (?:a |the )?file|into|put|log\w*"
    r"|copy|generat\w+|merg\w+|concatenat\w+|record\w*|send\w*|add\w*|make|clear\w*|empty|truncat\w+|replac\w+|edit\w*",
    "code": r".+",
}
"""Words by which a goal asks for a kind of change."""
_ASKS = {effect: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for effect, words in _ASKED_BY.items()}


def check_sense(case: Case) -> str:
    """A run whose tests plainly say another thing than its goal is no source: a type, a sign, a negation, the case."""
    if case.is_identical:
        return ""
    form, options = case.template.analysis.form, case.template.options
    types = {value for option, value in options if option in ("-type", "-xtype")}
    named = form[:3] if form[:1] in (("LOOK",), ("delete",), ("count",)) else ()
    if types == {"f"} and "directory" in named and not {"file", "ENTRY", "§"} & set(named):
        return "the goal means directories, the saved run looks for files"
    if types == {"d"} and "file" in named and "directory" not in form:
        return "the goal means files, the saved run looks for directories"
    limited = any(option == "-maxdepth" for option, _ in options)
    if limited and case.goal.recurses and not {"level", "depth", "deep", "maximum", "FLAT"} & set(form):
        return "the goal means everything below a place, the saved run does not go down"
    classes = {class_of(word) for word in form}
    tests = pairwise([option for option, _ in options])
    denied = any(option in ("!", "-not") and not after.startswith("-newer") for option, after in tests)
    if denied and not classes & {WordClass.NEGATION, WordClass.EXCEPTION} and not _DENIES.search(case.goal.goal):
        return "the saved run leaves out what the goal asks for"
    signs = {value[:1] for option, value in options if option in _SIGNED}
    if ("MORE" in form and signs and "+" not in signs) or ("LESS" in form and signs and "-" not in signs):
        return "the saved run compares in another way than its goal"
    folded = [
        landing
        for landing in case.landings
        if landing.place.program.startswith("-i") or (case.template.folds_case and landing.place.role is Role.REGEX)
    ]
    folds = any(
        landing.place.role in (Role.PATTERN, Role.REGEX) and landing.new.kind is not Kind.EXTENSION
        for landing in folded
    )
    if folds and "NOCASE" not in form and "case" not in form:
        return "the saved run ignores the case of letters, which the goal does not say"
    if case.template.greps_parts and any(
        landing.place.role is Role.REGEX and case.word_before(landing.new) == "word" for landing in case.landings
    ):
        return "the goal means a whole word, the saved run looked for letters anywhere"
    return ""


_DENIES = re.compile(
    r"\b(?:non|un\w+|other|only|hidden|outside|lack\w*|empty|missing|broken|but|else)\b", re.IGNORECASE
)
_SIGNED = frozenset("-mtime -atime -ctime -mmin -amin -cmin -size".split())


_GRAVE = frozenset(["delete", "stop", "system", "user", "mount", "install"])
_HARD_TO_UNDO = _GRAVE | {"move", "permission"}
_SAME_WORDS = {"remove": "delete", "removes": "delete", "deletes": "delete", "from": "in", "as": "to"}
IDLE_WORDS = frozenset("a an the all of please could can would you that which are is".split())


def _bare_words(goal: Analysis) -> tuple[str, ...]:
    """The words of a goal in order, without those that can say nothing of what is done to what."""
    words = [_SAME_WORDS.get(word, base_word(word)) for word in goal.surface]
    pairs = pairwise([word for word in [*words, ""] if word not in IDLE_WORDS])
    return tuple(word for word, after in pairs if (word, after) != ("file", "§"))


_TEXTS = frozenset(
    "line word character letter digit duplicate blank space whitespace newline column comment prefix suffix".split()
)
"""What is deleted from a text that passes through: the run may print the rest and change nothing."""
_MUST = {
    "delete": frozenset(["delete", "edit", "code", "install", "user", "system", "permission", "move", "write"]),
    "copy": frozenset(["copy", "write", "archive", "code", "create", "fetch", "edit", "move"]),
    "move": frozenset(["move", "copy", "code"]),
    "rename": frozenset(["move", "copy", "code"]),
}
"""Kinds of change of which a run must make one when its goal begins with the verb."""


def check_effect(case: Case) -> str:
    asks, did = (
        each.goal.rstrip().endswith("?") and "you" not in each.polite for each in (case.goal, case.template.analysis)
    )
    if asks and not did and (case.template.effects or not case.template.readable):
        return "the goal may be a question, and the saved run changes things"
    if case.is_identical:
        return ""
    if not case.template.readable:
        return "what the saved command changes is not known with certainty"
    # In the very words of a run that was checked, only what cannot be undone has to be asked for by its name.
    for effect in sorted(case.template.effects & _GRAVE if case.same_surface else case.template.effects):
        if not _ASKS[effect].search(case.goal.goal):
            return f"the saved run makes a change ({effect}) that the goal does not ask for"
    grave = sorted(case.template.effects & _HARD_TO_UNDO)
    if grave and _bare_words(case.goal) != _bare_words(case.template.analysis):
        return f"the saved run makes a change ({grave[0]}) that is made again only in the words that asked for it"
    verb = case.goal.form[:1]
    if verb == ("delete",) and _TEXTS & set(case.goal.form[1:4]):
        return ""
    if verb and verb[0] in _MUST and case.template.programs and not case.template.effects & _MUST[verb[0]]:
        return f"the goal asks to {verb[0]}, and the saved run does not"
    return ""


def check_recursion(case: Case) -> str:
    old, new = case.template.analysis.recurses, case.goal.recurses
    if old == new:
        if _SAYS_DEPTH.search(case.goal.goal) and not _SAYS_DEPTH.search(case.template.analysis.goal):
            deep = case.template.descends or any(option in _DEEP for option, _ in case.template.options)
            return "" if deep else "the goal means everything below a place, and the saved run may not go down"
        return ""
    # "Print the current directory" asks for its name; its tree is another thing.
    if new and case.template.descends and _LISTED & set(case.goal.form):
        return ""
    return "one goal means everything below a place and the other does not say so"


_SAYS_DEPTH = re.compile(r"recurs|\bsub-?\s?(?:dir|folder)|\b(?:tree|hierarchy|below|beneath)\b", re.IGNORECASE)
"""Words that plainly mean every level; "under" may mean the first alone."""
_DEEP = frozenset("-r -R -rf -Rf -a -az -av --recursive --archive".split())
_LISTED = frozenset("file ENTRY directory subdirectory symlink filename path §".split())


_OWN_HOME = re.compile(r"~|\$\{?HOME\}?|/home/\w|/root\b")
_HOME = re.compile(r"~|\$\{?HOME\}?|/home\b")


_SYSTEM = re.compile(
    r"(?:^|[\s\"'`(])/(?:[\s\"'`,.;)]|$)|\broot\b|\bsystem\b|\beverywhere\b|\banywhere\b", re.IGNORECASE
)


def check_place(case: Case) -> str:
    """A place that the goal names in words must be the one at which the saved run works."""
    if case.is_identical:
        return ""
    words, given = case.goal.form, case.template.arguments
    rooted = [value for value in given if value.startswith(("/", "~", "$HOME")) and value != "/dev/null"]
    values = {literal.text.rstrip("/") for literal in case.template.analysis.literals}
    if "ROOT" in words and not case.template.only_lists and not case.same_surface:
        return "'system' may mean the machine or its files, and what the saved run does is not told by it"
    home = _HOME if case.same_surface else _OWN_HOME
    if "HOME" in words and not any(home.match(value) for value in given):
        return "the goal means the home directory, the saved run does not work there"
    if "/" in given and "ROOT" not in words and not _SYSTEM.search(case.goal.goal) and case.template.only_lists:
        return "the saved run works on the whole system, which the goal does not say"
    if "ROOT" in words and case.template.only_lists and "/" not in given:
        return "the goal means the whole system, the saved run does not start there"
    foreign = [value for value in rooted if value.rstrip("/") not in values]
    if "CWD" in words and "HOME" not in words and case.template.only_lists and foreign:
        return f"the goal means the current directory, the saved run works in {foreign[0]!r}"
    return ""
