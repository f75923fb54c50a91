"""MemoryEngine: the core blocks that go into every prompt, and archival passages, as Markdown files.

A person may edit these files at any time with any editor. Their edit wins: it is seen by the digest of what was written
last, is taken up before anything else is written, and is never overwritten. Every write is in the log of changes first.
"""

from __future__ import annotations

from dataclasses import replace

from llmos.core.core_block import (
    CoreBlock,
    parse_item,
)
from llmos.core.errors import UsageError
from llmos.core.memory_change import ARCHIVAL, CORE, ItemEdit, MemoryChange
from llmos.memory.block_store import BlockStore
from llmos.memory.memory_files import Writer
from llmos.memory.passage_files import load_passage
from llmos.memory.passage_store import PassageStore, text_of

__all__ = ["MemoryEngine", "Writer"]


class MemoryEngine(BlockStore, PassageStore):
    """The core and archival tiers of one workspace."""

    def core_text(self) -> str:
        """The core blocks as they go into the system prompt; empty when there is nothing, or memory is off."""
        shown = [(block.label, block.prompt_text) for block in self.blocks()] if self.on else []
        return "\n".join(f"[{label}]\n{text}" for label, text in shown if text)

    def undo(self, identifier: str, writer: Writer) -> list[MemoryChange]:
        """Take back the change, or the group of changes, with this id. The changes that did it.

        Raises UsageError when there is none, or something that it wrote was changed since.
        """
        wanted = [one for one in self.log.all() if identifier and identifier in (one.id, one.group)]
        if not wanted:
            raise UsageError(f"there is no change {identifier!r}; `llmos memory log` shows them")
        self._require_writable(writer)
        before = len(self.log.all())
        for change in reversed(wanted):
            self._undo_one(change, writer)
        return self.log.all()[before:]

    def _undo_one(self, change: MemoryChange, writer: Writer) -> None:
        if change.target.startswith(ARCHIVAL):
            edit = change.edits[0]
            with self._locked():
                path = self.passage_path(edit.item)
                if text_of(path) != edit.after:
                    raise UsageError(f"the passage {edit.item} was changed after that; undo the later change first")
                self._write_archival_file(edit.item, edit.before, writer, undoes=change.id)
            if edit.before is None and edit.after is not None:
                passage = load_passage(edit.after.encode(), identifier=edit.item, name=edit.item)
                self.tombstones.bar(passage.text, [one.message for one in passage.sources], writer.when)
            return

        def restored(block: CoreBlock) -> CoreBlock:
            for edit in change.edits:
                item = block.find(edit.item)
                if (item.line if item else None) != edit.after:
                    raise UsageError(
                        f"the item {edit.item} of {block.label} was changed after that; undo the later change first"
                    )
                before = parse_item(edit.before) if edit.before is not None else None
                block = block.with_item(before) if before is not None else block.without_item(edit.item)
            return block

        self.edit_block(change.target.removeprefix(CORE), restored, replace(writer, why=f"undid {change.id}"))
        self._bar_removed([ItemEdit(edit.item, edit.after, edit.before) for edit in change.edits], writer.when)
