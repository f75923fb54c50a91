"""The core blocks as files. A person may edit them at any time with any editor: their edit wins.

It is seen by the digest of what was written last, is taken up before anything else is written, and never overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from llmos.core.core_block import (
    BLOCKS,
    DEFAULT_LIMIT,
    DESCRIPTIONS,
    CoreBlock,
    identified,
    parse_item,
)
from llmos.core.core_edits import CoreEdit, EditsDone, apply_edits
from llmos.core.errors import StoreError, UsageError
from llmos.core.memory_change import CORE, ItemEdit, MemoryChange, line_edits, lines_after
from llmos.memory.block_files import dump_block, load_block
from llmos.memory.files import MissingFileError, make_private_folder, read_bounded, show_path, write_atomic
from llmos.memory.memory_files import MemoryFiles, Writer, digest_of
from llmos.memory.passage_files import MAX_BYTES

_RACES = 5
"""How often a file may change under a write before it is given up."""


class BlockStore(MemoryFiles):
    """Reads and writes the core blocks of one workspace."""

    def blocks(self) -> list[CoreBlock]:
        """All core blocks that can be read, as their files are now; the others are told once."""
        found = []
        for label in BLOCKS:
            with suppress(StoreError):
                found.append(self._mending.read(self._path(label), CORE + label, partial(self.block, label)))
        return found

    def block(self, label: str) -> CoreBlock:
        """One block as its file is now; empty where there is no file. Raises UsageError, StoreError."""
        return self._read_block(label)[0]

    def update_core_memory(self, label: str, edits: Sequence[CoreEdit], writer: Writer) -> EditsDone:
        """Change a core block within the rules of its tier; what was refused is in the result, with why.

        Raises UsageError for an unknown block, StoreError when it cannot be read or written.
        """
        made: list[EditsDone] = []

        def update(block: CoreBlock) -> CoreBlock:
            made[:] = [apply_edits(block, edits, self.rules.core, writer.day)]
            return made[0].block

        self.edit_block(label, update, writer)
        return made[0]

    def edit_block(self, label: str, update: Callable[[CoreBlock], CoreBlock], writer: Writer) -> MemoryChange | None:
        """Change a block by any rule, or none: for a person's own command. What changed, None where nothing did.

        `update` gets the block with the person's edits taken up, and may be called again where the file changed under
        it. Raises UsageError, StoreError.
        """
        self._require_writable(writer)
        make_private_folder(self._core)
        with self._locked():
            for _ in range(_RACES):
                block, data = self._take_up(label, writer)
                after = update(block)
                if after == block:
                    return None
                after = replace(after, updated=writer.when.isoformat(timespec="seconds"))
                if self._bytes_of(label) == data:
                    return self._write_block(block, after, data, writer)
        raise StoreError(f"{show_path(self._path(label))} is being changed by another program; try again")

    def take_up_edits(self, when: datetime) -> list[MemoryChange]:
        """Take up what a person changed in the files of the blocks; the changes."""
        before = len(self.log.all())
        writer = Writer(when, "edited by hand", "person")
        self._require_writable(writer)
        make_private_folder(self._core)
        with self._locked():
            for label in BLOCKS:
                self._take_up(label, writer)
        return self.log.all()[before:]

    def _path(self, label: str) -> Path:
        if label not in BLOCKS:
            raise UsageError(f"there is no core block {label!r}; there are {', '.join(BLOCKS)}")
        return self._core / f"{label}.md"

    def _bytes_of(self, label: str) -> bytes | None:
        try:
            return read_bounded(self._path(label), MAX_BYTES)
        except MissingFileError:
            if self._path(label).is_symlink():  # not taken out by a person, but out of reach
                raise
            return None

    def _read_block(self, label: str) -> tuple[CoreBlock, bytes | None]:
        data = self._bytes_of(label)
        if data is None:
            return CoreBlock(label, description=DESCRIPTIONS[label], limit=DEFAULT_LIMIT), None
        return load_block(data, label=label, name=str(self._path(label))), data

    def _take_up(self, label: str, writer: Writer) -> tuple[CoreBlock, bytes | None]:
        """The block, with what a person changed since the last write on record and every item with an id.

        The caller holds the lock.
        """
        block, data = self._read_block(label)
        changes = [change for change in self.log.all() if change.target == CORE + label]
        last = changes[-1] if changes else None
        now = digest_of(data)
        if last is not None and now == last.digest:
            return block, data
        known = lines_after(changes, CORE + label)
        cut_off = last is not None and now == last.digest_before
        if not cut_off:
            block = identified(block, known, writer.day)
        edits = line_edits(known, {item.id: item.line for item in block.items})
        if not edits:
            return block, data
        why, by = ("the write before it was cut off", "machine") if cut_off else ("edited by hand", "person")
        after = data if cut_off or data is None else dump_block(block)
        self._record(
            replace(writer, why=why, by=by), CORE + label, edits, last.digest if last else now, digest_of(after)
        )
        if after is not None and after != data:
            write_atomic(self._path(label), after)
        if not cut_off:
            self._bar_removed(edits, writer.when)
        return block, after

    def _bar_removed(self, edits: Sequence[ItemEdit], when: datetime) -> None:
        """What a person took out of a block is not to come back from the messages that it came from."""
        for edit in edits:
            old, new = (parse_item(line) if line is not None else None for line in (edit.before, edit.after))
            if old is not None and old.text != (new.text if new else ""):
                self.tombstones.bar(old.text, old.evidence, when)

    def _write_block(self, before: CoreBlock, after: CoreBlock, data: bytes | None, writer: Writer) -> MemoryChange:
        old, new = ({item.id: item.line for item in block.items} for block in (before, after))
        written = dump_block(after)
        change = self._record(writer, CORE + after.label, line_edits(old, new), digest_of(data), digest_of(written))
        write_atomic(self._path(after.label), written)
        return change
