"""Whether a goal holds several tasks, told by its structure. Pure; a model is no part of it.

An explicit list (numbers, bullets, lines, semicolons) is split where it stands: every item must be an order or a
question of its own, and nothing before the list may give it another sense ("write these lines: …"). What is joined by
words is never split here; where it names enough tasks of their own, a model may be asked for a plan. Unsure is one
task.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from llmos.core.blend import clauses
from llmos.core.dataclass import dataclass
from llmos.core.goal import asks_for_change, asks_only, context_reference, words_of
from llmos.core.literals import Kind, Literal, tokens_of

ASK_FROM = 3
"""So many tasks must be named before a model is asked for a plan: two are cheaper in one loop."""
MOST_LOOKED_AT = 20_000
"""Characters; a longer goal is material, and one task."""

MASKED = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»|(?<![\w'])'[^'\n]*'(?!\w)", re.DOTALL)
_NUMBERED = re.compile(r"^[ \t]*(\d{1,3})[.)][ \t]+(?=\S)", re.MULTILINE)
_BULLET = re.compile(r"^([ \t]*)[-*•][ \t]+(?=\S)", re.MULTILINE)
_INLINE = re.compile(r"(?:^|(?<=\s))(\d{1,3})[.)]\s+(?=\S)")
_LETTERED = re.compile(r"(?:^|(?<=\s))([a-h])\)\s+(?=\S)")
_STEPS = re.compile(r"(?:^|(?<=\s))step[ ]+(\d{1,3})[ ]?[:.)]\s+(?=\S)", re.IGNORECASE)
_HEAD_WORDS = frozenset(
    """do please the following these this tasks task things steps step todo to-do list in order and one after other
    another by all of them work through now first for me here are is my i need you to want each""".split()
)
_IN_ORDER = frozenset(["order", "after", "step"])
_ORDERS = frozenset(
    """run build test read look check explain summarise summarize understand review start stop restart translate
    verify document describe analyse analyze refactor improve debug investigate clean use open close measure
    benchmark lint deploy push pull clone fetch rewrite reorder research draft zip unzip validate back uppercase
    lowercase capitalise capitalize format calculate compute estimate encrypt decrypt resize rotate publish""".split()
)
_SHELL = re.compile(r"(?:^|\s)-{1,2}[a-z]\w*(?:\s|=|$)|[|$]|&&|(?<!\{)\{(?!\{)|\bdo\b\s+\w+.*\bdone\b")
_SHELL_HEAD = re.compile(r"\s*(?:for\s+\w+\s+in|while|if\s+\[|cd|echo|export|sudo)\b")
_THEN = re.compile(r"^(?:and\s+)?(?:then|afterwards|after that|next|finally|lastly|at last)\b[\s,:]*", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_CONDITION = re.compile(
    r"(?:please\s+|but\s+|and\s+)*(?:(?:do|does|should|must|may)\s*(?:not\b|n['’]t)|don['’]?t\b|never\b|without\b|only\b|keep\b|"
    r"ignore\b|ignoring\b|skip\b|leave\b|leaving\b|preserve\b|avoid\b|prefer\b|except\b|ensure\b|be\s+\w+|take care\b|"
    r"make (?:sure|no)\b|use\b(?!.*\bto\b))",
    re.IGNORECASE,
)
"""What says how another task is to be done: it is no task, and without it the other one is another."""
_AHEAD = re.compile(
    r"\b(?:the following|as follows|like (?:this|these)"
    r"|th(?:is|ese) (?:text|content|lines?|words?|list|message|items?))\b",
    re.IGNORECASE,
)
"""What points at text that follows it."""
_TEXT_AHEAD = re.compile(
    r"\b(?:contain(?:s|ing)|say(?:s|ing)|(?:the|this) (?:text|words|lines?|sentences?|phrase|message|content)s?)\b"
)
_HANDS_OVER = re.compile(
    r"\s*(?:please\s+)?(?:put|write|add|append|insert|save|store|send|print|type|enter)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The parts of a goal: the whole goal alone, or those of an explicit list."""

    parts: tuple[str, ...]
    by: str
    """What sets the parts apart, in words; empty for one part."""
    may_be_several: str
    """Why a model may be asked whether it is several tasks; empty where it need not."""
    in_order: bool = False
    """The list says that one is done after the other."""
    then: frozenset[int] = frozenset()
    """The parts, from 0, that say that they come after the one before."""


_JOINED = re.compile(r"[\n;]|[,.]\s|\b(?:and|then)\b|(?:^|\s)(?:1[.)]|a\))\s")


def may_hold_several(goal: str) -> bool:
    """Whether a look at the structure can find more than one task: cheap, and right where it says no."""
    return len(_JOINED.findall(goal)) > (0 if "\n" in goal or ";" in goal else 1)


def shape_of(goal: str) -> Shape:
    """How many tasks the structure of a goal shows. Total."""
    if len(goal) > MOST_LOOKED_AT:
        return Shape((goal,), "", "")
    hidden = MASKED.sub(lambda found: "\x01" * len(found[0]), goal)
    for find in (_numbered_lines, _bullets, _steps, _inline_numbers, _letters, _semicolons, _lines):
        found = find(goal, hidden)
        if found is not None:
            head, items, by = found
            return _listed(goal, head, items, by)
    return Shape((goal,), "", _several(goal, hidden))


_List = tuple[str, list[str], str]
"""What stands before a list, its items, and what sets them apart."""
_BY_STEPS, _BY_SEMICOLONS, _BY_LINES = "numbered steps", "semicolons", "lines"
_UNMARKED = (_BY_SEMICOLONS, _BY_LINES)
"""Lists whose items bear no mark of their own."""


def _listed(goal: str, head: str, items: Sequence[str], by: str) -> Shape:
    """The list as parts, where each is a task of its own; else one task, and no model is asked."""
    one = Shape((goal,), "", "")
    words = words_of(head)
    if len(items) < 2 or not set(words) <= _HEAD_WORDS:
        return one
    parts = [_THEN.sub("", item).strip().rstrip(";,").strip() for item in items]
    if not all(is_task(part) for part in parts):
        return one
    if by in _UNMARKED and _may_be_text(parts):
        return one
    then = frozenset(number for number, item in enumerate(items) if number and _THEN.match(item))
    in_order = by == _BY_STEPS or bool(_IN_ORDER.intersection(words))
    return Shape(tuple(parts), by, "", in_order=in_order, then=then)


def _may_be_text(parts: Sequence[str]) -> bool:
    """Whether one part may go on in the next: it hands over text, unquoted, and no mark says where the text ends."""
    for number, part in enumerate(parts[:-1]):
        shown = MASKED.sub("", part)
        if re.search(r":(?:\s|$)", shown) or _AHEAD.search(shown):
            return True
        found = _TEXT_AHEAD.search(shown)
        if found is None or len(words_of(shown[found.end() :])) < 2:
            continue
        if _HANDS_OVER.match(part) or not all(paths_of(later) for later in parts[number + 1 :]):
            return True
    return False


def is_task(text: str) -> bool:
    """Whether a text is an order or a question by itself, of at least two words, and no piece of a shell script."""
    words = words_of(text)
    first = next((word for word in words if word not in ("please", "now", "also", "just")), "")
    ordered = asks_for_change(text) or asks_only(text) or first in _ORDERS
    if not ordered or len(words) < 2 or _CONDITION.match(text):
        return False
    return not _SHELL.search(MASKED.sub("", text)) and not _SHELL_HEAD.match(text)


def _cut(goal: str, marks: Sequence[re.Match[str]]) -> list[str]:
    ends = [*(mark.start() for mark in marks[1:]), len(goal)]
    return [goal[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)]


def _numbered_lines(goal: str, hidden: str) -> _List | None:
    return _numbers(goal, list(_NUMBERED.finditer(hidden)))


def _inline_numbers(goal: str, hidden: str) -> _List | None:
    return _numbers(goal, list(_INLINE.finditer(hidden)))


def _steps(goal: str, hidden: str) -> _List | None:
    return _numbers(goal, list(_STEPS.finditer(hidden)), _BY_STEPS)


def _numbers(goal: str, marks: list[re.Match[str]], by: str = "a numbered list") -> _List | None:
    """Items that are numbered 1, 2, 3 without a gap."""
    if len(marks) < 2 or [int(mark[1]) for mark in marks] != list(range(1, len(marks) + 1)):
        return None
    return goal[: marks[0].start()], _cut(goal, marks), by


def _letters(goal: str, hidden: str) -> _List | None:
    marks = list(_LETTERED.finditer(hidden))
    if len(marks) < 2 or "".join(mark[1] for mark in marks) != "abcdefgh"[: len(marks)]:
        return None
    return goal[: marks[0].start()], _cut(goal, marks), "a lettered list"


def _bullets(goal: str, hidden: str) -> _List | None:
    marks = list(_BULLET.finditer(hidden))
    least = min((len(mark[1]) for mark in marks), default=0)
    outer = [mark for mark in marks if len(mark[1]) == least]  # deeper ones belong to the item above
    if len(outer) < 2:
        return None
    return goal[: outer[0].start()], _cut(goal, outer), "a list"


def _semicolons(goal: str, hidden: str) -> _List | None:
    ends = [at for at, sign in enumerate(hidden) if sign == ";" and not _nested(hidden, at)]
    if not ends or ("\n" in goal.strip() and not all(hidden[at + 1 :].lstrip(" \t")[:1] in ("\n", "") for at in ends)):
        return None
    pieces = [
        goal[start:end].strip() for start, end in zip([0, *(at + 1 for at in ends)], [*ends, len(goal)], strict=True)
    ]
    return "", [piece for piece in pieces if piece], _BY_SEMICOLONS


def _nested(hidden: str, at: int) -> bool:
    """Whether a place lies in brackets."""
    before = hidden[:at]
    return any(before.count(opening) > before.count(closing) for opening, closing in ("()", "[]", "{}"))


def _lines(goal: str, hidden: str) -> _List | None:
    lines = [line.strip() for line in goal.splitlines() if line.strip()]
    if len(lines) < 2 or ("\x01" in hidden and any(line.count("`" * 3) for line in lines)):
        return None
    heads = 1 if lines[0].endswith(":") else 0
    return "\n".join(lines[:heads]), lines[heads:], _BY_LINES


# ------------------------------------------------------------------------------------------------- joined by words


def _several(goal: str, hidden: str) -> str:
    """Why a goal that is no list may be several tasks: it names enough of them, each with something of its own."""
    if "```" in goal or ("\n" in goal.strip() and goal.strip().count("\n") > 3):
        return ""
    tasks = 0
    for sentence in _sentences(goal, hidden):
        for clause in clauses(sentence):
            text = _THEN.sub("", clause).strip()
            tasks += is_task(text) and not _refers_back(text)
    if tasks < ASK_FROM:
        return ""
    return f"{tasks} tasks seem to be named, and {ASK_FROM} tasks or more may be worth a plan"


def _sentences(goal: str, hidden: str) -> list[str]:
    at, found = 0, []
    for end in _SENTENCE.finditer(hidden):
        found.append(goal[at : end.start()])
        at = end.end()
    return [*found, goal[at:]]


def _refers_back(text: str) -> bool:
    """Whether a clause goes on with what the one before is about: it has a pronoun and no name of its own."""
    words = set(words_of(text))
    points = bool(words & {"it", "its", "them", "they", "their", "there", "that", "those"}) or bool(
        context_reference(text)
    )
    return points and not paths_of(text)


def paths_of(text: str) -> frozenset[str]:
    """The files and folders that a text names as such."""
    return frozenset(
        posixpath.normpath(token.text)
        for token in tokens_of(text)
        if isinstance(token, Literal) and token.kind in (Kind.PATH, Kind.FILE)
    )
