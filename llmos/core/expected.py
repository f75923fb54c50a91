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
_TAKES_AWAY = frozenset(["move", "rename", "delete", "remove", "erase"])
_PLACES = (Kind.FILE, Kind.PATH)
_LEAST = re.compile(r"\b(?:least|lowest|smallest|cheapest|fewest|shortest|minimum|slowest)\b", re.IGNORECASE)
_MOST = re.compile(r"\b(?:most|highest|largest|biggest|greatest|longest|maximum|heaviest)\b", re.IGNORECASE)
_SORTED = re.compile(
    r"(?:\A|[|;&])\s*sort\b([^|;&]*)\|\s*(head|tail)\b(?!\s+-n\s*\+)[^|;&]*(?:\|\s*(?:awk|cut|sed)\b.*)?\Z", re.DOTALL
)
_TOKEN = re.compile(r"[^\s\"'`*(),;:!?=|<>\[\]{}/]+")


def orders_change(goal: str) -> bool:
    """Whether the goal, or one of its sentences and clauses, orders files to be changed."""
    return any(asks_for_change(clause) for clause in _clauses(goal))


def lacking(goal: str, answer: str, steps: Sequence[RunStep]) -> str:
    """What a run that did this goal would have and this one has not, as the end of a sentence; empty for nothing."""
    if all(step.changes.complete for step in steps) and (why := _file_lacks(goal, steps)):
        return why
    return _answer_lacks(goal, answer, steps) or _value_unused(goal, steps) or _other_end(goal, steps)


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
            named = (token.text for token in tokens_of(clause) if isinstance(token, Literal) and token.kind in _PLACES)
            return f"the goal says {verb}, and nothing was taken out of {next(named, 'its place')}"
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
        and token.kind in _PLACES
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


def _value_unused(goal: str, steps: Sequence[RunStep]) -> str:
    """A value of the goal that no call holds; of a question's the call whose output is the answer has to."""
    telling = [step for step in steps if step.ok and step.stdout.strip()]
    resting = steps if orders_change(goal) or not telling else telling[-1:]
    held = [
        *(str(v) for step in resting for v in step.args.values()),
        *(p for step in steps for p in step.changes.paths),
    ]
    used = " ".join(held).replace("\\", "").lower()
    values = [token for token in tokens_of(goal) if isinstance(token, Literal) and _is_definite(token)]
    unused = (value.text for value in values if value.text.strip("./").lower() not in used)
    return next((f"the goal names {text!r}, and the command does not use it" for text in unused), "")


def _is_definite(value: Literal) -> bool:
    """Whether a command that minds the value holds it as it is written."""
    if value.kind is Kind.NUMBER:
        return len(value.text) > 1
    if value.kind is Kind.GLOB:
        return "*" not in value.text and "?" not in value.text
    if value.kind in _PLACES:
        return re.search(r"\w\.\w", value.text) is not None and value.text[0] not in "~/"
    return value.kind is Kind.DATE or (value.kind is Kind.TEXT and value.quoted)


def _other_end(goal: str, steps: Sequence[RunStep]) -> str:
    """The least is asked for and the most was taken, or the other way round, by how the numbers were sorted."""
    least, most = bool(_LEAST.search(goal)), bool(_MOST.search(goal))
    if least is most or not steps:
        return ""
    match = _SORTED.search(str(steps[-1].args.get("command", "")))
    if match is None:
        return ""
    options, end = match[1], match[2]
    given = re.findall(r"(?<=\s)-(?:k\s*[\d,.]+)?([a-zA-Z]*)", f" {options}")
    letters = set("".join(given))
    if not letters & {"n", "g", "h"}:
        return ""
    takes_least = ("r" in letters) is (end == "tail")
    if takes_least is least:
        return ""
    return f"the goal asks for the {'least' if least else 'most'}, and the command takes the other end"


def _pieces(text: str) -> list[str]:
    return [token.rstrip(".").lower() for token in _TOKEN.findall(text)]
