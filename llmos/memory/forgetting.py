"""Forgetting: one thing out of every place where memory holds it, and a tombstone so that it does not come back.

Provenance is followed: from an item or passage to the messages that it came from, from a message to what was made of
it. What merely stands beside it stays. What is to be taken out is in a journal first, so that after a crash the rest is
taken out as well: by the next `forget`, or by `llmos doctor --repair`.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from llmos.core.core_block import CoreItem, named_items
from llmos.core.dataclass import dataclass
from llmos.core.errors import StoreError, UsageError
from llmos.core.memory_change import ItemEdit, MemoryChange
from llmos.core.memory_text import fingerprint, stems, words_pattern
from llmos.core.passage import Passage
from llmos.memory.agent_logs import agent_path, all_transcripts, asked_in, name_of
from llmos.memory.files import remove_stale_temporaries, show_path, write_atomic
from llmos.memory.locks import StoreLock
from llmos.memory.memory_engine import MemoryEngine, Writer
from llmos.memory.recall import Recall
from llmos.memory.recall_reader import RecallMessage
from llmos.memory.transcript import read_transcript
from llmos.memory.transcript_words import FORGOTTEN, blank, holds
from llmos.memory.unfinished import Unfinished
from llmos.memory.workspace import Workspace

_ALIKE = 0.6
"""Share of words from which two texts of one message say the same."""


@dataclass(frozen=True, slots=True)
class Forgettable:
    """What would be taken out: shown to the person first."""

    items: tuple[tuple[str, CoreItem], ...]
    """With the label of the block."""
    passages: tuple[Passage, ...]
    messages: tuple[RecallMessage, ...]
    """The person's messages, each with the whole turn that it began."""
    beside: tuple[str, ...]
    """What rests on the same messages and says something else: it stays."""

    @property
    def texts(self) -> tuple[str, ...]:
        said = [item.text for _, item in self.items] + [passage.text for passage in self.passages]
        said += [source.quote for passage in self.passages for source in passage.sources]
        return tuple(dict.fromkeys(text for text in said if text))

    @property
    def is_empty(self) -> bool:
        return not (self.items or self.passages or self.messages)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was taken out."""

    records: int
    """Lines of transcripts."""
    transcripts: int
    changes: int
    """Lines of the log of changes."""
    still: tuple[str, ...]
    """Saved runs that hold the words: they are the person's to delete."""


@dataclass(frozen=True, slots=True)
class _Intent:
    """What is to be taken out, as it stands in the journal until it is."""

    when: str
    texts: list[str]
    items: list[list[str]]
    """Label of the block and id of the item."""
    passages: list[str]
    messages: list[list[Any]]
    """Session and `seq`."""


class Forgetting:
    """Over one workspace. `prefixes` is the folder where embedded models keep what they have read of prompts."""

    def __init__(self, workspace: Workspace, memory: MemoryEngine, recall: Recall, prefixes: Path) -> None:
        self._workspace = workspace
        self._memory = memory
        self._recall = recall
        self._prefixes = prefixes
        self._journal = Unfinished(workspace.memories)

    def look(self, identifiers: Sequence[str]) -> Forgettable:
        """What these ids (of items, passages, or messages as `session:seq`) lead to. Raises UsageError."""
        index = self._recall.refresh()
        items = {item.id: (block.label, item) for block in self._memory.blocks() for item in named_items(block)}
        passages = {passage.id: passage for passage in self._memory.passages()}
        chosen_items, chosen_passages, names = dict[str, tuple[str, CoreItem]](), dict[str, Passage](), list[str]()
        for identifier in identifiers:
            if identifier in items:
                chosen_items[identifier] = items[identifier]
                names += items[identifier][1].evidence
            elif index.named(identifier) is not None:
                names.append(identifier)
            else:
                passage = self._memory.passage(identifier)
                chosen_passages[passage.id] = passage
                names += [source.message for source in passage.sources]
        messages = [message for name in dict.fromkeys(names) if (message := index.named(name)) is not None]
        texts = [item.text for _, item in chosen_items.values()] + [one.text for one in chosen_passages.values()]
        whole = not texts
        beside = []
        for item_id, (label, item) in items.items():
            if item_id not in chosen_items and (why := _related(item.text, item.evidence, names, texts, whole)):
                if why == "same":
                    chosen_items[item_id] = (label, item)
                else:
                    beside.append(f"{item_id} {item.text}")
        for passage in passages.values():
            said_in = [source.message for source in passage.sources]
            if passage.id not in chosen_passages and (why := _related(passage.text, said_in, names, texts, whole)):
                if why == "same":
                    chosen_passages[passage.id] = passage
                else:
                    beside.append(f"{passage.id} {passage.text}")
        return Forgettable(
            tuple(chosen_items.values()), tuple(chosen_passages.values()), tuple(messages), tuple(beside)
        )

    def forget(self, what: Forgettable, when: datetime) -> Forgotten:
        """Take it out. It cannot be undone. Raises StoreError, UsageError."""
        if what.is_empty:
            raise UsageError("there is nothing of it to forget")
        self.finish()
        intent = _Intent(
            when=when.isoformat(),
            texts=[*what.texts, *(message.text for message in what.messages)],
            items=[[label, item.id] for label, item in what.items],
            passages=[passage.id for passage in what.passages],
            messages=[[message.session, message.seq] for message in what.messages],
        )
        self._journal.begin(asdict(intent))
        done = self._carry_out(intent)
        self._journal.end()
        return done

    def finish(self) -> Forgotten | None:
        """Carry out the rest of one that was cut off; None where none was. Raises StoreError."""
        change = self._journal.open()
        try:
            if change is None:
                return None
            done = self._carry_out(_Intent(**change))
            self._recall.index.start_over()  # which of its rows the first try came to, nobody knows
            self._journal.end()
            return done
        except (TypeError, ValueError) as error:
            raise StoreError(f"{show_path(self._journal.path)} is not of this version: {error}") from None

    def _carry_out(self, intent: _Intent) -> Forgotten:
        """Each part finds done what an earlier try did."""
        when = datetime.fromisoformat(intent.when)
        names = [f"{session}:{seq}" for session, seq in intent.messages]
        for text in intent.texts:
            self._memory.tombstones.bar(text, names, when)
        self._unwrite(intent, when)
        changes = self._clean_log(intent)
        records, transcripts = self._clean_transcripts(intent)
        self._clean_derived(intent.texts)
        self._clean_half_written()
        return Forgotten(records, transcripts, changes, tuple(self._traces_with(intent.texts)))

    # ------------------------------------------------------------------------------------------------------ places

    def _unwrite(self, intent: _Intent, when: datetime) -> None:
        """Take items and passages out of their files, and their ids out of the passages that name them."""
        writer = Writer(when, "forgotten", "person")
        for label, item in intent.items:
            self._memory.edit_block(label, lambda block, item=item: block.without_item(item), writer)  # type: ignore[misc]
        gone = set(intent.passages)
        for passage in self._memory.passages():
            if passage.id not in gone and gone & {*passage.supersedes, *passage.disputes}:
                self._memory.change_passage(passage.id, lambda one: _without_ids(one, gone), writer)
        for identifier in sorted(gone):
            if self._memory.passage_path(identifier).exists():
                self._memory.remove_passage(identifier, writer)

    def _clean_log(self, intent: _Intent) -> int:
        """Take ids and words out of the log of changes; how many of its lines changed."""
        ids = {item for _, item in intent.items} | set(intent.passages)
        names = sorted(set(intent.passages), key=len, reverse=True)
        patterns = [pattern for text in intent.texts if (pattern := words_pattern(text)) is not None]

        def clean(text: str | None) -> str | None:
            for name in names if text else ():
                text = (text or "").replace(name, "forgotten")
            for pattern in patterns if text else ():
                text = pattern.sub(FORGOTTEN, text or "")
            return text

        def cleaned(change: MemoryChange) -> MemoryChange:
            edits = tuple(
                ItemEdit(edit.item, clean(edit.before), clean(edit.after))
                for edit in change.edits
                if edit.item not in ids
            )
            return replace(change, edits=edits, target=clean(change.target) or "", why=clean(change.why) or "")

        with StoreLock(self._workspace.memories / ".lock"):
            before = self._memory.log.all()
            after = [cleaned(change) for change in before]
            self._memory.log.replace_all(after)
        return sum(one != other for one, other in zip(before, after, strict=True))

    def _clean_transcripts(self, intent: _Intent) -> tuple[int, int]:
        recall = self._workspace.recall
        paths = all_transcripts(recall)
        turns = {path: _said_in(path, intent) for path in paths}
        records, changed = 0, []
        for path in list(turns):
            _follow(path, turns)
        for path in paths:
            if count := blank(path, turns[path], intent.texts):
                records += count
                changed.append(path.relative_to(recall).as_posix())
        for name in changed:
            self._recall.index.drop(name)
        self._recall.refresh()
        return records, len(changed)

    def _clean_derived(self, texts: Sequence[str]) -> None:
        """What the person typed, and the models' caches, which hold the prompt in a form that is not text."""
        derived = self._workspace.derived
        # Vectors are named after the words of their passages.
        for folder in (self._prefixes, derived / "chroma"):
            shutil.rmtree(folder, ignore_errors=True)
        if not self._recall.index.on_disk:  # memory is off: an index of before is made again when it is on
            for path in (*derived.glob("memory.sqlite*"), *derived.glob("message_vectors.*")):
                path.unlink(missing_ok=True)
        history = derived / "history"
        patterns = [pattern for text in texts if (pattern := words_pattern(text)) is not None]
        with suppress(OSError):
            said = history.read_text("utf-8")
            left = said
            for pattern in patterns:
                left = pattern.sub(FORGOTTEN, left)
            if left != said:
                write_atomic(history, left.encode("utf-8"))

    def _clean_half_written(self) -> None:
        """What a writer that was killed left beside the files; who writes there now holds the lock."""
        space = self._workspace
        with StoreLock(space.memories / ".lock"):
            for folder in (space.memories, space.core_blocks, space.archival, space.derived):
                remove_stale_temporaries(folder, now=math.inf)

    def _traces_with(self, texts: Sequence[str]) -> Iterable[str]:
        folder = self._workspace.traces
        return [path.stem for path in sorted(folder.glob("*.yaml")) if holds(path, texts)] if folder.is_dir() else []


def _said_in(path: Path, intent: _Intent) -> list[int]:
    return [seq for session, seq in intent.messages if name_of(path).endswith(f"-{session}")]


def _follow(path: Path, turns: dict[Path, list[int]]) -> None:
    """Add the turns of agents that were asked in these turns: what was said there came from what was said here."""
    if not turns[path]:
        return
    records = list(read_transcript(path, lambda _: None))
    for agent, number in asked_in(records, frozenset(turns[path])):
        of = agent_path(path, agent)
        starts = [
            int(record["seq"])
            for record in (read_transcript(of, lambda _: None) if of in turns else ())
            if record.get("event") == "turn_started"
        ]
        if 0 < number <= len(starts) and starts[number - 1] not in turns[of]:
            turns[of].append(starts[number - 1])
            _follow(of, turns)


def _related(text: str, said_in: Iterable[str], names: Sequence[str], texts: Sequence[str], whole: bool) -> str:
    """How something stands to what is forgotten: `same`, `beside` (of the same messages), or not at all."""
    shares = bool(set(said_in) & set(names))
    if whole:
        return "same" if shares else ""
    mine = stems(text)
    for other in texts:
        theirs = stems(other)
        if fingerprint(text) == fingerprint(other):
            return "same"
        if shares and len(mine & theirs) >= _ALIKE * max(1, min(len(mine), len(theirs))):
            return "same"
    return "beside" if shares else ""


def _without_ids(passage: Passage, gone: set[str]) -> Passage:
    supersedes, disputes = (tuple(i for i in ids if i not in gone) for ids in (passage.supersedes, passage.disputes))
    return replace(passage, supersedes=supersedes, disputes=disputes)
