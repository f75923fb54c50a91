"""What the structure of a goal lets one expect of a run: a number, a name, a file, something taken away. Pure.

Nothing here knows what the goal means; each expectation stands in its words, and is one that no right run lacks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from llmos.core.blend import clauses
from llmos.core.goal import FUNCTION_WORDS, asks_for_change, words_of
from llmos.core.literals import Kind, Literal, tokens_of
from llmos.core.trace import RunStep

_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=[A-Z])")
_ASKS_NUMBER = re.compile(r"\b(?:how (?:many|much|often|large|big|long)|number of|what percentage)\b", re.IGNORECASE)
_NUMBER = re.compile(
    r"\d|\b(?:no|none|nothing|zero|once|one|twice|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b", re.I
)
_ASKS_NAMES = re.compile(r"\A\W*(?:which|what|who|whose|where|list|name|show|print|tell|give|find)\b", re.IGNORECASE)
_LEADS_TO = frozenset(["to", "into", "as", "called", "named"])
_NO_TARGET = frozenset("link symlink compare compared according next equal relative points refer similar".split())
_TAKES_AWAY = {"move": "moved", "rename": "renamed", "delete": "deleted", "remove": "removed", "erase": "erased"}
_TOKEN = re.compile(r"[^\s\"'`*(),;:!?=|<>\[\]{}/]+")


def orders_change(goal: str) -> bool:
    """Whether the goal, or one of its sentences and clauses, orders files to be changed."""
    return any(asks_for_change(clause) for clause in _clauses(goal))


def lacking(goal: str, answer: str, steps: Sequence[RunStep]) -> str:
    """What a run that did this goal would have and this one has not, as the end of a sentence; empty for nothing."""
    if all(step.changes.complete for step in steps) and (why := _file_lacks(goal, steps)):
        return why
    return _answer_lacks(goal, answer, steps)


def _clauses(goal: str) -> list[str]:
    return [clause for sentence in _SENTENCE.split(goal) for clause in clauses(sentence)] or [goal]


def _file_lacks(goal: str, steps: Sequence[RunStep]) -> str:
    written = {path for step in steps for path in (*step.changes.created, *step.changes.changed)}
    gone = any(step.changes.deleted or step.changes.changed for step in steps)
    for clause in _clauses(goal):
        if not asks_for_change(clause):
            continue
        verb = next((word for word in words_of(clause) if word in _TAKES_AWAY), "")
        if verb and words_of(clause)[0] == verb and not gone:
            return f"the goal says {verb}, and nothing was {_TAKES_AWAY[verb]}"
        for target in _targets(clause):
            if not any(path == target or path.endswith(f"/{target.rpartition('/')[2]}") for path in written):
                return f"the goal names {target}, and that file was not written"
    return ""


def _targets(clause: str) -> list[str]:
    """The files that the clause leads to: "into a.txt", "as b.csv"."""
    if _NO_TARGET.intersection(words_of(clause)):
        return []
    tokens = tokens_of(clause)
    return [
        token.text.removeprefix("./")
        for before, token in pairwise(tokens)
        if isinstance(token, Literal)
        and token.kind in (Kind.FILE, Kind.PATH)
        and re.search(r"\w\.\w+\Z", token.text)
        and not token.text.startswith(("/", "~", "../"))
        and not isinstance(before, Literal)
        and before.text in _LEADS_TO
    ]


def _answer_lacks(goal: str, answer: str, steps: Sequence[RunStep]) -> str:
    if orders_change(goal):
        return ""
    if _ASKS_NUMBER.search(goal):
        return "" if _NUMBER.search(answer) else "the goal asks for a number, and the answer gives none"
    if not _ASKS_NAMES.match(goal):
        return ""
    shown = {piece for step in steps for piece in _pieces(step.stdout)}
    said = set(_pieces(answer))
    known = set(_pieces(goal)) | FUNCTION_WORDS
    if shown - known and not (shown & said) - known:
        return "the answer says nothing of what the output shows"
    return ""


def _pieces(text: str) -> list[str]:
    return [token.rstrip(".").lower() for token in _TOKEN.findall(text)]
