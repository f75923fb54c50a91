"""The archival passages as files: one Markdown file a fact, whose text never changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from llmos.core.errors import StoreError, UsageError
from llmos.core.memory_change import ARCHIVAL, ItemEdit
from llmos.core.memory_tiers import TierRules
from llmos.core.nearest import did_you_mean
from llmos.core.passage import HOLDING, Passage, PassageState, Source, passage_id, standing
from llmos.memory.files import MissingFileError, make_private_folder, read_bounded, write_atomic
from llmos.memory.memory_files import MemoryFiles, Writer, digest_of
from llmos.memory.passage_files import MAX_BYTES, dump_passage, load_passage
from llmos.memory.redaction import redactor


class PassageStore(MemoryFiles):
    """Reads and writes the archival passages of one workspace."""

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
            shown = "`llmos memory list archival` shows them"
            near = shown if whole else did_you_mean(identifier, (one.id for one in self.passages()), shown)
            raise UsageError(f"{identifier!r} {many}; {near}")
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
        before = text_of(path)
        if before == text:
            return
        edits = (ItemEdit(identifier, before, text),)
        digests = (digest_of(before and before.encode()), digest_of(text and text.encode()))
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


def text_of(path: Path) -> str | None:
    try:
        return read_bounded(path, MAX_BYTES).decode("utf-8", "replace")
    except MissingFileError:
        return None
