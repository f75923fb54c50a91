"""A core block as a value, and as the lines of its file: one item a line, with what is known of it in a comment.

- Prefers tabs in Makefiles. <!-- id=3f2a9c1e date=2026-11-23 by=user strength=0.5 evidence=1be8c2db:4 pin -->

A person may edit the file at any time, so reading never fails on an item: what cannot be understood of a comment counts
as not there. Lines that are no items are the person's prose; they are shown to models and never touched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from llmos.core.dataclass import dataclass

BLOCKS = ("persona", "human", "system_context")
DESCRIPTIONS = {
    "persona": "how llmos is to behave: its manner, what it always or never does",
    "human": "who the person is and what they prefer",
    "system_context": "the machine and the project",
}
DEFAULT_LIMIT = 4_000
"""Characters of all items of a block together."""
ITEM_LIMIT = 300
"""Characters of one item."""
FIRST_STRENGTH = 0.5

USER, MODEL, MACHINE = "user", "model", "machine"
"""Who an item or passage comes from: the person's own words, what a model made of them, or the machine's facts."""

_COMMENT = re.compile(r"^(?P<text>.*?)\s*<!--(?P<facts>(?:(?!<!--).)*?)-->\s*$")
_ID = re.compile(r"[0-9a-f]{8}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAME = re.compile(r"[\w.:-]{1,80}")


@dataclass(frozen=True, slots=True)
class CoreItem:
    """One thing that is always in the prompt."""

    text: str
    id: str = ""
    """Eight hex digits, for good; empty before it has one."""
    date: str = ""
    """Day on which it was first said, or last changed."""
    by: str = USER
    evidence: tuple[str, ...] = ()
    """Messages (`session:seq`) that say so; `edit:DAY` for a person's edit of the file."""
    strength: float = FIRST_STRENGTH
    """0.0 to 1.0: how well borne out it is."""
    pinned: bool = False

    @property
    def line(self) -> str:
        facts = [f"id={self.id}", f"date={self.date}", f"by={self.by}", f"strength={_decimal(self.strength)}"]
        facts += [f"evidence={','.join(self.evidence)}"] * bool(self.evidence)
        facts += ["pin"] * self.pinned
        return f"- {self.text} <!-- {' '.join(facts)} -->"


@dataclass(frozen=True, slots=True)
class CoreBlock:
    """One block. `lines` are its items and the person's own prose, in order."""

    label: str
    lines: tuple[CoreItem | str, ...] = ()
    description: str = ""
    limit: int = DEFAULT_LIMIT
    read_only: bool = False
    updated: str = ""
    other: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the front matter that llmos does not know: kept as they are."""

    @property
    def items(self) -> tuple[CoreItem, ...]:
        return tuple(line for line in self.lines if isinstance(line, CoreItem))

    @property
    def size(self) -> int:
        """Characters of what goes into the prompt."""
        return sum(len(item.text) for item in self.items)

    @property
    def body(self) -> str:
        shown = [line.line if isinstance(line, CoreItem) else line for line in self.lines]
        return "".join(line + "\n" for line in shown)

    @property
    def prompt_text(self) -> str:
        """As a model reads it: without the comments."""
        shown = [f"- {line.text}" if isinstance(line, CoreItem) else line for line in self.lines]
        return "\n".join(shown).strip()

    def find(self, item: str) -> CoreItem | None:
        """The item of this id."""
        return next((one for one in self.items if one.id == item), None)

    def with_item(self, item: CoreItem) -> CoreBlock:
        """With this item in the place of the one that has its id; at the end where none has."""
        if self.find(item.id) is None:
            return replace(self, lines=(*self.lines, item))
        kept = [item if isinstance(line, CoreItem) and line.id == item.id else line for line in self.lines]
        return replace(self, lines=tuple(kept))

    def without_item(self, item: str) -> CoreBlock:
        kept = [line for line in self.lines if isinstance(line, str) or line.id != item]
        return replace(self, lines=tuple(kept))


def parse_lines(body: str) -> tuple[CoreItem | str, ...]:
    """The items and prose of a body, in order."""
    return tuple(_line(line) for line in body.removesuffix("\n").split("\n")) if body else ()


def parse_item(line: str) -> CoreItem | None:
    """The item of one line; None for any other line."""
    found = _line(line)
    return found if isinstance(found, CoreItem) else None


def _line(line: str) -> CoreItem | str:
    if not line.startswith("- ") or not line[2:].strip():
        return line
    match = _COMMENT.match(line[2:])
    if match is None or not match["text"].strip():
        return CoreItem(line[2:].strip())
    words = match["facts"].split()
    facts = dict(word.partition("=")[::2] for word in words if "=" in word)
    if not facts and "pin" not in words:
        return CoreItem(line[2:].strip())  # a comment of the person's own belongs to the text
    return CoreItem(
        text=match["text"].strip(),
        id=_matching(_ID, facts.get("id", "")),
        date=_matching(_DATE, facts.get("date", "")),
        by=facts["by"] if facts.get("by") in (USER, MODEL, MACHINE) else USER,
        evidence=tuple(name for name in facts.get("evidence", "").split(",") if _NAME.fullmatch(name)),
        strength=_strength(facts.get("strength", "")),
        pinned="pin" in words,
    )


def _matching(pattern: re.Pattern[str], text: str) -> str:
    return text if pattern.fullmatch(text) else ""


def _decimal(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _strength(text: str) -> float:
    if not re.fullmatch(r"\d(?:\.\d{1,9})?", text):
        return FIRST_STRENGTH
    return min(1.0, float(text))


def item_id(label: str, text: str, taken: Iterable[str] = ()) -> str:
    """The id that an item of this text gets: the same text gets the same id unless that is taken."""
    used = set(taken)
    number = 0
    while True:
        seed = f"{label}\n{text}\n{number}" if number else f"{label}\n{text}"
        made = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        if made not in used:
            return made
        number += 1


def named_items(block: CoreBlock) -> list[CoreItem]:
    """The items, those that have no id yet with the one that they will get."""
    taken = {item.id for item in block.items if item.id}
    found = []
    for item in block.items:
        made = item if item.id else replace(item, id=item_id(block.label, item.text, taken))
        taken.add(made.id)
        found.append(made)
    return found


def identified(block: CoreBlock, known: Mapping[str, str], day: str) -> CoreBlock:
    """The block after a person's edit: what the person wrote or changed is theirs, and every item has an id of its own.

    `known` are the lines that llmos wrote last, by id. Only comments change: every text stays as the person left it.
    """
    taken = {item.id for item in block.items if item.id}
    seen: set[str] = set()
    lines: list[CoreItem | str] = []
    for line in block.lines:
        if isinstance(line, CoreItem):
            line = _taken_up(block.label, line, known, day, taken, seen)
        lines.append(line)
    return replace(block, lines=tuple(lines))


def _taken_up(
    label: str, item: CoreItem, known: Mapping[str, str], day: str, taken: set[str], seen: set[str]
) -> CoreItem:
    edit = f"edit:{day}"
    if not item.id or item.id in seen:  # new, or a line that was copied
        made = item_id(label, item.text, taken | seen)
        seen.add(made)
        return replace(item, id=made, date=day, by=USER, evidence=(edit,), strength=1.0)
    seen.add(item.id)
    before = parse_item(known[item.id]) if item.id in known else None
    if before is not None and before.text == item.text:
        return replace(item, date=item.date or before.date or day)
    evidence = tuple(dict.fromkeys((*item.evidence, edit)))
    return replace(item, date=day, by=USER, evidence=evidence, strength=1.0)
