"""What one update may do to a core block. Whatever a model asks for, these rules decide; a person is free of them.

- At most `edit_budget` items are added, changed or taken away.
- What is pinned stays, and a read-only block stays as it is.
- To change or take away an item takes one explicit statement of the person or two independent observations, none of
  which the item rests on already.
- What says the same again adds evidence and strength, not a line; what says otherwise takes strength.
- The items of a block stay within its limit; a full block gives up its weakest item for a stronger one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from llmos.core.core_block import FIRST_STRENGTH, ITEM_LIMIT, MODEL, USER, CoreBlock, CoreItem, item_id
from llmos.core.dataclass import dataclass
from llmos.core.memory_text import is_near_duplicate
from llmos.core.memory_tiers import TierRule

OBSERVATIONS = 2
"""Independent observations that weigh as much as one explicit statement."""


NO_BUDGET = "this update may change no more items of the block"
FULL = "the block is full"
NO_ROOM = (NO_BUDGET, FULL)
"""Refusals that a later update may not have."""


class EditKind(StrEnum):
    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"
    CONFIRM = "confirm"
    """The item was borne out again."""
    DOUBT = "doubt"
    """Something else was observed: its strength falls, its text stays."""


@dataclass(frozen=True, slots=True)
class CoreEdit:
    """A change of a block that is asked for."""

    kind: EditKind
    text: str = ""
    item: str = ""
    """Id of the item to change, take away or confirm."""
    evidence: tuple[str, ...] = ()
    """Names of the messages that say so."""
    explicit: bool = False
    """Whether the person said it in so many words."""


@dataclass(frozen=True, slots=True)
class EditsDone:
    """A block after an update: what was done, what was not and why, and the items that left it."""

    block: CoreBlock
    done: tuple[CoreEdit, ...] = ()
    refused: tuple[tuple[CoreEdit, str], ...] = ()
    left: tuple[CoreItem, ...] = ()


def apply_edits(block: CoreBlock, edits: Sequence[CoreEdit], rule: TierRule, day: str) -> EditsDone:
    """The block after one update by anything but a person's own command."""
    done: list[CoreEdit] = []
    refused: list[tuple[CoreEdit, str]] = []
    left: list[CoreItem] = []
    before = block
    budget = rule.edit_budget(len(block.items))
    for edit in edits:
        why = _refusal(block, edit)
        cost = 0 if why or _confirmed(block, edit) else 1
        if not why and cost > budget:
            why = NO_BUDGET
        after: tuple[CoreBlock, tuple[CoreItem, ...]] | None = None
        if not why:
            after = _applied(block, edit, rule, day, budget - cost)
            why = "" if after is not None else FULL
        if why or after is None:
            refused.append((edit, why))
            continue
        evicted = cost and edit.kind is EditKind.ADD and bool(after[1])
        budget -= cost + bool(evicted)
        block = after[0]
        left += after[1]
        done.append(edit)
    if block != before:
        block = replace(block, updated=day)
    return EditsDone(block, tuple(done), tuple(refused), tuple(left))


def enough_evidence(edit: CoreEdit, item: CoreItem) -> bool:
    """Whether an edit may change or take away an item: new evidence, explicit or from two places."""
    fresh = {name for name in edit.evidence if name not in item.evidence}
    return bool(fresh) and (edit.explicit or len(fresh) >= OBSERVATIONS)


def _confirmed(block: CoreBlock, edit: CoreEdit) -> CoreItem | None:
    """The item that this edit only bears out, or doubts."""
    if edit.kind in (EditKind.CONFIRM, EditKind.DOUBT):
        return block.find(edit.item)
    if edit.kind is EditKind.ADD:
        return next((item for item in block.items if is_near_duplicate(item.text, edit.text)), None)
    return None


def _refusal(block: CoreBlock, edit: CoreEdit) -> str:
    """Why the edit is not done, in words; empty when it may be."""
    if block.read_only:
        return f"the block {block.label} is read-only"
    item = block.find(edit.item) if edit.item else None
    if edit.kind is not EditKind.ADD and item is None:
        return f"there is no item {edit.item!r}"
    if edit.kind in (EditKind.ADD, EditKind.REPLACE) and (why := text_refusal(edit.text)):
        return why
    if item is None or edit.kind in (EditKind.CONFIRM, EditKind.DOUBT):
        return "" if edit.evidence else "there is no evidence for it"
    if item.pinned:
        return "the item is pinned"
    if not enough_evidence(edit, item):
        return "to change an item takes one explicit statement or two independent observations"
    return ""


def text_refusal(text: str) -> str:
    """Why a text cannot be an item; empty when it can."""
    if not text.strip():
        return "the item is empty"
    if len(text) > ITEM_LIMIT:
        return f"an item has at most {ITEM_LIMIT} characters"
    if "<!--" in text or "-->" in text or " ".join(text.split()) != text or not text.isprintable():
        return "an item is one line of plain words"
    return ""


def _applied(
    block: CoreBlock, edit: CoreEdit, rule: TierRule, day: str, spare: int
) -> tuple[CoreBlock, tuple[CoreItem, ...]] | None:
    """The block after the edit and the items that left it; None when there is no room."""
    if (same := _confirmed(block, edit)) is not None:
        fresh = [name for name in edit.evidence if name not in same.evidence]
        strength = same.strength
        if edit.kind is EditKind.DOUBT:
            for _ in fresh * (not same.pinned):
                strength = rule.strength_after(strength, 0.0)
            return block.with_item(replace(same, strength=round(strength, 6))), ()
        for _ in fresh:
            strength = rule.strength_after(strength, 1.0)
        item = replace(same, evidence=(*same.evidence, *fresh), strength=round(strength, 6))
        return block.with_item(item), ()
    by = USER if edit.explicit else MODEL
    if edit.kind is EditKind.ADD:
        strength = FIRST_STRENGTH if edit.explicit else rule.borne_out(FIRST_STRENGTH / 2, len(set(edit.evidence)) - 1)
        made = item_id(block.label, edit.text, [item.id for item in block.items])
        item = CoreItem(edit.text, made, day, by, edit.evidence, round(strength, 6))
        return _with_room(block, item, spare)
    old = block.find(edit.item)
    assert old is not None
    if edit.kind is EditKind.REMOVE:
        return block.without_item(old.id), (old,)
    item = replace(old, text=edit.text, date=day, by=by, evidence=edit.evidence, strength=FIRST_STRENGTH)
    if block.size - len(old.text) + len(item.text) > block.limit:
        return None
    return block.with_item(item), (old,)


def _with_room(block: CoreBlock, item: CoreItem, spare: int) -> tuple[CoreBlock, tuple[CoreItem, ...]] | None:
    """The block with a new item; a full one gives up its weakest item where it is weaker and the budget has room."""
    if block.size + len(item.text) <= block.limit:
        return block.with_item(item), ()
    weaker = [one for one in block.items if not one.pinned and one.strength < item.strength and one.by == MODEL]
    weakest = min(weaker, key=lambda one: (one.strength, one.date), default=None)
    if weakest is None or spare < 1 or block.size - len(weakest.text) + len(item.text) > block.limit:
        return None
    return block.without_item(weakest.id).with_item(item), (weakest,)
