"""A goal as text: its normal form, its key, and its words.

Two goals with one key are the same job with the same values. The normal form removes only what cannot carry meaning:
white space around the goal and the capital of a known first word. Repeated spaces and a closing stop go too where the
goal only looks; a goal that hands over text ("containing hello!") is taken to the letter. Case elsewhere stays,
because README.md and readme.md are two files, and so does the form of letters, because two forms are two file names.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?", re.UNICODE)

FUNCTION_WORDS = frozenset(
    """a an the of in on at to for from into with by and or is are was were be been this that these those there here
    it its i me my we our you your please can could would will do does did just now all so as any have has had get
    which what how many much who where when current directory folder""".split()
)
"""Words that say how a request is put, not what is asked; ignored when goals are ranked by their words."""

_BARE_CONTEXT = re.compile(
    r"\b(?:it|them|they|again|previous(?:ly)?|redo|undo|retry)\b"
    r"|\bearlier\b(?!\s+than)|\babove\b(?!\s+[\w$%])|\binstead\b(?!\s+of)"
    r"|\b(?:that|those|this|these|the same|the (?:other|rest|others|latter|former))\b(?=\s*(?:[.,;!?]|$))"
    r"|\b(?:that|the same|the other) (?:file|folder|directory|one|thing|command|branch)s?\b"
    r"|\b(?:the|number|option) (?:last|next|first|second|third|other) (?:one|option)s?\b|\boption \d+\b"
    r"|\b(?:(?:like|as) before|(?:like )?last time|once more|another one|one more|just now|so far)\b"
    r"|\b(?:you|we) (?:just |already )?(?:said|told|mentioned|showed|created|made|did|found|listed)\b"
    r"|\bi (?:just |already )?(?:said|told|mentioned|asked)\b"
    r"|^(?:and|but|also|yes|no|ok|okay|sure|what about|how about|continue|proceed|go on|go ahead)\b|^(?:more|next)\W*$",
    re.IGNORECASE,
)

_TAKES_UP = re.compile(
    r"(?P<first>.+?)(?:\s+and(?:\s+then)?|,\s*then|,|\s+then)\s+(?P<verb>[a-z]+)\b(?P<between>[^,;]*?)\s+(?P<it>it|them)\Z",
    re.DOTALL | re.IGNORECASE,
)
"""A second part of a goal that takes up the first by a pronoun: "make the folder x and copy a.txt into it"."""
_NAMED_HERE = re.compile(
    r"\w\.\w|/|[\"'`“‘]|\b(?:named|called)\s+\w|\b(?:folder|directory|file|branch|script|archive|container|image|user|group|"
    r"module|package|project)\s+(?!and\b|then\b|in\b|of\b|with\b|that\b|is\b|to\b|for\b|from\b)[\w-]+",
    re.IGNORECASE,
)
"""Signs that a part of a goal names the thing that it speaks of."""
_MANY_HERE = re.compile(
    r"\s*(?:please\s+)?(?:find|list|search\s+for|locate|take|get|sort|collect|copy|move)\s+(?:all|every|the)\b[^,;]*?\w{3,}s\b",
    re.IGNORECASE,
)
"""A first part that brings several things of a kind: "find all txt files"."""

_HANDS_OVER_TEXT = re.compile(
    r"[\"'`“”‘’«»:;]|\b(?:contain\w*|sa(?:y|ys|ying)|text|strings?|words?|lines?|messages?|content|names?|named|called|"
    r"titled|echo|prints?|match\w*|pattern|start\w*|begin\w*|end\w*|with|for|like|than|equals?|to)\b",
    re.IGNORECASE,
)
"""Signs that what follows may be meant to the letter."""

_CHANGE_VERBS = frozenset(
    """create make add append write put insert replace change edit update set rename move copy delete remove erase
    clear empty extract unpack untar compress archive pack commit checkout init initialise initialize convert sort
    split merge join combine concatenate fix fill save store generate download install uninstall truncate touch
    chmod strip swap backup tag stage restore revert uncomment comment prepend duplicate organise organize""".split()
)

_POLITE = frozenset("please can could you now then just i want to".split())

_OPENERS = (
    _CHANGE_VERBS
    | _POLITE
    | frozenset(
        """list count show find how what which where when who is are does do display give tell search get print read
        look check compare run build test open start stop say there all in on the""".split()
    )
)
"""First words whose capital is only that of a sentence; of any other ("Makefile") it may be that of a name."""


_LINE_BREAK = re.compile(r"[ \t]*\n[ \t]*")
"""A wrapped line; runs of spaces stay, since one may stand in a file's name."""


def normalise_goal(text: str) -> str:
    """The normal form of a goal; equal for two goals that ask the same with the same values."""
    goal = text.strip()
    if not asks_for_change(goal) and not _HANDS_OVER_TEXT.search(goal):
        goal = _LINE_BREAK.sub(" ", goal)
        if goal.endswith(".") and not goal.endswith(("..", " .", "/.")):
            goal = goal[:-1]
    first = re.match(r"[A-Z][a-z]+(?=\s|$)", goal)
    if first and first.group().lower() in _OPENERS:
        return first.group().lower() + goal[first.end() :]
    return goal


def goal_key(text: str) -> str:
    """32 hex digits that two goals share when their normal forms are equal."""
    return hashlib.sha256(normalise_goal(text).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def slug(text: str, limit: int = 40) -> str:
    """A file-name-safe piece of a goal, for people to recognise; never parsed."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text)[:limit].strip("-") or "goal"


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in order, lower case, without punctuation."""
    return tuple(match.group().lower() for match in _WORD.finditer(text))


def stem(word: str) -> str:
    """A crude English stem: enough for "files"/"file" and "counting"/"count", and nothing more is claimed."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)]
    return word


def content_stems(text: str) -> frozenset[str]:
    """The stems of a text's words without the function words."""
    return frozenset(stem(word) for word in words_of(text) if word not in FUNCTION_WORDS)


def context_reference(goal: str) -> str | None:
    """The word by which a goal points at something said before it ("it", "again"), or None.

    Such a goal means something else in another conversation, so its run must not be replayed.
    """
    for match in _BARE_CONTEXT.finditer(goal):
        if not _is_of_this_goal(goal[: match.end()]):
            return match.group().lower()
    return None


def _is_of_this_goal(until: str) -> bool:
    """Whether the pronoun at the end of a text takes up what the part before it names."""
    parts = _TAKES_UP.fullmatch(until)
    if parts is None or re.search(r"\b(?:it|them)\b", parts["first"], re.IGNORECASE):
        return False
    if re.fullmatch(r"\s*(?:undo|redo|retry|again)\b.*", parts["first"], re.IGNORECASE | re.DOTALL):
        return False
    named = _NAMED_HERE.search(parts["first"]) is not None
    return named or (parts["it"].lower() == "them" and _MANY_HERE.match(parts["first"]) is not None)


_QUESTION_WORDS = frozenset(
    """how which what who where when why is are does do did has have was were list show find count tell print search
    display check compare give look""".split()
)


def asks_only(goal: str) -> bool:
    """Whether the goal is a question or an order to show something, judged by how it begins."""
    words = [word for word in words_of(goal)[:3] if word not in {"please", "can", "could", "you", "in", "on", "at"}]
    return bool(words) and words[0] in _QUESTION_WORDS


def asks_for_change(goal: str) -> bool:
    """Whether the goal orders files to be changed. Only its leading verbs count: "which files did we remove" asks."""
    words = words_of(goal)
    head = next((word for word in words if word not in _POLITE), "")
    return head in _CHANGE_VERBS
