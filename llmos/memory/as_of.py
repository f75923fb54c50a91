"""Memory as it was: on the clock of the world (what was so on a day) and on our own (what was on record by a day).

What was on record is a fold over the log of changes, which holds every line and file as it was written. A passage that
was put there without llmos is on record from the day that it names itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from llmos.core.core_block import BLOCKS, CoreBlock, parse_lines
from llmos.core.errors import StoreError
from llmos.core.memory_change import ARCHIVAL, CORE, MemoryChange, lines_after
from llmos.core.passage import HOLDING, Passage, PassageState, standing
from llmos.memory.files import read_bounded
from llmos.memory.memory_engine import MemoryEngine
from llmos.memory.passage_files import MAX_BYTES, load_passage


def blocks_as_of(memory: MemoryEngine, recorded_by: str) -> list[CoreBlock]:
    """The core blocks as they were at the end of a day (ISO 8601); as they are without one."""
    blocks = memory.blocks()
    if not recorded_by:
        return blocks
    changes = _until(memory.log.all(), recorded_by)
    lines = {label: lines_after(changes, CORE + label).values() for label in BLOCKS}
    return [replace(block, lines=parse_lines("".join(f"{line}\n" for line in lines[block.label]))) for block in blocks]


def passages_as_of(memory: MemoryEngine, as_of: str, recorded_by: str) -> list[Passage]:
    """The passages that were on record by one day and held on another; each day may be empty."""
    known = _recorded(memory, recorded_by) if recorded_by else memory.passages()
    if not as_of:
        return [one for one in known if one.state in HOLDING]
    held = [one for one in known if one.held_on(as_of)]
    # What was superseded later held on that day like any other.
    return [replace(one, state=PassageState.CURRENT) if one.state is PassageState.SUPERSEDED else one for one in held]


def _recorded(memory: MemoryEngine, recorded_by: str) -> list[Passage]:
    changes = memory.log.all()
    texts: dict[str, str | None] = {}
    for change in _until(changes, recorded_by):
        if change.target.startswith(ARCHIVAL):
            texts.update({edit.item: edit.after for edit in change.edits})
    found: list[Passage] = []
    for identifier, text in texts.items():
        with suppress(StoreError):
            if text is not None:
                found.append(load_passage(text.encode(), identifier=identifier, name=identifier))
    logged = {edit.item for change in changes if change.target.startswith(ARCHIVAL) for edit in change.edits}
    for path in memory.passage_files():
        with suppress(StoreError):
            if path.stem not in logged:
                by_hand = load_passage(read_bounded(path, MAX_BYTES), identifier=path.stem, name=str(path))
                found += [by_hand] if "" < by_hand.recorded_at[:10] <= recorded_by else []
    return standing(found)


def _until(changes: Sequence[MemoryChange], day: str) -> list[MemoryChange]:
    return [change for change in changes if change.when[:10] <= day]
