"""A change of memory as a value: what was written where, and what stood there before, so that it can be taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from llmos.core.core_block import parse_item
from llmos.core.dataclass import dataclass

CORE, ARCHIVAL = "core/", "archival/"


@dataclass(frozen=True, slots=True)
class ItemEdit:
    """One item of a block, or one passage: its line or file before and after; None where there is none."""

    item: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class MemoryChange:
    """One write of one file of memory."""

    id: str
    when: str
    by: str
    """`consolidation`, `model` (a tool call), `person` (a command, or an edit of the file), `machine`."""
    why: str
    target: str
    """`core/<label>` or `archival/<id>`."""
    edits: tuple[ItemEdit, ...]
    digest_before: str = ""
    digest: str = ""
    """16 hex digits of SHA-256 of the whole file before and after; empty where there is none."""
    group: str = ""
    """Shared by changes that belong together, as the ones of one update do."""
    session: str = ""
    undoes: str = ""
    """The change that this one takes back."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """One line an edit, for a person."""
        return tuple(_sentence(self.target, edit) for edit in self.edits)


def _sentence(target: str, edit: ItemEdit) -> str:
    shown = _text(edit.after if edit.after is not None else edit.before or "")
    if target.startswith(ARCHIVAL):
        word = "added to" if edit.before is None else "removed from" if edit.after is None else "changed in"
        return f"{word} archival: {shown}"
    label = target.removeprefix(CORE)
    if edit.before is None:
        return f"added to {label}: {shown}"
    if edit.after is None:
        return f"removed from {label}: {shown}"
    before = _text(edit.before)
    if before == shown:
        word = "doubted in" if _strength(edit.after) < _strength(edit.before) else "borne out in"
        return f"{word} {label}: {shown}"
    return f"changed in {label}: {before} -> {shown}"


def _strength(line: str) -> float:
    item = parse_item(line)
    return item.strength if item is not None else 0.0


def _text(written: str) -> str:
    """The words of an item's line or of a passage's file."""
    if written.startswith("- "):
        return written[2:].rpartition(" <!--")[0].strip() or written[2:].strip()
    _, _, body = written.partition("\n---\n")
    return " ".join((body or written).split())


def lines_after(changes: Iterable[MemoryChange], target: str) -> dict[str, str]:
    """The items of a file as llmos knows them, by id: a fold over all changes of it."""
    known: dict[str, str] = {}
    for change in changes:
        if change.target == target:
            for edit in change.edits:
                if edit.after is None:
                    known.pop(edit.item, None)
                else:
                    known[edit.item] = edit.after
    return known


def line_edits(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[ItemEdit, ...]:
    """What turns the one into the other, by id."""
    gone = [ItemEdit(item, line, None) for item, line in before.items() if item not in after]
    kept = [ItemEdit(item, before.get(item), line) for item, line in after.items() if before.get(item) != line]
    return (*gone, *kept)
