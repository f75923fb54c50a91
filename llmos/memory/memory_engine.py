"""MemoryEngine: the core blocks that go into every prompt, and archival passages, as Markdown files.

A person may edit these files at any time with any editor. Their edit wins: it is seen by the digest of what was written
last, is taken up before anything else is written, and is never overwritten. Every write is in the log of changes first.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
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
from llmos.core.memory_change import ARCHIVAL, CORE, ItemEdit, MemoryChange, line_edits, lines_after
from llmos.core.memory_tiers import TierRules
from llmos.core.passage import HOLDING, Passage, PassageState, Source, passage_id, standing
from llmos.memory.block_files import dump_block, load_block
from llmos.memory.files import MissingFileError, make_private_folder, read_bounded, show_path, write_atomic
from llmos.memory.locks import StoreLock
from llmos.memory.memory_log import ChangeLog
from llmos.memory.mending import Mending
from llmos.memory.passage_files import MAX_BYTES, dump_passage, load_passage
from llmos.memory.quarantine import Quarantine
from llmos.memory.redaction import redactor
from llmos.memory.tombstones import Tombstones

_RACES = 5
"""How often a file may change under a write before it is given up."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who changes memory, when and why; `group` joins the changes of one update."""

    when: datetime
    why: str
    by: str = "consolidation"
    group: str = ""

    @property
    def day(self) -> str:
        return self.when.date().isoformat()


class MemoryEngine:
    """The core and archival tiers of one workspace. `on` is the setting `memory`; frozen, nothing is written."""

    def __init__(
        self,
        core_folder: Path,
        archival_folder: Path,
        *,
        rules: TierRules = TierRules(),  # noqa: B008 (frozen)
        session: str = "",
        on: bool = True,
        frozen: bool = False,
        quarantine: Quarantine | None = None,
    ) -> None:
        self._core = core_folder
        self._archival = archival_folder
        self.session = session
        self._frozen = frozen
        self._parsed: dict[str, tuple[tuple[int, int], Passage]] = {}
        self.rules = rules
        self.on = on
        self.log = ChangeLog(core_folder.parent / "changes.jsonl")
        self.tombstones = Tombstones(core_folder.parent / "tombstones.jsonl")
        self.problems: list[str] = []
        """A sentence for each passage that could not be read."""
        self._mending = Mending(self.log, self._locked, None if frozen else quarantine)

    # ------------------------------------------------------------------------------------------------- core blocks

    def core_text(self) -> str:
        """The core blocks as they go into the system prompt; empty when there is nothing, or memory is off."""
        shown = [(block.label, block.prompt_text) for block in self.blocks()] if self.on else []
        return "\n".join(f"[{label}]\n{text}" for label, text in shown if text)

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

    # -------------------------------------------------------------------------------------------------- archival

    def passages(self) -> list[Passage]:
        """All archival passages that can be read, by id."""
        self.problems = []
        found: dict[str, tuple[tuple[int, int], Passage]] = {}
        for path in self.passage_files():
            try:
                status = path.stat()
                stamp = (status.st_mtime_ns, status.st_size)
                known = self._parsed.get(path.stem)
                if known is None or known[0] != stamp:
                    known = stamp, self._mending.read(path, ARCHIVAL + path.stem, partial(self._load, path))
                found[path.stem] = known
            except (StoreError, OSError) as error:
                self.problems.append(str(error))
        self._parsed = found
        return standing(passage for _, passage in found.values())

    def passage(self, identifier: str) -> Passage:
        """The passage with this id, or unambiguous beginning of one. Raises UsageError."""
        found = [one for one in self.passages() if one.id.startswith(identifier)] if identifier else []
        whole = [one for one in found if one.id == identifier] or found
        if len(whole) != 1:
            many = f"could be {len(whole)} passages" if whole else "is no archival passage"
            raise UsageError(f"{identifier!r} {many}; `llmos memory list archival` shows them")
        return whole[0]

    def passage_files(self) -> list[Path]:
        return sorted(self._archival.glob("*.md"))

    def has_passage(self, identifier: str) -> bool:
        return self.passage_path(identifier).exists()

    def passage_path(self, identifier: str) -> Path:
        return self._archival / f"{identifier}.md"

    def add_archival_memory(self, passage: Passage, writer: Writer) -> Passage:
        """Store one passage for good; said again it is the same passage with one more source. What is stored then.

        The id is made from the text. Raises UsageError for an empty passage, StoreError when it cannot be written.
        """
        if not passage.text.strip():
            raise UsageError("there is nothing to remember: the passage is empty")
        self._require_writable(writer)
        make_private_folder(self._archival)
        text = redactor().text(passage.text.strip())  # its name is made from it
        with self._locked():
            identifier, there = self._place_of(text, {source.message for source in passage.sources})
            if there is not None and there.state not in HOLDING:
                return there
            if there is not None:
                more = _borne_out(there, passage, self.rules)
                return there if more == there else self._write_passage(more, writer)
            recorded = writer.when.isoformat(timespec="seconds")
            return self._write_passage(replace(passage, id=identifier, text=text, recorded_at=recorded), writer)

    def change_passage(self, identifier: str, update: Callable[[Passage], Passage], writer: Writer) -> Passage:
        """Change what is known of a passage (its state, dates, sources), never its text. Raises StoreError."""
        self._require_writable(writer)
        with self._locked():
            before = self._load(self.passage_path(identifier))
            after = replace(update(before), id=before.id, text=before.text)
            return before if after == before else self._write_passage(after, writer)

    def bear_out(self, identifier: str, sources: Sequence[Source], writer: Writer) -> Passage:
        """These messages say the same as a passage, in other words: they become its sources."""
        again = Passage("", "", sources=tuple(sources))
        return self.change_passage(identifier, lambda one: _borne_out(one, again, self.rules), writer)

    def close_passage(self, identifier: str, day: str, writer: Writer) -> Passage:
        """From this day on another holds in its place."""

        def closed(one: Passage) -> Passage:
            return replace(one, state=PassageState.SUPERSEDED, valid_to=one.valid_to or day, block="")

        return self.change_passage(identifier, closed, writer)

    def remove_passage(self, identifier: str, writer: Writer) -> None:
        """Delete the file of a passage; the log still knows it. Raises StoreError."""
        self._require_writable(writer)
        with self._locked():
            self._write_archival_file(identifier, None, writer)

    # ------------------------------------------------------------------------------------------------------ undoing

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
                if _text_of(path) != edit.after:
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

    # ------------------------------------------------------------------------------------------------------- files

    def _locked(self) -> StoreLock:
        folder = self._core.parent
        make_private_folder(folder)
        return StoreLock(folder / ".lock")

    def _require_writable(self, writer: Writer) -> None:
        if self._frozen:
            raise UsageError("--freeze forbids to write to memory")
        if not self.on and writer.by != "person":
            raise UsageError("memory is off (`memory: off` in config.yaml)")

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
        now = _digest(data)
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
        self._record(replace(writer, why=why, by=by), CORE + label, edits, last.digest if last else now, _digest(after))
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
        change = self._record(writer, CORE + after.label, line_edits(old, new), _digest(data), _digest(written))
        write_atomic(self._path(after.label), written)
        return change

    def _record(
        self,
        writer: Writer,
        target: str,
        edits: tuple[ItemEdit, ...],
        digest_before: str,
        digest: str,
        undoes: str = "",
    ) -> MemoryChange:
        change = MemoryChange(
            id=secrets.token_hex(4),
            when=writer.when.isoformat(timespec="seconds"),
            by=writer.by,
            why=writer.why,
            target=target,
            edits=edits,
            digest_before=digest_before,
            digest=digest,
            group=writer.group,
            session=self.session,
            undoes=undoes,
        )
        self.log.append(change)
        return change

    def _load(self, path: Path) -> Passage:
        return load_passage(read_bounded(path, MAX_BYTES), identifier=path.stem, name=str(path))

    def _place_of(self, text: str, said: set[str]) -> tuple[str, Passage | None]:
        """The id for a text, and the passage there that says the same.

        One that holds no more counts only for the messages that it rests on: it does not come back from them.
        """
        stem, number = passage_id(text), 1
        while True:
            identifier = stem if number == 1 else f"{stem}-{number}"
            path = self.passage_path(identifier)
            if not path.exists():
                return identifier, None
            there = next((one for one in self.passages() if one.id == identifier), None)
            known = {source.message for source in there.sources} if there is not None else set()
            if there is not None and (there.state in HOLDING or (said and said <= known)):
                return identifier, there
            number += 1

    def _write_passage(self, passage: Passage, writer: Writer) -> Passage:
        self._write_archival_file(passage.id, dump_passage(passage).decode(), writer)
        return passage

    def _write_archival_file(self, identifier: str, text: str | None, writer: Writer, undoes: str = "") -> None:
        path = self.passage_path(identifier)
        before = _text_of(path)
        if before == text:
            return
        edits = (ItemEdit(identifier, before, text),)
        digests = (_digest(before and before.encode()), _digest(text and text.encode()))
        self._record(writer, ARCHIVAL + identifier, edits, *digests, undoes)
        if text is None:
            path.unlink(missing_ok=True)
        else:
            write_atomic(path, text.encode())


def _borne_out(there: Passage, again: Passage, rules: TierRules) -> Passage:
    """A passage after it was said again: with the new sources, and what it was said against."""
    known = {source.message for source in there.sources}
    fresh = [source for source in again.sources if source.message not in known]
    strength = round(rules.archival.strength_after(there.strength, 1.0), 6) if fresh else there.strength
    return replace(
        there,
        sources=(*there.sources, *fresh),
        strength=strength,
        supersedes=tuple(dict.fromkeys((*there.supersedes, *again.supersedes))),
        disputes=tuple(dict.fromkeys((*there.disputes, *again.disputes))),
        state=PassageState.DISPUTED if again.state is PassageState.DISPUTED else there.state,
    )


def _text_of(path: Path) -> str | None:
    try:
        return read_bounded(path, MAX_BYTES).decode("utf-8", "replace")
    except MissingFileError:
        return None


def _digest(data: bytes | str | None) -> str:
    if data is None:
        return ""
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()[:16]
