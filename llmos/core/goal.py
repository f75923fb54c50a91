"""A goal as text: its normal form, its key, and its words.

Two goals with one key are the same job with the same values. The normal form only removes what cannot carry meaning
in a shell goal: surrounding and repeated white space, one closing stop, and the capital of the first word. Case
elsewhere stays, because README.md and readme.md are two files.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?", re.UNICODE)
_SENTENCE_CASE = re.compile(r"[A-Z][a-z]+\Z")

FUNCTION_WORDS = frozenset(
    """a an the of in on at to for from into with by and or is are was were be been this that these those there here
    it its i me my we our you your please can could would will do does did just now all so as any have has had get
    which what how many much who where when current directory folder""".split()
)
"""Words that say how a request is put, not what is asked; ignored when goals are ranked by their words."""

_BARE_CONTEXT = re.compile(
    r"\b(it|them|they|again|previous(?:ly)?|earlier|above)\b|\b(that|those|this|these|the same)\b(?=\s*(?:[.,;!?]|$))"
    r"|\b(?:that|the same) (?:file|folder|directory|one|thing|command|branch)\b|\bthe (?:last|next) one\b",
    re.IGNORECASE,
)

_CHANGE_VERBS = frozenset(
    """create make add append write put insert replace change edit update set rename move copy delete remove erase
    clear empty extract unpack untar compress archive pack commit checkout init initialise initialize convert sort
    split merge join combine concatenate fix fill save store generate download install uninstall truncate touch
    chmod strip swap backup tag stage restore revert uncomment comment prepend duplicate organise organize""".split()
)


def normalise_goal(text: str) -> str:
    """The normal form of a goal; equal for two goals that ask the same with the same values."""
    words = unicodedata.normalize("NFC", text).split()
    if not words:
        return ""
    if _SENTENCE_CASE.match(words[0]):
        words[0] = words[0].lower()
    joined = " ".join(words)
    while joined.endswith((".", "!")) and not joined.endswith(("..", " .", "/.", " !")):
        joined = joined[:-1]
    return joined


def goal_key(text: str) -> str:
    """32 hex digits that two goals share when their normal forms are equal."""
    return hashlib.sha256(normalise_goal(text).encode()).hexdigest()[:32]


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
    match = _BARE_CONTEXT.search(goal)
    return match.group().lower() if match else None


def asks_for_change(goal: str) -> bool:
    """Whether the goal orders files to be changed. Only its leading verbs count: "which files did we remove" asks."""
    words = words_of(goal)
    start = 0
    while start < len(words) and words[start] in {
        "please",
        "can",
        "could",
        "you",
        "now",
        "then",
        "just",
        "i",
        "want",
        "to",
    }:
        start += 1
    head = words[start : start + 1]
    return bool(head) and head[0] in _CHANGE_VERBS
